#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Proves that azmonlog-emulator is as strict as its README.md says, and that each fault of a script is the fault that
# its name promises. Prints TAP. test_emulator_faults.sh is about the rest: conditions, answers that hurt, limits,
# certificates, --fast.
#
#   EMULATOR=path/to/azmonlog-emulator tests/emulator/test_emulator.sh

# shellcheck source=tests/emulator/help.sh
. "$(dirname "$0")/help.sh" || exit 99

# ------------------------------------------------------------------------------------------ command line

"$emulator" --version >"$tmp/out" && ok '--version names the program' grep -q '^azmonlog-emulator [0-9]' "$tmp/out"
"$emulator" --help >"$tmp/out" && ok '--help lists the options' grep -q -- '--port-file FILE' "$tmp/out"
"$emulator" --bad 2>"$tmp/err"
is 'an unknown option is a usage error' $? 2
"$emulator" --port 70000 2>"$tmp/err"
is 'a port beyond 65535 is a usage error' $? 2
"$emulator" --tls-cert x 2>"$tmp/err"
is 'a certificate without a key is a usage error' $? 2

printf '# comment\n\nrequest 1 staus 503\n' >"$tmp/bad-script"
"$emulator" --port 0 --script "$tmp/bad-script" 2>"$tmp/err"
is 'a wrong script ends the start' $? 1
ok '... with file, line and the known words' grep -q "bad-script:3: .*staus.*status refuse reset" "$tmp/err"
"$emulator" --port 0 --script "$tmp/none" 2>"$tmp/err"
is 'a script that cannot be read ends the start' $? 1

start --store "$tmp/store" --requests "$tmp/requests"
"$emulator" --port "$(cat "$tmp/port")" 2>"$tmp/err"
is 'a port in use ends the start' $? 1
ok '... and the message says so' grep -q 'Address already in use' "$tmp/err"

# ---------------------------------------------------------------------------------------------- success

is 'plain OTLP: 200' "$(post "$plain" "$tmp/one")" 200
is '... with the type of a protobuf answer' "$(answer Content-Type)" application/x-protobuf
is '... and an empty ExportLogsServiceResponse' "$(stat -c %s "$tmp/body")" 0
is 'Azure: 204' "$(post "$azure" "$tmp/one")" 204
ok '... with a request id' test -n "$(answer x-ms-request-id)"
is 'the first segment may be spelled differently' "$(post "${azure/datac/dataC}" "$tmp/one")" 204
is 'gzip is unpacked' "$(post "$azure" "$tmp/one.gz" -H 'Content-Encoding: gzip')" 204
is 'identity is no encoding' "$(post "$azure" "$tmp/one" -H 'Content-Encoding: identity')" 204
is 'exactly 1 MiB is allowed' "$(post "$azure" "$tmp/exact")" 204
is '... also after decompression' "$(post "$azure" "$tmp/exact.gz" -H 'Content-Encoding: gzip')" 204
is 'keep-alive: the second request needs no new connection' \
  "$(curl -s -o /dev/null -o /dev/null -w '%{num_connects} ' "$base/emulator/stats" "$base/emulator/stats")" '1 0 '
is 'a request without records is a success for plain OTLP' "$(post "$plain" "$tmp/no-records")" 200
is '... and one without bytes, too' "$(post "$plain" "$tmp/empty")" 200

# --------------------------------------------------------------------------------------------- strictness

# refused DESCRIPTION STATUS CODE URL-SUFFIX FILE [CURL OPTION...] : the answer on Azure's path.
refused() {
  local description=$1 status=$2 code=$3 suffix=$4 file=$5
  shift 5
  is "$description: $status $code" "$(post "$base$suffix" "$tmp/$file" "$@") $(answer x-ms-error-code)" "$status $code"
}
refused 'another path' 404 ResourceNotFound /datacollectionRules/x one
refused 'an id that is none' 404 ResourceNotFound "${azure_path/dcr-0/dcr-G}" one
refused 'another stream' 400 InvalidStream "${azure_path/OTLP-Logs/OTel-Logs}" one
ok '... as nested JSON' grep -q '^{"error":{"code":"InvalidStream","message":"' "$tmp/body"
refused 'the stream in lower case' 400 InvalidStream "${azure_path/Microsoft/microsoft}" one
refused 'another method' 405 MethodNotAllowed "$azure_path" one -X PUT
is '... and the answer names the right one' "$(answer Allow)" POST
refused 'chunked' 400 MissingContentLengthHeader "$azure_path" one -H 'Transfer-Encoding: chunked'
is '... as flat JSON' "$(cat "$tmp/body")" \
  '{"code":"MissingContentLengthHeader","message":"Invalid request. Header '"'Content-Length'"' must be specified."}'
