#!/bin/bash
# SPDX-License-Identifier: MIT
# SIGHUP: the configuration is read anew while azmonlog runs; nothing is lost, nothing comes twice.
# shellcheck source=tests/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh" || exit 99
needs_root_journald "$@"
start_emulator
first=$port
start "$EMULATOR" --port 0 --port-file "$work/port2" --store "$work/received2" --requests "$work/requests2" --quiet
wait_until 30 test -s "$work/port2" || bail "the second emulator does not start"
second=$(cat "$work/port2")
touch "$work/received" "$work/received2"

# configure PORT [LINE...]: a new configuration file with this destination
configure() {
  printf '[destination]\nendpoint=http://127.0.0.1:%s/v1/logs\n[state]\ndirectory=%s\n[batch]\nschedule_delay=50ms\n' \
    "$1" "$work/state" >"$work/new"
  printf '%s\n' "${@:2}" >>"$work/new"
  mv "$work/new" "$work/azmonlog.conf"
}
script() { curl -sSf --data-binary "$2" "http://127.0.0.1:$1/emulator/script" >/dev/null; }
emulator_has() { curl -sSf "http://127.0.0.1:$1/emulator/stats" | grep -q "$2"; }
status_is() { # status_is PYTHON-EXPRESSION over the status s
  "$AZMONLOG" status --json -c /dev/null --state-directory "$work/state" >"$work/json" || [ $? -lt 3 ] || return
  python3 -c 'import json, sys; s = json.load(open(sys.argv[1])); assert eval(sys.argv[2]), s' "$work/json" "$1"
}
reloads=0
reload() { # and waits until it is done
  reloads=$((reloads + 1))
  kill -HUP "$daemon"
  wait_until 30 status_is "s['config'] == {'reloads': $reloads, 'last_reload_error': None}"
}
bad_reload() { # bad_reload WORDS: is refused with these words, everywhere
  kill -HUP "$daemon"
  wait_until 30 status_is "$(python3 -c 'import sys; print(f"{sys.argv[1]!r} in str(s[\"config\"][\"last_reload_error\"])")' "$1")" || {
    cat "$work/json" "$work/log"
    return 1
  }
  "$AZMONLOG" status -c /dev/null --state-directory "$work/state" | tee "$work/out"
  grep -qF "THE LAST RELOAD FAILED: " "$work/out" && grep -F "$1" "$work/log" | grep -q "; the configuration stays as it was" &&
    status_is "s['config']['reloads'] == $reloads"
}
flush() { "$AZMONLOG" flush -c /dev/null --state-directory "$work/state" --timeout 1min; }
arrived() { grep -qF "\"body\":\"$2\"" "$1"; }
goes_to() { # goes_to STORE LINE: this line, logged now
  logger -t demo "$2"
  flush && arrived "$1" "$2"
}
start_azmonlog() {
  start "$AZMONLOG" run -c "$work/azmonlog.conf" 2>>"$work/log"
  daemon=$started
  wait_until 30 status_is True || bail "azmonlog does not start: $(cat "$work/log")"
}

# --- systemd is told ---
start python3 -c '
import socket, sys, time
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(sys.argv[1])
while True:
    text = s.recv(4096).decode().replace("\n", " ")
    print(time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000, text, flush=True)
' "$work/notify" >"$work/notified"
wait_until 30 test -S "$work/notify" || bail "no notify socket"
configure "$first" '[journal]' 'start=now'
export NOTIFY_SOCKET=$work/notify
start_azmonlog
unset NOTIFY_SOCKET
begun=$(python3 -c 'import time; print(time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000)')
check "a reload" reload
told() { # READY=1 at the start, then RELOADING=1 with the time, then READY=1 again
  python3 - "$work/notified" "$1" "$begun" <<'END'
import re, sys
events, times = [], []
for line in open(sys.argv[1]):
    now, text = line.rstrip("\n").split(" ", 1)
    if "RELOADING=1" in text:
        events.append("RELOADING")
        usec = int(re.search(r"MONOTONIC_USEC=(\d+)", text)[1])
        assert int(sys.argv[3]) <= usec <= int(now), (sys.argv[3], usec, now)
    elif text.startswith("READY=1"):
        events.append("READY")
assert events == ["READY"] + int(sys.argv[2]) * ["RELOADING", "READY"], events
END
}
check "systemd hears RELOADING=1 with MONOTONIC_USEC, then READY=1" wait_until 30 told 1
echo 'nonsense' >>"$work/azmonlog.conf"
check "a reload that fails" bad_reload "$work/azmonlog.conf:9:"
check "systemd hears READY=1 after it, too" wait_until 30 told 2
configure "$first" '[journal]' 'start=now'
check "a good one makes up for it" reload

