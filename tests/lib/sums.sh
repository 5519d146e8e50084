# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2154 # tap.sh has them
# What random schedules have met with, so that a test of losses is one: source it behind tap.sh when all have left their
# $work/*/result.json, counts by name, and SCHEDULES is how many they were.
python3 - "$work"/*/result.json >"$work/sums" <<'END'
import collections, json, sys
total = collections.Counter()
for name in sys.argv[1:]:
    total.update(json.load(open(name)))
for what, n in sorted(total.items()):
    print(f"{n:8} {what}")
END
sed 's/^/# /' "$work/sums"
happened() { awk -v n="$1" -v what="$2" '{ c = $1; sub(/^ *[0-9]+ /, "") } $0 == what && c >= n { f = 1 } END { exit !f }' "$work/sums"; }

enough_of() { # enough_of SCHEDULES N WHAT: N of WHAT, if so many schedules were run
  if [ "$SCHEDULES" -ge "$1" ]; then
    check "at least $2: $3" happened "$2" "$3"
  else
    skip "at least $2: $3" "says something of $1 schedules only"
  fi
}
