#!/bin/bash
# SPDX-License-Identifier: MIT
# What a machine sends late into a folder of several machines' files, and what damage takes of it (behind.py).
# shellcheck source=tests/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh" || exit 99
[ -x /lib/systemd/systemd-journal-remote ] || skip_all "needs /lib/systemd/systemd-journal-remote"
run_python
