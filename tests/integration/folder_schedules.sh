#!/bin/bash
# SPDX-License-Identifier: MIT
# Random schedules of a folder of several machines' files that are damaged, with a reader that is killed (folder_schedules.py).
# SEED= and SCHEDULES= choose the seeds (SEED is the first one); a seed that fails is printed, and makes the same plan again, but for
# when what is on its way arrives: SEED=123 SCHEDULES=1. For other ones than usual: SEED=$RANDOM.
# shellcheck source=tests/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh" || exit 99
[ -x /lib/systemd/systemd-journal-remote ] || skip_all "needs /lib/systemd/systemd-journal-remote"
SCHEDULES=${SCHEDULES:-12}
SEED=${SEED:-1}
export PYTHONDONTWRITEBYTECODE=1
echo "# SEED=$SEED SCHEDULES=$SCHEDULES"

fine() {
  python3 "$srcdir/tests/integration/folder_schedules.py" --azmonlog "$AZMONLOG" --emulator "$EMULATOR" --output "$work/$1" --seed "$1" || {
    echo "again: SEED=$1 SCHEDULES=1 tests/integration/folder_schedules.sh"
    return 1
  }
}
for seed in $(seq "$SEED" $((SEED + SCHEDULES - 1))); do
  check "seed $seed: all arrives or is accounted for" fine "$seed"
done

# A test of losses must have had some to find.
# shellcheck source=tests/lib/sums.sh
. "$srcdir/tests/lib/sums.sh"
enough() { enough_of 12 "$@"; }
enough 3000 "messages"
enough 100 "lost"
enough 3 "damage: truncate"
enough 3 "damage: zero"
enough 1 "damage: delete"
enough 1 "gaps: missing"
enough 1 "gaps: file"
done_testing
