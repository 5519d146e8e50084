#!/bin/bash
# SPDX-License-Identifier: MIT
# What a power loss takes of what Redis has answered for: nothing with appendfsync always, the last second or two with everysec.
# shellcheck source=tests/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh" || exit 99
needs_redis
redis-server --version | grep -q 'v=\([7-9]\|[1-9][0-9]\)\.' || skip_all "Redis before 7.0 has its log elsewhere"
run_python
