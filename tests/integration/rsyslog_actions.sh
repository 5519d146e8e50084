#!/bin/bash
# SPDX-License-Identifier: MIT
# azmonlog status and check know of the actions of rsyslogd: a real one, and what only looks like one.
# shellcheck source=tests/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh" || exit 99
needs_root_journald "$@"
needs_rsyslogd
module=$builddir/.libs/omazuremonitor.so
PATH=$PATH:/usr/sbin:/sbin
export AZMONLOG_TEST_ACTIONS=$work/spool # stands in for /var/spool/azmonlog
start_emulator

# gives CODE COMMAND OPTION...: this exit code; what it prints is in $work/out and $work/err
gives() {
  local code=$1 rc=0
  shift
  "$AZMONLOG" "$@" >"$work/out" 2>"$work/err" || rc=$?
  cat "$work/out" "$work/err"
  echo "exit code $rc"
  [ $rc = "$code" ]
}
json_is() { # json_is CODE PYTHON-EXPRESSION over the status s
  gives "$1" status --json || return
  python3 -c 'import json, sys; s = json.load(open(sys.argv[1])); assert eval(sys.argv[2]), s' "$work/out" "$2"
}
start_rsyslogd() { # start_rsyslogd ACTION...
  local name
  {
    echo "module(load=\"$module\") module(load=\"imtcp\")"
    echo "input(type=\"imtcp\" port=\"0\" listenPortFileName=\"$work/tcp\" address=\"127.0.0.1\")"
    for name; do
      echo "action(type=\"omazuremonitor\" name=\"$name\" endpoint=\"$endpoint\" state.directory=\"$work/spool/$name\"
        action.resumeRetryCount=\"-1\")"
    done
  } >"$work/conf"
  start rsyslogd_with_module -n -f "$work/conf" -i "$work/pid" 2>>"$work/rsyslogd.err"
  rsyslogd=$started
  for name; do
    wait_until 30 "$AZMONLOG" status -c /dev/null --state-directory "$work/spool/$name" || bail "$name: $(cat "$work/rsyslogd.err")"
  done
}
one() { printf '[destination]\nendpoint=%s\n[state]\ndirectory=%s\n' "$endpoint" "$work/state" >"$work/azmonlog.conf"; }
one

# --- status ---
first() { [[ $(head -1 "$work/out") = "State         $1"* ]]; }
check "no folder at all, and nothing runs: 3" gives 3 status
check "azmonlog is down" first DOWN
mkdir -p "$work/spool/stale" "$work/spool/.hidden"
: >"$work/spool/file"
python3 -c 'import socket, sys; socket.socket(socket.AF_UNIX).bind(sys.argv[1])' "$work/spool/stale/control"
check "what does not run and has left nothing is not told" json_is 3 '"actions" not in s and s["health"]["condition"] == "down"'

start_rsyslogd network relay
check "only actions run, and nothing else is to run: 0" gives 0 status
check "nothing is said of azmonlog" sh -c '! grep -q "no azmonlog" "$1" "$2"' sh "$work/out" "$work/err"
check "the first line says how they are" first "well since "
blocks() { [ "$(grep -cE "^Action +$1\$" "$work/out")" = 1 ]; }
check "there is a block for the first" blocks network
check "and one for the second" blocks relay
check "with its name in the second line" [ "$(sed -n 2p "$work/out" | tr -s ' ')" = "Action network" ]
check "its journal is a spool" grep -qE "^Spool in +$work/spool/network\$" "$work/out"
check "no other" [ "$(grep -c ^Action "$work/out")" = 2 ]
check "as JSON" json_is 0 'list(s) == ["actions"] and [a["action"] for a in s["actions"]] == ["network", "relay"]'
check "with all that an action says" json_is 0 'all(a["state"] == "delivering" and a["pid"] > 0 for a in s["actions"])'
check "one action alone has no member for others" gives 0 status --json --state-directory "$work/spool/network"
check "which is as before" sh -c '! grep -q "\"action" "$1"' sh "$work/out"

start "$AZMONLOG" run --endpoint "$endpoint" --state-directory "$work/state" --control /run/azmonlog/control 2>"$work/run.err"
azmonlog=$started
wait_until 30 "$AZMONLOG" status || bail "azmonlog does not start: $(cat "$work/run.err")"
check "azmonlog runs, too" gives 0 status
check "all is well" first "well since "
check "it comes first" [ "$(sed -n 2p "$work/out" | cut -d' ' -f1)" = Destination ]
check "a line is left free before the others" [ "$(grep -c '^$' "$work/out")" = 2 ]
check "as JSON" json_is 0 "s['pid'] == $azmonlog and s['journal'] == \"the machine's\" and len(s['actions']) == 2"

