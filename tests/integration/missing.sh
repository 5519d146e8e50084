#!/bin/bash
# SPDX-License-Identifier: MIT
# Damaged files: what is missing is counted by sequence numbers, within reason (missing.py).
# shellcheck source=tests/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh" || exit 99
[ -x /lib/systemd/systemd-journal-remote ] || skip_all "needs /lib/systemd/systemd-journal-remote"
run_python
