#!/bin/bash
# SPDX-License-Identifier: MIT
# A running azmonlog answers: status tells where the records are and what holds them; flush returns when they have arrived.
# shellcheck source=tests/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh" || exit 99
needs_root_journald "$@"
start_emulator
chmod 711 "$work" # for other users
cp "$AZMONLOG" "$work/azmonlog"
cat >"$work/azmonlog.conf" <<END
[destination]
endpoint=$endpoint
[batch]
schedule_delay=100ms
[export]
retry_initial_delay=50ms
retry_max_delay=200ms
hold_max_delay=200ms
shutdown_timeout=200ms
[journal]
start=oldest
[state]
directory=$work/state
END

script() { curl -sSf --data-binary "$1" "http://127.0.0.1:$port/emulator/script" >/dev/null; }
answers() { # answers STATE-DIRECTORY: whatever it says
  "$AZMONLOG" status -c "$work/azmonlog.conf" --state-directory "$1" || [ $? -lt 3 ]
}
start_azmonlog() { # start_azmonlog NAME OPTION...: its pid in $daemon; it answers when this returns
  local name=$1
  start "$AZMONLOG" run -c "$work/azmonlog.conf" --state-directory "$work/$name" "${@:2}" 2>>"$work/$name.log"
  daemon=$started
  wait_until 30 answers "$work/$name" || bail "azmonlog does not start: $(cat "$work/$name.log")"
}
# gives CODE COMMAND OPTION...: this exit code; what it prints is in $work/out and $work/err
gives() {
  local code=$1 rc=0
  shift
  "$AZMONLOG" "$@" >"$work/out" 2>"$work/err" || rc=$?
  cat "$work/out" "$work/err"
  echo "exit code $rc"
  [ $rc = "$code" ]
}
flush() { gives "$1" flush -c "$work/azmonlog.conf" "${@:2}"; }
status_is() { # status_is PYTHON-EXPRESSION over the status s
  "$AZMONLOG" status --json -c "$work/azmonlog.conf" >"$work/json" || [ $? -lt 3 ] || return
  python3 - "$work/json" "$1" <<'END'
import json, sys
text = open(sys.argv[1]).read()
s = json.loads(text)
assert text.count("\n") == 1
assert eval(f"({sys.argv[2]})"), text
END
}
shows() { # shows REGEXP: a line of the status as text
  "$AZMONLOG" status -c "$work/azmonlog.conf" | tee "$work/out"
  grep -qE "^$1\$" "$work/out"
}
arrived() { # arrived LINE...: each of them, exactly
  local line
  for line; do
    grep -qF "\"body\":\"$line\"" "$work/received" || { echo "missing: $line"; return 1; }
  done
}

# asked: somebody waits for an answer (and did not just look whether azmonlog is there)
connections() { awk -v socket="$work/state/control" '$8 == socket && $6 == "03" { print $7 }' /proc/net/unix | sort; }
asked() {
  local before after
  before=$(connections)
  sleep 0.2
  after=$(connections)
  echo "$before / $after"
  [ -n "$before" ] && [ "$before" = "$after" ]
}

