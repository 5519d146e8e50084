#!/bin/bash
# SPDX-License-Identifier: MIT
# make_certs.sh DIRECTORY: certificates for the tests of TLS, NAME.pem and NAME.key each, all of them for
# 127.0.0.1 and the names below emulator.test:
#
#   ca          the authority that the client is to trust
#   good        from it, and valid
#   renewed     the same once more: what a good one is replaced with
#   expired     from it, and valid until the year 2020
#   early       from it, and valid from the year 2090
#   wrong-name  from it, and valid, but for another host (other.example)
#   untrusted   valid, but from an authority that nobody knows
set -eu
mkdir -p "$1"
cd "$1"

# openssl x509 and req of OpenSSL 3.0 know days from now only; openssl ca takes dates, but wants a database.
cat >ca.conf <<'END'
[ca]
default_ca = any
[any]
database = ./index
new_certs_dir = .
rand_serial = yes
default_md = sha256
policy = anything
copy_extensions = copy
unique_subject = no
[anything]
commonName = supplied
END
: >index

key=(-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes)

here="IP:127.0.0.1,DNS:*.emulator.test"

authority() { # authority NAME
  openssl req -x509 "${key[@]}" -days 3650 -subj "/CN=azmonlog test authority $1" -keyout "$1.key" -out "$1.pem"
}

issue() { # issue NAME AUTHORITY BEGIN END SUBJECT-ALT-NAME; times as YYYYMMDDHHMMSSZ
  openssl req -new "${key[@]}" -subj "/CN=$1" -addext "subjectAltName=$5" -keyout "$1.key" -out "$1.csr"
  openssl ca -batch -notext -config ca.conf -cert "$2.pem" -keyfile "$2.key" -startdate "$3" -enddate "$4" -in "$1.csr" \
    -out "$1.pem"
}

{
  authority ca
  authority other-ca
  issue good ca 20200101000000Z 20900101000000Z "$here"
  issue renewed ca 20200101000000Z 20900101000000Z "$here"
  issue expired ca 20190101000000Z 20200101000000Z "$here"
  issue early ca 20900101000000Z 20910101000000Z "$here"
  issue wrong-name ca 20200101000000Z 20900101000000Z DNS:other.example
  issue untrusted other-ca 20200101000000Z 20900101000000Z "$here"
} 2>openssl.log || {
  cat openssl.log >&2
  exit 1
}
rm -f ./*.csr ./index* ./[0-9A-F]*.pem ca.conf openssl.log other-ca.*
