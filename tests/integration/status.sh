#!/bin/bash
# SPDX-License-Identifier: MIT
# azmonlog status of a real azmonlog that is well, behind, held, throttled and down: text, JSON, exit code, colours.
# shellcheck source=tests/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh" || exit 99
[ -x /lib/systemd/systemd-journal-remote ] || skip_all "needs /lib/systemd/systemd-journal-remote"
run_python
