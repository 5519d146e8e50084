#!/bin/bash
# SPDX-License-Identifier: MIT
# packaging/rsyslog: rsyslogd takes each drop-in as it is, and the first one and the relay's deliver.
# shellcheck source=tests/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh" || exit 99
needs_rsyslogd
module=$builddir/.libs/omazuremonitor.so
PATH=$PATH:/usr/sbin:/sbin
examples=$srcdir/packaging/rsyslog
"$srcdir/tests/lib/make_certs.sh" "$work/certs" >"$work/certs.log" 2>&1 || bail "no certificates: $(tail -3 "$work/certs.log")"
start_emulator

# drop_in NAME: that file with the places and ports of this test, in $work/NAME.conf
drop_in() {
  sed -e "s,load=\"omazuremonitor\",load=\"$module\"," \
    -e "s,endpoint=\"[^\"]*\",endpoint=\"$endpoint\" state.directory=\"$work/$1\"," \
    -e "s,/etc/rsyslog.d/tls/ca.pem,$work/certs/ca.pem,; s,/etc/rsyslog.d/tls/cert.pem,$work/certs/good.pem," \
    -e "s,/etc/rsyslog.d/tls/key.pem,$work/certs/good.key,; s,\"\*.example.com\",\"good\"," \
    -e "s,type=\"imtcp\" port=\"[0-9]*\",type=\"imtcp\" port=\"0\" listenPortFileName=\"$work/$1.tcp\"," \
    -e "s,type=\"imudp\" port=\"514\",type=\"imudp\" port=\"$udp\"," "$examples/$1.conf.example" >"$work/$1.conf"
}
udp=$(python3 -c 'import socket; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind(("", 0)); print(s.getsockname()[1])')
is_valid() { # without a word but rsyslogd's two lines
  drop_in "$1"
  (rsyslogd_with_module -N1 -f "$work/$1.conf") 2>"$work/valid" || { cat "$work/valid"; return 1; }
  [ "$(wc -l <"$work/valid")" = 2 ] || { cat "$work/valid"; return 1; }
  [ ! -e "$work/$1" ]
}
for f in "$examples"/*.conf.example; do
  name=$(basename "$f" .conf.example)
  check "$name: rsyslogd -N1 has nothing to say, and nothing is made" is_valid "$name"
  check "$name: the template is that of plugin/syslog_meta.h" \
    grep -qF "string=\"$(sed -n 's,^ \*  *\(%timegenerated:.*\),\1,p' "$srcdir/plugin/syslog_meta.h")\"" "$f"
done

# the manual page names every parameter
while read -r section key; do
  case $section in
  destination) name=$key ;;
  journal) [ "$key" = max_body_bytes ] && name=$key || continue ;;
  resource) name=resource ;;
  metrics) [ "$key" = heartbeat ] && name=$section.$key || continue ;;
  relay) continue ;; # no source of messages but rsyslogd
  *) [ "$key" = spool_after ] && continue || name=$section.$key ;;
  esac
  grep -qE "(^|[ |])${name//./\\.}( |,|\$)" "$srcdir/man/omazuremonitor.5" || echo "$name"
done >"$work/parameters" < <(sed -n 's/^    {"\([a-z]*\)", "*\([A-Za-z_]*\)"*, azm_parse.*/\1 \2/p' "$srcdir/src/config/config.c")
names_all() { cat "$work/parameters"; [ ! -s "$work/parameters" ]; }
check "omazuremonitor(5) names all parameters" names_all

start_rsyslogd() { # start_rsyslogd NAME; gtls computes something for seconds, sometimes many
  { echo "global(workDirectory=\"$work\")"; cat "$work/$1.conf"; } >"$work/$1.run"
  start rsyslogd_with_module -n -f "$work/$1.run" -i "$work/$1.pid" 2>"$work/$1.err"
  rsyslogd=$started
  wait_until 120 test -s "$work/$1.tcp" || bail "rsyslogd does not start: $(cat "$work/$1.err")"
}
line() { printf '<134>1 2026-11-25T12:00:00.123456Z switch app 7 - - %s\n' "$1"; }
has() { # has TEXT...: a record with all of these in its line
  local text found
  found=$(grep -F "\"body\":\"$1\"" "$work/received") || return
  for text in "${@:2}"; do grep -qF "$text" <<<"$found" || { echo "$found"; return 1; }; done
}

