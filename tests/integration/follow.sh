#!/bin/bash
# SPDX-License-Identifier: MIT
# azmonlog run as a service runs it: follows, tells systemd how it is, ends in good order on SIGTERM.
# shellcheck source=tests/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh" || exit 99
needs_root_journald "$@"
start_emulator

# systemd's side of sd_notify(3)
start python3 -c '
import os, socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(sys.argv[1])
while True:
    print(s.recv(4096).decode().replace("\n", " "), flush=True)
' "$work/notify" >"$work/notified" 2>&1
wait_until 30 test -S "$work/notify" || bail "no notify socket"

export NOTIFY_SOCKET=$work/notify WATCHDOG_USEC=2000000
start "$AZMONLOG" run --endpoint "$endpoint" --state-directory "$work/state" --start now 2>"$work/log"
daemon=$started
unset NOTIFY_SOCKET WATCHDOG_USEC

check "says READY=1" wait_until 30 grep -q READY=1 "$work/notified"
logger -t follow "first"
check "a line that is logged now arrives" wait_until 30 received_at_least 1
check "start=now: nothing older does" [ "$(received)" = 1 ]
check "the status counts it" wait_until 30 grep -q 'STATUS=.* 1 delivered' "$work/notified"
check "feeds the watchdog" wait_until 30 grep -q WATCHDOG=1 "$work/notified"

journalctl --rotate
logger -t follow "after rotation"
check "goes on over a rotation" wait_until 30 received_at_least 2

refused() { ! "$AZMONLOG" run --endpoint "$endpoint" --state-directory "$work/state" --once 2>"$work/second"; }
check "a second azmonlog on the same state is refused" refused
check "with the pid of the first" grep -q "(pid $daemon)" "$work/second"

for i in $(seq 100); do echo "line $i"; done | systemd-cat -t follow cat
journalctl --sync
check "SIGTERM ends it with 0" stop "$daemon"
check "says STOPPING=1" wait_until 30 grep -q STOPPING=1 "$work/notified"
check "the position is kept" test -s "$work/state/cursor"
check "the next start delivers what was left" azmonlog_run --endpoint "$endpoint" --once
check "nothing is missing" [ "$(grep -o '"body":"line [0-9]*"' "$work/received" | sort -u | wc -l)" = 100 ]

# start=now is decided once: what is logged while azmonlog is down is not "before now" at the next start
"$AZMONLOG" run --endpoint http://127.0.0.1:9/v1/logs --state-directory "$work/state2" --start now 2>"$work/log2" &
early=$!
pids+=("$early")
wait_until 30 test -s "$work/state2/cursor" || bail "no initial checkpoint"
logger -t follow "while the endpoint is away"
journalctl --sync
stop "$early" KILL
logger -t follow "while azmonlog is down"
journalctl --sync
check "the start of the first run holds, though nothing was acknowledged" \
  "$AZMONLOG" run --endpoint "$endpoint" --state-directory "$work/state2" --start now --once
check "both lines arrive" [ "$(grep -c '"body":"while ' "$work/received")" = 2 ]

# all files have one counter: where not all of them are read, missing numbers mean nothing
if command -v setpriv >/dev/null; then
  printf '[journal]\nscope=system\n' >"$work/system.conf"
  start "$AZMONLOG" run -c "$work/system.conf" --endpoint "$endpoint" --state-directory "$work/state3" --start now 2>"$work/log3"
  daemon=$started
  wait_until 30 test -s "$work/state3/cursor" || bail "no initial checkpoint"
  for i in 1 2 3; do
    logger "of the system $i"
    setpriv --reuid=1500 --regid=1500 --clear-groups logger "of a user $i"
  done
  logger "of the system, the last"
  check "scope=system: what the system logs arrives" wait_until 30 grep -q '"body":"of the system, the last"' "$work/received"
  check "it ends with 0" stop "$daemon"
  check "what users log does not" [ "$(grep -c '"body":"of a user' "$work/received")" = 0 ]
  check "and is not taken for a loss" [ "$(grep -c 'lost' "$work/log3")" = 0 ]
else
  skip "scope=system" "no setpriv"
fi

# with a selection: what was passed over and is vacuumed later is no loss
start "$AZMONLOG" run -t wanted --endpoint "$endpoint" --state-directory "$work/state4" --start now 2>"$work/log4"
daemon=$started
wait_until 30 test -s "$work/state4/cursor" || bail "no initial checkpoint"
position() { sed -n 's/^cursor=.*;i=\([0-9a-f]*\);.*/\1/p' "$work/state4/cursor"; }
logger -t wanted "wanted 1"
check "a selected line arrives" wait_until 30 grep -q '"body":"wanted 1"' "$work/received"
seq -f 'unwanted %g' 100 | systemd-cat -t unwanted cat
passed_over() { logger -t unwanted "once more"; sleep 1; [ $((0x$(position))) -gt $((0x$1 + 100)) ]; }
check "the position moves on without one" wait_until 60 passed_over "$(position)"
journalctl --rotate
check "also after a rotation" wait_until 60 passed_over "$(printf %x $((0x$(position) - 100)))"
journalctl --vacuum-files=1
logger -t wanted "wanted 2"
check "the next one arrives after a vacuum" wait_until 30 grep -q '"body":"wanted 2"' "$work/received"
check "it ends with 0" stop "$daemon"
check "nothing is said to be lost" [ "$(grep -c 'lost' "$work/log4")" = 0 ]

done_testing
