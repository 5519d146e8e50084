#!/bin/bash
# SPDX-License-Identifier: MIT
# What configure asks of the linker arrives: all symbols are bound before the program runs, nothing of that is written to
# then, and no stack is executable. (Of the packages: deb.sh.)
# shellcheck source=tests/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh" || exit 99

hardened() { # FILE
  readelf -Wld "$1" | tee "$work/elf"
  grep -q GNU_RELRO "$work/elf" && grep -qw NOW "$work/elf" && grep -q 'GNU_STACK.* RW ' "$work/elf"
}
for file in azmonlog azmonlog-emulator .libs/omazuremonitor.so; do
  if [ -e "$builddir/$file" ]; then check "$file" hardened "$builddir/$file"; else skip "$file" "is not built"; fi
done
done_testing