# --- status ---
check "nothing runs: status ends with 3" gives 3 status -c "$work/azmonlog.conf"
check "and flush" flush 3
logger -t demo "the first line"
journalctl --sync
in_journal=$(journalctl -q -o json | wc -l)
start_azmonlog state
first=$daemon
mode_and_owner() { [ "$(stat -c '%F %a %u %g' "$work/state/control")" = "socket 660 0 0" ]; }
check "the control socket has mode 0660" mode_and_owner
check "everything is acknowledged" wait_until 30 status_is "s['lag']['records'] == 0 and s['delivered']['records'] == $in_journal"
has_the_form() { status_is 'True' && python3 -B "$srcdir/tests/lib/status_form.py" "$work/json"; }
check "status --json has just the members that it should have" has_the_form
check "it is who it is" status_is "s['pid'] == $first and s['destination'] == '$endpoint'"
check "it delivers" status_is 's["state"] == "delivering" and s["error"] is None and s["failures"] == 0'
check "nothing waits" status_is 's["lag"] == {"records": 0, "up_to": False, "seconds": 0} and s["in_flight"]["batches"] == 0'
position_is_saved() { # the status does not lead the file
  local saved
  saved=$(sed -n 's/^cursor=//p' "$work/state/cursor")
  status_is "s['acknowledged']['cursor'] == '$saved' and s['acknowledged']['received'] is not None"
}
check "what counts as acknowledged is in the checkpoint" position_is_saved
check "counts" status_is "s['read']['records'] == $in_journal and s['delivered']['requests'] == 1"
check "rates" status_is 's["read"]["per_second"] > 0 and s["delivered"]["per_second"] > 0 and s["delivered"]["bytes"] > 50'
check "no losses" status_is 'set(s["losses"].values()) == {0}'
check "as text: the state" shows 'State +well since .* UTC, .* ago'
check "as text: what waits" shows 'Waiting +nothing'
check "as text: what was delivered" shows "Delivered +$in_journal records?, [0-9.]+/s; 1 request, [0-9.]+ (bytes|KiB)"
check "as text: losses" shows 'Losses +none seen'
check "as text: the process" shows "Process +azmonlog [^ ]*, pid $first, since .* UTC, [0-9.]+s ago"

# --- status while the destination refuses ---
script 'request * status 403'
for i in 1 2 3 4 5; do logger -t demo "held $i"; done
check "held" wait_until 30 status_is 's["state"] == "held" and s["lag"]["records"] == 5'
check "has the form" has_the_form
check "by whom, and what to do" status_is '"403" in s["error"]["reason"] and s["error"]["remedy"] and s["error"]["since"]'
check "a batch is on the way" status_is 's["in_flight"]["batches"] >= 1 and s["failures"] >= 1'
check "the lag in seconds grows" wait_until 30 status_is '1 < s["lag"]["seconds"] < 1000 and s["lag"]["records"] == 5'
check "as text: the state is loud" shows 'State +HELD since .* UTC, .* ago'
check "as text: the reason" shows 'Reason +.*403.*'
check "as text: what to do" shows 'What to do +.+'
check "as text: what waits" shows 'Waiting +5 records, [0-9.]+s behind, [0-9]+ batch(es)? on the way'
check "flush in vain ends with 75" flush 75 --timeout 1s
check "and says why" grep -qE "delivery is held by $endpoint: .*403" "$work/err"
check "the time limit is named" grep -q "after 1s: azmonlog has not delivered what is in the journal" "$work/err"
script 'request * status 503'
check "a failure that may pass: retrying" wait_until 30 status_is 's["state"] == "retrying" and "503" in s["error"]["reason"]'
script 'request * normal'
check "it goes on" wait_until 30 status_is 's["state"] == "delivering" and s["lag"]["records"] == 0 and s["error"] is None'
check "all has arrived" arrived "held 1" "held 2" "held 3" "held 4" "held 5"

# --- flush ---
printf 'MESSAGE=native before flush\n' | logger --journald
logger -u /dev/log --socket-errors=on "syslog before flush"
echo "stdout before flush" | systemd-cat -t demo cat
check "flush" flush 0
check "what was logged before has arrived when it returns" \
  arrived "native before flush" "syslog before flush" "stdout before flush"
check "without a word" test ! -s "$work/out" -a ! -s "$work/err"
script 'request * delay 1s'
logger -t demo "slowly"
check "flush waits for a slow destination" flush 0
check "it has arrived" arrived "slowly"
script 'request * normal'
check "flush with nothing to do" flush 0

kill -STOP "$JOURNALD_PID"
printf 'MESSAGE=native while journald is stopped\n' | logger --journald
logger -u /dev/log --socket-errors=on "syslog while journald is stopped"
start sh -c 'echo "stdout while journald is stopped" | systemd-cat -t demo cat'
wait "$started"
start "$AZMONLOG" flush -c "$work/azmonlog.conf" --timeout 1min
flushing=$started
sleep 0.3
check "journald is stopped: flush waits" kill -0 "$flushing"
kill -CONT "$JOURNALD_PID"
check "journald goes on: it returns 0" wait "$flushing"
check "all has arrived" \
  arrived "native while journald is stopped" "syslog while journald is stopped" "stdout while journald is stopped"

