#!/bin/bash
# SPDX-License-Identifier: MIT
# Messages of several entries by way of a real journald: stack traces that forked workers print line by line, lines that are too
# long for journald, while azmonlog is killed, stopped, flushed and reloaded (multiline.py).
# shellcheck source=tests/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh" || exit 99
needs_root_journald "$@"
run_python
