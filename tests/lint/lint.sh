#!/bin/bash
# SPDX-License-Identifier: MIT
# The sources are as clang-format, cppcheck and shellcheck want them.
# shellcheck source=tests/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh" || exit 99
cd "$srcdir" || exit 99
mapfile -t c_files < <(find src plugin tests examples -name '*.[ch]' 2>/dev/null | sort)
mapfile -t shell_files < <(grep -rlE '^#!/bin/(ba)?sh' bootstrap .ci src tests packaging examples 2>/dev/null | sort)
shell_files+=(packaging/completion/azmonlog tests/lib/tap.sh tests/lib/debian.sh tests/emulator/help.sh tests/interop/lib.sh tests/analyze/lib.sh)

with() { # with TOOL DESCRIPTION COMMAND...
  if command -v "$1" >/dev/null; then
    check "$2" "${@:3}"
  else
    skip "$2" "$1 is not installed"
  fi
}

with clang-format "clang-format has nothing to change" clang-format --dry-run --Werror "${c_files[@]}"
with cppcheck "cppcheck has nothing to say" tests/lint/cppcheck
with shellcheck "shellcheck has nothing to say" shellcheck -x -S warning "${shell_files[@]}"
done_testing
