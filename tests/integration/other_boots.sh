#!/bin/bash
# SPDX-License-Identifier: MIT
# Files that sort before what has been read, and a clock that jumps back inside a file (other_boots.py).
# shellcheck source=tests/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh" || exit 99
[ -x /lib/systemd/systemd-journal-remote ] || skip_all "needs /lib/systemd/systemd-journal-remote"
run_python
