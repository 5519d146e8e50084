#!/bin/bash
# SPDX-License-Identifier: MIT
# What the destination refuses, or breaks on, for itself is found, put into quarantine, and keeps nothing else back.
# shellcheck source=tests/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh" || exit 99
[ -x /lib/systemd/systemd-journal-remote ] || skip_all "needs /lib/systemd/systemd-journal-remote"
run_python
