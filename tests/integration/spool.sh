#!/bin/bash
# SPDX-License-Identifier: MIT
# While delivery fails for long, records are safe in the spool, whatever becomes of the journal and of azmonlog.
# shellcheck source=tests/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh" || exit 99
[ -x /lib/systemd/systemd-journal-remote ] || skip_all "needs /lib/systemd/systemd-journal-remote"
run_python
