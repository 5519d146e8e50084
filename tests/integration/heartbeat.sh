#!/bin/bash
# SPDX-License-Identifier: MIT
# Heartbeats of a real azmonlog: what they say and when, that at most one waits, and that they move no position.
# shellcheck source=tests/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh" || exit 99
[ -x /lib/systemd/systemd-journal-remote ] || skip_all "needs /lib/systemd/systemd-journal-remote"
run_python
