#!/bin/bash
# SPDX-License-Identifier: MIT
# Journal files that are truncated or damaged, before and while they are read: no crash, no stall, the rest is delivered.
# shellcheck source=tests/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh" || exit 99
[ -x /lib/systemd/systemd-journal-remote ] || skip_all "needs /lib/systemd/systemd-journal-remote"

make_journal() { # make_journal NAME FIRST N
  python3 "$srcdir/tests/lib/make_export.py" "$3" "$2" |
    /lib/systemd/systemd-journal-remote -o "$work/journal/$1.journal" - >/dev/null 2>&1
}
numbers() { sed -n 's/.*"body":"entry \([0-9]*\) .*/\1/p' "$work/received" | sort -nu; }
cat >"$work/azmonlog.conf" <<END
[batch]
max_export_batch_size=100
[export]
concurrency=1
retry_initial_delay=20ms
retry_max_delay=50ms
[journal]
start=oldest
directory=$work/journal
END
run() { timeout -k 5 120 "$AZMONLOG" run -c "$work/azmonlog.conf" --endpoint "$endpoint" --state-directory "$work/state" --once; }

# --- while it is read: the endpoint is away, so the reader waits in the middle of the file ---
mkdir "$work/journal"
make_journal a 0 20000
start_emulator
curl -sSf --data-binary 'request 2- status 503' "http://127.0.0.1:$port/emulator/script" >/dev/null
start run 2>"$work/log"
reader=$started
wait_until 30 grep -q 'cannot deliver' "$work/log" || bail "the endpoint was not away"
make_journal b 30000 500 # a file of its own, later in time
file=$(ls -S "$work"/journal/a*.journal | head -n 1)
: >"$file"
curl -sSf --data-binary 'request * normal' "http://127.0.0.1:$port/emulator/script" >/dev/null
rc=0
wait "$reader" || rc=$?
check "a file truncated to nothing under the reader: it lives on" [ $rc = 0 ]
check "and says so" grep -q "a journal file was truncated while it was read" "$work/log"
check "other files are delivered whole" sh -c 'seq 30000 30499 | diff - "$1" >/dev/null' sh <(numbers | awk '$1 >= 30000')

# --- before it is read: random damage; what libsystemd can still give is delivered ---
for seed in 1 2 3 4 5; do
  rm -rf "$work/journal" "$work/state"
  mkdir "$work/journal"
  make_journal a 0 2000
  make_journal b 30000 100
  curl -sSf -X POST "http://127.0.0.1:$port/emulator/reset" >/dev/null
  python3 - "$seed" "$work"/journal/a*.journal <<'END'
import os, random, sys
r = random.Random(int(sys.argv[1]))
with open(sys.argv[2], "r+b") as f:
    size = os.path.getsize(sys.argv[2])
    for _ in range(200):
        f.seek(r.randrange(300, size))
        f.write(bytes([r.randrange(256)]))
END
  rc=0
  run 2>"$work/log" || rc=$?
  check "200 random bytes changed (seed $seed): the run ends" [ $rc = 0 ]
  check "and the other file is delivered whole (seed $seed)" [ "$(numbers | awk '$1 >= 30000' | wc -l)" = 100 ]
  echo "# $(numbers | awk '$1 < 30000' | wc -l) of 2000 of the damaged file arrived; $(tail -n 1 "$work/log")"
done

# --- files that are no journals ---
rm -rf "$work/journal" "$work/state"
mkdir "$work/journal"
make_journal b 30000 100
: >"$work/journal/empty.journal"
head -c 100000 /dev/urandom >"$work/journal/noise.journal"
curl -sSf -X POST "http://127.0.0.1:$port/emulator/reset" >/dev/null
check "an empty file and noise beside a good one" run
check "the good one is delivered whole" [ "$(numbers | wc -l)" = 100 ]
done_testing