many() { # each with a line of its own, that has to be there when it returns
  local i p jobs=()
  for i in $(seq 30); do
    sh -c 'logger -t demo "many $1"; "$AZMONLOG" flush -c "$2" --timeout 1min && grep -qF "\"body\":\"many $1\"" "$3"' \
      sh "$i" "$work/azmonlog.conf" "$work/received" &
    jobs+=($!)
  done
  for p in "${jobs[@]}"; do wait "$p" || return; done
}
check "many at once: each returns when its own line has arrived" many

# --- other users ---
group=4711
as() { setpriv --reuid=1500 --regid=1500 "$@"; }
if as --clear-groups test -x "$work/azmonlog"; then
  chgrp $group "$work/state" "$work/state/control"
  chmod 710 "$work/state"
  as_member() { as --groups=$group "$work/azmonlog" flush -c /dev/null --state-directory "$work/state" --timeout 1min; }
  as --groups=$group sh -c 'printf "MESSAGE=native of a user\n" | logger --journald; logger -u /dev/log "syslog of a user"'
  check "a member of the socket's group: flush" as_member
  check "what was logged before has arrived" arrived "native of a user" "syslog of a user"
  check "and the two markers" [ "$(grep -cE '"body":"azmonlog flush [0-9a-f]{32}"' "$work/received")" = 2 ]
  kill -STOP "$JOURNALD_PID"
  as --groups=$group sh -c 'printf "MESSAGE=native of a user, stopped\n" | logger --journald
    logger -u /dev/log "syslog of a user, stopped"'
  start as_member
  flushing=$started
  sleep 0.3
  check "journald is stopped: it waits" kill -0 "$flushing"
  kill -CONT "$JOURNALD_PID"
  check "journald goes on: it returns 0" wait "$flushing"
  check "all has arrived" arrived "native of a user, stopped" "syslog of a user, stopped"
  start_azmonlog few --system -t few # which neither sees a user's journal nor exports the markers
  chgrp $group "$work/few" "$work/few/control"
  chmod 710 "$work/few"
  logger -t few "of the few"
  as_member_of_few() {
    as --groups=$group "$work/azmonlog" flush -c /dev/null --state-directory "$work/few" --timeout 1min
  }
  check "a member: flush of one that reads the system's journal, and little of it" as_member_of_few
  just_one() {
    "$AZMONLOG" status --json -c /dev/null --state-directory "$work/few" | tee "$work/out"
    grep -q '"delivered":{"records":1,' "$work/out"
  }
  check "what it reads has arrived, and nothing else" just_one
  check "it ends with 0" stop "$daemon"
  as_stranger() {
    local rc=0
    as --clear-groups "$work/azmonlog" "$1" -c /dev/null --state-directory "$work/state" 2>"$work/err" || rc=$?
    cat "$work/err"
    [ $rc = 77 ] && grep -q "the control socket $work/state/control is for root and the group" "$work/err"
  }
  check "another user: flush is refused" as_stranger flush
  check "another user: status is refused" as_stranger status
  chmod 755 "$work/state" # the socket itself refuses, too
  check "another user who gets to the socket" as_stranger status
else
  skip "flush of other users" "no rights to run the program"
fi

# --- several, and their ends ---
first_socket=$(stat -c %i "$work/state/control")
mkdir "$work/files"
python3 "$srcdir/tests/lib/make_export.py" 50 | /lib/systemd/systemd-journal-remote -o "$work/files/a.journal" - >/dev/null 2>&1
start_azmonlog files --directory "$work/files"
second=$daemon
check "flush of a second one, on files" \
  gives 0 flush --state-directory "$work/files" -c /dev/null --timeout 1min
python3 "$srcdir/tests/lib/make_export.py" 50 50 |
  /lib/systemd/systemd-journal-remote -o "$work/files/a.journal" - >/dev/null 2>&1
