#!/bin/bash
# SPDX-License-Identifier: MIT
# [redact]: what is secret leaves neither by the network nor by any file of azmonlog's (redact.py).
# shellcheck source=tests/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh" || exit 99
[ -x /lib/systemd/systemd-journal-remote ] || skip_all "needs /lib/systemd/systemd-journal-remote"
run_python
