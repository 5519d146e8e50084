# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# What the parts of make analyze share. A part writes what tests/analyze/run puts into its table:
#
#     looked_at "12 files"     # what it had before it
#     not_run WHAT WHY         # what it had to leave out
#     result FINDINGS SUPPRESSED [FAILED]   # tests
#
# What it found is on its standard output.
set -u
srcdir=$(cd "${srcdir:-$(dirname "${BASH_SOURCE[0]}")/../..}" && pwd)
part=${part:-$(basename "$0")}
dir=$(cd "${builddir:-.}" && pwd)/analyze/$part
suppressions=$srcdir/tests/analyze/suppressions
mkdir -p "$dir"
rm -f "$dir/result"

looked_at() { echo "looked_at $*" >>"$dir/result"; }
not_run() { echo "not_run $1: $2" >>"$dir/result"; }
result() {
  echo "result $1 $2" >>"$dir/result"
  [ $(($1 + ${3-0})) = 0 ]
  exit
}

# give_up WHY: it has shown nothing
give_up() {
  echo "Bail out! $*"
  exit 1
}

needs() {
  local p
  for p; do
    command -v "$p" >/dev/null || give_up "$p is not installed"
  done
}

# configure OPTION...: a build of its own, in $dir
configure() {
  cd "$dir" || exit
  [ config.status -nt "$srcdir/configure" ] || "$srcdir/configure" --quiet "$@" >configure.out 2>&1 || give_up "configure: see $PWD/configure.out"
}

# warnings FILE CHECK: the end of a part. What a compiler has said in FILE about the checks that begin with CHECK, without those
# that a pattern in suppressions/$part fits.
warnings() {
  local every=$dir/every left=$dir/left
  sed -n "s|^\([^ ]*\.[ch]\):[0-9]*:[0-9]*: warning: \(.* \[$2[^]]*\]\)$|\1: \2|p" "$1" | sed "s,^[^ ]*/\(\(src\|plugin\|tests\)/\),\1,; s/[‘’]/'/g" | sort -u >"$every"
  grep -v '^#' "$suppressions/$part" | grep -vEf - "$every" >"$left"
  cat "$left"
  result "$(wc -l <"$left")" $(($(wc -l <"$every") - $(wc -l <"$left")))
}
