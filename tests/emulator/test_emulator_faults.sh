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

# ------------------------------------------------------------------------------------- answers that hurt

# Each is tried over http and over https: they are sent past the HTTP library.
hurt() {
  local how=$1
  reset_emulator
  script $'request 1 truncated\nrequest 2 garbage\nrequest 3 garbage "<html>hi"\nrequest 4 trickle 1ms\nrequest 5 endless'
  is "$how truncated: 200, and the end comes too early" "$(post "$azure" "$tmp/one") $(cat "$tmp/exit")" '200 18'
  is '... the head promises more' "$(answer Content-Length) $(stat -c %s "$tmp/body")" '1000 500'
  is '... the records are stored' "$(stats records)" 1
  is "$how garbage: no HTTP" "$(post "$azure" "$tmp/one") $(cat "$tmp/exit")" '000 1'
  is '... or what the script says' "$(post "$azure" "$tmp/one" --http0.9) $(cat "$tmp/body")" '000 <html>hi'
  is '... nothing is stored' "$(stats records)" 1
  is "$how trickle: the answer, byte by byte" "$(post "$azure" "$tmp/one") $(cat "$tmp/exit")" '204 0'
  ok '... of which none is missing' test -n "$(answer x-ms-request-id)"
  is "$how endless: 200, and no end" "$(post "$azure" "$tmp/one" --max-time 0.5) $(cat "$tmp/exit")" '200 28'
  ok '... as long as the client takes it' test "$(stat -c %s "$tmp/body")" -gt 1000000
  is '... both stored' "$(stats records)" 3
  is '... and logged with what was answered' "$(python3 -c '
import json, sys
for line in map(json.loads, open(sys.argv[1])):
  print(line["fault"], line["status"], line["stored"], end="; ")' "$tmp/requests")" \
    'truncated 200 1; garbage 0 0; garbage 0 0; trickle 1ms 204 1; endless 200 1; '
  is '... a trickle is an answer of its own, the others are the script'"'s" \
    "$(stats requests) $(stats accepted_requests) $(stats faults)" '5 1 5'

  script $'request 1-2 gzip-bomb\nrequest 3-4 trickle 0ms\nrequest 5 truncated'
  is "$how gzip-bomb: 200" "$(post "$azure" "$tmp/one") $(answer Content-Encoding)" '200 gzip'
  is '... it unpacks to 256 MiB' "$(gzip -dc <"$tmp/body" | wc -c)" 268435456
  ok '... and is small' test "$(stat -c %s "$tmp/body")" -lt 2000000
  is '... also in a client' "$(post "$azure" "$tmp/one" --compressed) $(stat -c %s "$tmp/body")" '200 268435456'
  is 'what is refused is refused properly' \
    "$(for _ in 3 4 5; do post "$azure" "$tmp/twice"; answer x-ms-error-code; done | paste -sd' ')" \
    '400InvalidAttributes 400InvalidAttributes 400InvalidAttributes'
  script $'request 1 normal close-after\nrequest 2 normal close-unsaid\nrequest 3 interim 103\nrequest 4 interim 102 status 503'
  is "$how close-after: says so" "$(post "$azure" "$tmp/one") $(answer Connection)" '204 close'
  is "$how close-unsaid: does not" "$(post "$azure" "$tmp/one") $(answer Connection)" '204 '
  is "$how interim: a 1xx goes before the answer" \
    "$(post "$azure" "$tmp/one") $(grep -c '^HTTP/1.1 103 Early Hints' "$tmp/headers")" '204 1'
  is '... any answer' "$(post "$azure" "$tmp/one") $(grep -c '^HTTP/1.1 102 Processing' "$tmp/headers")" '503 1'
  script 'request 1-2 status 503 padding 100000'
  is "$how padding: a very long header" "$(post "$azure" "$tmp/one") $(answer X-Padding | wc -c)" "503 100001"
  is '... also behind a large body' "$(post "$azure" "$tmp/exact") $(answer X-Padding | wc -c)" "503 100001"
}

# connects : how many connections curl makes for two posts
connects() {
  curl -s --cacert "$tmp/cert.pem" -H 'Content-Type: application/x-protobuf' --data-binary "@$tmp/one" -o "$tmp/out" \
    -o "$tmp/out" -w '%{num_connects} ' "$azure" "$azure"
}

# ends_during FAULT : the end of the emulator does not wait for it
ends_during() {
  script "request 1 $1"
  curl -s --max-time 60 --cacert "$tmp/cert.pem" -H 'Content-Type: application/x-protobuf' --data-binary "@$tmp/one" \
    --limit-rate 10k -o "$tmp/background" "$azure" &
  background=$!
  eventually stats_are faults 1
  ok "the end of the emulator does not wait for: $1" stop
  kill "$background" 2>"$tmp/out" # it may have been sent much more than it has read
  wait "$background" 2>"$tmp/out"
}

