#!/bin/bash
# SPDX-License-Identifier: MIT
# azmonlog cat: what would be sent, as lines of OTLP/JSON.
# shellcheck source=tests/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh" || exit 99
[ -x /lib/systemd/systemd-journal-remote ] || skip_all "needs /lib/systemd/systemd-journal-remote"
mkdir "$work/journal"
append() { # append FIRST N
  python3 "$srcdir/tests/lib/make_export.py" "$2" "$1" |
    /lib/systemd/systemd-journal-remote -o "$work/journal/a.journal" - >/dev/null 2>&1
}
append 0 100

cat_() { "$AZMONLOG" cat -c /dev/null --directory "$work/journal" "$@" >"$work/out"; }
printed() { # printed FIRST LAST: the numbers of the entries that were printed
  seq "$1" "$2" | diff - <(sed -n 's/.*"stringValue":"entry \([0-9]*\) .*/\1/p' "$work/out")
}
lines_are_otlp_json() {
  python3 - "$work/out" <<'END'
import json, sys
for line in open(sys.argv[1]):
    resource_logs = json.loads(line)["resourceLogs"][0]
    record = resource_logs["scopeLogs"][0]["logRecords"][0]
    assert any(a["key"] == "service.name" for a in resource_logs["resource"]["attributes"])
    assert record["timeUnixNano"].isdigit() and record["body"]["stringValue"].startswith("entry")
END
}

check "cat prints everything" cat_
check "in order" printed 0 99
check "as OTLP/JSON lines" lines_are_otlp_json
check "-n 5" cat_ -n 5
check "prints the last five" printed 95 99
check "-n 1000" cat_ -n 1000
check "prints what there is" printed 0 99
check "-n 0" cat_ -n 0
check "prints nothing" test ! -s "$work/out"
check "--since a time" cat_ --since @1790000090
check "prints from there on" printed 90 99
check "--since a time after everything" cat_ --since @1790000200
check "prints nothing" test ! -s "$work/out"

wrong() { # wrong WORDS OPTION...: exit code 64 or 78, and these words
  local words=$1 rc=0
  shift
  "$AZMONLOG" cat "$@" 2>"$work/err" || rc=$?
  cat "$work/err"
  { [ $rc = 64 ] || [ $rc = 78 ]; } && grep -q -- "$words" "$work/err"
}
check "a time that is none" wrong "--since: 'soonish' is not a time such as" --since soonish
check "a number that is none" wrong "--lines: 'x' is not a number" -n x
check "both" wrong "either --lines or --since" -n 1 --since now
check "a reader that has seen enough" sh -c '"$AZMONLOG" cat -c /dev/null --directory "$1" | head -n 1 >/dev/null; exit 0' sh \
  "$work/journal"

start "$AZMONLOG" cat -c /dev/null --directory "$work/journal" -n 2 -f >"$work/out" 2>"$work/err"
check "-f prints the last ones" wait_until 30 printed 98 99
append 100 3
check "and follows" wait_until 30 printed 98 102
stop "$started" || true
done_testing
