#!/bin/bash
# SPDX-License-Identifier: MIT
# The test that matters: forked workers log and die, azmonlog is killed at random moments, the endpoint goes away; nothing is
# lost. With a real journald as root; with journal files everywhere. The seed is printed; SEED= repeats a run.
# shellcheck source=tests/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh" || exit 99
SEED=${SEED:-$RANDOM}
echo "# SEED=$SEED"

job() {
  "$@" python3 "$srcdir/tests/demo/main_job.py" --azmonlog "$AZMONLOG" --emulator "$EMULATOR" --output "$work/job" \
    --seed "$SEED" ${files:+--files} >"$work/report" 2>&1
}
report() { sed 's/^/# /' "$work/report"; }
fine() { [ "$rc" = 0 ] || { report; tail -20 "$work/job/log"; return 1; }; }

what="with journald: every line of forked workers arrives, copies can be removed, one service name"
rc=0
job "$srcdir/tests/lib/with-journald" || rc=$?
if [ $rc = 99 ]; then
  skip "$what" "$(sed -n 's/^with-journald: //p' "$work/report")"
else
  check "$what" fine
  report
fi

what="with journal files: every line arrives, copies can be removed"
if [ -x /lib/systemd/systemd-journal-remote ]; then
  files=yes rc=0
  job || rc=$?
  check "$what" fine
  report
else
  skip "$what" "needs /lib/systemd/systemd-journal-remote"
fi
done_testing
