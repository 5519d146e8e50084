#!/bin/bash
# SPDX-License-Identifier: MIT
# make bench works: every figure is there and every record has arrived. How large the figures are is not tested.
# shellcheck source=tests/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh" || exit 99
n=2000
[ -x /lib/systemd/systemd-journal-remote ] || [ -x /usr/lib/systemd/systemd-journal-remote ] ||
  skip_all "systemd-journal-remote (its own package in most distributions) is not installed"

bench() {
  PYTHONDONTWRITEBYTECODE=1 python3 "$srcdir/tests/bench/bench.py" --build "$builddir" --entries $n --rounds 2 --json "$work/result.json" >"$work/out"
}
figures() { # each is a number above 0 in every round
  python3 - "$work/result.json" "$@" <<'END'
import json, sys
result = json.load(open(sys.argv[1]))
for path in sys.argv[2:]:
    found = result
    for key in path.split("/"):
        found = found[key]
    assert len(found["rounds"]) == 2 and all(v > 0 for v in found["rounds"]), f"{path}: {found}"
END
}
count() { python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))[sys.argv[2]]["median"])' "$work/result.json" "$1"; }

check "bench.py with $n entries ends with 0" bench
check "all records have arrived" [ "$(count records)" = $n.0 ]
check "what the whole program costs is measured" figures cpu_usec_per_record/whole records_per_s peak_rss_anon_bytes requests \
  bytes bytes_wire ratio_to_bare_loop
check "and each stage" figures cpu_usec_per_record/bare cpu_usec_per_record/read cpu_usec_per_record/encode cpu_usec_per_record/gzip
check "and without gzip, and with TLS" figures "variants/gzip, TLS/cpu_usec_per_record" "variants/no gzip/bytes_wire" "variants/no gzip, TLS/records_per_s"
check "the table has every stage and every variant" [ "$(sed -n '/^CPU by stage/,/^$/p' "$work/out" | grep -c '^  ')" = 8 ]
messages() { # three whole transactions and a part of one through all stages
  python3 -B -c 'import sys; sys.path.insert(0, sys.argv[1]); from rsyslog import messages; sys.stdout.buffer.write(messages(3500))' \
    "$srcdir/tests/bench" >"$work/messages" && mkdir "$work/spool" &&
    "$builddir/tests/bench/message_stages" "$work/messages" "$work/spool" >"$work/stages"
}
check "the stages of messages are measured" messages
check "and every message goes all of the way" grep -q '"records":\[3500,3500,3500,3500\]' "$work/stages"
check "the same journal is made each time" sh -c \
  'make() { python3 -B "$1/tests/bench/make_journal.py" 500 | cksum; }; [ "$(make "$1")" = "$(make "$1")" ]' sh "$srcdir"
check "of entries with about 23 fields" python3 -c \
  'import json, sys; assert 21 < json.load(open(sys.argv[1]))["fields_per_entry"] < 25' "$work/result.json"
done_testing
