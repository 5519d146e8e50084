#!/bin/bash
# SPDX-License-Identifier: MIT
# azmonlog quarantine: look at the records that were refused, send them again, or throw them away.
# shellcheck source=tests/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh" || exit 99
[ -x /lib/systemd/systemd-journal-remote ] || skip_all "needs /lib/systemd/systemd-journal-remote"
mkdir "$work/journal" "$work/state"
python3 "$srcdir/tests/lib/make_export.py" 20 |
  /lib/systemd/systemd-journal-remote -o "$work/journal/a.journal" - >/dev/null 2>&1
"$AZMONLOG" cat -c /dev/null --directory "$work/journal" >"$work/cat"
file=$work/state/quarantine.jsonl

# fill [REASON [FIRST LAST]]: the entries FIRST to LAST are in the quarantine, as the exporter puts them there
fill() {
  rm -f "$file"
  fill_more "$@"
}
fill_more() {
  sed -n "$((${2:-0} + 1)),$((${3:-19} + 1))p" "$work/cat" | python3 -c '
import json, sys
for line in sys.stdin:
    o = json.loads(line)
    a = o["resourceLogs"][0]["scopeLogs"][0]["logRecords"][0]["attributes"]
    uid = next(x["value"]["stringValue"] for x in a if x["key"] == "log.record.uid")
    o["azmonlog"] = {"time": "2026-11-22T20:22:35.000001Z", "uid": uid, "reason": sys.argv[1], "status": 400,
                     "code": "InvalidRecord", "message": "this record is \u001b[31modd\u009b, \u00e9\nand more of it"}
    print(json.dumps(o, separators=(",", ":")))
' "${1:-refused}" >"$work/more"
  cat "$work/more" >>"$file" # at once, as the exporter does: a resend may be about to put another file in its place
}
uid() { sed -n "$(($1 + 1))p" "$work/cat" | sed 's/.*"log.record.uid","value":{"stringValue":"\([0-9A-Z]*\)".*/\1/'; }
lines() { if [ -e "$file" ]; then wc -l <"$file"; else echo 0; fi; }

# q CODE COMMAND...: azmonlog quarantine, its exit code, its output in $work/out and $work/err
q() {
  local rc=0 expected=$1
  shift
  "$AZMONLOG" quarantine "$@" -c "$work/azmonlog.conf" >"$work/out" 2>"$work/err" || rc=$?
  cat "$work/out" "$work/err"
  [ $rc = "$expected" ] || echo "exit code $rc"
  [ $rc = "$expected" ]
}
out() { grep -q -e "$1" "$work/out"; }
err() { grep -q -e "$1" "$work/err"; }
script() { curl -sSf --data-binary "$1" "http://127.0.0.1:$port/emulator/script" >/dev/null || bail "script: $1"; }
reset() { curl -sSf -X POST "http://127.0.0.1:$port/emulator/reset" >/dev/null; }
stats_say() { curl -sS "http://127.0.0.1:$port/emulator/stats" | grep -q "$1"; }
bodies_received() { # the numbers of the entries that have arrived, sorted
  sed -n 's/.*"body":"entry \([0-9]*\) .*/\1/p' "$work/received" | sort -n | tr '\n' ' '
}
bodies_left() { sed -n 's/.*"stringValue":"entry \([0-9]*\) .*/\1/p' "$file" | sort -n | tr '\n' ' '; }

start_emulator
configure() { # configure ENDPOINT
  cat >"$work/azmonlog.conf" <<END
[destination]
endpoint=$1
[batch]
max_export_batch_size=8
[export]
timeout=$((5 * patience))s
[state]
directory=$work/state
quarantine_max_bytes=2M
END
}
configure "$endpoint"

# --- looking ---
check "list: nothing there" q 0 list
check "says so" out '^the quarantine is empty$'
check "list --json: nothing there" q 0 list --json
check "is an empty list" out '^{"records":\[\],"bytes":0,"max_bytes":2097152}$'
check "show: nothing there" q 0 show
check "prints nothing" test ! -s "$work/out"
check "resend --all: nothing to do" q 0 resend --all
check "purge --all: nothing to do" q 0 purge --all
check "no state directory" q 1 list --state-directory "$work/none"
check "names it" err "no state directory $work/none"
check "and makes none" test ! -e "$work/none"

