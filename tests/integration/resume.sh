#!/bin/bash
# SPDX-License-Identifier: MIT
# Going on after the checkpoint, whatever became of the journal in between.
# shellcheck source=tests/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh" || exit 99
[ -x /lib/systemd/systemd-journal-remote ] || skip_all "needs /lib/systemd/systemd-journal-remote"
start_emulator
mkdir "$work/journal"

append() { # append FILE FIRST N: entries FIRST .. FIRST+N-1 at the end of a journal file
  python3 "$srcdir/tests/lib/make_export.py" "$3" "$2" |
    /lib/systemd/systemd-journal-remote -o "$work/$1" - >/dev/null 2>&1
}
run() { # exports what is there; what arrived just now is in $work/new, the log in $work/log
  local before
  before=$(received)
  "$AZMONLOG" run --endpoint "$endpoint" --state-directory "$work/state" --directory "$work/journal" --start oldest --once \
    2>"$work/log" || return
  # a request groups its records by service, so put them back into order
  tail -n "+$((before + 1))" "$work/received" | sed -n 's/.*"body":"entry \([0-9]*\) .*/\1/p' | sort -n >"$work/new"
}
arrived() { # arrived FIRST LAST: just these, each once
  seq "$1" "$2" | diff - "$work/new" >/dev/null || { echo "got:"; cat "$work/new"; return 1; }
}

append journal/a.journal 0 100
check "the first run" run
check "delivers everything" arrived 0 99
append journal/a.journal 100 50
check "the second one" run
check "goes on exactly after the checkpoint" arrived 100 149

# power loss: the end of the file never got to disk, and journald uses its sequence numbers again
cp "$work/journal/a.journal" "$work/durable"
append journal/a.journal 150 50
check "50 more" run
check "are delivered" arrived 150 199
cp "$work/durable" "$work/journal/a.journal"
append journal/a.journal 300 20
check "after a power loss the saved cursor hides new entries" run
check "yet they are delivered, and none before them" arrived 300 319
check "and it is said" grep -q "rolled back or recreated" "$work/log"

# another journal altogether
append next.journal 320 5
rm "$work/journal"/*.journal
mv "$work/next.journal" "$work/journal/b.journal"
check "after the whole journal was replaced" run
check "the new one is delivered from its beginning" arrived 320 324
check "and it is said" grep -q "rolled back or recreated" "$work/log"
check "a run with nothing new" run
check "delivers nothing" test ! -s "$work/new"

# while azmonlog runs: libsystemd goes on watching the folder that is no more
rm -rf "$work/journal" "$work/state"
mkdir "$work/journal"
append journal/a.journal 400 10
start "$AZMONLOG" run --endpoint "$endpoint" --state-directory "$work/state" --directory "$work/journal" --start oldest 2>"$work/log"
check "following a folder" wait_until 30 grep -q '"body":"entry 409 ' "$work/received"
rm -rf "$work/journal"
mkdir "$work/journal"
append journal/b.journal 410 10
check "a folder that takes its place is read" wait_until 30 grep -q '"body":"entry 419 ' "$work/received"
check "all of it" [ "$(grep -c '"body":"entry 41[0-9] ' "$work/received")" = 10 ]
check "it ends with 0" stop "$started"

# a batch that is closed by too many services, or by a large record, can be checkpointed as well
odd() { # odd IDENTIFIER-EXPRESSION LENGTH: 600 entries
  rm -rf "$work/journal" "$work/state"
  mkdir "$work/journal"
  python3 - "$1" "$2" <<'END' | /lib/systemd/systemd-journal-remote -o "$work/journal/a.journal" - >/dev/null 2>&1
import sys
for i in range(600):
    print(f"__REALTIME_TIMESTAMP={1790000000000000 + i}\n__MONOTONIC_TIMESTAMP={1000 + i}\n_BOOT_ID={'b' * 32}\n"
          f"SYSLOG_IDENTIFIER={eval(sys.argv[1])}\nMESSAGE={i} {'x' * int(sys.argv[2])}\n")
END
}
stop_after_first_answer() { # the second answer takes too long; a stop then keeps what the first one said
  printf 'request 1 normal\nrequest * stall 60s\n' |
    curl -sSf --data-binary @- "http://127.0.0.1:$port/emulator/script" >/dev/null
  printf '[export]\nconcurrency=1\nshutdown_timeout=0\n' >"$work/slow.conf"
  start "$AZMONLOG" run -c "$work/slow.conf" --endpoint "$endpoint" --state-directory "$work/state" \
    --directory "$work/journal" --start oldest 2>"$work/log"
  wait_until 30 grep -q '^received=' "$work/state/cursor"
  local rc=$?
  stop "$started" KILL
  return $rc
}
odd 'f"service-{i}"' 10
check "600 services: the first request can be checkpointed" stop_after_first_answer
odd '"large"' 40000
check "records of 40 KB: the first request can be checkpointed" stop_after_first_answer

done_testing
