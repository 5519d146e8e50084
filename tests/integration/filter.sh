#!/bin/bash
# SPDX-License-Identifier: MIT
# [filter] by way of a real journald: rules, sampling, the rate limit and what it tells, positions, SIGKILL, reload.
# shellcheck source=tests/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh" || exit 99
needs_root_journald "$@"
run_python