printf '[journal]\ndirectory=%s\n[state]\ndirectory=%s\n' "$work/files" "$work/files" >"$work/files.conf"
check "files that have grown: flush" gives 0 flush -c "$work/files.conf" --timeout 1min
check "they have arrived" [ "$(grep -c '"body":"entry [0-9]* of' "$work/received")" = 100 ]
check "status knows whom it asks" sh -c \
  '"$AZMONLOG" status --json --state-directory "$1" -c /dev/null | grep -q "\"pid\":$2,.*\"journal\":\"$1\""' sh "$work/files" "$second"
check "and the first one" status_is "s['pid'] == $first and s['journal'] == \"the machine's\""
refused() { ! "$AZMONLOG" run -c "$work/azmonlog.conf" --state-directory "$work/other" --control "$work/state/control" \
  --once 2>"$work/err"; grep -q "another process listens on the control socket $work/state/control" "$work/err"; }
check "a third on the first one's socket does its work without one, and says so" refused
check "the first one's socket is as it was" [ "$(stat -c %i "$work/state/control")" = "$first_socket" ]
check "the second ends with 0" stop "$second"
check "its socket is gone" [ ! -e "$work/files/control" ]

/lib/systemd/systemd-journald ns1 2>"$work/ns1.err" &
namespace=$!
pids+=("$namespace")
wait_until 30 test -S /run/systemd/journal.ns1/socket || bail "no second journald: $(cat "$work/ns1.err")"
printf '[journal]\nnamespace=ns1\n[state]\ndirectory=%s\n' "$work/ns" >"$work/ns.conf"
start_azmonlog ns --namespace ns1
kill -STOP "$namespace"
python3 - <<'END'
import socket
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.connect("/run/systemd/journal.ns1/socket")
s.send(b"MESSAGE=in a namespace\n")
END
start "$AZMONLOG" flush -c "$work/ns.conf" --timeout 1min
flushing=$started
sleep 0.3
check "the namespace's journald is stopped: flush waits" kill -0 "$flushing"
kill -CONT "$namespace"
check "it goes on: flush returns 0" wait "$flushing"
check "the line has arrived" arrived "in a namespace"
check "it ends with 0" stop "$daemon"

script 'request * status 503'
logger -t demo "while it is killed"
start "$AZMONLOG" flush -c "$work/azmonlog.conf" --timeout 1min 2>"$work/err"
flushing=$started
wait_until 30 asked || bail "the flush does not ask"
stop "$first" KILL
rc=0
wait "$flushing" || rc=$?
check "killed during a flush: the flush ends with 75" [ $rc = 75 ]
check "and says what becomes of the rest" grep -q "its next start delivers the rest" "$work/err"
check "a killed one leaves its socket" [ -S "$work/state/control" ]
check "where nobody answers: status ends with 3" gives 3 status -c "$work/azmonlog.conf"
check "flush does" flush 3
script 'request * normal'
start_azmonlog state
first=$daemon
check "the next one takes its place" status_is "s['pid'] == $first"
check "with mode 0660" [ "$(stat -c %a "$work/state/control")" = 660 ]
check "flush" flush 0
check "delivers what was left" arrived "while it is killed"

# --- losses ---
script 'request * status 503'
logger -t demo "the last one before the gap"
journalctl --sync
stop "$first"
script 'request * normal'
for i in 1 2 3; do logger -t demo "lost $i"; done
journalctl --sync
journalctl --rotate
journalctl --vacuum-files=1 -q
logger -t demo "after the gap"
start_azmonlog state
check "a gap" flush 0
check "the loss is counted" status_is 's["losses"]["gaps"] == 1 and s["losses"]["gap_entries"] == 4'
check "as text" shows 'Losses +1 gap in the journal, 4 entries missing in them'
check "it ends with 0" stop "$daemon"
check "its socket is gone" [ ! -e "$work/state/control" ]
start_azmonlog state
check "after a restart the loss still counts, once" status_is 's["losses"]["gaps"] == 1 and s["losses"]["gap_entries"] == 4'

# --- the end during a flush ---
script 'request * status 503'
logger -t demo "while it ends"
start "$AZMONLOG" flush -c "$work/azmonlog.conf" --timeout 1min 2>"$work/err"
flushing=$started
wait_until 30 asked || bail "the flush does not ask"
stop "$daemon"
rc=0
wait "$flushing" || rc=$?
check "azmonlog ends in good order during a flush: the flush fails" [ $rc != 0 ]
check "and says what becomes of the rest" grep -q "azmonlog ends before everything is acknowledged; the next start goes on" "$work/err"
echo "# its exit code is $rc"
done_testing
