#!/bin/bash
# SPDX-License-Identifier: MIT
# The manual says what the programs' own tables say, and mandoc has nothing to say about the manual.
# shellcheck source=tests/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh" || exit 99
run_python
