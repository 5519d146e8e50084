#!/bin/bash
# SPDX-License-Identifier: MIT
# A power loss at any moment of azmonlog's life beside a real journald loses nothing. POWERLOSS=all tries every state that the disk could be in.
# shellcheck source=tests/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh" || exit 99
export JOURNALD_START=no
needs_root_journald "$@"
run_python
