#!/bin/bash
# SPDX-License-Identifier: MIT
# examples/python/journal_handler.py: what a program logs with it is what journald has.
# shellcheck source=tests/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh" || exit 99
needs_root_journald "$@"
run_python
