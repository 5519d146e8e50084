#!/bin/bash
# SPDX-License-Identifier: MIT
# Data flows one way through the folders: #include goes only to the right in this list, or stays in its folder. All are in
# src, but for plugin.
# shellcheck source=tests/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh" || exit 99
order="plugin cli pipeline source export stream auth batch encode process parse store config core"

wrong_includes() { # prints file: include for each one that goes to the left
  local file folder target allowed
  cd "$srcdir" || return 1
  for file in src/*/*.[ch] plugin/*.[ch]; do
    folder=${file#src/}
    folder=${folder%%/*}
    allowed=$(sed -n "s/.*\b\($folder\b.*\)/\1/p" <<<"$order")
    if [ -z "$allowed" ]; then
      echo "$file: the folder $folder is not in the order"
      continue
    fi
    while read -r target; do
      case " $allowed proto " in
      *" ${target%%/*} "*) ;;
      *) echo "$file: $target" ;;
      esac
    done < <(sed -n 's/^#include "\([^"]*\)".*/\1/p' "$file")
  done
}

none() { wrong_includes >"$work/wrong"; cat "$work/wrong"; [ ! -s "$work/wrong" ]; }
check "every #include goes to the right in: $order" none
done_testing
