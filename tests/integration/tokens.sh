#!/bin/bash
# SPDX-License-Identifier: MIT
# Whatever happens to tokens and to who issues them, nothing is lost, nobody is asked too often, and no secret is shown.
# shellcheck source=tests/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh" || exit 99
[ -x /lib/systemd/systemd-journal-remote ] || skip_all "needs /lib/systemd/systemd-journal-remote"
run_python