"$here/../lib/make_certs.sh" "$tmp/certs" || exit 1
cp "$tmp/certs/ca.pem" "$tmp/cert.pem"
for how in http https; do
  tls=()
  [ $how = http ] || tls=(--tls-cert "$tmp/certs/good.pem" --tls-key "$tmp/certs/good.key")
  start --store "$tmp/store" --requests "$tmp/requests" "${tls[@]}"
  hurt $how
  script ''
  is "$how keep-alive" "$(connects)" '1 0 '
  script 'request 1 normal close-after'
  is '... not with close-after' "$(connects)" '1 1 '
  script 'request 1 normal close-unsaid'
  is '... nor with close-unsaid' "$(connects)" '1 1 '
  reset_emulator
  ends_during 'trickle 10min'
  start "${tls[@]}"
  ends_during endless
  start "${tls[@]}"
  ends_during gzip-bomb
done

start
wrong 'request 1 trickle' 1 'a duration'
wrong 'request 1 interim 200' 1 'from 100 to 199'
wrong 'request 1 status 503 padding 100001' 1 'no length of a header'
wrong 'request 1 normal now' 1 'is too much'
ok 'exit 0' stop

# ------------------------------------------------------------------------------------------ connections

for how in http https; do
  tls=()
  code=56 # "failure with receiving network data"; of a handshake it is 35
  [ $how = http ] || { tls=(--tls-cert "$tmp/certs/good.pem" --tls-key "$tmp/certs/good.key") code=35; }
  start --store "$tmp/store" "${tls[@]}"
  reset_emulator
  script $'connection 1 normal\nconnection 1-3 reset\nrequest 1 status 500'
  is "$how connection reset: some, and before any request" \
    "$(for _ in 1 2 3 4; do post "$azure" "$tmp/one"; cat "$tmp/exit"; done | paste -sd' ')" "5000 000$code 000$code 2040"
  is '... the requests are counted by themselves' "$(stats requests) $(stats in_flight)" '2 0'
  script 'connection 1 reset'
  post "$azure" "$tmp/one" >"$tmp/out"
  ok '... a reset, no orderly end' grep -qi 'reset by peer' "$tmp/curl"

  script 'connection * slow-read 1ms'
  is "$how slow-read: in the end the body is read" "$(post "$azure" "$tmp/one")" 204
  script 'connection 1 slow-read 100ms'
  reset_emulator # behind the script: its own connection counts, too
  is '... and before that there is no answer' "$(post "$azure" "$tmp/exact" --max-time 1) $(cat "$tmp/exit")" '000 28'
  is '... and no request' "$(stats requests) $(stats in_flight)" '0 1'
  ok 'the end of the emulator does not wait for slow-read' stop
done

start
wrong 'connection 1' 1 'is: normal, reset or slow-read'
wrong 'connection 0 reset' 1 'does not number connections'
wrong 'connection 1 slow-read' 1 'a duration'
wrong 'connection 1 reset now' 1 'is too much'
wrong 'connect 1 reset' 1 'a rule begins with: request, connection'
kill -HUP "$pid"
ok 'SIGHUP without a certificate changes nothing' eventually grep -q 'there is none' "$tmp/stderr"
is '...' "$(post "$azure" "$tmp/one")" 204
ok 'exit 0' stop

# ----------------------------------------------------------------------------------------- certificates

# present NAME : the server's certificate becomes this one.
present() {
  cp "$tmp/certs/$1.pem" "$tmp/server.pem"
  cp "$tmp/certs/$1.key" "$tmp/server.key"
}

# fails NAME : does curl refuse this certificate by now, and because of that?
fails() {
  post "$azure" "$tmp/one" >"$tmp/out"
  [ "$(cat "$tmp/exit")" = 60 ] && grep -qE "$1" "$tmp/curl"
}

