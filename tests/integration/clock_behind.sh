#!/bin/bash
# SPDX-License-Identifier: MIT
# An earlier boot, whose clock was a year ahead, has left a journal file with numbers of its own. libsystemd puts all that is logged
# now before its entries; it must arrive all the same, whether azmonlog runs or begins anew.
# shellcheck source=tests/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh" || exit 99
needs_root_journald "$@"
[ -x /lib/systemd/systemd-journal-remote ] || skip_all "needs /lib/systemd/systemd-journal-remote"
start_emulator
for i in $(seq 50); do
  printf '__REALTIME_TIMESTAMP=%d\n__MONOTONIC_TIMESTAMP=%d\n_BOOT_ID=%s\nMESSAGE=ahead %d\n\n' \
    $((($(date +%s) + 31536000) * 1000000 + i)) $((1000 + i)) 0123456789abcdef0123456789abcdef "$i"
done >"$work/ahead.export"
/lib/systemd/systemd-journal-remote -o "/var/log/journal/$(cat /etc/machine-id)/system@ahead.journal" "$work/ahead.export" \
  2>/dev/null
run() { start "$AZMONLOG" run --endpoint "$endpoint" --state-directory "$work/state" --start oldest 2>>"$work/log"; }
arrives() { wait_until 60 grep -q "\"body\":\"$1\"" "$work/received"; }

logger "first line"
run
check "what was logged now arrives" arrives "first line"
check "and the boot ahead" arrives "ahead 50"
logger "second line"
check "what is logged while it runs" arrives "second line"
check "it ends with 0" stop "$started"
logger "third line"
run
check "what was logged while it was down" arrives "third line"
logger "fourth line"
check "and what is logged then" arrives "fourth line"
check "it ends with 0" stop "$started"
same_uids() { [ "$(grep -o '"uid":"[0-9A-Z]*"' "$work/received" | sort -u | wc -l)" = "$(grep -o '"body":"[^"]*"' "$work/received" | sort -u | wc -l)" ]; }
check "copies have the uid of the first one" same_uids
check "no gap is reported" sh -c '! grep -q azmonlog.gap "$1"' sh "$work/received"
done_testing
