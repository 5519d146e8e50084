#!/bin/bash
# SPDX-License-Identifier: MIT
# azmonlog flush and journald: what was logged before is in the journal before azmonlog is asked, even if journald had not
# taken it in yet.
# shellcheck source=tests/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh" || exit 99
needs_root_journald "$@"

chmod 711 "$work" # for the user without rights
cp "$AZMONLOG" "$work/azmonlog"
start python3 "$srcdir/tests/lib/fake_daemon.py" "$work/control" "$work/requests" flush=@journal journal='{"journald":true,"namespace":""}' status='{"state":"delivering"}'
wait_until 30 test -S "$work/control" || bail "the fake daemon does not start"
flush() { "$work/azmonlog" flush -c /dev/null --control "$work/control" "$@" 2>"$work/err"; }
unprivileged() { setpriv --reuid=65534 --regid=65534 --clear-groups "$@"; }

# log_while_stopped ROUND: journald does not move, and what is logged waits in its sockets
log_while_stopped() {
  kill -STOP "$JOURNALD_PID"
  for i in 1 2 3 4 5; do # as many as surely fit into the sockets
    printf 'MESSAGE=native %s %s\n' "$1" "$i" | logger --journald
    logger -u /dev/log --socket-errors=on "syslog $1 $i"
  done
  start sh -c "seq -f 'stream $1 %g' 5 | systemd-cat -t stream cat"
  stream=$started
  wait "$stream"
}
# taken_in KIND ROUND: all of it was in the journal when azmonlog was asked
taken_in() {
  grep "$1 $2" "$work/requests.journal"
  [ "$(grep -c "^$1 $2 [1-5]$" "$work/requests.journal")" = 5 ]
}

log_while_stopped 1
start flush --timeout 60s
flushing=$started
sleep 0.3
check "flush waits for journald" kill -0 "$flushing"
check "azmonlog is not asked before" sh -c '! grep -q flush "$1"' sh "$work/requests"
kill -CONT "$JOURNALD_PID"
check "root: flush succeeds when journald goes on" wait "$flushing"
check "without a marker" grep -qxF '{"command":"flush"}' "$work/requests"
for kind in native syslog stream; do
  check "root: $kind lines were in the journal before" taken_in $kind 1
done

if command -v setpriv >/dev/null && unprivileged test -x "$work/azmonlog"; then
  rm "$work/requests" "$work/requests.journal"
  log_while_stopped 2
  start unprivileged "$work/azmonlog" flush -c /dev/null --control "$work/control" --timeout 60s
  flushing=$started
  check "a user: azmonlog is asked to look for two markers" wait_until 30 grep -qE \
    '^\{"command":"flush","marker":"azmonlog flush [0-9a-f]{32}","markers":2\}$' "$work/requests"
  kill -CONT "$JOURNALD_PID"
  check "a user: flush succeeds when journald goes on" wait "$flushing"
  for kind in native syslog; do
    check "a user: $kind lines were in the journal before" taken_in $kind 2
  done
else
  skip "flush of a user" "no setpriv, or no rights to run the program"
fi

kill -STOP "$JOURNALD_PID"
late() {
  local rc=0
  "$@" --timeout 500ms || rc=$?
  cat "$work/err"
  [ $rc = 75 ]
}
check "a journald that stays stopped: flush ends in time" late flush
check "and says what it waited for" grep -qF "journald has not taken in what was sent to it; is it stopped?" "$work/err"
kill -CONT "$JOURNALD_PID"
done_testing
