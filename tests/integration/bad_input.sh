#!/bin/bash
# SPDX-License-Identifier: MIT
# Bad input of every kind: a clear word, nothing lost, no crash.
# shellcheck source=tests/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh" || exit 99
needs_root_journald "$@"
start_emulator

# fails CODE WORDS OPTION...: azmonlog run ends with this exit code, and its words match
fails() {
  local code=$1 words=$2 rc=0
  shift 2
  timeout -k 5 60 "$AZMONLOG" run --state-directory "$work/state" --once "$@" 2>"$work/err" || rc=$?
  cat "$work/err"
  [ $rc = "$code" ] && grep -q "$words" "$work/err"
}

# config TEXT: a configuration file with this content
config() { printf '%b' "$1" >"$work/c.conf"; }

# --- configuration ---
config '[destination]\nendpiont=http://localhost/\n'
check "unknown key: file, line, and the known keys" \
  fails 78 "c.conf:2: unknown key 'endpiont' in \[destination\]; known there: endpoint, dce, dcr, connection_string, auth" -c "$work/c.conf"
config '\n\n[destinatoin]\nendpoint=http://localhost/\n'
check "unknown section: file, line, and the known ones" \
  fails 78 'c.conf:4: unknown section \[destinatoin\]; known are: destination, batch' -c "$work/c.conf"
config '[batch]\nschedule_delay=soon\n'
check "bad value: file, line, key, and what would be good" \
  fails 78 "c.conf:2: schedule_delay: 'soon' is not a duration such as 500ms" -c "$work/c.conf"
check "a configuration that is not there" fails 78 "no-such.conf: No such file" -c "$work/no-such.conf"
check "a configuration that is a directory" fails 78 "cannot read\|is not a file" -c "$work"
check "no destination" fails 78 "no destination: set endpoint=" -c /dev/null
check "a bad value on the command line: the option" fails 64 "^azmonlog: --endpoint: " --endpoint ftp://host/
printf 'X-Api-Key: abc' >"$work/secrets"
chmod 644 "$work/secrets"
config "[destination]\nheaders_file=$work/secrets\n"
check "a secret that everybody can read" fails 78 "c.conf:2: headers_file: everybody can read .*0600" -c "$work/c.conf"
check "the secret itself is not printed" sh -c '! grep -q abc "$1"' sh "$work/err"
check "an unknown option" fails 64 "unrecognized option '--frobnicate'" --frobnicate
check "an unknown command" sh -c '"$AZMONLOG" frobnicate 2>&1 | grep "unknown command .frobnicate."'
check "a state directory that cannot be" fails 1 "cannot create the state directory /proc/x" \
  --endpoint "$endpoint" --state-directory /proc/x

# --- permission ---
as_nobody() { # in a group that may not read the journal; a copy, because nobody may not enter every build directory
  install -d -m 755 "$work"
  install -m 755 "$AZMONLOG" "$work/azmonlog"
  install -d -o nobody -m 700 "$work/nobody"
  rc=0
  setpriv --reuid nobody --regid nogroup --clear-groups "$work/azmonlog" run --state-directory "$work/nobody/state" --once \
    --endpoint "$endpoint" 2>"$work/err" || rc=$?
  cat "$work/err"
  [ $rc = 77 ] && grep -q "system.journal may not be read by user nobody; add the user to group systemd-journal" "$work/err"
}
check "a journal without permission: exit code 77, and what to do" as_nobody
check "a journal directory that is not there" fails 1 "cannot read the journal directory /no/such: No such file" \
  --endpoint "$endpoint" --directory /no/such

# --- entries ---
python3 - <<'END'
import array, os, socket, struct
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.connect("/run/systemd/journal/socket")
def field(name, value):
    return name.encode() + b"\n" + struct.pack("<Q", len(value)) + value + b"\n"
def entry(case, message, *more):
    data = b"CASE=" + case.encode() + b"\nSYSLOG_IDENTIFIER=bad\n" + (b"" if message is None else field("MESSAGE", message))
    data += b"".join(more)
    if len(data) < 100000:
        s.send(data)
        return
    fd = os.memfd_create("entry", os.MFD_ALLOW_SEALING)  # journald takes large entries as a sealed memfd
    os.write(fd, data)
    import fcntl
    fcntl.fcntl(fd, 1033, 0xF)  # F_ADD_SEALS: seal, shrink, grow, write
    s.sendmsg([], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [fd]))])
