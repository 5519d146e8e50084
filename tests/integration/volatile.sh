#!/bin/bash
# SPDX-License-Identifier: MIT
# The journal moves from /run to /var: nothing is lost, next to nothing is sent twice (volatile.py).
# shellcheck source=tests/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh" || exit 99
export JOURNALD_START=no
needs_root_journald "$@"
run_python
