# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2034 # what the tests use
# What every integration test shares. Source it first:
#
#     . "$(dirname "$0")/../lib/tap.sh" || exit 99
#     needs_root_journald "$@"     # only if the test wants a real journald
#     start_emulator; ...; check "what is true" COMMAND...; done_testing
#
# Output is TAP. AZMONLOG and EMULATOR are the programs under test, $work is an empty directory that is removed at the end.
# What a test starts with `start` is ended with it, by pid.
set -u

srcdir=$(cd "${srcdir:-$(dirname "${BASH_SOURCE[0]}")/../..}" && pwd)
builddir=$(cd "${builddir:-.}" && pwd)
: "${AZMONLOG:=$builddir/azmonlog}" "${EMULATOR:=$builddir/azmonlog-emulator}"
export srcdir builddir AZMONLOG EMULATOR
# The tests say what they want; the caller's settings must not.
unset "${!OTEL_@}" "${!AZURE_@}" "${!APPLICATIONINSIGHTS_@}" "${!IDENTITY_@}" IMDS_ENDPOINT CREDENTIALS_DIRECTORY \
  NOTIFY_SOCKET WATCHDOG_USEC INVOCATION_ID JOURNAL_STREAM http_proxy https_proxy HTTPS_PROXY all_proxy ALL_PROXY 2>/dev/null || true

# $AZMONLOG_TEST_TOOL: the tool of make analyze, which makes everything slow
patience=1
[ -z "${AZMONLOG_TEST_TOOL-}" ] || patience=10

tap_count=0
tap_failed=0
pids=()
work=$(mktemp -d "${TMPDIR:-/tmp}/azmonlog-test.XXXXXX")

clean_up() {
  local p
  for p in ${pids[@]+"${pids[@]}"}; do
    kill -KILL "$p" 2>/dev/null && wait "$p" 2>/dev/null
  done
  rm -rf "$work"
}
trap clean_up EXIT

# check DESCRIPTION COMMAND...: one TAP line; when it fails, what COMMAND printed follows as diagnostics.
check() {
  local what=$1
  shift
  tap_count=$((tap_count + 1))
  if "$@" >"$work/check" 2>&1; then # in this shell, so that it can wait for its children
    echo "ok $tap_count - $what"
  else
    tap_failed=$((tap_failed + 1))
    echo "not ok $tap_count - $what"
    { echo "command: $*"; cat "$work/check"; } | sed 's/^/#   /'
  fi
}

skip() { # skip DESCRIPTION REASON
  tap_count=$((tap_count + 1))
  echo "ok $tap_count - $1 # SKIP $2"
}

skip_all() {
  echo "1..0 # SKIP $*"
  exit 0
}

done_testing() {
  echo "1..$tap_count"
  [ "$tap_failed" = 0 ]
  exit
}

bail() {
  echo "Bail out! $*"
  exit 1
}

# Runs the whole test once more beside a private journald; skips it by name where that is not possible.
needs_root_journald() {
  local rc=0
  [ -n "${WITH_JOURNALD_INSIDE-}" ] && return
  "$srcdir/tests/lib/with-journald" "$0" "$@" 2>"$work/with-journald" || rc=$?
  if [ $rc = 99 ]; then
    skip_all "$(sed -n 's/^with-journald: //p' "$work/with-journald")"
  fi
  sed 's/^/# /' "$work/with-journald"
  exit $rc
}

# Skips the whole test where there is no rsyslogd that could load the module.
needs_rsyslogd() {
  [ -e "$builddir/.libs/omazuremonitor.so" ] || skip_all "omazuremonitor.so is not built"
  PATH=$PATH:/usr/sbin:/sbin command -v rsyslogd >/dev/null || skip_all "rsyslogd is not installed"
}

# Skips the whole test where there is no Redis, or no azmonlog that could use it.
needs_redis() {
  command -v redis-server >/dev/null || skip_all "redis-server is not installed (Debian's redis-server, Fedora's redis)"
  command -v redis-cli >/dev/null || skip_all "redis-cli is not installed (Debian's redis-tools, Fedora's redis)"
  [ -x /lib/systemd/systemd-journal-remote ] || skip_all "needs /lib/systemd/systemd-journal-remote"
  "$AZMONLOG" check --config /dev/null --endpoint redis://127.0.0.1:1/x 2>&1 | grep -q "built without hiredis" &&
    skip_all "azmonlog is built without hiredis"
  return 0
}

# rsyslogd_with_module OPTION...: takes the place of the calling process. A module built with sanitizers needs their libraries
# to be there first; what rsyslogd itself leaks is its own affair.
rsyslogd_with_module() {
  local libraries
  libraries=$(ldd "$builddir/.libs/omazuremonitor.so" | sed -n 's/.*=> \([^ ]*lib[atu]b*san\.so[^ ]*\).*/\1/p' | tr '\n' ' ')
  PATH=$PATH:/usr/sbin:/sbin
  exec env LD_PRELOAD="$libraries ${LD_PRELOAD-}" ASAN_OPTIONS="${ASAN_OPTIONS-}:detect_leaks=0" "${RSYSLOGD:-rsyslogd}" "$@"
}

# wait_until SECONDS COMMAND...: a generous limit for what must come to pass; never a measure of speed.
wait_until() {
  local limit=$((SECONDS + $1 * patience))
  shift
  until "$@" >/dev/null 2>&1; do
    [ $SECONDS -lt $limit ] || return 1
    sleep 0.05
  done
}

# start COMMAND...: in the background, its pid in $started
start() {
  "$@" &
  started=$!
  pids+=("$started")
}

# stop PID [SIGNAL]: ends it and returns its exit code
stop() {
  local rc=0
  kill "-${2:-TERM}" "$1" 2>/dev/null
  wait "$1" 2>/dev/null || rc=$?
  return $rc
}

# start_emulator [OPTION...]: sets $emulator (pid), $port and $endpoint; records go to $work/received
start_emulator() {
  rm -f "$work/port"
  start "$EMULATOR" --port "${port:-0}" --port-file "$work/port" --store "$work/received" --requests "$work/requests" \
    "$@" >>"$work/emulator.out" 2>&1
  emulator=$started
  wait_until 30 test -s "$work/port" || bail "the emulator does not start: $(cat "$work/emulator.out")"
  port=$(cat "$work/port")
  endpoint=http://127.0.0.1:$port/v1/logs
}

# received: number of records that arrived so far
received() {
  if [ -e "$work/received" ]; then wc -l <"$work/received"; else echo 0; fi
}

received_at_least() {
  [ "$(received)" -ge "$1" ]
}

# azmonlog_run [OPTION...]: azmonlog run with its state in $work/state; messages also go to $work/log
azmonlog_run() {
  "$AZMONLOG" run --state-directory "$work/state" "$@" 2> >(tee -a "$work/log" >&2)
}

# run_python: the rest of the test is the Python program of the same name beside it; ends the test
run_python() {
  PYTHONDONTWRITEBYTECODE=1 python3 "${0%.sh}.py" "$work"
  exit
}
