#!/bin/bash
# SPDX-License-Identifier: MIT
# Every test that SECURITY.md names as a proof is there.
set -u
srcdir=$(cd "${srcdir:-$(dirname "$0")/../..}" && pwd)
n=0 failed=0

found() { # found FILE CASE
  case $1 in
  test_*) grep -q "START_TEST($2)" "$srcdir/tests/unit/$1.c" ;;
  *) grep -q "^def $2(" "$srcdir/tests/integration/$1" ;;
  esac
}

while read -r file cases; do
  for case in ${cases//,/ }; do
    n=$((n + 1))
    if found "${file%:}" "$case"; then
      echo "ok $n - $file $case"
    else
      failed=$((failed + 1))
      echo "not ok $n - $file $case"
    fi
  done
done < <(sed -n '/^## What is promised/,/^## Out of scope/p' "$srcdir/SECURITY.md" |
  grep -oE '(test_[a-z0-9_]+|[a-z0-9_]+\.py): [a-z0-9_]+(, [a-z0-9_]+)*')
[ $n -gt 50 ] || failed=1
echo "1..$n"
[ $failed = 0 ]
