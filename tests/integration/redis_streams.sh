#!/bin/bash
# SPDX-License-Identifier: MIT
# Hosts write to a stream in Redis, relays carry it on to the destination; all of them are killed and stopped. Real redis-server.
# shellcheck source=tests/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh" || exit 99
needs_redis
run_python
