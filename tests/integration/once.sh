#!/bin/bash
# SPDX-License-Identifier: MIT
# azmonlog run --once: what is in the journal arrives, once, and the position is kept.
# shellcheck source=tests/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh" || exit 99
needs_root_journald "$@"
start_emulator

printf 'MESSAGE=native\nPRIORITY=4\nCODE_LINE=7\nTRACE_ID=0af7651916cd43dd8448eb211c80319c\nSPAN_ID=b7ad6b7169203331\n' |
  logger --journald
logger -t once -p daemon.err "by syslog"
systemd-cat -t once echo "by stdout"
journalctl --sync

once() { azmonlog_run --endpoint "$endpoint" --start oldest --once; }
has() { grep -q "$@" "$work/received"; }

check "run --once ends with 0" once
check "a record by the native protocol: severity, code line, trace context" \
  has '"severity_number":13,.*"body":"native","trace_id":"0af7651916cd43dd8448eb211c80319c","span_id":"b7ad6b7169203331".*"code.line.number":7'
check "a record by syslog: severity and facility" has '"severity_number":17,.*"body":"by syslog".*"syslog.facility":3'
check "a record by standard output" has '"service":"once".*"body":"by stdout"'

before=$(received)
check "a second run ends with 0" once
check "and sends nothing again" [ "$(received)" = "$before" ]

logger -t once "one more"
journalctl --sync
check "a third run sends what is new" once
check "just that" [ "$(received)" = $((before + 1)) ]
check "the checkpoint has a cursor line for people" grep -q '^cursor=s=' "$work/state/cursor"
check "which journalctl understands, and nothing comes after it" \
  sh -c 'test -z "$(journalctl -q --after-cursor "$(sed -n s/^cursor=//p "$1")" -t once)"' sh "$work/state/cursor"

uids_differ() { [ -z "$(grep -o '"uid":"[0-9A-Z]*"' "$work/received" | sort | uniq -d)" ]; }
# journald reads a stream in large pieces and stamps all lines of one piece with one time
for _ in $(seq 1000); do echo same; done | systemd-cat -t equal cat
journalctl --sync
check "1,000 equal lines in one write" once
check "all arrive" [ "$(grep -c '"body":"same"' "$work/received")" = 1000 ]
check "with 1,000 different uids" uids_differ
times=$(grep '"body":"same"' "$work/received" | grep -o '"observed_time_unix_nano":"[0-9]*"' | sort -u | wc -l)
echo "# they had $times different times"
check "though not with 1,000 different times" [ "$times" -lt 1000 ]

# several requests in flight and a slow server: the end must not overtake the last positions
printf '[batch]\nmax_export_batch_size=20\n[export]\nconcurrency=64\n' >"$work/small.conf"
curl -sSf --data-binary 'request * delay 50ms' "http://127.0.0.1:$port/emulator/script" >/dev/null
for _ in 1 2 3 4 5; do
  rm -rf "$work/state"
  azmonlog_run -c "$work/small.conf" --endpoint "$endpoint" --start oldest --once 2>/dev/null
  azmonlog_run -c "$work/small.conf" --endpoint "$endpoint" --start oldest --once 2>&1 | sed -n 's/.*: //p' | tail -n 1
done >"$work/seconds"
check "a clean end leaves nothing to send again" \
  [ "$(sort -u "$work/seconds")" = "0 records delivered in 0 requests" ]

# starting in the middle of such a piece: -n 500 of 1000 equal lines
uids() { grep -o '"log.record.uid"[^}]*[0-9A-Z]\{26\}' | grep -o '[0-9A-Z]\{26\}' | sort; }
same_uids() {
  "$AZMONLOG" cat -n 500 | uids >"$work/from-the-middle"
  uids <"$work/received" >"$work/all"
  [ "$(wc -l <"$work/from-the-middle")" = 500 ] && [ -z "$(comm -23 "$work/from-the-middle" "$work/all")" ]
}
check "the uid of an entry does not depend on where reading began" same_uids

done_testing
