#!/bin/bash
# SPDX-License-Identifier: MIT
# azmonlog check names the step that is in the way, and what to do about it.
# shellcheck source=tests/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh" || exit 99
[ -x /lib/systemd/systemd-journal-remote ] || skip_all "needs /lib/systemd/systemd-journal-remote"
chmod 711 "$work" # another user looks at some of it
run_python
