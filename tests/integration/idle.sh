#!/bin/bash
# SPDX-License-Identifier: MIT
# Little to do is little done: one fsync for many requests, and nothing at all when nothing is logged. (No CPU time is tested.)
# shellcheck source=tests/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh" || exit 99
needs_root_journald "$@"
needs_rsyslogd

# --- a backlog in some 300 requests ---
for i in $(seq 3000); do echo "line $i"; done | systemd-cat -t backlog cat
journalctl --sync
start_emulator
printf '[batch]\nmax_export_batch_size=10\n[export]\nconcurrency=1\n' >"$work/small.conf"
traced() {
  strace -f -o "$work/trace" -e trace=rename,renameat,renameat2 "$AZMONLOG" run --once --start oldest --config "$work/small.conf" \
    --endpoint "$endpoint" --state-directory "$work/state" 2>"$work/log"
}
saved_in_time() { # saved_in_time SECONDS: how often the checkpoint was replaced
  local times
  times=$(grep -c '"cursor"' "$work/trace")
  echo "# the position was saved $times times in at most $1 s"
  [ "$times" -ge 1 ] && [ "$times" -le $(($1 * 10 + 5)) ]
}
if command -v strace >/dev/null; then
  begin=$(date +%s)
  check "a backlog is delivered" traced
  end=$(date +%s)
  check "in many requests" [ "$(sed -n 's/.*"request":\([0-9]*\),.*/\1/p' "$work/received" | sort -u | wc -l)" -ge 300 ]
  check "the position is saved at most ten times a second" saved_in_time $((end - begin + 1))
else
  skip "how often the position is saved" "strace is not installed"
fi

# --- nothing ---
idle() { python3 -B "$srcdir/tests/bench/idle.py" --build "$builddir" --settle 10 --seconds 10 --json "$work/result.json" >"$work/out"; }
figure() { # figure PYTHON: about r, the result
  python3 -c 'import json, sys; r = json.load(open(sys.argv[1])); assert eval(sys.argv[2]), r' "$work/result.json" "$1"
}
kill "$JOURNALD_PID" # it has its own
wait_until 30 sh -c '! kill -0 "$1" 2>/dev/null' sh "$JOURNALD_PID"
check "azmonlog, and rsyslogd with the module, do nothing for 10 s" idle
sed 's/^/# /' "$work/out"
for who in journald rsyslog; do
  check "$who: both threads were looked at" figure "len(r['$who']['wakeups_per_s']) == 2"
  check "$who: none wakes up more often than every second" figure "all(n <= 1.5 for n in r['$who']['wakeups_per_s'].values())"
  check "$who: no file of the state is written" figure "r['$who']['files_written'] == []"
done
done_testing
