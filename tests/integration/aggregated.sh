#!/bin/bash
# SPDX-License-Identifier: MIT
# Many machines' journals in one folder, as a real systemd-journal-remote collects them over HTTP (aggregated.py).
# shellcheck source=tests/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh" || exit 99
[ -x /lib/systemd/systemd-journal-remote ] || skip_all "needs /lib/systemd/systemd-journal-remote"
run_python
