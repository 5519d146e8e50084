#!/bin/bash
# SPDX-License-Identifier: MIT
#
# What test_emulator.sh leaves: the conditions of a rule, the answers that hurt a client, limits, certificates, --fast.
# Prints TAP.
#
#   EMULATOR=path/to/azmonlog-emulator tests/emulator/test_emulator_faults.sh

# shellcheck source=tests/emulator/help.sh
. "$(dirname "$0")/help.sh" || exit 99

# uids : the uids in the store, in order.
uids() {
  grep -o '"uid":"[^"]*"' "$tmp/store" | cut -d'"' -f4 | paste -sd' '
}

# sum : of the numbers on stdin.
sum() {
  awk '{ s += $1 } END { printf "%d", s }'
}

# ------------------------------------------------------------------------------------------- conditions

start --store "$tmp/store" --requests "$tmp/requests"

script 'request * containing "nowhere" "hello" "t2" status 500'
is 'containing: one of several texts is enough' \
  "$(for file in one three mixed; do post "$azure" "$tmp/$file"; done)" 500500204
script 'request * records 2-5 status 500'
is 'records: so many of them' "$(for file in one three mixed; do post "$azure" "$tmp/$file"; done)" 204500204
is '... and a request that was not unpacked has none' "$(post "$azure" "$tmp/one" -H 'Content-Encoding: br')" 415
script 'request * bytes 1048576- refuse 413 ContentLengthLimitExceeded "too long"'
is 'bytes: the decompressed length' \
  "$(post "$azure" "$tmp/exact.gz" -H 'Content-Encoding: gzip')$(post "$azure" "$tmp/exact")$(post "$azure" "$tmp/one")" \
  413413204
script 'request * wire 1048576- status 413'
is 'wire: the length as sent' \
  "$(post "$azure" "$tmp/exact.gz" -H 'Content-Encoding: gzip')$(post "$azure" "$tmp/exact")" 204413
script 'request 2- wire 1- records 3 bytes 1-1000 containing "t1" delay 1ms status 500'
is 'conditions go together, in any order' \
  "$(for file in three three mixed one; do post "$azure" "$tmp/$file"; done)" 204500204204
is '... and are no part of the fault' "$(python3 -c '
import json, sys
print([json.loads(l).get("fault") for l in open(sys.argv[1])][-4:])' "$tmp/requests")" \
  "[None, 'delay 1ms status 500', None, None]"

wrong 'request 1 containing status 500' 1 'must contain'
wrong 'request 1 records many reset' 1 'no amount of records'
wrong 'request 1 bytes 5-4 reset' 1 'no amount of bytes'

# --------------------------------------------------------------------------------------- reject-records

reset_emulator
script 'request * reject-records "bad" "these are bad"'
is 'reject-records: 200' "$(post "$azure" "$tmp/mixed") $(answer Content-Type)" '200 application/x-protobuf'
is '... with the number and the message' "$(od -An -tx1 -N 4 "$tmp/body" | tr -d ' ')$(tail -c 13 "$tmp/body")" \
  '0a110803these are bad'
is '... the others are stored, in their order' "$(uids)" 'm0 m2 m3 m5'
is '... and counted' "$(stats records) $(stats by_service)" '4 {"web":3,"db":1}'
is '... and can be read from any line' "$(curl -s "$base/emulator/records?from=3" | wc -l)" 2
is '... and the log has the numbers, and the first and the last uid' \
  "$(last "$tmp/requests" '[line[k] for k in ("status", "records", "stored", "first_uid", "last_uid", "fault")]')" \
  "[200, 7, 4, 'm0', 'm6', 'reject-records']"
is 'reject-records: nothing to reject, a plain success' "$(post "$azure" "$tmp/one") $(stats records)" '204 5'
script 'request * reject-records "o"'
is 'reject-records: all' "$(post "$plain" "$tmp/one") $(stats records)" '200 5'
is '... without a message' "$(od -An -tx1 "$tmp/body" | tr -d ' ')" 0a020801
is '... of a request that is wrong: the refusal' "$(post "$azure" "$tmp/twice") $(stats records)" '400 5'
wrong 'request 1 reject-records' 1 'the records to reject'

ok 'exit 0' stop

# --------------------------------------------------------------------------------------------- the limit

