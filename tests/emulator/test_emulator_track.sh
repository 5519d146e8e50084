#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Proves that azmonlog-emulator takes, refuses and stores the envelopes of Application Insights as its README.md says. Prints
# TAP.
#
#   EMULATOR=path/to/azmonlog-emulator tests/emulator/test_emulator_track.sh

# shellcheck source=tests/emulator/help.sh
. "$(dirname "$0")/help.sh" || exit 99
python3 "$here/envelopes.py" "$tmp" || exit 1

# track FILE [CURL OPTION...] : posts items and prints the status; the type goes by the name of the file.
track() {
  local file=$1 type=application/json
  shift
  case $file in
  *.lines* | *.gz) type=application/x-json-stream ;;
  esac
  case $file in
  *.gz) set -- -H 'Content-Encoding: gzip' "$@" ;;
  esac
  post "$base/v2.1/track" "$tmp/$file" "$@"
}

# answered [EXPRESSION] : the answer, in short: received, accepted, and index and status of each error.
answered() {
  last "$tmp/body" '" ".join(["%d/%d" % (line["itemsAccepted"], line["itemsReceived"])] +
    ["%d:%d" % (e["index"], e["statusCode"]) for e in line["errors"]])'
}

start --store "$tmp/store" --requests "$tmp/requests"

# ---------------------------------------------------------------------------------------------------- success

for file in three.json three.lines three.lines.gz spaced.json; do
  is "$file: 200" "$(track $file) $(cat "$tmp/body")" '200 {"itemsReceived":3,"itemsAccepted":3,"errors":[]}'
done
is 'a single object' "$(track object.json) $(answered)" '200 1/1'
is '... they are counted' "$(stats records) $(stats distinct_uids) $(stats duplicates) $(stats by_service)" '13 3 10 {"web":13}'
for file in oldest newest seconds longest most-characters longest-property no-severity frames nul; do
  is "$file" "$(track $file.json) $(answered)" '200 1/1'
done
is 'as many as are allowed' "$(track most.gz) $(answered)" '200 64000/64000'
reset_emulator

track one.json >"$tmp/out"
track exception.json >"$tmp/out"
python3 - "$tmp/store" "$tmp/one.json" <<'PYTHON' >"$tmp/out"
import json, sys
message, exception = map(json.loads, open(sys.argv[1], encoding="utf-8").read().splitlines())
[sent] = json.load(open(sys.argv[2], encoding="utf-8"))
assert message.pop("time_unix_nano").endswith("123456789")
assert message == {
    "request": 1, "uid": "u1", "name": sent["name"], "time": sent["time"], "base_type": "MessageData", "service": "web",
    "role": "web", "instance": "h1", "operation_id": "0af7651916cd43dd8448eb211c80319c", "parent_id": "b7ad6b7169203331",
    "body": "hello", "tags": sent["tags"], "severity_level": 1, "properties": {"log.record.uid": "u1"}}, message
assert exception["body"] == "bad" and exception["severity_level"] == 3 and exception["uid"] == "e1", exception
assert exception["exceptions"] == [{"typeName": "ValueError", "message": "bad", "hasFullStack": True, "stack": "at x"}]
assert exception["base_type"] == "ExceptionData" and exception["measurements"] == {"m": 1.5}, exception
PYTHON
is 'every field of an item arrives in the store' $? 0
is 'the request is logged' \
  "$(last "$tmp/requests" '[line[k] for k in ("path", "status", "records", "stored", "first_uid", "last_uid")]')" \
  "['/v2.1/track', 200, 1, 1, 'e1', 'e1']"

# ------------------------------------------------------------------------------------------------- strictness

