#!/bin/bash
# SPDX-License-Identifier: MIT
# Power loss, reboot, a journal that begins anew: nothing new is hidden by the old position (rollback.py).
# shellcheck source=tests/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh" || exit 99
export JOURNALD_START=no
needs_root_journald "$@"
run_python
