#!/bin/bash
# SPDX-License-Identifier: MIT
# Three edges (one of them rsyslogd with the module), two relays, Redis and its replica, each in a network namespace of its own: packets are
# lost between them without a word, and everything is killed. Real redis-server.
# ROUNDS=20 SEED=7: so many faults by chance in each case, after those that always are (make check-long: 20). CASES=...: some only.
# shellcheck source=tests/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh" || exit 99
needs_redis
needs_rsyslogd
[ "$(id -u)" = 0 ] || skip_all "needs root, for network namespaces"
command -v ip >/dev/null || skip_all "ip is not installed (iproute2, iproute)"
run_python
