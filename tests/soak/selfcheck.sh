#!/bin/bash
# SPDX-License-Identifier: MIT
# The soak's judge finds a record that is missing, one that came twice as if it were two, and gap records that count wrongly.
# (The soak itself is `make soak`.)
# shellcheck source=tests/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh" || exit 99
export TMPDIR=$work

soak() { # soak OUTPUT OPTION...; returns its exit code
  local out=$work/$1
  shift
  "$srcdir/tests/soak/soak.sh" --duration 2s --seed 1 --only none --only "azmonlog: SIGKILL" --only "rsyslogd: SIGKILL" "$@" \
    >"$out" 2>&1
}
figure() { # figure OUTPUT WHAT N
  grep -q "^$2  *$3\$" "$work/$1" || { cat "$work/$1"; return 1; }
}
fails() { ! "$@"; }

rc=0
soak honest || rc=$?
[ $rc != 77 ] || skip_all "$(sed -n 's/^soak: nothing can run here: //p' "$work/honest")"
check "a short soak without an outage ends well" [ $rc = 0 ]
check "nothing is unexplained" figure honest UNEXPLAINED 0
check "nothing came as if it were something else" figure honest "DUPLICATES WITH ANOTHER UID" 0
grep '^LEFT OUT' "$work/honest" | sed 's/^/# /'

check "one record is withheld: it fails" fails soak withheld --sabotage withhold
check "and says how many" figure withheld UNEXPLAINED 1
check "and which" grep -q "^FINDING: unexplained: ([0-9]*, [0-9]*): " "$work/withheld" # in no ledger, or above what journald says it dropped
check "and how to do it again" grep -q "again: make soak SOAK=2s SEED=1" "$work/withheld"
check "one comes again with another uid: it fails" fails soak forged --sabotage forge
check "and says how many" figure forged "DUPLICATES WITH ANOTHER UID" 1

counts() { PYTHONDONTWRITEBYTECODE=1 python3 "$srcdir/tests/soak/counts.py" "$@" >"$work/counts"; }
counts_wrong() { # counts_wrong WORDS GAP...: it fails with these words
  local words=$1
  shift
  if counts "$@" || ! grep -q "$words" "$work/counts"; then
    cat "$work/counts"
    return 1
  fi
}
check "10 messages are lost, and a gap record counts 10" counts 10
check "a number that is said not to be exact may be smaller" counts 9,about
check "or two records count them together" counts 4 6
check "9: it fails" counts_wrong "10 messages are lost .* count 9" 9
check "9, and a power loss just before: it fails" counts_wrong "10 messages are lost .* count 9" 9 rolled_back
check "11: it fails" counts_wrong "count 11 entries, but no more than 10" 11
check "about 11: it fails" counts_wrong "count 11 entries, but no more than 10" 11,about
check "no gap record: it fails" counts_wrong "no gap record covers"
done_testing
