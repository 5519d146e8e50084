#!/bin/bash
# SPDX-License-Identifier: MIT
# The Debian packages: lintian has nothing to say, they hold what they should, and the tarball gives the same bytes wherever and
# whenever it is built. Slow: make check-deb. What they do on a booted system: tests/integration/system.sh.
# shellcheck source=tests/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh" || exit 99
unset MAKEFLAGS MFLAGS MAKEOVERRIDES MAKELEVEL # TESTS= of the make around this is not for the build
for tool in dpkg-buildpackage dh lintian python3; do
  command -v $tool >/dev/null || skip_all "$tool is not installed (debhelper, dpkg-dev, lintian)"
done

tarball=$builddir/azmonlog-$(sed -n 's/^#define PACKAGE_VERSION "\(.*\)"/\1/p' "$builddir/config.h").tar.xz
make -s -C "$builddir" dist-xz >"$work/dist.log" 2>&1 || bail "make dist-xz: $(tail -5 "$work/dist.log")"

build() { # build NAME VARIABLE=VALUE...: into $work/NAME
  local name=$1
  shift
  mkdir "$work/$name.tmp"
  env TMPDIR="$work/$name.tmp" "$@" "$srcdir/packaging/debian/make" "$tarball" "$work/$name" >"$work/$name.log" 2>&1 ||
    { grep -E '^(FAIL|ERROR):|error:|warning:' "$work/$name.log" | head -20; tail -20 "$work/$name.log"; return 1; }
}
no_warnings() { # the module takes rsyslogd's functions from rsyslogd
  ! grep -iE 'warning' "$work/first.log" | grep -vE '^PASS: |unresolvable reference|similar warnings|remember to run|warnings are errors'
}
units_passed() { [ "$(grep -c '^PASS: tests/unit/' "$work/first.log")" -ge 500 ] && ! grep -E '^(FAIL|ERROR): ' "$work/first.log"; }
in_another_way() {
  umask 077
  build second DEB_BUILD_OPTIONS=nocheck TZ=Asia/Kolkata LC_ALL=C.UTF-8 HOME=/nonexistent
}
same_bytes() {
  local name
  for name in "$work"/first/*.deb "$work"/first/*.dsc "$work"/first/*.debian.tar.xz "$work"/first/*.spdx.json; do
    name=$(basename "$name")
    (cd "$work" && sha256sum "first/$name" "second/$name")
    cmp "$work/first/$name" "$work/second/$name" || return
  done
}
content() { # content PACKAGE: its files
  dpkg-deb --fsys-tarfile "$work/first/$1"_*.deb | tar -t | grep -v '/$' | sed "s,^\.,,; s,/lib/$multiarch,/lib/MULTIARCH,; s,^/lib/systemd,/usr/lib/systemd," | sort
}
has() { # has PACKAGE FILE...: these, and beside documentation no others
  local package=$1
  shift
  content "$package" | grep -vE '^/usr/share/(doc|man|lintian)/' >"$work/is"
  printf '%s\n' "$@" | sort >"$work/shall"
  diff "$work/shall" "$work/is"
}
has_doc() { content "$1" >"$work/is"; grep -qE "$2" "$work/is" || { cat "$work/is"; return 1; }; }
manual() { # manual PACKAGE PAGE...: these, and no others
  local package=$1
  shift
  content "$package" | sed -n 's,^/usr/share/man/man./,,p' >"$work/is"
  printf '%s.gz\n' "$@" | diff - "$work/is"
}
configuration() { # what `make update-conf` makes of the table of keys
  dpkg-deb --fsys-tarfile "$work/first"/azmonlog_*.deb | tar -xO ./etc/azmonlog/azmonlog.conf | diff "$srcdir/packaging/azmonlog.conf" -
}
conffiles() { [ "$(dpkg-deb --info "$work/first/$1"_*.deb conffiles 2>/dev/null)" = "${2-}" ]; }
hardened() { # a position-independent program, all of its symbols bound before it runs, and nothing of it written to then
  local deb file=$work/hardened
  for deb in azmonlog:usr/bin/azmonlog azmonlog-emulator:usr/bin/azmonlog-emulator; do
    dpkg-deb --fsys-tarfile "$work/first/${deb%%:*}"_*.deb | tar -xO "./${deb#*:}" >"$file"
    readelf -hld "$file" >"$work/elf"
    grep -q 'Type: *DYN' "$work/elf" && grep -q 'GNU_RELRO' "$work/elf" && grep -q 'NOW' "$work/elf" || { cat "$work/elf"; return 1; }
  done
}
bill() { # it has the libraries that the package depends on; dpkg leaves out what others depend on already
  python3 - "$work"/first/*.spdx.json "$(dpkg-deb -f "$work"/first/azmonlog_*.deb Depends)" <<'END'
import json, sys
doc = json.load(open(sys.argv[1]))
ids = {p["SPDXID"]: p for p in doc["packages"]}
files = {f["SPDXID"]: f["fileName"] for f in doc["files"]}
known = set(ids) | set(files) | {doc["SPDXID"]}
assert doc["spdxVersion"] == "SPDX-2.3" and doc["dataLicense"] == "CC0-1.0"
assert len(files) == 3 and all(any(c["algorithm"] == "SHA1" for c in f["checksums"]) for f in doc["files"])
assert all(r["spdxElementId"] in known and r["relatedSpdxElement"] in known for r in doc["relationships"])
linked = {ids[r["relatedSpdxElement"]]["name"] for r in doc["relationships"]
          if r["relationshipType"] == "DYNAMIC_LINK" and files[r["spdxElementId"]] == "./usr/bin/azmonlog"}
depends = {d.split()[0] for d in sys.argv[2].split(", ")} - {"ca-certificates"}
depends = {d for d in depends if d.startswith("lib")}
assert depends and depends <= linked, (linked, depends)
END
}

multiarch=$(dpkg-architecture -q DEB_HOST_MULTIARCH)
check "the tarball's packages are built" build first DEB_BUILD_OPTIONS=
[ "$tap_failed" = 0 ] || done_testing
check "... and the quick unit tests were run" units_passed
check "... without warnings" no_warnings
check "built once more elsewhere, with another umask and time zone" in_another_way
check "they are the same bytes" same_bytes
(cd "$work/first" && sha256sum ./*.deb) | grep -v dbgsym | sed 's/^/# /'
# a watch file would say where new versions are found
check "lintian has nothing to say" lintian --fail-on error,warning,info --tag-display-limit 0 --display-info \
  --suppress-tags debian-watch-file-is-missing "$work"/first/*.changes
check "azmonlog" has azmonlog /etc/azmonlog/azmonlog.conf /usr/bin/azmonlog /usr/lib/systemd/system/azmonlog.service \
  /usr/lib/systemd/system/azmonlog@.service /usr/lib/sysusers.d/azmonlog.conf \
  /usr/share/bash-completion/completions/azmonlog /usr/share/zsh/vendor-completions/_azmonlog
check "... with Bicep and examples" has_doc azmonlog '^/usr/share/doc/azmonlog/examples/azure/main.bicep$'
check "... with a handler for Python's logging" has_doc azmonlog '^/usr/share/doc/azmonlog/examples/python/journal_handler.py$'
check "... with dashboards and their queries" has_doc azmonlog '^/usr/share/doc/azmonlog/examples/azure/queries/hosts.kql$'
check "... with its manual" manual azmonlog azmonlog.1 azmonlog.conf.5 azmonlog.service.8
check "... with every key at its default" configuration
check "... keeps the user's changes to azmonlog.conf alone" conffiles azmonlog /etc/azmonlog/azmonlog.conf
check "rsyslog-azuremonitor" has rsyslog-azuremonitor /usr/lib/MULTIARCH/rsyslog/omazuremonitor.so \
  /usr/lib/tmpfiles.d/azmonlog-rsyslog.conf
check "... with drop-ins" has_doc rsyslog-azuremonitor '/examples/60-azuremonitor.conf.example$'
check "... with its manual" manual rsyslog-azuremonitor omazuremonitor.5
check "... that are no configuration of rsyslog's yet" conffiles rsyslog-azuremonitor
check "azmonlog-emulator" has azmonlog-emulator /usr/bin/azmonlog-emulator
check "... with its manual" manual azmonlog-emulator azmonlog-emulator.1
check "programs are position-independent, with read-only relocations" hardened
check "the bill of materials has the libraries that the package depends on" bill
done_testing
