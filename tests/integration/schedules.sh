#!/bin/bash
# SPDX-License-Identifier: MIT
# Random schedules of everything that happens to a journal and to its reader: whatever was in the journal arrives, or a gap record
# accounts for it; and no gap is invented. SEED= and SCHEDULES= choose the seeds (SEED is the first one); a seed that fails is
# printed, and makes the same plan again: SEED=123 SCHEDULES=1. For other ones than usual: SEED=$RANDOM.
# shellcheck source=tests/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh" || exit 99
SCHEDULES=${SCHEDULES:-20}
SEED=${SEED:-4200}
AT_ONCE=2
rc=0
"$srcdir/tests/lib/with-journald" true 2>"$work/with-journald" || rc=$?
[ $rc != 99 ] || skip_all "$(sed -n 's/^with-journald: //p' "$work/with-journald")"
echo "# SEED=$SEED SCHEDULES=$SCHEDULES"
last=$((SEED + SCHEDULES - 1))
export JOURNALD_START=no PYTHONDONTWRITEBYTECODE=1

schedule() { # schedule SEED: each has a journald and a journal of its own
  local rc=0
  "$srcdir/tests/lib/with-journald" python3 "$srcdir/tests/integration/schedules.py" --azmonlog "$AZMONLOG" \
    --emulator "$EMULATOR" --output "$work/$1" --seed "$1" >"$work/$1.report" 2>&1 || rc=$?
  rm -rf "$work/$1/snapshot"
  echo $rc >"$work/$1.rc"
}
fine() {
  [ "$(cat "$work/$1.rc")" = 0 ] || {
    echo "again: SEED=$1 SCHEDULES=1 tests/integration/schedules.sh"
    cat "$work/$1.report"
    return 1
  }
}
running() { jobs -rp | wc -l; }
fewer_running() { [ "$(running)" -lt "$AT_ONCE" ]; }

for seed in $(seq "$SEED" "$last"); do
  wait_until 600 fewer_running || bail "a schedule does not end"
  schedule "$seed" &
done
for seed in $(seq "$SEED" "$last"); do
  wait_until 600 test -s "$work/$seed.rc" || bail "the schedule of seed $seed does not end"
  check "seed $seed: all arrives or is accounted for, nothing is invented" fine "$seed"
done

# A test of losses must have had some to find.
# shellcheck source=tests/lib/sums.sh
. "$srcdir/tests/lib/sums.sh"
enough() { enough_of 20 "$@"; }
enough 20000 "messages"
enough 1 "copies"
enough 100 "vacuum: unread entries"
enough 1 "delete: unread entries"
enough 1 "truncated files"
enough 100 "power: entries"
enough 1 "power losses that took the checkpoint's entry"
enough 1 "gaps: vacuumed"
enough 1 "gaps: rolled_back"
enough 3 "journald: SIGKILL"
enough 10 "azmonlog: SIGKILL"
done_testing
