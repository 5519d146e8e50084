#!/bin/bash
# SPDX-License-Identifier: MIT
# Hosts write to a stream in Redis, relays carry it on to the destination; all of them are killed and stopped. Real redis-server.
# shellcheck source=tests/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh" || exit 99
command -v redis-server >/dev/null || skip_all "redis-server is not installed (Debian's redis-server, Fedora's redis)"
command -v redis-cli >/dev/null || skip_all "redis-cli is not installed (Debian's redis-tools, Fedora's redis)"
[ -x /lib/systemd/systemd-journal-remote ] || skip_all "needs /lib/systemd/systemd-journal-remote"
"$AZMONLOG" check --config /dev/null --endpoint redis://127.0.0.1:1/x 2>&1 | grep -q "built without hiredis" &&
  skip_all "azmonlog is built without hiredis"
run_python
