#!/bin/bash
# SPDX-License-Identifier: MIT
# Whatever the destination answers, nothing is dropped: it is retried or held, said once, and delivered in the end.
# shellcheck source=tests/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh" || exit 99
[ -x /lib/systemd/systemd-journal-remote ] || skip_all "needs /lib/systemd/systemd-journal-remote"
python3 "$srcdir/tests/lib/make_export.py" 300 | /lib/systemd/systemd-journal-remote -o "$work/a.journal" - >/dev/null
mkdir "$work/journal" && mv "$work/a.journal" "$work/journal/"

cat >"$work/azmonlog.conf" <<END
[batch]
max_export_batch_size=50
schedule_delay=100ms
[export]
timeout=500ms
shutdown_timeout=500ms
retry_initial_delay=20ms
retry_max_delay=100ms
hold_max_delay=100ms
[journal]
start=oldest
directory=$work/journal
END

script() { curl -sSf --data-binary "$1" "http://127.0.0.1:$port/emulator/script" >/dev/null; }
all_here() { [ "$(grep -o '"body":"entry [0-9]*' "$work/received" | sort -u | wc -l)" = 300 ]; }
copies_are_equal() { # each body has one uid
  python3 - "$work/received" <<'END'
import collections, json, sys
uids = collections.defaultdict(set)
for line in open(sys.argv[1]):
    r = json.loads(line)
    uids[r["body"]].add(r["uid"])
assert len(uids) == 300 and all(len(u) == 1 for u in uids.values()), "uids differ"
assert len(set.union(*uids.values())) == 300, "uids are shared"
END
}

# try FAULT BEGIN WORDS [REQUESTS]: the fault for the first requests | how the log line begins | words in it
try() {
  local fault=$1 begin=$2 words=$3 requests=${4:-12} rc=0
  rm -rf "$work/state" "$work/log"
  curl -sSf -X POST "http://127.0.0.1:$port/emulator/reset" >/dev/null
  script "request 1-$requests $fault" || bail "the emulator refuses: $fault"
  timeout -k 5 120 "$AZMONLOG" run -c "$work/azmonlog.conf" --endpoint "$endpoint" --state-directory "$work/state" \
    --once 2>"$work/log" || rc=$?
  check "$fault: delivered in the end" [ $rc = 0 ]
  check "$fault: every record is there" all_here
  check "$fault: copies have one uid" copies_are_equal
  check "$fault: says it" grep -q "$begin.*$words" "$work/log"
  check "$fault: says it once" [ "$(grep -c "$begin" "$work/log")" -le 2 ]
  check "$fault: says that it is over" grep -q "works again" "$work/log"
}

start_emulator
try 'status 503' 'cannot deliver' 'HTTP 503'
try 'status 429 header "Retry-After: 1"' 'cannot deliver' 'HTTP 429' 2
try 'reset' 'cannot deliver' ''
try 'close' 'cannot deliver' ''
try 'stored-then-reset' 'cannot deliver' ''
try 'stall 1s' 'cannot deliver' 'timed out' 4
try 'status 400' 'held' 'HTTP 400' 60
try 'status 401' 'held' 'credentials'
try 'status 403 header "x-ms-error-code: OperationFailed"' 'held' 'HTTP 403 (OperationFailed)'
try 'status 404' 'held' 'check host and path'
try 'status 413' 'held' 'max_request_bytes' 60
try 'status 302 header "Location: http://127.0.0.1:9/"' 'held' 'redirects'
try 'status 200 header "Content-Type: text/html" body "<html>please log in</html>"' 'held' 'web page'

# A partial success is an acknowledgement, and is never sent again: copies are kept for a person.
rm -rf "$work/state"
curl -sSf -X POST "http://127.0.0.1:$port/emulator/reset" >/dev/null
script 'request 2 partial-success 50 "no"'
rc=0
"$AZMONLOG" run -c "$work/azmonlog.conf" --endpoint "$endpoint" --state-directory "$work/state" --once 2>"$work/log" ||
  rc=$?
check "partial success: ends well" [ $rc = 0 ]
check "partial success: nothing is sent again" sh -c '[ "$(wc -l <"$1")" = 6 ]' sh "$work/requests"
check "partial success: a copy is kept of all that it was about" [ "$(wc -l <"$work/state/quarantine.jsonl")" = 50 ]
check "partial success: which says why" grep -q '"reason":"partial".*"message":"no"' "$work/state/quarantine.jsonl"
check "partial success: says it" grep -q 'server rejected some' "$work/log"

stop "$emulator"
rm -rf "$work/state"
start "$AZMONLOG" run -c "$work/azmonlog.conf" --endpoint "$endpoint" --state-directory "$work/state" --once 2>"$work/log"
daemon=$started
check "nobody listens: says so" wait_until 30 grep -q 'cannot deliver.*check that the server runs' "$work/log"
check "SIGTERM ends --once with 75: not all delivered" sh -c '
  kill -TERM "$1"; tail --pid="$1" -f /dev/null; true' sh "$daemon"
rc=0
wait "$daemon" || rc=$?
check "that is its exit code" [ $rc = 75 ]
rm -f "$work/received"
start_emulator
check "the next run delivers everything" "$AZMONLOG" run -c "$work/azmonlog.conf" --endpoint "$endpoint" \
  --state-directory "$work/state" --once
check "every record is there" all_here

rm -rf "$work/state"
start "$AZMONLOG" run -c "$work/azmonlog.conf" --endpoint "http://no-such-host.invalid/v1/logs" \
  --state-directory "$work/state" --once 2>"$work/log"
check "a host that nobody knows: says so" wait_until 60 grep -q 'cannot deliver.*[Rr]esolv' "$work/log"
stop "$started" || true

done_testing