# --- a new endpoint ---
check "a line goes to the first endpoint" goes_to "$work/received" "to the first"
script "$first" 'request * delay 1s'
logger -t demo "in flight"
check "a request is in flight" wait_until 30 emulator_has "$first" '"in_flight":1'
configure "$second"
check "a new endpoint" reload
check "status names it" status_is "s['destination'] == 'http://127.0.0.1:$second/v1/logs'"
check "the log, too" grep -q "the configuration was read anew; exporting to http://127.0.0.1:$second/v1/logs" "$work/log"
check "a line goes to the second" goes_to "$work/received2" "to the second"
check "what was in flight has arrived at the first" arrived "$work/received" "in flight"
check "not again at the second" [ "$(grep -c '"body":"in flight"' "$work/received2")" = 0 ]
check "the first got nothing more" [ "$(grep -c '"body":"to the second"' "$work/received")" = 0 ]
script "$first" 'request * normal'

# what fails at the old endpoint after the change goes to the new one
script "$second" 'request * delay 1s status 503'
logger -t demo "fails in flight"
check "a request is in flight that will fail" wait_until 30 emulator_has "$second" '"in_flight":1'
configure "$first"
check "the endpoint changes" reload
check "the failed records arrive at the new one" wait_until 30 arrived "$work/received" "fails in flight"
script "$second" 'request * normal'

# --- a hold ends ---
configure "$second" '[export]' 'retry_initial_delay=1h' 'retry_max_delay=1h' 'hold_max_delay=1h'
check "an endpoint" reload
script "$second" 'request * status 403'
logger -t demo "held"
check "that refuses: held, and not tried again for long" wait_until 30 status_is 's["state"] == "held"'
configure "$first" '[export]' 'retry_initial_delay=1h' 'retry_max_delay=1h' 'hold_max_delay=1h'
check "another one" reload
check "gets the held record at once" wait_until 30 arrived "$work/received" "held"
check "and all is well" wait_until 30 status_is 's["state"] == "delivering" and s["error"] is None'
script "$second" 'request * normal'

