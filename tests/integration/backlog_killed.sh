#!/bin/bash
# SPDX-License-Identifier: MIT
# SIGKILL while a backlog is delivered as fast as it goes (backlog_killed.py).
# shellcheck source=tests/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh" || exit 99
[ -x /lib/systemd/systemd-journal-remote ] || skip_all "needs /lib/systemd/systemd-journal-remote"
run_python
