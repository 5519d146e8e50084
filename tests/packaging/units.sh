#!/bin/bash
# SPDX-License-Identifier: MIT
# azmonlog.service and azmonlog@.service: systemd knows every line of them, and finds little that they could give up.
# shellcheck source=tests/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh" || exit 99
PATH=$PATH:/usr/sbin:/sbin
units=$builddir/packaging/systemd
version=$(sed -n 's/^#define PACKAGE_VERSION "\(.*\)"/\1/p' "$builddir/config.h")

no_placeholders() { # the names of sets of system calls alone have an @ at the beginning of a word
  ! grep -nE '@[a-z_]+@' "$units/azmonlog.service" "$units/azmonlog@.service"
}
only_these_lines_differ() {
  diff "$units/azmonlog.service" "$units/azmonlog@.service" | sed -n 's/^[<>] *//p' | sort >"$work/lines"
  cat "$work/lines"
  ! grep -vE '^(# azmonlog.service\(8\)|Description|ExecStart|StateDirectory|RuntimeDirectory|RuntimeDirectoryMode)' "$work/lines"
}
says() { grep -qxF "$2" "$units/$1" || { cat "$units/$1"; return 1; }; }
versions() {
  sed -n "1s/^azmonlog (\(.*\)-[^-]*) .*/\1/p" "$srcdir/packaging/debian/changelog"
  sed -n 's/^Version: *//p' "$srcdir/packaging/rpm/azmonlog.spec"
  sed -n '1s/^azmonlog \([0-9.]*\).*/\1/p' "$srcdir/NEWS"
}
same_versions() {
  versions
  [ "$(versions | sort -u)" = "$version" ]
}

check "everything is filled in" no_placeholders
check "unit and template differ only in what they read and where they keep their state" only_these_lines_differ
check "the template reads the configuration of its instance" says azmonlog@.service \
  "ExecStart=$(sed -n 's/^ExecStart=\([^ ]*\) .*/\1/p' "$units/azmonlog.service") run --config $(sed -n \
    's/^sysconfdir = //p' "$builddir/Makefile" | sed "s,\${prefix},$(sed -n 's/^prefix = //p' "$builddir/Makefile"),")/azmonlog/%i.conf --state-directory /var/lib/azmonlog/%i"
check "packages and NEWS are of version $version" same_versions

command -v systemd-analyze >/dev/null || { skip "systemd-analyze" "it is not installed"; done_testing; }
mkdir "$work/units"
for unit in azmonlog.service azmonlog@.service; do
  # the tool as it is built; users and manual pages are not there before the installation
  sed "s,^ExecStart=[^ ]*,ExecStart=$AZMONLOG," "$units/$unit" >"$work/units/$unit"
done
knows_every_line() {
  systemd-analyze verify --man=no "$1" >"$work/verify" 2>&1 || { cat "$work/verify"; return 1; }
  grep -v 'User.*azmonlog' "$work/verify" | grep -F azmonlog && return 1
  return 0
}
check "systemd knows every line" knows_every_line "$work/units/azmonlog.service"
check "of the template, too" knows_every_line "$work/units/azmonlog@test.service"
says_nothing() {
  systemd-analyze verify --man=no "$1" >"$work/verify" 2>&1 && ! grep -F "${1##*/}" "$work/verify"
}
check "and of the one in examples/" says_nothing "$srcdir/examples/stdout/shop.service"
if systemd-analyze security --help 2>/dev/null | grep -q -e --offline; then
  for unit in azmonlog.service azmonlog@.service; do
    check "$unit: systemd-analyze security finds an exposure of 1.5 at most" \
      systemd-analyze security --offline=yes --no-pager --threshold=15 "$work/units/$unit"
    systemd-analyze security --offline=yes --no-pager "$work/units/$unit" 2>/dev/null | sed -n 's/^→ \(.* [0-9.]*\) .*/# \1/p'
  done
else
  skip "systemd-analyze security" "it cannot judge a file before systemd 250 (--offline)"
fi
done_testing
