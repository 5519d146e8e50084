#!/bin/bash
# SPDX-License-Identifier: MIT
# libsystemd says nothing of a journal file that it cannot open for want of a descriptor; its entries must not be passed over.
# shellcheck source=tests/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh" || exit 99
export JOURNALD_START=no
needs_root_journald "$@"
run_python
