#!/bin/bash
# SPDX-License-Identifier: MIT
# [destination] with a list of several places: each host sends to one of them, always the same (places.py).
# shellcheck source=tests/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh" || exit 99
[ -x /lib/systemd/systemd-journal-remote ] || skip_all "needs /lib/systemd/systemd-journal-remote"
run_python