fill refused 0 2
COLUMNS=80
export COLUMNS
check "list" q 0 list
cp "$work/out" "$work/table"
sed 's/^/# /' "$work/table"
check "a title, three rows, a sum" [ "$(wc -l <"$work/table")" = 5 ]
check "time, uid, reason, answer" grep -q "^2026-11-22 20:22:35  $(uid 1 | cut -c1-8)[0-9A-Z]*  refused  400 InvalidRecord  " "$work/table"
check "how many, how large" out "^3 records, $(stat -c %s "$file") of 2097152 bytes$"
check "never the contents" sh -c '! grep -q entry "$1"' sh "$work/table"
check "nothing that a terminal obeys" sh -c '! LC_ALL=C grep -q "$(printf "\033\|\302\233")" "$1"' sh "$work/table"
check "cut to the width" python3 -c '
import sys
lines = open(sys.argv[1], encoding="utf-8").read().split("\n")
assert max(len(l) for l in lines) == 80, [len(l) for l in lines]
' "$work/table"
unset COLUMNS
check "no terminal" q 0 list
check "nothing is cut" out 'odd?, é and more of it$'
check "list --json" q 0 list --json
check "has everything but the contents" python3 -c '
import json, sys
o = json.load(open(sys.argv[1]))
assert len(o["records"]) == 3 and o["bytes"] > 100, o
assert o["records"][1]["uid"] == sys.argv[2] and o["records"][1]["service"], o
assert set(o["records"][0]) == {"time", "uid", "reason", "status", "code", "message", "service"}, o
assert "entry" not in json.dumps(o)
' "$work/out" "$(uid 1)"
check "show" q 0 show
check "is what is in the file" python3 -c '
import json, sys
text, shown, d = open(sys.argv[1]).read(), [], json.JSONDecoder()
while text.strip():
    o, end = d.raw_decode(text.lstrip())
    shown.append(o)
    text = text.lstrip()[end:]
assert shown == [json.loads(l) for l in open(sys.argv[2])]
' "$work/out" "$file"
check "show UID" q 0 show "$(uid 1 | cut -c1-12)"
check "is that record" sh -c 'grep -q "entry 1 " "$1" && ! grep -q "entry 2 " "$1"' sh "$work/out"
check "in capitals, too" q 0 show "$(uid 1 | tr a-f A-F)"

# --- which ---
check "no command" q 64
check "another command" q 64 frobnicate
check "a short uid" q 64 show abc
check "a uid that nothing has" q 1 show ffffffffffffffffffffffffffffffff
check "says so" err "no record .* begins with 'ffffffff"
check "purge without a choice" q 64 purge
check "resend without a choice" q 64 resend --reason refused
check "both uid and --all" q 64 purge --all "$(uid 1)"
check "an unknown reason" q 64 list --reason odd
check "show --json" q 64 show --json
check "nothing was lost by that" [ "$(lines)" = 3 ]
sed 's/"uid":"[0-9A-Z]*"/"uid":"abcdef01"/; 2s/abcdef01/abcdef02/' "$file" >"$work/same" && cp "$work/same" "$file"
check "a beginning that several uids have" q 64 purge abcdef
check "says so" err 'several uids'
check "the same record twice is one uid" q 0 purge abcdef01
check "both are gone" out '^2 records deleted$'

# --- purge ---
fill refused 0 9
fill_more suspect 10 14
check "--reason" q 0 list --reason suspect
check "counts both" out '^5 of 15 records'
check "purge by reason" q 0 purge --all --reason suspect
check "says how many" out '^5 records deleted$'
check "the rest is there" [ "$(bodies_left)" = "$(seq -s ' ' 0 9) " ]
check "purge by uid" q 0 purge "$(uid 3)" "$(uid 5)"
check "the rest is there" [ "$(bodies_left)" = "0 1 2 4 6 7 8 9 " ]
echo 'edited by hand' >>"$file"
check "a damaged line is listed" q 0 list
check "as such" out '(damaged)'
check "purge --all" q 0 purge --all
check "takes it too" out '^9 records deleted$'
check "no file is left" test ! -e "$file"

# --- resend ---
fill
check "resend --all" q 0 resend --all
check "says how many" out '^20 of 20 records delivered$'
check "all have arrived" [ "$(bodies_received)" = "$(seq -s ' ' 0 19) " ]
check "with their uids" sh -c 'cut -d, -f2 "$1" | grep -q "\"uid\":\"$2\""' sh "$work/received" "$(uid 7)"
check "in batches" [ "$(grep -c '"records":[48]' "$work/requests")" = 3 ]
check "the quarantine is empty" test ! -e "$file"

reset
fill
script 'request * containing "entry 7 " refuse 400 StillOdd "no"'
check "one is refused again" q 1 resend --all
check "the others are delivered" out '^19 of 20 records delivered$'
check "all of them" [ "$(bodies_received)" = "$(seq -s ' ' 0 19 | sed 's/\b7 //') " ]
check "says so" err '1 refused'
check "it is there with the new answer" q 0 list --json
check "namely this" python3 -c '
import json, sys
r, = json.load(open(sys.argv[1]))["records"]
assert r["uid"] == sys.argv[2] and r["reason"] == "refused" and r["status"] == 400, r
assert r["time"] > "2020" and r["time"] != "2026-11-22T20:22:35.000001Z", r
' "$work/out" "$(uid 7)"
script ''
check "and by its uid it goes" q 0 resend "$(uid 7)"
check "says so" out '^1 of 1 record delivered$'
check "the quarantine is empty" test ! -e "$file"

