# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2034 # what the tests use
# What the tests of the emulator share: TAP, the process, requests, the bodies ($tmp/one and so on, from otlp.py). Source
# it first. EMULATOR is the program under test; needs curl, openssl and python3 (standard library only).

set -u
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
emulator=$(realpath "${EMULATOR:-./azmonlog-emulator}")
tmp=$(mktemp -d) || exit 1
pid=
count=0
failures=0
patience=1
[ -z "${AZMONLOG_TEST_TOOL-}" ] || patience=10

# ---------------------------------------------------------------------------------------------------- TAP

# ok DESCRIPTION COMMAND... : the command must succeed.
ok() {
  local description=$1
  shift
  count=$((count + 1))
  if "$@"; then
    echo "ok $count - $description"
  else
    echo "not ok $count - $description"
    failures=$((failures + 1))
  fi
}

# is DESCRIPTION GOT EXPECTED : the two must be the same.
is() {
  ok "$1" test "$2" = "$3"
  [ "$2" = "$3" ] || printf '#      got: %s\n# expected: %s\n' "$2" "$3"
}

# --------------------------------------------------------------------------------------- the emulator process

# start OPTION... : starts an emulator on a free port and sets pid and base.
start() {
  "$emulator" --port 0 --port-file "$tmp/port" --quiet "$@" 2>>"$tmp/stderr" &
  pid=$!
  eventually test -s "$tmp/port" || {
    echo "Bail out! the emulator does not start: $(cat "$tmp/stderr")"
    exit 1
  }
  case " $* " in
  *' --tls-cert '*) base=https://127.0.0.1:$(cat "$tmp/port") ;;
  *) base=http://127.0.0.1:$(cat "$tmp/port") ;;
  esac
  plain=$base/v1/logs
  azure=$base$azure_path
}

# stop : ends it as a service manager would, and returns its exit status.
stop() {
  local status
  kill -TERM "$pid"
  wait "$pid"
  status=$?
  pid=
  return $status
}

# shellcheck disable=SC2317 # called by the trap
clean_up() {
  [ -z "$pid" ] || kill -KILL "$pid"
  rm -rf "$tmp"
}
trap clean_up EXIT

# eventually COMMAND... : tries for at most 20 seconds (ten times as long under the tools of make analyze).
eventually() {
  for _ in $(seq $((400 * patience))); do
    "$@" && return 0
    sleep 0.05
  done
  return 1
}

# --------------------------------------------------------------------------------------------- requests

azure_path=/datacollectionRules/dcr-0123456789abcdef0123456789abcdef/streams/Microsoft-OTLP-Logs/otlp/v1/logs

# post URL FILE [CURL OPTION...] : posts a body and prints the status, 000 if there was no answer. Leaves the answer
# in $tmp/headers and $tmp/body, and curl's exit status in $tmp/exit. The variable type, if set, is the Content-Type.
post() {
  local url=$1 file=$2
  shift 2
  truncate -s 0 "$tmp/headers" "$tmp/body"
  curl --silent --show-error --max-time 200 --cacert "$tmp/cert.pem" --header 'Expect:' \
    --header "Content-Type: ${type-application/x-protobuf}" "$@" --data-binary "@$file" \
    --dump-header "$tmp/headers" --output "$tmp/body" --write-out '%{http_code}' "$url" 2>"$tmp/curl"
  echo $? >"$tmp/exit"
}

# post_in_background : posts a record to Azure's path and sets background to the pid of the client.
post_in_background() {
  curl --silent --max-time 300 --cacert "$tmp/cert.pem" --header 'Content-Type: application/x-protobuf' --data-binary "@$tmp/one" "$azure" \
    >"$tmp/background" &
  background=$!
}

# answer NAME : the value of a header of the last answer.
answer() {
  sed -n "s/^$1: \(.*\)\r$/\1/Ip" "$tmp/headers"
}

# script TEXT : loads a fault script.
script() {
  curl --silent --show-error --max-time 200 --cacert "$tmp/cert.pem" --data-binary "$1" "$base/emulator/script" >"$tmp/script-answer"
}

# wrong SCRIPT LINE PATTERN : the script is refused, with this line and words like these, and the old one goes on.
wrong() {
  script "$1"
  ok "refused: ${1//$'\n'/; }" grep -q "^{\"line\":$2,.*$3" "$tmp/script-answer"
}

# stats NAME : one counter.
stats() {
  curl --silent --max-time 200 --cacert "$tmp/cert.pem" "$base/emulator/stats" | grep -oE "\"$1\":(\{[^}]*\}|[0-9]+)" | cut -d: -f2-
}

# stats_are NAME VALUE : is the counter at this value now?
stats_are() {
  [ "$(stats "$1")" = "$2" ]
}

# last FILE EXPRESSION : a Python expression over the last line of JSON in a file, as `line`.
last() {
  python3 -c '
import json, sys
line = json.loads(open(sys.argv[1]).read().splitlines()[-1])
print(eval(sys.argv[2]))' "$1" "$2"
}

reset_emulator() {
  curl --silent --max-time 200 --cacert "$tmp/cert.pem" --data-binary '' "$base/emulator/reset" >"$tmp/reset-answer"
}

# --------------------------------------------------------------------------------------------------- the end

# done_testing : the plan, and whether all was well.
done_testing() {
  echo "1..$count"
  [ "$failures" -eq 0 ]
  exit
}

python3 "$here/otlp.py" make "$tmp" || exit 1
