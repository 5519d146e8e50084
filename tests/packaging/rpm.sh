#!/bin/bash
# SPDX-License-Identifier: MIT
# The RPM packages, as far as a machine without rpm's database can tell: they are built, hold what they should, and their
# scriptlets do what they should do. Slow: make check-rpm (rpmbuild; root for the scriptlets).
# shellcheck source=tests/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh" || exit 99
unset MAKEFLAGS MFLAGS MAKEOVERRIDES MAKELEVEL # TESTS= of the make around this is not for the build
command -v rpmbuild >/dev/null || skip_all "rpmbuild is not installed (Debian: rpm)"

tarball=$builddir/azmonlog-$(sed -n 's/^#define PACKAGE_VERSION "\(.*\)"/\1/p' "$builddir/config.h").tar.xz
make -s -C "$builddir" dist-xz >"$work/dist.log" 2>&1 || bail "make dist-xz: $(tail -5 "$work/dist.log")"
build() { # the unit tests are run in the build for Debian
  RPMBUILD_FLAGS=--nocheck "$srcdir/packaging/rpm/make" "$tarball" "$work/rpm" >"$work/rpm.log" 2>&1 ||
    { grep -E 'error:|warning:' "$work/rpm.log" | head -20; tail -20 "$work/rpm.log"; return 1; }
}
package() { echo "$work/rpm/$1"-[0-9]*."$(uname -m)".rpm; }
has() { # has PACKAGE FILE...: these, and beside documentation no others
  local name=$1
  shift
  rpm -qlp "$(package "$name")" 2>/dev/null | sed "s,$(rpm --eval %_libdir)/,LIBDIR/," |
    grep -vE '^/usr/(share/(doc|man|licenses)|lib/\.build-id)(/|$)' | sort >"$work/is"
  printf '%s\n' "$@" | sort >"$work/shall"
  diff "$work/shall" "$work/is"
}
has_doc() { rpm -qlp "$(package "$1")" 2>/dev/null >"$work/is"; grep -qE "$2" "$work/is" || { cat "$work/is"; return 1; }; }
configuration() { # %config(noreplace)
  rpm -qp --queryformat '[%{FILEFLAGS:fflags} %{FILENAMES}\n]' "$(package azmonlog)" 2>/dev/null >"$work/is"
  grep -qx 'cn /etc/azmonlog/azmonlog.conf' "$work/is" || { cat "$work/is"; return 1; }
}

# scriptlet PACKAGE TAG ARGUMENT: runs it where systemd seems to run, and prints what it calls; as sh -e would, with commands that fail
scriptlet() {
  rpm -qp --queryformat "%{$2}" "$(package "$1")" 2>/dev/null >"$work/scriptlet" && [ -s "$work/scriptlet" ] || return
  # shellcheck disable=SC2016  # for the inner shell
  unshare --mount sh -c 'mount -t tmpfs tmpfs /run && mkdir -p /run/systemd/system && PATH=$1 exec sh "$2" "$3" >/dev/null' \
    sh "$work/bin:$PATH" "$work/scriptlet" "$3" && cat "$work/called"
  local rc=$?
  : >"$work/called"
  return $rc
}
calls() { # calls PACKAGE TAG ARGUMENT LINE...
  local is shall
  is=$(scriptlet "$1" "$2" "$3") || { echo "status $?"; return 1; }
  shift 3
  shall=$(printf '%s\n' "$@")
  [ "$is" = "$shall" ] || { printf 'calls:\n%s\n' "$is"; return 1; }
}

check "the packages are built" build
[ "$tap_failed" = 0 ] || done_testing
(cd "$work/rpm" && ls) | sed 's/^/# /'
check "azmonlog" has azmonlog /etc/azmonlog /etc/azmonlog/azmonlog.conf /usr/bin/azmonlog \
  /usr/lib/systemd/system/azmonlog.service /usr/lib/systemd/system/azmonlog@.service /usr/lib/sysusers.d/azmonlog.conf \
  /usr/share/bash-completion/completions/azmonlog /usr/share/zsh/site-functions/_azmonlog
check "... with Bicep and examples" has_doc azmonlog '/azure/main.bicep$'
check "... with a handler for Python's logging" has_doc azmonlog '/examples/python/journal_handler.py$'
check "... keeps the user's changes to azmonlog.conf" configuration
check "rsyslog-azuremonitor" has rsyslog-azuremonitor LIBDIR/rsyslog/omazuremonitor.so /usr/lib/tmpfiles.d/azmonlog-rsyslog.conf
check "azmonlog-emulator" has azmonlog-emulator /usr/bin/azmonlog-emulator

[ "$(id -u)" = 0 ] && unshare --mount true 2>/dev/null || { skip "scriptlets" "need root and a mount namespace"; done_testing; }
mkdir "$work/bin"
for tool in systemctl systemd-sysusers systemd-tmpfiles; do
  printf '#!/bin/sh\necho "${0##*/} $*" >>%s\nexit 1\n' "$work/called" >"$work/bin/$tool"
  chmod +x "$work/bin/$tool"
done
check "an installation makes the user, and starts nothing" calls azmonlog POSTIN 1 \
  'systemd-sysusers azmonlog.conf' 'systemctl daemon-reload'
check "an upgrade restarts what runs" calls azmonlog POSTUN 1 \
  'systemctl daemon-reload' 'systemctl try-restart azmonlog.service azmonlog@*.service'
check "... and stops nothing" calls azmonlog PREUN 1
check "a removal stops and disables it" calls azmonlog PREUN 0 \
  'systemctl --no-reload disable --now azmonlog.service' 'systemctl stop azmonlog@*.service'
check "... and restarts nothing" calls azmonlog POSTUN 0 'systemctl daemon-reload'
check "the module's spool gets its folder" calls rsyslog-azuremonitor POSTIN 1 'systemd-tmpfiles --create azmonlog-rsyslog.conf'
check "an upgrade of the module restarts rsyslogd" calls rsyslog-azuremonitor POSTIN 2 \
  'systemd-tmpfiles --create azmonlog-rsyslog.conf' 'systemctl try-restart rsyslog.service'
done_testing
