#!/bin/bash
# SPDX-License-Identifier: MIT
# https with a private CA, an untrusted certificate, static headers.
# shellcheck source=tests/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh" || exit 99
[ -x /lib/systemd/systemd-journal-remote ] || skip_all "needs /lib/systemd/systemd-journal-remote"
mkdir "$work/journal"
python3 "$srcdir/tests/lib/make_export.py" 30 | /lib/systemd/systemd-journal-remote -o "$work/journal/a.journal" - >/dev/null

certificate() { # certificate NAME: a self-signed one for 127.0.0.1
  openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj "/CN=$1" -addext subjectAltName=IP:127.0.0.1 \
    -keyout "$work/$1.key" -out "$work/$1.pem" 2>/dev/null
}
certificate server
certificate other
start_emulator --tls-cert "$work/server.pem" --tls-key "$work/server.key"
endpoint=https://127.0.0.1:$port/v1/logs

run() {
  "$AZMONLOG" run --endpoint "$endpoint" --state-directory "$work/state" --directory "$work/journal" --start oldest --once \
    "$@" 2>"$work/log"
}
for ca in server other absent; do
  printf '[destination]\ntls_ca_file=%s\n[export]\nshutdown_timeout=100ms\n' "$work/$ca.pem" >"$work/$ca.conf"
done

start run -c "$work/other.conf"
check "a certificate that is not trusted: says so, and what to do" \
  wait_until 30 grep -q 'cannot deliver.*the issuer known.*tls_ca_file' "$work/log"
check "nothing was sent" [ "$(received)" = 0 ]
end_azmonlog() { # its pid stands in the lock
  kill "$(cat "$work/state/lock")"
  wait "$started" || true
}
end_azmonlog

absent() { run -c "$work/absent.conf"; [ $? = 78 ] && grep -q "absent.conf:2: tls_ca_file: cannot read" "$work/log"; }
check "a CA file that is not there: says so at the start" absent

check "with the right CA it is delivered" run -c "$work/server.conf"
check "every record is there" [ "$(received)" = 30 ]
done_testing