refused 'no Content-Length at all' 400 MissingContentLengthHeader "$azure_path" one -H 'Content-Length:'
type=application/json refused 'JSON' 415 UnsupportedMediaType "$azure_path" one
type='' refused 'no Content-Type' 415 UnsupportedMediaType "$azure_path" one
refused 'deflate' 415 UnsupportedContentEncoding "$azure_path" one -H 'Content-Encoding: deflate'
refused 'no User-Agent' 400 MissingUserAgent "$azure_path" one -H 'User-Agent:'
refused '1 MiB and a byte' 413 ContentLengthLimitExceeded "$azure_path" too-long
ok '... and the message has the numbers' grep -q '1048576 bytes (1 MB). Provided content length: 1048577' "$tmp/body"
refused '1 MiB and a byte after decompression' 413 ContentLengthLimitExceeded "$azure_path" too-long.gz \
  -H 'Content-Encoding: gzip'
refused 'a gzip bomb' 413 ContentLengthLimitExceeded "$azure_path" bomb.gz -H 'Content-Encoding: gzip'
for file in cut trailing zlib; do
  refused "gzip: $file" 400 InvalidGzip "$azure_path" $file.gz -H 'Content-Encoding: gzip'
done
refused 'gzip announced, none sent' 400 InvalidGzip "$azure_path" one -H 'Content-Encoding: gzip'
for file in garbage cut wrong-type deep abyss; do
  refused "protobuf: $file" 400 InvalidProtobuf "$azure_path" $file
done
is 'values within values are fine up to 100 levels' "$(post "$azure" "$tmp/deep-99")" 204
refused 'a body that is not UTF-8' 400 InvalidUtf8 "$azure_path" bad-body
ok '... names the field' grep -q ' resource_logs\[0\].scope_logs\[0\].log_records\[0\].body.string_value ' "$tmp/body"
refused 'a surrogate in UTF-8' 400 InvalidUtf8 "$azure_path" bad-surrogate
refused 'a key that is not UTF-8' 400 InvalidUtf8 "$azure_path" bad-key
ok '... names the field' grep -q 'log_records\[1\].attributes\[0\].key ' "$tmp/body"
refused 'a resource that is not UTF-8' 400 InvalidUtf8 "$azure_path" bad-service
refused 'a trace id of 15 bytes' 400 InvalidRecord "$azure_path" trace-15
refused 'a span id of 9 bytes' 400 InvalidRecord "$azure_path" span-9
refused 'the same key twice' 400 InvalidAttributes "$azure_path" twice
refused 'no time' 400 InvalidRecord "$azure_path" no-time
is '... which plain OTLP allows' "$(post "$plain" "$tmp/no-time")" 200
refused 'no records' 400 EmptyRequest "$azure_path" no-records
refused 'no bytes' 400 EmptyRequest "$azure_path" empty

is 'plain OTLP: errors are google.rpc.Status' "$(post "$plain" "$tmp/garbage") $(answer Content-Type)" \
  '400 application/x-protobuf'
is '... with code 3 and a message' \
  "$(python3 -c 'import sys; b = open(sys.argv[1], "rb").read(); print(b[:3], len(b) == b[3] + 4)' "$tmp/body")" \
  "b'\\x08\\x03\\x12' True"
is 'plain OTLP: chunked is refused as well' "$(post "$plain" "$tmp/one" -H 'Transfer-Encoding: chunked')" 400

is 'Expect: 417, without waiting for the body' "$(python3 - "${base##*:}" "$azure_path" <<'PYTHON'
import socket, sys
s = socket.create_connection(("127.0.0.1", int(sys.argv[1])), timeout=20)
s.sendall(b"POST %s HTTP/1.1\r\nHost: x\r\nUser-Agent: x\r\nExpect: 100-continue\r\nContent-Length: 10\r\n\r\n"
          % sys.argv[2].encode())
print(s.makefile().readline().strip())
PYTHON
)" 'HTTP/1.1 417 Expectation Failed'
is 'every request is logged' "$(wc -l <"$tmp/requests")" "$(stats requests)"

# ----------------------------------------------------------------------------------------------- the store

