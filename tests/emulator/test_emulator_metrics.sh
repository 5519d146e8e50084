#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Proves that azmonlog-emulator takes, refuses and stores metrics as its README.md says. Prints TAP.
#
#   EMULATOR=path/to/azmonlog-emulator tests/emulator/test_emulator_metrics.sh

# shellcheck source=tests/emulator/help.sh
. "$(dirname "$0")/help.sh" || exit 99

azure_metrics=${azure_path%/streams/*}/streams/Custom-Metrics-Otel/otlp/v1/metrics

start --store "$tmp/store" --metrics "$tmp/metrics" --requests "$tmp/requests"

is 'plain OTLP: 200' "$(post "$base/v1/metrics" "$tmp/metrics-all")" 200
is '... and an empty ExportMetricsServiceResponse' "$(stat -c %s "$tmp/body")" 0
is 'Azure: 204' "$(post "$base$azure_metrics" "$tmp/metrics-all")" 204
is 'each point is a line' "$(wc -l <"$tmp/metrics") $(stats points) $(stats records) $(stat -c %s "$tmp/store")" '8 8 0 0'
python3 - "$tmp/metrics" <<'PYTHON' >"$tmp/out"
import json, sys
lines = [json.loads(line) for line in open(sys.argv[1], encoding="utf-8")][4:]
shared = {"request": 2, "start_time_unix_nano": "1753000000000000000", "time_unix_nano": "1753000060000000000",
          "resource": {"service.name": "web"}, "scope": "azmonlog", "scope_version": "1.0"}
counter = {**shared, "name": "azmonlog.records.read", "description": "what it is", "unit": "{record}", "kind": "sum",
           "temporality": "cumulative", "monotonic": True}
seconds = {**shared, "description": "", "unit": "s", "attributes": {}}
assert lines == [
    {**counter, "attributes": {"service": "\u20ac"}, "value": 7},
    {**counter, "attributes": {}, "value": 8},
    {**seconds, "name": "azmonlog.behind", "kind": "gauge", "value": 0.5},
    {**seconds, "name": "azmonlog.request.duration", "kind": "histogram", "temporality": "cumulative", "count": 3, "sum": 1.5,
     "bucket_counts": [1, 0, 2], "explicit_bounds": [0.1, 1.0]}], lines
PYTHON
is 'with all that it says' $? 0

# refused DESCRIPTION STATUS CODE URL-SUFFIX FILE [CURL OPTION...]
refused() {
  local description=$1 status=$2 code=$3 suffix=$4 file=$5
  shift 5
  is "$description: $status $code" "$(post "$base$suffix" "$tmp/$file" "$@") $(answer x-ms-error-code)" "$status $code"
}
refused 'the stream of logs' 400 InvalidStream "${azure_path%/logs}/metrics" metrics-all
refused 'metrics where logs go' 400 InvalidStream "${azure_metrics%/metrics}/logs" metrics-all
refused 'the stream in lower case' 400 InvalidStream "${azure_metrics/Custom/custom}" metrics-all
refused 'another method' 405 MethodNotAllowed "$azure_metrics" metrics-all -X PUT
type=application/json refused 'JSON' 415 UnsupportedMediaType "$azure_metrics" metrics-all
refused 'chunked' 400 MissingContentLengthHeader "$azure_metrics" metrics-all -H 'Transfer-Encoding: chunked'
refused 'garbage' 400 InvalidProtobuf "$azure_metrics" garbage
refused 'logs' 400 InvalidProtobuf "$azure_metrics" one
refused 'a name that is not UTF-8' 400 InvalidUtf8 "$azure_metrics" metrics-bad-name
for file in no-value no-time backwards no-name no-data no-temporality nan twice buckets bounds count; do
  refused "metrics: $file" 400 InvalidMetrics "$azure_metrics" "metrics-$file"
done
refused 'no points' 400 EmptyRequest "$azure_metrics" metrics-none
refused 'no bytes' 400 EmptyRequest "$azure_metrics" empty
is 'which plain OTLP allows' "$(post "$base/v1/metrics" "$tmp/empty")" 200
is 'nothing of that was stored' "$(wc -l <"$tmp/metrics")" 8
is 'every request is logged' "$(wc -l <"$tmp/requests")" "$(stats requests)"

script 'request 1 partial-success 1 "no room"
request 2 reject-records "web"
request 3 status 503
request 4 containing "azmonlog.behind" stored-then-reset'
is 'a partial success' "$(post "$base/v1/metrics" "$tmp/metrics-all") $(wc -l <"$tmp/metrics")" '200 11'
ok '... says how many points it has rejected, and why' grep -q $'\x08\x01\x12\x07no room' "$tmp/body"
is 'records that are refused are no points' "$(post "$base/v1/metrics" "$tmp/metrics-all") $(wc -l <"$tmp/metrics")" '200 15'
is 'a status of the script' "$(post "$base/v1/metrics" "$tmp/metrics-all") $(wc -l <"$tmp/metrics")" '503 15'
is 'an answer that is lost' "$(post "$base/v1/metrics" "$tmp/metrics-all") $(wc -l <"$tmp/metrics")" '000 19'

reset_emulator
is 'reset forgets the points' "$(stats points) $(stat -c %s "$tmp/metrics")" '0 0'
stop

start --auth --metrics "$tmp/metrics"
refused 'no token' 401 MissingToken "$azure_metrics" metrics-all
token=$(curl -s -H 'Metadata: true' "$base/metadata/identity/oauth2/token?api-version=2018-02-01&resource=https://monitor.azure.com" |
  sed 's/.*"access_token":"\([^"]*\)".*/\1/')
is 'with a token' "$(post "$base$azure_metrics" "$tmp/metrics-all" -H "Authorization: Bearer $token")" 204
is 'a plain endpoint wants none' "$(post "$base/v1/metrics" "$tmp/metrics-all")" 200
stop

start --fast
is '--fast: the points are counted' "$(post "$base/v1/metrics" "$tmp/metrics-all") $(stats points)" '200 4'
stop
is 'the end' $? 0

done_testing
