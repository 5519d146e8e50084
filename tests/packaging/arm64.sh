#!/bin/bash
# SPDX-License-Identifier: MIT
# The Debian packages for arm64, cross-built in a Debian 12 of their own, and the unit tests under qemu-user. Slow: make check-arm64.
#
#   AZM_ROOTS, AZM_MIRROR   see tests/lib/debian.sh
# shellcheck source=tests/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh" || exit 99
# shellcheck source=tests/lib/debian.sh
. "$(dirname "$0")/../lib/debian.sh" || exit 99
unset MAKEFLAGS MFLAGS MAKEOVERRIDES MAKELEVEL # TESTS= of the make around this is not for the build
needs_debootstrap

root=$roots/arm64
packages="build-essential ca-certificates crossbuild-essential-arm64 debhelper qemu-user-static"
add_arm64() { # FOLDER
  chroot "$1" dpkg --add-architecture arm64
}
run() { # run COMMAND: in the root; its output only when it fails
  (in_root "$root" sh -c "export LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive; $1") >"$work/log" 2>&1 ||
    { grep -E '^(FAIL|ERROR):|error:|Unmet' "$work/log" | head -20; tail -20 "$work/log"; return 1; }
}
is_arm64() { # is_arm64 FILE...: executables of packages
  local deb file
  for deb in azmonlog:usr/bin/azmonlog azmonlog-emulator:usr/bin/azmonlog-emulator \
    rsyslog-azuremonitor:usr/lib/aarch64-linux-gnu/rsyslog/omazuremonitor.so; do
    file=$work/${deb%%:*}
    dpkg-deb --fsys-tarfile "$root"/build/"${deb%%:*}"_*_arm64.deb | tar -xO "./${deb#*:}" >"$file" || return
    [ "$(od -An -tx1 -j18 -N2 "$file")" = " b7 00" ] || { od -An -tx1 -N20 "$file"; return 1; } # EM_AARCH64
  done
}

tarball=$builddir/azmonlog-$(sed -n 's/^#define PACKAGE_VERSION "\(.*\)"/\1/p' "$builddir/config.h").tar.xz
make -s -C "$builddir" dist-xz >"$work/dist.log" 2>&1 || bail "make dist-xz: $(tail -5 "$work/dist.log")"
can_have_root arm64 bookworm "$packages" || skip_all "$why"
check "debootstrap" make_root arm64 bookworm "$packages" "$packages" add_arm64
[ "$tap_failed" = 0 ] || done_testing
rm -rf "$root/build"
mkdir -p "$root/build/azmonlog"
tar -xJf "$tarball" -C "$root/build/azmonlog" --strip-components=1
cp -r "$root/build/azmonlog/packaging/debian" "$root/build/azmonlog/debian"
check "the build dependencies for arm64 can be installed" run \
  'apt-get update && apt-get build-dep -y --no-install-recommends --host-architecture arm64 --build-profiles cross /build/azmonlog'
check "the packages are cross-built" run \
  'cd /build/azmonlog && DEB_BUILD_OPTIONS="nocheck parallel=2" dpkg-buildpackage -us -uc -b --host-arch arm64 --build-profiles=cross'
[ "$tap_failed" = 0 ] || done_testing
check "and are for arm64" is_arm64
check "azmonlog runs under qemu-user" run 'qemu-aarch64-static /build/azmonlog/azmonlog --version'
units_passed() { # results: of every program that there is; it takes them all to be in the hundreds
  awk '/^:test-result:/ { n[$2]++ } END { printf "# %d passed, %d skipped\n", n["PASS"], n["SKIP"]; exit n["PASS"] < 500 }' \
    "$root"/build/azmonlog/tests/unit/*.trs
}
# qemu-user has a /proc/self/smaps of its own, in which nothing is left out of core dumps
not_in_qemu=is_left_out_of_core_dumps
secrets() { run "cd /build/azmonlog && make tests/unit/test_secret && qemu-aarch64-static tests/unit/test_secret >/tmp/secret;
  grep -q ^ok /tmp/secret && ! grep '^not ok' /tmp/secret | grep -v $not_in_qemu"; }
check "the unit tests are run under qemu-user" run "cd /build/azmonlog && CK_TIMEOUT_MULTIPLIER=20 make -j2 check-unit LOG_COMPILER=qemu-aarch64-static \
  smaps_unit_tests="
check "... and test_secret, but for $not_in_qemu" secrets
check "... and have passed" units_passed
units_passed
done_testing
