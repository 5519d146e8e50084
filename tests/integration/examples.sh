#!/bin/bash
# SPDX-License-Identifier: MIT
# The programs of examples/ that need no framework: workers are killed while they log, and no line is lost.
# (Those of frameworks: make interop INTEROP_PARTS=tests/interop/frameworks.)
# shellcheck source=tests/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh" || exit 99
needs_root_journald "$@"
run_python