for file in "$tmp"/bad-*.json; do
  file=${file##*/}
  is "${file%.json}: 400" "$(track "$file") $(answered)" '400 0/1 0:400'
done
is 'an unknown instrumentation key, in Azure'"'s words" \
  "$(track bad-ikey.json; last "$tmp/body" 'line["errors"][0]["message"]')" '400Invalid instrumentation key'
is 'some good, some bad: 206' "$(track mixed.json) $(answered)" '206 2/4 1:400 3:400'
is '... the good ones are stored' "$(tail -n 2 "$tmp/store" | grep -o '"uid":"[^"]*"' | paste -sd' ')" '"uid":"u0" "uid":"u1"'
is '... and logged' "$(last "$tmp/requests" '[line[k] for k in ("status", "records", "stored")]')" '[206, 4, 2]'
is '... and it was accepted' "$(stats accepted_requests)" 3

# refused DESCRIPTION STATUS FILE [CURL OPTION...] : the whole request
refused() {
  local description=$1 status=$2
  shift 2
  is "$description: $status" "$(track "$@") $(answered)" "$status 0/0 0:$status"
}
printf '[{"a":1},]' >"$tmp/comma.json"
printf '[{"a":1}' >"$tmp/open.json"
printf '[] x' >"$tmp/behind.json"
printf '{"a":1}\n\n{"a":1}' >"$tmp/gap.lines"
printf '{"a":\n1}' >"$tmp/broken.lines"
printf '{"a":1,"a":1}' >"$tmp/twice.json"
printf '{"a":"\xff"}' >"$tmp/latin.json"
printf ' \n' >"$tmp/blank.json"
for file in comma.json open.json behind.json gap.lines broken.lines twice.json latin.json blank.json; do
  refused "$file" 400 $file
done
printf '[]' >"$tmp/nothing.json"
refused 'no item' 400 nothing.json
is 'another Content-Type: 415' "$(type='application/json; charset=utf-8' post "$base/v2.1/track" "$tmp/three.json") $(answered)" \
  '415 0/0 0:415'
refused 'another Content-Encoding' 415 three.json -H 'Content-Encoding: br'
refused 'gzip announced, none sent' 400 three.json -H 'Content-Encoding: gzip'
refused 'chunked' 400 three.json -H 'Transfer-Encoding: chunked'
refused 'another method' 405 three.json -X PUT
refused 'too many items' 413 too-many.gz
refused 'too large after decompression' 413 too-large.gz
refused 'too large' 413 too-long
is 'another path: 404' "$(post "$base/v2/track" "$tmp/three.json")" 404
is '... and two slashes' "$(post "$base//v2.1/track" "$tmp/three.json")" 404

# ------------------------------------------------------------------------------------------------- the script

reset_emulator
script $'request 1 items 500 "red"\nrequest 2 items 439 "red" "quota"\nrequest 3 items 429 "hello"\nrequest 4 items 402 "black"'
is 'items: 206, with its status for each' "$(track colours.lines) $(answered)" '206 4/6 0:500 1:500'
is '... the others are stored' "$(stats records) $(grep -c red "$tmp/store")" '4 0'
track colours.lines >"$tmp/out"
is '... with a message' "$(last "$tmp/body" 'line["errors"][0]')" "{'index': 0, 'statusCode': 439, 'message': 'quota'}"
is '... all of them' "$(track three.json) $(answered)" '206 0/3 0:429 1:429 2:429'
is '... none' "$(track three.json) $(answered)" '200 3/3'
is '... and the log says so' "$(last "$tmp/requests" '[line[k] for k in ("status", "fault")]')" "[200, 'items 402']"
script 'request * items 500 "u0"'
is 'items: beside what is bad by itself' "$(track mixed.json) $(answered)" '206 1/4 0:500 1:400 3:400'
is '... of a request to another endpoint: the normal treatment' "$(post "$azure" "$tmp/one")" 204
script 'request * partial-success 1'
is 'partial-success: the normal treatment' "$(track three.json) $(answered)" '200 3/3'
script 'request * reject-records "hello"'
is 'reject-records: the same' "$(track three.json) $(answered)" '200 3/3'
wrong 'request 1 items "x"' 1 'HTTP status'
wrong 'request 1 items 200 "x"' 1 'from 400 to 599'
wrong 'request 1 items 500' 1 'the text of the items'

reset_emulator
script $'request 1 containing "green" status 307 header "Location: $URL/v2.1/track"\nrequest 2 refuse 439 Quota "daily quota"\nrequest 3 records 3 stored-then-reset\nrequest 4 truncated\nrequest 5 reset\nrequest 6 trickle 1ms'
is 'status: a redirect' "$(track colours.lines) $(answer Location)" "307 $base/v2.1/track"
is 'refuse: in the form of the path' "$(track three.json) $(cat "$tmp/body")" \
  '439 {"itemsReceived":0,"itemsAccepted":0,"errors":[{"index":0,"statusCode":439,"message":"daily quota"}]}'
is 'stored-then-reset' "$(track three.json) $(stats records)" '000 3'
is 'truncated' "$(track three.json) $(answer Content-Type) $(stats records)" '200 application/json 6'
is 'reset' "$(track three.json) $(stats records)" '000 6'
is 'trickle' "$(track three.json) $(answered) $(stats records)" '200 3/3 9'
script 'request 1 status 308 header "Location: $URL/v2.1/track"'
is 'a redirect that is followed' "$(track three.json -L) $(answered)" '200 3/3'
script '# nothing'
curl -s -o "$tmp/out" --data-binary 1/10s "$base/emulator/limit"
is 'the limit' "$(track three.json)$(track three.json) $(answered)" '200429 0/0 0:429'
ok 'exit 0' stop

# ------------------------------------------------------------------------------------- keys, tokens, --fast, disk

start --auth --ikey 11111111-0000-0000-0000-000000000000
is '--auth: no token, no items: 401' "$(track bad-ikey.json) $(answered)" '401 0/0 0:401'
ok '... which says what is wanted' grep -q '^Bearer ' <<<"$(answer WWW-Authenticate)"
token=$(curl -s -H 'Metadata: true' \
  "$base/metadata/identity/oauth2/token?api-version=2018-02-01&resource=https://monitor.azure.com/" | grep -o '"access_token":"[^"]*"' | cut -d'"' -f4)
is '--ikey: this one, and with a token' "$(track bad-ikey.json -H "Authorization: Bearer $token") $(answered)" '200 1/1'
is '... and not another one' "$(track one.json -H "Authorization: Bearer $token") $(answered)" '400 0/1 0:400'
ok 'exit 0' stop
start --fast
is '--fast: counted' "$(track mixed.json) $(track three.lines.gz) $(stats records) $(stats distinct_uids)" '206 200 5 0'
ok 'exit 0' stop
start --store "$tmp/store"
is 'a restart counts the old lines' "$(stats records) $(stats by_service)" '15 {"web":15}'
ok 'exit 0' stop

done_testing