# --- files that are refused ---
cp "$work/azmonlog.conf" "$work/good"
printf '[batch]\nschedule_delay=soon\n' >>"$work/azmonlog.conf"
check "a bad value: FILE:LINE" bad_reload "$work/azmonlog.conf:12: schedule_delay: 'soon' is not a duration"
check "the old configuration goes on" goes_to "$work/received" "after a bad value"
rm "$work/azmonlog.conf"
check "a file that is gone" bad_reload "$work/azmonlog.conf: No such file"
check "the old configuration goes on" goes_to "$work/received" "after the file was gone"
echo '[batch]' >"$work/azmonlog.conf"
check "no endpoint" bad_reload "there is no destination any more"
fixed() { # fixed KEY LINE...: this must not change, and nothing else of the file counts then
  configure "$second" "${@:2}"
  bad_reload "$1 cannot change while azmonlog runs; restart it" && goes_to "$work/received" "$1 stays"
}
mkdir "$work/files"
python3 "$srcdir/tests/lib/make_export.py" 1 | /lib/systemd/systemd-journal-remote -o "$work/files/a.journal" - >/dev/null 2>&1
check "another directory" fixed "[journal] directory=" '[journal]' "directory=$work/files"
check "another namespace" fixed "[journal] namespace=" '[journal]' "namespace=ns1"
check "another file" fixed "[journal] file=" '[journal]' "file=$work/files/a.journal"
check "another scope" fixed "[journal] scope=" '[journal]' "scope=system"
check "another state directory" fixed "[state] directory=" '[state]' "directory=$work/state2"
check "another control socket" fixed "[state] control=" '[state]' "control=$work/control2"
check "none of it went to the second endpoint" [ "$(grep -c 'stays"' "$work/received2")" = 0 ]
mv "$work/good" "$work/azmonlog.conf"
check "a good file" reload
check "the error is forgotten" sh -c '! "$AZMONLOG" status -c /dev/null --state-directory "$1" | grep "RELOAD FAILED"' sh "$work/state"

# --- what is selected ---
log_all() { # log_all ROUND: one line each
  local who
  for who in a b c; do
    logger -t "$who" "$who in round $1"
  done
  flush
}
gets() { # gets ROUND WHO...: of that round just these have arrived
  log_all "$1" || return
  cat "$work/received" "$work/received2" | sed -n "s/.*\"body\":\"\(.\) in round $1\".*/\1/p" | sort | tr -d '\n' >"$work/got"
  cat "$work/got"
  [ "$(cat "$work/got")" = "$2" ]
}
configure "$first" '[journal]' 'identifiers=a' 'identifiers=b'
check "a selection" reload
check "counts" gets 1 ab
configure "$first" '[journal]' 'exclude_identifiers=b'
check "an exclude" reload
check "counts" gets 2 ac
configure "$first" '[journal]' 'match=PRIORITY=3'
check "a match" reload
check "counts" gets 3 ""
configure "$first" '[resource]' 'deployment.environment.name=round-4'
check "an attribute of the resource, and everything" reload
check "counts" gets 4 abc
resource_is() { [ "$(grep "$1" "$work/received" | grep -c "\"resource\":{.*\"deployment.environment.name\":\"$2\"")" = "$3" ]; }
check "the attribute is there" resource_is "in round 4" round-4 3
check "not on what came before" resource_is "in round 2" round-4 0
configure "$first" '[batch]' 'max_export_batch_size=1'
check "batches of one" reload
check "count" gets 5 abc
check "the attribute is gone" resource_is "in round 5" round-4 0
lonely() { # each in a request of its own
  [ "$(sed -n 's/.*"request":\([0-9]*\),.*"body":". in round 5".*/\1/p' "$work/received" | sort -u | wc -l)" = 3 ]
}
check "the batches are of one" lonely
check "nothing came twice" [ "$(cat "$work/received" "$work/received2" | grep -o '"uid":"[0-9A-Z]*"' | sort | uniq -d | wc -l)" = 0 ]

# --- many reloads under a flood ---
cat >"$work/flood.py" <<'END'
# root and a user, so that there are two journal files; each counts for itself
import os, socket, sys, time
who = "user" if os.fork() == 0 else "root"
if who == "user":
    os.setgroups([])
    os.setgid(1500)
    os.setuid(1500)
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.connect("/run/systemd/journal/socket")
i = 0
while not os.path.exists(sys.argv[1] + "/enough") and i < 200000:
    s.send(f"MESSAGE=number {i} {who}\nSYSLOG_IDENTIFIER=flood\n".encode())
    s.send(f"MESSAGE=noise {i} {who}\nSYSLOG_IDENTIFIER=noise\n".encode())
    i += 1
    if i % 10 == 0:
        time.sleep(0.01)
s.send(f"MESSAGE=sent {i} {who}\nSYSLOG_IDENTIFIER=flood\n".encode())
if who == "root":
    os.wait()
END
chmod 711 "$work" # the user looks for "enough"
start python3 "$work/flood.py" "$work"
flood=$started
for round in $(seq 20); do
  case $((round % 5)) in
  0) lines=('[batch]' 'max_export_batch_size=7') ;;
  1) lines=('[journal]' 'identifiers=flood' 'identifiers=noise') ;;
  2) lines=('[journal]' 'exclude_identifiers=noise' '[batch]' 'max_request_bytes=64K') ;;
  3) lines=('[journal]' 'identifiers=flood' '[export]' 'compression=none' 'concurrency=1') ;;
  4) lines=('[batch]' 'schedule_delay=10ms' '[export]' 'concurrency=8') ;;
  esac
  configure "$([ $((round % 2)) = 0 ] && echo "$first" || echo "$second")" "${lines[@]}" '[resource]' "round=$round"
  before=$(cat "$work/received" "$work/received2" | wc -l)
  reload || bail "reload $round: $(cat "$work/json" "$work/log")"
  more() { [ "$(cat "$work/received" "$work/received2" | wc -l)" -gt "$before" ]; }
  wait_until 30 more || bail "nothing arrives after reload $round"
  [ $((round % 7)) != 0 ] || journalctl --rotate
done
touch "$work/enough"
wait "$flood"
check "20 reloads under a flood: all is delivered" flush
check "the configuration of each round has counted" \
  [ "$(cat "$work/received" "$work/received2" | grep -o '"round":"[0-9]*"' | sort -u | wc -l)" -ge 15 ]
complete() {
  python3 - "$work/received" "$work/received2" <<'END'
import collections, json, sys
bodies, uids, stores, sent = collections.Counter(), collections.Counter(), [], {}
for path in sys.argv[1:]:
    stores.append(0)
    for line in open(path):
        r = json.loads(line)
        uids[r["uid"]] += 1
        word, *number = r["body"].split()
        if word == "number":
            bodies[number[1], int(number[0])] += 1
            stores[-1] += 1
        elif word == "sent":
            sent[number[1]] = int(number[0])
missing = [(who, i) for who in sent for i in range(sent[who]) if (who, i) not in bodies]
twice = [i for i in bodies if bodies[i] > 1]
print(f"{sent} sent, {stores} arrived, missing {len(missing)} {missing[:10]}, twice {len(twice)} {twice[:10]}")
assert set(sent) == {"root", "user"} and min(sent.values()) > 500 and min(stores) > 100
assert not missing and not twice and max(uids.values()) == 1
END
}
check "nothing is missing, nothing came twice" complete
complete 2>&1 | sed 's/^/# /'
check "no gap was seen" status_is 'set(s["losses"].values()) == {0}'
check "it ends with 0" stop "$daemon"
check "no state directory but the first" [ ! -e "$work/state2" ]
done_testing