reset_emulator
is 'reset empties the store' "$(stats records) $(stat -c %s "$tmp/store") $(stat -c %s "$tmp/requests")" '0 0 0'
post "$azure" "$tmp/everything" -H 'User-Agent: me/1' >"$tmp/out"
python3 - "$tmp/store" <<'PYTHON' >"$tmp/out"
import json, sys
[line] = open(sys.argv[1], encoding="utf-8").read().splitlines()
assert json.loads(line) == {
    "request": 1, "uid": "u-every", "time_unix_nano": "1753000000123456789",
    "observed_time_unix_nano": "1753000000999999999", "severity_number": 9, "severity_text": "info",
    "service": "web", "host": "h1", "body": "zero \0 one \u20ac",
    "trace_id": "000102030405060708090a0b0c0d0e0f", "span_id": "0001020304050607", "flags": 1,
    "dropped_attributes_count": 2,
    "attributes": {"log.record.uid": "u-every", "int": -5, "yes": True, "half": 0.5, "nan": "NaN",
                   "list": ["a", 1], "map": {"k": "v"}, "bytes": "AAECAw==", "nothing": None},
    "resource": {"service.name": "web", "host.name": "h1"}, "scope": "azmonlog"}, line
PYTHON
is 'every field of a record arrives in the store' $? 0
is 'the request is logged' "$(last "$tmp/requests" \
  '[line[k] for k in ("request", "status", "records", "resources", "stored", "user_agent")]')" \
  "[1, 204, 1, 1, 1, 'me/1']"
ok '... with the time in milliseconds' grep -qE '"time":"20..-..-..T..:..:..\.[0-9]{3}Z"' "$tmp/requests"
post "$azure" "$tmp/three" >"$tmp/out"
post "$plain" "$tmp/three" >"$tmp/out"
is 'duplicates are counted by uid' "$(stats records) $(stats distinct_uids) $(stats duplicates)" '7 4 3'
is '... and records by service' "$(stats by_service)" '{"web":1,"db":6}'
is 'records?from=K gives the lines from line K' \
  "$(curl -s "$base/emulator/records?from=6" | cmp - <(tail -n +6 "$tmp/store") && echo same)" same
is '... up to the end' "$(curl -s "$base/emulator/records?from=8" | wc -c)" 0
is '... and no line 0' "$(curl -s -o /dev/null -w '%{http_code}' "$base/emulator/records?from=0")" 400
is 'control requests are not counted' "$(stats requests) $(wc -l <"$tmp/requests")" '3 3'