# a silent one must not hold the others for ever
python3 - "$work/spool/silent" <<'END' &
import os, socket, sys, time
os.mkdir(sys.argv[1])
s = socket.socket(socket.AF_UNIX)
s.bind(sys.argv[1] + "/control")
s.listen()
time.sleep(600)
END
silent=$!
pids+=("$silent")
wait_until 30 test -e "$work/spool/silent/control"
check "one that does not answer is told, and is down" json_is 3 \
  '[a["action"] for a in s["actions"]] == ["network", "relay", "silent"] and "in time" in s["actions"][2]["error"]'
check "also as text" gives 3 status
check "in the first line" first "DOWN: action silent"
check "with a reason" grep -qE '^Reason +azmonlog has not answered in time' "$work/out"
stop "$silent" KILL

# --- check ---
note='rsyslogd exports too, by its action network, relay'
check "check tells that there are actions" gives 0 check -c "$work/azmonlog.conf"
sed "s,^,# ," "$work/out"
check "by name" grep -qE "^[^ ]+ +rsyslog +[0-9]+ ms $note\$" "$work/out"
check "and what to look at" grep -qE "what to do: make sure that no action gets this machine's own logs as well" "$work/out"
check "as JSON" gives 0 check --json -c "$work/azmonlog.conf"
step_is() {
  python3 - "$work/out" <<'END'
import json, sys
c = json.load(open(sys.argv[1]))
step = next(s for s in c["steps"] if s["step"] == "rsyslog")
assert c["ok"] and step["result"] == "ok" and step["remedy"] and step["detail"].endswith("network, relay"), step
END
}
check "it is no failure" step_is
mkdir "$work/files"
/lib/systemd/systemd-journal-remote -o "$work/files/a.journal" <(python3 "$srcdir/tests/lib/make_export.py" 5) >/dev/null 2>&1
printf '[journal]\ndirectory=%s\n' "$work/files" >>"$work/azmonlog.conf"
gives 0 check -c "$work/azmonlog.conf" >/dev/null
check "another journal than this machine's: nothing to say" sh -c '! grep -q rsyslogd "$1"' sh "$work/out"
one
check "rsyslogd ends with 0" stop "$rsyslogd"
gives 0 check -c "$work/azmonlog.conf" >/dev/null
check "without actions nothing is said" sh -c '! grep -q rsyslogd "$1"' sh "$work/out"
check "nor by status: nothing is left in their spools" json_is 0 '"actions" not in s'
check "azmonlog ends with 0" stop "$azmonlog"

# --- what waits for a destination, with nobody to deliver it ---
curl -sSf --data-binary 'request * status 403' "http://127.0.0.1:$port/emulator/script" >/dev/null
start_rsyslogd network
wait_until 30 test -s "$work/tcp"
for i in 1 2 3; do echo "<14>1 2026-11-25T12:00:00Z host app 7 - - stranded $i"; done >"/dev/tcp/127.0.0.1/$(cat "$work/tcp")"
held() { "$AZMONLOG" status --json >"$work/out"; [ $? = 2 ] && grep -q '"behind":{"records":3,' "$work/out"; }
check "the destination holds an action: 2" wait_until 30 held
gives 2 status >/dev/null
check "the first line says it" first "HELD since "
check "rsyslogd ends with 0" stop "$rsyslogd"
check "what is left in its spool is told" gives 3 status
sed "s,^,# ," "$work/out"
check "in the first line" first "DOWN, last seen "
check "how many" grep -qE '^Spool +3 records, ' "$work/out"
check "and why" grep -qE '^Reason +rsyslogd does not run, or has no such action any more' "$work/out"
check "as JSON" json_is 3 '[a["action"] for a in s["actions"]] == ["network"] and s["actions"][0]["spool"]["records"] == 3'
curl -sSf --data-binary 'request * normal' "http://127.0.0.1:$port/emulator/script" >/dev/null
check "check does not take it for one that runs" gives 0 check -c "$work/azmonlog.conf"
check "so it says nothing" sh -c '! grep -q rsyslogd "$1"' sh "$work/out"
done_testing
