#!/bin/bash
# SPDX-License-Identifier: MIT
# azmonlog status and flush against canned answers: what they print, and their exit codes.
# shellcheck source=tests/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh" || exit 99
# A journal of files has no journald that flush would have to ask. The secret and the URL are none of the client's business.
printf '[destination]\nheaders_file=/nowhere\nendpoint=nonsense\n[journal]\ndirectory=%s\n[state]\ndirectory=%s\n' \
  "$work" "$work/state" >"$work/conf"
mkdir "$work/state"

# daemon ANSWER...: a new fake daemon on the socket of that configuration
daemon() {
  [ -z "${fake-}" ] || stop "$fake"
  rm -f "$work/state/control" "$work/requests"
  start python3 "$srcdir/tests/lib/fake_daemon.py" "$work/state/control" "$work/requests" "$@"
  fake=$started
  wait_until 30 test -S "$work/state/control" || bail "the fake daemon does not start"
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
status() { gives "$1" status -c "$work/conf" "${@:2}"; }
flush() { gives "$1" flush -c "$work/conf" "${@:2}"; }
says() { cat "$work/err"; grep -qF -- "$1" "$work/err"; }
told() { cat "$work/out"; [ ! -s "$work/err" ] && grep -qF -- "$1" "$work/out"; }
first() { cat "$work/out"; [[ $(head -1 "$work/out") = "$1"* ]]; }
prints() { cat "$work/out"; grep -qxF -- "$1" "$work/out"; }

held='{"version":"0.1.0","pid":1,"state":"held","destination":"http://x/v1/logs","lag":{"records":5,"up_to":false},
  "error":{"reason":"HTTP 401","remedy":"renew the token","since":null}}'
held=${held//$'\n'/}

# --- nobody there ---
check "status without azmonlog" status 3
check "the first line says it" first "State         DOWN"
check "and the next one so, and where it looked" told "no azmonlog is running here (nobody listens on $work/state/control)"
check "flush without azmonlog" flush 3
check "says so" says "no azmonlog is running here"
check "--state-directory" status 3 --state-directory "$work/other"
check "has a socket of its own" told "nobody listens on $work/other/control)"
check "--control" status 3 --control "$work/named"
check "goes before" told "nobody listens on $work/named)"
printf '[state]\ncontrol=%s\n' "$work/configured" >"$work/conf2"
check "control= in the configuration" gives 3 status -c "$work/conf2"
check "is the socket" told "nobody listens on $work/configured)"
check "the default state directory" gives 3 status -c /dev/null --state-directory /var/lib/azmonlog --control ""
check "has it in /run" told "nobody listens on /run/azmonlog/control)"

# --- status ---
daemon status="$held" flush='{"ok":true}'
check "status of one that is held" status 2
check "shows what holds the records" prints "State         HELD"
check "and why" prints "Reason        HTTP 401"
check "and what to do" prints "What to do    renew the token"
check "and how many" prints "Waiting       5 records"
check "status --json" status 2 --json
one_line_of_json() { python3 -c 'import json,sys; a=sys.stdin.read(); json.loads(a); assert a.count("\n") == 1' <"$work/out"; }
check "is one line of JSON" one_line_of_json
same() { python3 -c 'import json,sys; assert json.load(open(sys.argv[1])) == json.loads(sys.argv[2])' "$work/out" "$held"; }
check "the answer as it is" same
check "it asked for the status" grep -qxF '{"command":"status"}' "$work/requests"
check "a reader that has gone" sh -c '"$AZMONLOG" status -c "$1" >/dev/full 2>"$2"; [ $? = 1 ]' sh "$work/conf" "$work/err"
check "is told of" says "cannot write"

exits() { # exits CODE CONDITION: of one that says so itself
  daemon status="{\"health\":{\"condition\":\"$2\",\"since\":null,\"reason\":null,\"remedy\":null}}"
  status "$1"
}
for pair in "0 well" "1 behind" "1 throttled" "2 held" "3 down"; do
  # shellcheck disable=SC2086 # two words
  check "exit code and condition: $pair" exits $pair
done
daemon status='{"state":"retrying","error":{"reason":"HTTP 503","since":null}}'
check "an older one that retries" status 1
daemon status='{"state":"delivering","error":null}'
check "an older one that is well" status 0
daemon status='{"health":{"condition":"blue"}}'
check "a condition that a newer one may have" status 0
check "is shown" first "State         BLUE"

daemon status='{"error":"no such command"}' flush='{"error":"azmonlog is stopping"}'
check "an error for status" status 3
check "is passed on" told "azmonlog answers: no such command"
check "an error for flush" flush 1
check "is passed on too" says "azmonlog answers: azmonlog is stopping"

daemon status='{}' flush='{}'
check "a status without anything" status 0
check "an answer to flush that says nothing" flush 1
check "is an error" says "neither ok nor an error"

daemon status='garbage' flush='[1]'
check "garbage for status" status 3
check "is named" told "does not talk as azmonlog does"
check "garbage for flush" flush 1
check "is named too" says "does not talk as azmonlog does"

daemon status=@close flush=@close
check "no answer to status" status 3
check "is said" told "closed the connection"
check "azmonlog ends during a flush: not delivered" flush 75
check "the words say what becomes of it" says "its next start delivers the rest"

daemon status=@silence flush='{"ok":true}'
check "a silent azmonlog" status 3
check "is given up" told "has not answered in time"

# --- flush ---
check "flush" flush 0
check "needs no marker for journal files" grep -qxF '{"command":"flush"}' "$work/requests"

daemon status="$held" flush=@silence
check "flush in vain" flush 75 --timeout 300ms
check "says that" says "not everything is acknowledged after 300ms: azmonlog has not delivered what is in the journal"
check "says who holds it, why, and what to do" says "delivery is held by http://x/v1/logs: HTTP 401; renew the token"
daemon status='{"state":"delivering","error":null}' flush=@trickle
check "flush that nothing holds, but is late" flush 75 --timeout 300ms
check "says the state" says "azmonlog is delivering"
daemon status=@silence flush=@silence
check "flush with an azmonlog that hangs" flush 75 --timeout 300ms
check "says that too" says "azmonlog does not answer the question why"
daemon status='{}' flush=@silence
check "flush with an azmonlog that does not know why" flush 75 --timeout 300ms
kill -STOP "$fake"
check "an azmonlog that is stopped: flush" flush 75 --timeout 300ms
kill -CONT "$fake"

# --- wrong use ---
check "a timeout that is none" flush 64 --timeout soon
check "is named" says "--timeout: 'soon' is not a duration"
check "an argument" flush 64 now
check "an argument of status" status 64 now
check "an unknown option" status 64 --nonsense
check "a relative path" status 64 --control here
check "is refused" says "--control: control: 'here' is not an absolute path"
printf '[state]\nnonsense=1\n' >"$work/wrong"
check "a wrong configuration" gives 78 status -c "$work/wrong"
check "--watch and --json" status 64 --watch --json
check "are named" says "either --json or --watch"
check "--watch without a terminal" status 64 --watch
check "is refused" says "status --watch needs a terminal"
check "help" gives 0 status --help
check "help of flush" gives 0 flush --help
done_testing
