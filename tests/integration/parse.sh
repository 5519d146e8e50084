#!/bin/bash
# SPDX-License-Identifier: MIT
# Lines of JSON and logfmt that programs print, by way of a real journald: parse= and [unit "NAME"].
# shellcheck source=tests/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh" || exit 99
needs_root_journald "$@"
run_python