"$emulator" --limit-requests 5 2>"$tmp/err"
is 'a limit that is none is a usage error' $? 2
start --limit-requests 2/10min --requests "$tmp/requests"
script 'request 2- status 500'
is 'the limit: N requests pass, then 429' "$(for _ in 1 2 3 4; do post "$azure" "$tmp/one"; done)" 204500429429
is '... with the words of Azure ...' "$(answer x-ms-error-code)" TooManyRequests
ok '... and Retry-After: what is left of the window' test "$(answer Retry-After)" -gt 500 -a "$(answer Retry-After)" -le 600
is '... or of OTLP: RESOURCE_EXHAUSTED' "$(post "$plain" "$tmp/one") $(od -An -tx1 -N 2 "$tmp/body")" '429  08 08'
is '... counted by themselves' \
  "$(stats requests) $(stats accepted_requests) $(stats refused_requests) $(stats throttled_requests) $(stats faults)" \
  '5 1 0 3 1'
is '... and logged' "$(last "$tmp/requests" '[line["status"], line["records"], "fault" in line]')" '[429, 0, False]'
is '... and what does not count for a script does not count here' "$(post "$base/nothing" "$tmp/one")" 404
reset_emulator
is 'a reset begins a new window' "$(post "$azure" "$tmp/one") $(stats throttled_requests)" '204 0'
limit() {
  curl -s -o "$tmp/out" -w '%{http_code}' --data-binary "$1" "$base/emulator/limit"
}
script ''
is 'a limit can be replaced' "$(limit 1/1s) $(for _ in 1 2; do post "$azure" "$tmp/one"; done)" '200 204429'
passes() { [ "$(post "$azure" "$tmp/one")" = 204 ]; }
ok '... and its window ends' eventually passes
is '... and so does the limit' "$(limit none) $(for _ in 1 2 3; do post "$azure" "$tmp/one"; done)" '200 204204204'
is '... a wrong one is refused' "$(for text in 1 1/0s x/1s 1/1h '' -1/1s; do limit "$text"; done)" 400400400400400400
ok 'exit 0' stop

# ----------------------------------------------------------------------------------------------- --fast

"$emulator" --fast --store "$tmp/store" 2>"$tmp/err"
is '--fast with a store is a usage error' $? 2
start --fast --requests "$tmp/requests"
is '--fast: the same answers' \
  "$(post "$azure" "$tmp/three")$(post "$plain" "$tmp/one")$(post "$azure" "$tmp/exact.gz" -H 'Content-Encoding: gzip')" \
  204200204
is '... records, requests and bytes are counted' \
  "$(stats records) $(stats accepted_requests) $(stats bytes) $(stats bytes_wire)" \
  "5 3 $(stat -c %s "$tmp/three" "$tmp/one" "$tmp/exact" | sum) \
$(stat -c %s "$tmp/three" "$tmp/one" "$tmp/exact.gz" | sum)"
is '... and none is kept' "$(curl -s "$base/emulator/records?from=1" | wc -c) $(stats distinct_uids)" '0 0'
is '... the log of requests counts them, too' \
  "$(last "$tmp/requests" '[line["records"], line["resources"], line["stored"]]')" '[1, 1, 1]'
is '--fast: framing that is wrong is refused' "$(for file in garbage cut; do post "$azure" "$tmp/$file"; done)" 400400
for file in cut trailing zlib; do
  is "--fast: gzip: $file" "$(post "$azure" "$tmp/$file.gz" -H 'Content-Encoding: gzip') $(answer x-ms-error-code)" \
    '400 InvalidGzip'
done
is '--fast: gzip announced, none sent' "$(post "$azure" "$tmp/one" -H 'Content-Encoding: gzip')" 400
is '--fast: a gzip bomb' "$(post "$azure" "$tmp/bomb.gz" -H 'Content-Encoding: gzip')" 413
is '--fast: 1 MiB and a byte' "$(post "$azure" "$tmp/too-long.gz" -H 'Content-Encoding: gzip')" 413
is '--fast: no records' "$(post "$azure" "$tmp/no-records")$(post "$plain" "$tmp/no-records")" 400200
reset_emulator
script $'request 1 reject-records "bad"\nrequest 2 partial-success 1\nrequest 3 records 7 status 503'
is '--fast: the script is the same' "$(for _ in 1 2 3; do post "$azure" "$tmp/mixed"; done) $(stats records)" '200200503 10'
ok 'exit 0' stop

done_testing
