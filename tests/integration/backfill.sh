#!/bin/bash
# SPDX-License-Identifier: MIT
# azmonlog backfill: a stretch of the past, exact at both ends, beside the service, killed and resumed; what a dry run says; what a
# terminal shows (backfill.py).
# shellcheck source=tests/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh" || exit 99
[ -x /lib/systemd/systemd-journal-remote ] || skip_all "needs /lib/systemd/systemd-journal-remote"
export JOURNALD_START=no
needs_root_journald "$@"
run_python
