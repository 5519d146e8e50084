#!/bin/bash
# SPDX-License-Identifier: MIT
# Rotation, vacuum and deleted files: what goes away unread is counted, exactly and once; what does not is not (vacuum.py).
# shellcheck source=tests/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh" || exit 99
export JOURNALD_START=no
needs_root_journald "$@"
run_python
