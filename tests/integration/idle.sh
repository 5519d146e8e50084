#!/bin/bash
# SPDX-License-Identifier: MIT
# Nothing is logged: nobody wakes up more than about once a second, and nothing is written. (No CPU time is tested.)
# shellcheck source=tests/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh" || exit 99
export JOURNALD_START=no # idle.py has its own
needs_root_journald "$@"
needs_rsyslogd

idle() { python3 -B "$srcdir/tests/bench/idle.py" --build "$builddir" --settle 10 --seconds 10 --json "$work/result.json" >"$work/out"; }
figure() { # figure PYTHON: about r, the result
  python3 -c 'import json, sys; r = json.load(open(sys.argv[1])); assert eval(sys.argv[2]), r' "$work/result.json" "$1"
}
check "azmonlog, and rsyslogd with the module, do nothing for 10 s" idle
sed 's/^/# /' "$work/out"
for who in journald rsyslog; do
  check "$who: both threads were looked at" figure "len(r['$who']['wakeups_per_s']) == 2"
  check "$who: none wakes up more often than every second" figure "all(n <= 1.5 for n in r['$who']['wakeups_per_s'].values())"
  check "$who: no file of the state is written" figure "r['$who']['files_written'] == []"
done
done_testing
