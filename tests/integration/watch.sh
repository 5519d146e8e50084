#!/bin/bash
# SPDX-License-Identifier: MIT
# azmonlog status --watch in a terminal (tmux): keys are sent, and the screen is looked at.
# shellcheck source=tests/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh" || exit 99
[ -x /lib/systemd/systemd-journal-remote ] || skip_all "needs /lib/systemd/systemd-journal-remote"
command -v tmux >/dev/null || skip_all "tmux is not installed"
if "$AZMONLOG" status --watch 2>&1 </dev/null | grep -q "built without ncurses"; then skip_all "built without ncurses"; fi
run_python