reset_emulator
is '8 clients at once' "$(python3 "$here/otlp.py" hammer "${base##*:}" "$azure_path" 8 25)" 'all accepted'
is '... every record is counted' \
  "$(stats accepted_requests) $(stats records) $(stats distinct_uids) $(stats duplicates)" '200 2000 1800 200'
is '... and the lines of a request stand together' \
  "$(python3 -c '
import itertools, json, sys
groups = [n for n, _ in itertools.groupby(json.loads(l)["request"] for l in open(sys.argv[1]))]
print(len(groups), len(set(groups)))' "$tmp/store")" '200 200'
is '... and nothing is in flight any more' "$(stats in_flight)" 0

ok 'SIGTERM: exit 0' stop
ok '... and the port file is gone' test ! -e "$tmp/port"

printf '{"request":1,"uid":"to' >>"$tmp/store"
start --store "$tmp/store"
is 'a restart counts the old lines, without a torn one' \
  "$(stats records) $(stats distinct_uids) $(wc -l <"$tmp/store")" '2000 1800 2000'
ok 'exit 0' stop

# A file size limit stands for a full disk. It comes and goes while the emulator runs: valgrind writes files, too.
rm -f "$tmp/store"
start --store "$tmp/store"
prlimit --pid "$pid" --fsize=1024:
statuses=$(for _ in 1 2 3 4 5 6; do post "$azure" "$tmp/one"; echo; done | sort -u | tr '\n' ' ')
is 'what cannot be stored is refused: 503' "$statuses" '204 503 '
is '... and not half stored' "$(stats records) $(tail -c 1 "$tmp/store" | od -An -c | tr -d ' ')" \
  "$(wc -l <"$tmp/store") \\n"
ok '... and the reason is on stderr' grep -q 'cannot write .*: File too large' "$tmp/stderr"
prlimit --pid "$pid" --fsize=unlimited:
ok 'exit 0' stop

# ---------------------------------------------------------------------------------------------- the faults

start --store "$tmp/store" --requests "$tmp/requests"
reset_emulator

script 'request 2 status 429 header "Retry-After: 7" header "X-Why: tests" body "slow\x20down\n"  # comment'
is 'status: only the numbered request' "$(for _ in 1 2 3; do post "$azure" "$tmp/one"; done)" 204429204
script 'request 1 status 503 header "Retry-After: 7" header "X-Why: tests" body "busy:\x20\"wait\"\n"'
is 'status: the status ...' "$(post "$azure" "$tmp/one")" 503
is '... the headers ...' "$(answer Retry-After) $(answer X-Why)" '7 tests'
is '... the body with its escapes' "$(cat "$tmp/body")" 'busy: "wait"'
is '... nothing is stored' "$(stats records)" 2
is '... and the request is logged as a fault' "$(last "$tmp/requests" '[line["status"], line["stored"], line["fault"]]')" \
  "[503, 0, 'status 503']"
script "request * status 500 body-file $here/otlp.py"
post "$azure" "$tmp/one" >"$tmp/out"
ok 'body-file' cmp "$tmp/body" "$here/otlp.py"

script 'request * refuse 403 OperationFailed "no role on the DCR" header "X-Why: tests"'
is 'refuse: Azure hears Azure words' "$(post "$azure" "$tmp/one") $(answer x-ms-error-code) $(answer X-Why)" \
  '403 OperationFailed tests'
is '... as JSON' "$(cat "$tmp/body")" '{"error":{"code":"OperationFailed","message":"no role on the DCR"}}'
is '... and plain OTLP a Status' "$(post "$plain" "$tmp/one") $(tail -c 18 "$tmp/body")" '403 no role on the DCR'

script 'request * containing "\x00poison" refuse 400 BadRecord "poison"'
is 'containing: only requests with these bytes' "$(post "$azure" "$tmp/three") $(post "$azure" "$tmp/poison")" '204 400'

reset_emulator
script $'request 1 reset\nrequest 2 close\nrequest 3 stall 100ms\nrequest 4 stored-then-reset'
is 'reset: no answer' "$(post "$azure" "$tmp/one") $(cat "$tmp/exit")" '000 56'
ok '... but ECONNRESET' grep -q 'Connection reset by peer' "$tmp/curl"
is 'close: no answer, but an orderly end' "$(post "$azure" "$tmp/one") $(cat "$tmp/exit")" '000 52'
is 'stall: the same, later' "$(post "$azure" "$tmp/one") $(cat "$tmp/exit")" '000 52'
is '... and nothing of the three is stored' "$(stats records)" 0
is 'stored-then-reset: ECONNRESET ...' "$(post "$azure" "$tmp/three") $(cat "$tmp/exit")" '000 56'
is '... but stored' "$(stats records)" 3
is '... so that sending it again makes duplicates' "$(post "$azure" "$tmp/three") $(stats duplicates)" '204 3'
is 'the log tells the faults apart' "$(python3 -c '
import json, sys
for line in map(json.loads, open(sys.argv[1])):
  print(line.get("fault", "none"), line["status"], line["stored"], sep=" ", end="; ")' "$tmp/requests")" \
  'reset 0 0; close 0 0; stall 100ms 0 0; stored-then-reset 0 3; none 204 3; '
is 'what a fault took the answer from is neither accepted nor refused' \
  "$(stats requests) $(stats accepted_requests) $(stats refused_requests) $(stats faults)" '5 1 0 4'

reset_emulator
script $'request 1 partial-success 2 "two are odd"\nrequest 2 partial-success 3\nrequest 3 partial-success 0 "hm"'
is 'partial-success: 200' "$(post "$azure" "$tmp/three") $(answer Content-Type)" '200 application/x-protobuf'
is '... with count and message' "$(od -An -tx1 -N 4 "$tmp/body" | tr -d ' ')$(tail -c 11 "$tmp/body")" \
  '0a0f0802two are odd'
is '... and the first records are stored' "$(stats records)" 1
is 'partial-success: all rejected, none stored' "$(post "$azure" "$tmp/three") $(stats records)" '200 1'
is 'partial-success 0 is a warning, all stored' "$(post "$azure" "$tmp/three") $(stats records)" '200 4'

reset_emulator
script $'request 1 stall 10min\nrequest 3 delay 1s'
post_in_background
ok 'stall: the request is in flight' eventually stats_are in_flight 1
is '... and holds nobody else up' "$(post "$azure" "$tmp/one") $(stats in_flight) $(stats max_in_flight)" '204 1 2'
kill "$background"
wait "$background" 2>"$tmp/out"
ok 'stall: ends when the client hangs up' eventually stats_are in_flight 0

curl -s --max-time 0.3 -H 'Content-Type: application/x-protobuf' --data-binary "@$tmp/one" "$azure" >"$tmp/out"
is 'delay: a client may lose patience' $? 28
ok '... and its records are stored all the same' eventually stats_are records 2
script 'request * delay 10ms status 500'
is 'delay goes before other faults' "$(post "$azure" "$tmp/one") $(last "$tmp/requests" 'line["fault"]')" \
  '500 delay 10ms status 500'

script 'request 1 stall 10min'
post_in_background
ok 'the end of the emulator ...' eventually stats_are in_flight 1
ok '... waits for no fault' stop
wait "$background"

# --------------------------------------------------------------------------------------- scripts as such

printf 'request 1-2 status 500\nrequest 2 normal # too late\nrequest 4- reset\n\n' >"$tmp/faults"
start --script "$tmp/faults"
is '--script: ranges; the first rule wins' "$(for _ in 1 2 3 4; do post "$azure" "$tmp/one"; done)" 500500204000
script $'request 1 normal\nrequest * status 500'
is 'a new script counts from 1 again' "$(post "$azure" "$tmp/one")$(post "$azure" "$tmp/one")" 204500
curl -s -o /dev/null "$base/nothing"
post "$base/nothing" "$tmp/one" >"$tmp/out"
script 'request 1 status 500'
is 'other paths are not counted by scripts' "$(post "$base/nothing" "$tmp/one")$(post "$azure" "$tmp/one")" 404500
script '# nothing'
is 'an empty script has no faults' "$(post "$azure" "$tmp/one")" 204

wrong 'requests 1 reset' 1 'a rule begins with: request'
wrong $'request 1 reset\nrequest 2' 2 'what to do with the request'
wrong 'request 0 reset' 1 'does not number requests'
wrong 'request 5-4 reset' 1 'does not number requests'
wrong 'request 1 explode' 1 'known: containing records bytes wire delay interim normal status refuse reset close stall'
wrong 'request 1 reset now' 1 'is too much'
wrong 'request 1 status 99' 1 'not an HTTP status'
wrong 'request 1 status 503 haeder "A: b"' 1 'known: header padding body body-file'
wrong 'request 1 status 503 header "no colon"' 1 'Name: value'
wrong 'request 1 status 503 header "Content-Length: 3"' 1 'itself'
wrong 'request 1 status 204 body "x"' 1 'no body'
wrong 'request 1 status 503 body "open' 1 'not closed'
wrong 'request 1 status 503 body "\q"' 1 'unknown escape'
wrong 'request 1 refuse 403 No/Code "x"' 1 'not an error code'
wrong "request 1 status 503 body-file $tmp/none" 1 'No such file'
wrong 'request 1 delay 5' 1 'is not a duration'
wrong 'request 1 partial-success many' 1 'not a number of records'
is 'a refused script changes nothing' "$(post "$azure" "$tmp/one")" 204
is 'control: unknown endpoint' "$(curl -s -o /dev/null -w '%{http_code}' "$base/emulator/x")" 404
is 'control: wrong method' "$(curl -s -o /dev/null -w '%{http_code}' "$base/emulator/reset")" 405
ok 'exit 0' stop

# ------------------------------------------------------------------------------------------------- TLS

openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost \
  -addext subjectAltName=IP:127.0.0.1 -keyout "$tmp/key.pem" -out "$tmp/cert.pem" 2>"$tmp/out"
"$emulator" --port 0 --tls-cert "$tmp/key.pem" --tls-key "$tmp/cert.pem" 2>"$tmp/err"
is 'TLS: a wrong certificate ends the start' $? 1
start --tls-cert "$tmp/cert.pem" --tls-key "$tmp/key.pem"
is 'TLS: 204' "$(post "$azure" "$tmp/one.gz" -H 'Content-Encoding: gzip')" 204
script $'request 1 reset\nrequest 2 close'
is 'TLS: reset' "$(post "$azure" "$tmp/one") $(grep -c 'reset by peer' "$tmp/curl")" '000 1'
is 'TLS: close' "$(post "$azure" "$tmp/one") $(cat "$tmp/exit")" '000 52'
ok 'exit 0' stop

done_testing