start_rsyslogd 60-azuremonitor
line "by TCP" >"/dev/tcp/127.0.0.1/$(cat "$work/60-azuremonitor.tcp")"
line "by UDP" >"/dev/udp/127.0.0.1/$udp"
check "over TCP" wait_until 30 has "by TCP"
check "over UDP" wait_until 30 has "by UDP"
check "with service, host, severity, address and input" \
  has "by TCP" '"service.name":"app"' '"host.name":"switch"' '"severity_text":"info"' '127.0.0.1' imtcp
script() { curl -sSf --data-binary "$1" "http://127.0.0.1:$port/emulator/script" >/dev/null; }
script 'request * status 503'
for i in $(seq 5000); do line "at the end $i"; done >"/dev/tcp/127.0.0.1/$(cat "$work/60-azuremonitor.tcp")"
sleep 0.5 # rsyslogd has read them; whether they are in a queue or on disk is its own affair
check "the destination is down: it ends with 0" stop "$rsyslogd"
script 'request * normal'
rm "$work/60-azuremonitor.tcp"
start_rsyslogd 60-azuremonitor
all_of_the_end() { [ "$(grep -o '"body":"at the end [0-9]*"' "$work/received" | sort -u | wc -l)" = 5000 ]; }
check "which costs nothing of what it has read" wait_until 60 all_of_the_end
stop "$rsyslogd"

# rsyslog's ossl driver now and then resets a connection at its beginning (error -2088): a sender connects again.
tls() {
  for _ in {1..30}; do
    line "by $driver" | openssl s_client -quiet -connect "127.0.0.1:$(cat "$work/60-azuremonitor-relay.tcp")" -CAfile "$work/certs/ca.pem" "$@"
    sleep 1
  done
}
for driver in gtls ossl; do
  what="the relay, with $driver"
  drop_in 60-azuremonitor-relay
  sed -i "s,\"gtls\",\"$driver\"," "$work/60-azuremonitor-relay.conf"
  if [ -z "$(find /usr/lib /usr/lib64 -path "*/rsyslog/lmnsd_$driver.so" 2>/dev/null)" ]; then
    skip "$what" "rsyslog's driver $driver is not installed"
    continue
  fi
  rm -f "$work/60-azuremonitor-relay.tcp"
  start_rsyslogd 60-azuremonitor-relay
  start tls -cert "$work/certs/good.pem" -key "$work/certs/good.key" >"$work/tls" 2>&1
  check "$what" wait_until 30 has "by $driver" 127.0.0.1
  stop "$started" KILL
  stop "$rsyslogd"
done

# --- around it ---
if [ "$(id -u)" = 0 ] && command -v systemd-tmpfiles >/dev/null; then
  made() {
    mkdir -p "$work/root/etc"
    printf 'root:x:0:0::/:/bin/sh\n' >"$work/root/etc/passwd"
    printf 'root:x:0:\n' >"$work/root/etc/group"
    systemd-tmpfiles --create --root="$work/root" "$examples/azmonlog-rsyslog.tmpfiles" &&
      [ "$(stat -c '%F %a' "$work/root/var/spool/azmonlog")" = "directory 755" ]
  }
  check "azmonlog-rsyslog.tmpfiles makes the folder" made
else
  skip "azmonlog-rsyslog.tmpfiles makes the folder" "needs root and systemd-tmpfiles"
fi
if command -v apparmor_parser >/dev/null && [ -e /etc/apparmor.d/abstractions/ssl_certs ]; then
  parsed() {
    [ -s "$examples/azmonlog.apparmor" ] || return
    { printf 'abi <abi/3.0>,\n#include <tunables/global>\nprofile rsyslogd /usr/sbin/rsyslogd {\n'
      cat "$examples/azmonlog.apparmor"; echo '}'; } >"$work/profile"
    apparmor_parser --skip-kernel-load --skip-cache --stdout "$work/profile" >/dev/null
  }
  check "azmonlog.apparmor is what apparmor_parser takes" parsed
else
  skip "azmonlog.apparmor is what apparmor_parser takes" "apparmor_parser is not installed"
fi
if command -v checkmodule >/dev/null; then
  check "azmonlog_rsyslog.te is what checkmodule takes" \
    checkmodule -M -m -o "$work/azmonlog_rsyslog.mod" "$examples/azmonlog_rsyslog.te"
else
  skip "azmonlog_rsyslog.te is what checkmodule takes" "checkmodule is not installed"
fi
done_testing
