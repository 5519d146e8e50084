#!/bin/bash
# SPDX-License-Identifier: MIT
# The tarball builds in Debian 11, 12 and 13, and the module delivers in the rsyslogd of each. Slow: of make check-long.
#
#   AZM_RELEASES  which (bullseye bookworm trixie)
#   AZM_ROOTS, AZM_MIRROR  see tests/lib/debian.sh
# shellcheck source=tests/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh" || exit 99
# shellcheck source=tests/lib/debian.sh
. "$(dirname "$0")/../lib/debian.sh" || exit 99
needs_debootstrap
[ -e "$builddir/.libs/omazuremonitor.so" ] || skip_all "omazuremonitor.so is not built (libestr is missing)"

# what ./bootstrap builds with, and what the module is for
packages=$(sed -n '/^debian="/,/"$/p' "$srcdir/bootstrap" | sed 's/^debian=//' | tr -d '"' | tr '\n' ' ')
packages="$packages libisal-dev libestr-dev libestr0 rsyslog xz-utils"

build() {
  rm -rf "$root/build" && mkdir "$root/build" && tar -xJf "$tarball" -C "$root/build" --strip-components=1 || return
  (in_root "$root" sh -c 'cd /build && ./bootstrap --no-install && make -s -C build install') >"$work/$release.log" 2>&1 ||
    { grep -E 'error|warning' "$work/$release.log" | head -20; tail -20 "$work/$release.log"; return 1; }
}
configure_rsyslogd() {
  rm -rf "$root/var/spool/azmonlog" "$root/run/test"
  mkdir -p "$root/run/test"
  {
    echo 'global(workDirectory="/run/test")'
    echo 'module(load="impstats" interval="1" log.syslog="off" log.file="/run/test/stats" format="json")'
    # the drop-in, with a port of its own; UDP's is one for all on this host
    sed -e "s,endpoint=\"[^\"]*\",endpoint=\"$endpoint\" export.retry_max_delay=\"100ms\" export.retry_initial_delay=\"50ms\"," \
      -e 's,type="imtcp" port="514",type="imtcp" port="0" listenPortFileName="/run/test/port",' -e '/^input(type="imudp"/d; /^module(load="imudp")/d' \
      "$srcdir/packaging/rsyslog/60-azuremonitor.conf.example"
  } >"$root/run/test/conf"
}
is_valid() {
  (in_root "$root" rsyslogd -N1 -f /run/test/conf) 2>"$work/valid" && [ "$(wc -l <"$work/valid")" = 2 ] || { cat "$work/valid"; return 1; }
}
start_rsyslogd() {
  rm -f "$root/run/test/port"
  start in_root "$root" rsyslogd -n -f /run/test/conf -i /run/test/pid 2>>"$work/$release.err"
  rsyslogd=$started
  wait_until 60 test -s "$root/run/test/port"
}
send() { # send FIRST LAST
  local i
  for i in $(seq "$1" "$2"); do
    printf '<134>1 2026-11-25T12:00:00.123456Z host app 7 - - %s number %s\n' "$release" "$i"
  done >"/dev/tcp/127.0.0.1/$(cat "$root/run/test/port")"
}
arrived() { [ "$(grep -o "\"body\":\"$release number [0-9]*\"" "$work/received" | sort -u | wc -l)" = "$1" ]; }
counters() { # counters NAME VALUE...: impstats' last word on the action
  local last
  last=$(grep '"origin": "omazuremonitor"' "$root/run/test/stats" | tail -1)
  echo "$last"
  while [ $# -gt 0 ]; do
    grep -q "\"name\": \"network\".*\"$1\": $2[,}\ ]" <<<"$last" || return
    shift 2
  done
}
status_says() {
  (in_root "$root" azmonlog status --json --state-directory /var/spool/azmonlog/network) >"$work/status" 2>&1
  cat "$work/status"
  grep -q "\"state\":\"$1\"" "$work/status"
}
script() { curl -sSf --data-binary "$1" "http://127.0.0.1:$port/emulator/script" >/dev/null; }

make -s -C "$builddir" dist >"$work/dist.log" 2>&1 || bail "make dist: $(tail -5 "$work/dist.log")"
tarball=$builddir/azmonlog-$(sed -n 's/^#define PACKAGE_VERSION "\(.*\)"/\1/p' "$builddir/config.h").tar.xz
[ -s "$tarball" ] || bail "there is no $tarball"
start_emulator

for release in ${AZM_RELEASES:-bullseye bookworm trixie}; do
  root=$roots/build-$release
  can_have_root "build-$release" "$release" "$packages" || { skip "$release" "$why"; continue; }
  failed_before=$tap_failed
  check "$release: debootstrap" make_root "build-$release" "$release" "$packages"
  [ "$tap_failed" = "$failed_before" ] || continue
  check "$release: the tarball builds without a warning, and installs" build
  [ "$tap_failed" = "$failed_before" ] || continue
  echo "# $release: $( (in_root "$root" rsyslogd -v) | head -1), $( (in_root "$root" gcc --version) | head -1)"
  configure_rsyslogd
  check "$release: rsyslogd -N1 finds the module, and has nothing to say" is_valid
  check "$release: rsyslogd starts" start_rsyslogd
  [ "$tap_failed" = "$failed_before" ] || { cat "$work/$release.err"; continue; }
  send 1 1000
  check "$release: all has arrived" wait_until 60 arrived 1000
  check "$release: impstats' counters" wait_until 30 counters \
    submitted 1000 spooled 1000 not_spooled 0 exported 1000 retries 0 held 0 quarantined 0 backlog 0
  check "$release: azmonlog status asks the action" status_says delivering
  script 'request * status 503'
  send 1001 1200
  check "$release: the destination is down: it is on disk" wait_until 30 counters spooled 1200 exported 1000 backlog 200
  check "$release: azmonlog status" wait_until 30 status_says retrying
  check "$release: a stop ends with 0" stop "$rsyslogd"
  script 'request * normal'
  check "$release: and starts again" start_rsyslogd
  check "$release: the rest has arrived" wait_until 60 arrived 1200
  check "$release: once" [ "$(grep -c "\"body\":\"$release number" "$work/received")" = 1200 ]
  check "$release: ends with 0" stop "$rsyslogd"
  sed "s/^/# $release: /" "$work/$release.err"
done
done_testing
