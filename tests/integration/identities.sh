#!/bin/bash
# SPDX-License-Identifier: MIT
# Every kind of identity gets a token of its kind, and records in, at every kind of destination.
# shellcheck source=tests/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh" || exit 99
[ -x /lib/systemd/systemd-journal-remote ] || skip_all "needs /lib/systemd/systemd-journal-remote"
run_python