# shows NAME : is it what the server presents now?
shows() {
  [ "$(openssl s_client -connect "${base#https://}" </dev/null 2>"$tmp/out" | openssl x509 -noout -fingerprint)" = \
    "$(openssl x509 -noout -fingerprint -in "$tmp/certs/$1.pem")" ]
}

present good
start --tls-cert "$tmp/server.pem" --tls-key "$tmp/server.key" --requests "$tmp/requests"
is 'good: 204' "$(post "$azure" "$tmp/one")" 204
present expired
is '... and the files are not read by themselves' "$(post "$azure" "$tmp/one")" 204
kill -HUP "$pid"
ok 'SIGHUP: expired' eventually fails 'certificate has expired'
present early
kill -HUP "$pid"
ok 'early' eventually fails 'certificate is not yet valid'
present wrong-name
kill -HUP "$pid"
ok 'wrong-name' eventually fails 'no alternative certificate subject name|does not match'
present untrusted
kill -HUP "$pid"
ok 'untrusted' eventually fails 'unable to get local issuer'
present renewed
kill -HUP "$pid"
ok 'renewed' eventually shows renewed
is '... 204' "$(post "$azure" "$tmp/one")" 204
cp "$tmp/certs/good.key" "$tmp/server.key"
kill -HUP "$pid"
ok 'a key that does not belong to the certificate: said' eventually grep -q 'do they belong together' "$tmp/stderr"
is '... and the old certificate stays' "$(shows renewed && post "$azure" "$tmp/one")" 204

# What becomes of connections that have the certificate before.
present good
reset_emulator
script 'request 2 delay 1s'
python3 - "$base" "$azure_path" "$tmp" "$pid" >"$tmp/out" <<'PYTHON'
import http.client, os, signal, ssl, sys, threading, time, urllib.request
base, path, tmp, pid = sys.argv[1:]
context = ssl.create_default_context(cafile=tmp + "/cert.pem")
body = open(tmp + "/one", "rb").read()

def connect():
    return http.client.HTTPSConnection(base.split("/")[2], timeout=20, context=context)

def post(connection):
    connection.request("POST", path, body, {"Content-Type": "application/x-protobuf", "User-Agent": "x"})
    answer = connection.getresponse()
    answer.read()
    return answer.status, answer.getheader("Connection")

def name(connection):
    connection.connect()
    return dict(pair[0] for pair in connection.sock.getpeercert()["subject"])["commonName"]

idle, busy = connect(), connect()
print(name(idle), *post(idle))
def late():
    print("busy", *post(busy))
waiting = threading.Thread(target=late)
waiting.start()
while b'"in_flight":1' not in urllib.request.urlopen(base + "/emulator/stats", context=context).read():
    time.sleep(0.02)
os.kill(int(pid), signal.SIGHUP)
waiting.join()
print("idle", idle.sock.recv(1))
while name(fresh := connect()) != "good":
    time.sleep(0.02)
print("fresh", *post(fresh))
PYTHON
is 'a new certificate: requests are finished, and connections end' "$(paste -sd, "$tmp/out")" \
  "renewed 204 None,busy 204 close,idle b'',fresh 204 None"
script 'request 1 stall 10min'
post_in_background
ok 'a request that takes too long ...' eventually stats_are in_flight 1
present renewed
kill -HUP "$pid"
ok '... does not keep the new certificate from coming' eventually shows renewed
ok '... nor the end of the emulator' stop
wait "$background"

# ------------------------------------------------------------------------------ redirects, and who they reach

start --requests "$tmp/requests"
script 'request * status 307 header "Location: $URL/v1/logs" header "X-Both: $URL and $URL, $UR"'
is '$URL is where the emulator is' "$(post "$azure" "$tmp/one"; answer Location)" "307$base/v1/logs"
is '... as often as it is there' "$(answer X-Both)" "$base and $base, \$UR"
is 'a circle' "$(post "$azure" "$tmp/one" --location --max-redirs 4) $(cat "$tmp/exit")" '307 47'
is '... counted by path' "$(stats by_path)" "{\"$azure_path\":2,\"/v1/logs\":4}"
script 'request 1 status 307 header "Location: $URL/v1/logs"'
is 'a chain that ends' "$(post "$azure" "$tmp/one" --location)" 200
post "$azure" "$tmp/one" -H 'Authorization: Bearer seecret' -H 'X-Odd: odd-value' -H 'Traceparent: x' >"$tmp/out"
is 'the log says whether there was an authorization, and which headers were unusual' \
  "$(last "$tmp/requests" '[line["authorization"], line["headers"]]')" "[True, ['X-Odd', 'Traceparent']]"
is '... but not their values' "$(grep -cE 'seecret|Bearer|odd-value' "$tmp/requests")" 0
post "$azure" "$tmp/one" >"$tmp/out"
is '... and that there was none' "$(last "$tmp/requests" '[line["authorization"], line["headers"]]')" "[False, []]"
post "$base/a%ff" "$tmp/one" >"$tmp/out"
ok 'a path that is not UTF-8 is counted' grep -q '"/a' <(curl -s "$base/emulator/stats")
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