stays() { # stays FAULT WORDS: the second request meets it
  reset
  fill
  script "request 2- $1"
  check "$1: stops" q 75 resend --all
  check "$1: what was delivered is gone" [ "$(bodies_left)" = "$(seq -s ' ' 8 19) " ]
  check "$1: says how far it came" out '^8 of 20 records delivered$'
  check "$1: says why, and what to do" err "$2"
}
stays 'status 503' 'HTTP 503; the other 12 stay'
stays 'status 429 header "Retry-After: 1"' 'HTTP 429; the other 12 stay'
stays 'status 401' 'HTTP 401; the other 12 stay in the quarantine; .*credentials'
stays 'status 403' 'HTTP 403; the other 12 stay in the quarantine; .*permissions'
stays "stall $((20 * patience))s" 'timed out'

reset
fill suspect 0 2
fill_more refused 3 5
script 'request * containing "entry 1 " reset'
check "a suspect that still fails" q 75 resend --all
check "went alone, and after the others" [ "$(bodies_received)" = "0 3 4 5 " ]
check "it and those behind it are still there" [ "$(bodies_left)" = "1 2 " ]

reset
script ''
fill partial 0 3
fill_more refused 4 5
check "resend --all" q 0 resend --all
check "leaves those with reason partial out" [ "$(bodies_left)" = "0 1 2 3 " ]
check "says so" err '4 with reason partial'
check "one by its uid" q 0 resend "$(uid 2)"
check "all by their reason" q 0 resend --all --reason partial
check "the quarantine is empty" test ! -e "$file"
reset
fill refused 0 3
script 'request 1 partial-success 2 "two are odd"'
check "a request that is taken but for some" q 1 resend --all
check "says so" out '^0 of 4 records delivered$'
check "they stay" [ "$(lines)" = 4 ]
check "with reason partial" [ "$(grep -c '"reason":"partial","status":200.*"rejected":2,"of":4' "$file")" = 4 ]

reset
script ''
fill refused 0 1
{ echo 'edited by hand'; sed -n 3p "$work/cat" | sed 's/"timeUnixNano":"/&x/'; } >>"$file"
check "lines that cannot be sent" q 1 resend --all
check "are no hindrance" out '^2 of 4 records delivered$'
check "and stay" [ "$(lines)" = 2 ]

# --- at the same time ---
reset
fill refused 0 9
script "request 1 delay $((patience > 1 ? 8 : 4))s" # all of what follows happens meanwhile
start "$AZMONLOG" quarantine resend --all -c "$work/azmonlog.conf" >"$work/resend" 2>&1
resend=$started
check "a resend is under way" wait_until 30 stats_say '"in_flight":1'
check "a second one is refused" q 1 resend --all
check "says why" err 'another azmonlog quarantine'
check "a purge, too" q 1 purge --all
check "list sees all of it" q 0 list
check "all 10" out '^10 records'
fill_more refused 15 15 # the exporter goes on
rc=0
wait "$resend" || rc=$?
check "the resend succeeds" [ $rc = 0 ]
check "what came meanwhile is there" [ "$(bodies_left)" = "15 " ]

for signal in KILL TERM; do # (a shell's background jobs ignore SIGINT)
  wait_until 30 stats_say '"in_flight":0' # also what was killed
  reset
  fill refused 0 9
  script 'request 2 delay 3s'
  start "$AZMONLOG" quarantine resend --all -c "$work/azmonlog.conf" >"$work/resend" 2>&1
  wait_until 30 stats_say '"requests":1,.*"in_flight":1'
  rc=0
  stop "$started" $signal || rc=$?
  if [ $signal = KILL ]; then
    check "killed in the middle: nothing is lost" [ "$(bodies_left)" = "$(seq -s ' ' 0 9) " ]
  else
    check "interrupted: exit code 75" [ $rc = 75 ]
    check "what was delivered is gone" [ "$(bodies_left)" = "8 9 " ]
  fi
  script ''
  check "the next one sends the rest" q 0 resend --all
  check "the quarantine is empty" test ! -e "$file"
done

# --- where it does not work ---
stop "$emulator"
fill refused 0 2
check "nobody listens" q 75 resend --all
check "says what to do" err 'check that the server runs'
check "everything is there" [ "$(lines)" = 3 ]
configure ''
check "no destination" q 78 resend --all
check "says so" err 'no destination'
if [ "$(id -u)" = 0 ] && command -v setpriv >/dev/null; then
  chmod 755 "$work"
  chmod 750 "$work/state"
  as_nobody() { setpriv --reuid 65534 --regid 65534 --clear-groups "$AZMONLOG" quarantine "$@" -c "$work/azmonlog.conf" 2>&1; }
  nobody_may_not() { local rc=0; as_nobody "$@" || rc=$?; [ $rc = 77 ]; }
  check "list without permission" nobody_may_not list
  check "purge without permission" nobody_may_not purge --all
  chmod 755 "$work/state" && chmod 644 "$file"
  check "who may read may list" as_nobody list
  check "but not purge" nobody_may_not purge --all
  chown -R 65534:65534 "$work/state"
  check "root takes one record of somebody else's" q 0 purge "$(uid 0)"
  check "and the files stay theirs" [ -z "$(find "$work/state" ! -user 65534)" ]
else
  skip "permissions" "needs root and setpriv"
fi
done_testing
