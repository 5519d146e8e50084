#!/bin/bash
# SPDX-License-Identifier: MIT
# system.sh RELEASE: azmonlog's Debian packages on a booted Debian, with its own systemd: a new user's way, upgrade, reboot,
# kill, watchdog, remove, purge; and no record is lost. Needs root, and the packages (make deb); make check-system runs it.
#
#   AZM_PACKAGES            the folder of the packages (build/deb; on another Debian than RELEASE they are built anew, in that one)
#   AZM_ROOTS, AZM_MIRROR   see tests/lib/debian.sh
# shellcheck source=tests/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh" || exit 99
# shellcheck source=tests/lib/debian.sh
. "$(dirname "$0")/../lib/debian.sh" || exit 99
unset MAKEFLAGS MFLAGS MAKEOVERRIDES MAKELEVEL # TESTS= of the make around this is not for the previous packages
release=$1
needs_debootstrap
command -v ip >/dev/null || skip_all "needs ip (package iproute2)"

# choose FROM FOLDER: the three packages, without what is only there for a debugger
choose() {
  local name
  mkdir -p "$2"
  for name in azmonlog azmonlog-emulator rsyslog-azuremonitor; do
    [ "$(find "$1" -maxdepth 1 -name "${name}_*.deb" | wc -l)" = 1 ] || bail "there has to be one ${name}_*.deb in $1; make deb makes it"
    cp "$1/${name}"_*.deb "$2"
  done
}

# Packages go with the Debian that they were built on: libraries have other names in the next one.
here=$(. /etc/os-release && echo "${VERSION_CODENAME-}")
prepare_build() { # FOLDER
  tar -xJf "$tarball" -C "$1/srv" && (in_root "$1" sh -c 'apt-get update && apt-get build-dep -y --no-install-recommends -P nocheck /srv/*/packaging') &&
    rm -r "$1"/srv/*
}
build_there() { # FOLDER
  local root=$roots/deb-$release packages wanted
  packages="build-essential ca-certificates debhelper python3 xz-utils"
  tarball=$builddir/azmonlog-$(sed -n 's/^#define PACKAGE_VERSION "\(.*\)"/\1/p' "$builddir/config.h").tar.xz
  [ -s "$tarball" ] || bail "there is no $tarball; make dist-xz makes it"
  wanted="$packages $(sed -n '/^Build-Depends:/,/^[^ ]*:/p' "$srcdir/packaging/debian/control")"
  can_have_root "deb-$release" "$release" "$wanted" || skip_all "$why"
  make_root "deb-$release" "$release" "$packages" "$wanted" prepare_build || bail "there is no Debian $release to build in"
  rm -rf "$root/build" && mkdir "$root/build" && tar -xJf "$tarball" -C "$root/build" --strip-components=1 && cp "$tarball" "$root/build" &&
    (in_root "$root" sh -c "cd /build && DEB_BUILD_PROFILES=nocheck DEB_BUILD_OPTIONS='nocheck parallel=2' packaging/debian/make ${tarball##*/} deb") >"$work/build.log" 2>&1 &&
    mv "$root/build/deb" "$1" || { tail -20 "$work/build.log"; return 1; }
}
built=${AZM_PACKAGES:-$builddir/deb}
if [ -z "${AZM_PACKAGES-}" ] && [ "$here" != "$release" ]; then
  built=$work/built
  build_there "$built" || bail "the packages cannot be built in Debian $release"
fi
new=$work/new
choose "$built" "$new"

# The packages that were there before: of the first commit that made some, as the tag says.
make_previous() { # FOLDER COMMIT
  rm -rf "$1"
  mkdir -p "$work/previous" &&
    git -C "$srcdir" archive "$2" | tar -xC "$work/previous" &&
    (cd "$work/previous" && ./bootstrap --no-install && DEB_BUILD_OPTIONS=nocheck make -s -C build deb) >"$work/previous.log" 2>&1 &&
    cp -r "$work/previous/build/deb" "$1" || { tail -20 "$work/previous.log"; return 1; }
}
# Where there is no such tag: these ones with a lower version.
make_lower() { # FOLDER
  local deb
  mkdir "$1"
  for deb in "$new"/*.deb; do
    rm -rf "$work/lower"
    dpkg-deb -R "$deb" "$work/lower" && sed -i 's/^Version: .*/Version: 0.0.1-1/' "$work/lower/DEBIAN/control" &&
      dpkg-deb --root-owner-group -Znone -b "$work/lower" "$1" >/dev/null || return
  done
}

# Everything that the packages need, so that no network is needed later; no console, and no modules of the kernel.
prepare() { # FOLDER
  local needed
  echo "azmonlog-$release" >"$1/etc/hostname"
  echo "127.0.0.1 localhost azmonlog-$release" >"$1/etc/hosts"
  ln -s /dev/null "$1/etc/systemd/system/console-getty.service"
  ln -s /dev/null "$1/etc/systemd/system/systemd-modules-load.service"
  mkdir "$1/srv/packages" && cp "$new"/*.deb "$1/srv/packages" || return
  (in_root "$1" apt-get update) || return
  # shellcheck disable=SC2016 # for the inner shell
  needed=$( (in_root "$1" sh -c 'apt-get install --simulate /srv/packages/*.deb') | sed -n 's/^Inst \([^ ]*\) .*/\1/p') &&
    needed=$(grep -vxE 'azmonlog|azmonlog-emulator|rsyslog-azuremonitor' <<<"$needed")
  # shellcheck disable=SC2086 # a list
  (in_root "$1" env DEBIAN_FRONTEND=noninteractive apt-get install -y $needed) || return
  rm -r "$1/srv/packages"
}

packages="systemd systemd-sysv dbus procps rsyslog python3"
packages="$packages acl bash-completion curl man-db prometheus-node-exporter zsh" # of a machine that is in use
wanted="$packages
$(for deb in "$new"/*.deb; do dpkg-deb --field "$deb" Package Pre-Depends Depends Recommends; done | sed 's/ ([^)]*)//g')"
can_have_root "system-$release" "$release" "$wanted" || skip_all "$why"
make_root "system-$release" "$release" "$packages" "$wanted" prepare || bail "there is no Debian $release"

old=$work/old
if first=$(git -C "$srcdir" rev-parse --verify --quiet 'deb-first^{commit}' 2>/dev/null); then
  [ -e "$roots/packages-$first" ] || make_previous "$roots/packages-$first" "$first" || bail "the packages of the tag deb-first cannot be made"
  choose "$roots/packages-$first" "$old"
else
  make_lower "$old" || bail "the packages cannot be given a lower version"
fi

machine=$roots/system-$release.booted
exec 9>"$machine.lock"
flock --nonblock 9 || bail "$machine is in use"
rm -rf "$machine"
cp -a "$roots/system-$release" "$machine"
export machine new old release
rc=0
PYTHONDONTWRITEBYTECODE=1 setpriv --pdeathsig TERM python3 "${0%.sh}.py" "$work" || rc=$?
[ $rc != 0 ] || rm -rf "$machine" # its journal says what went wrong
exit $rc