entry("invalid-utf8", b"caf\xe9 \xff\xfe ok")
entry("nul", b"before\0after")
entry("binary-field", b"x", field("BLOB", bytes(range(256))))
entry("huge", b"h" * 10_000_000)
entry("empty", b"")
entry("no-message", None)
entry("duplicates", b"x", b"FOO=one\n", b"FOO=two\n", b"FOO=three\n")
entry("priority", b"x", b"PRIORITY=99\n")
entry("many-fields", b"x", b"".join(b"F%d=%d\n" % (i, i) for i in range(900)))
entry("bad-trace", b"x", b"TRACE_ID=xyz\n", b"SPAN_ID=0000000000000000\n")
END
journalctl --sync
check "a journal full of odd entries is delivered" \
  "$AZMONLOG" run --endpoint "$endpoint" --state-directory "$work/state" --start oldest --once
case_is() { # case_is NAME PYTHON-EXPRESSION over the record r and its attributes a
  python3 - "$work/received" "$1" "$2" <<'END'
import json, sys
found = [r for r in map(json.loads, open(sys.argv[1])) if r["attributes"].get("case") == sys.argv[2]]
assert len(found) == 1, f"{len(found)} records"
r = found[0]
a = r["attributes"]
assert eval(sys.argv[3]), {k: str(v)[:200] for k, v in r.items()}
END
}
check "invalid UTF-8 becomes U+FFFD" case_is invalid-utf8 'r["body"] == "caf\ufffd \ufffd\ufffd ok"'
check "a NUL becomes U+FFFD, and does not end the text" case_is nul 'r["body"] == "before\ufffdafter"'
check "a binary field arrives as text" case_is binary-field '"ABC" in a["blob"] and len(a["blob"]) == 256'
check "10 MB: cut at 64 KiB and marked" case_is huge 'len(r["body"]) == 65536 and a["azmonlog.truncated"] is True'
check "an empty message stays an empty body" case_is empty 'r["body"] == ""'
check "no message: no body" case_is no-message '"body" not in r'
check "a field that comes three times: an array" case_is duplicates 'sorted(a["foo"]) == ["one", "three", "two"]'
check "PRIORITY=99: no severity, the word is kept" case_is priority '"severity_number" not in r and a["priority"] == "99"'
check "900 fields" case_is many-fields 'all(a[f"f{i}"] == str(i) for i in range(900))'
check "a trace id that is none stays an attribute" \
  case_is bad-trace '"trace_id" not in r and a["trace_id"] == "xyz" and a["span_id"] == "0" * 16'

# --- checkpoint ---
damage() { # damage DESCRIPTION WORDS COMMAND...: damages the checkpoint, runs again
  local what=$1 words=$2
  shift 2
  rm -f "$work/state"/cursor.corrupt-*
  "$@"
  check "checkpoint, $what: goes on as configured and says so" \
    sh -c '"$AZMONLOG" run --endpoint "$1" --state-directory "$2" --start now --once 2>"$3"; cat "$3"; grep -q "$4" "$3"' \
    sh "$endpoint" "$work/state" "$work/err" "the checkpoint cursor is damaged: $words.*; it is kept as cursor.corrupt-"
  check "checkpoint, $what: the old one is kept" sh -c 'ls "$1"/cursor.corrupt-*' sh "$work/state"
}
damage "empty" "it does not begin" truncate -s 0 "$work/state/cursor"
damage "cut off" "it is cut off" truncate -s 60 "$work/state/cursor"
damage "a byte changed" "its checksum is wrong" sed -i 's/^cursor=s=/cursor=s=0/' "$work/state/cursor"
damage "no cursor in it" "it has no cursor= line" sed -i '/^cursor=/d;s/^checksum=.*/checksum=none/' "$work/state/cursor"
damage "a cursor that is none" "its cursor makes no sense" \
  sed -i 's/^cursor=.*/cursor=abc/;s/^checksum=.*/checksum=none/' "$work/state/cursor"
done_testing
