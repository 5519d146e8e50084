#!/bin/bash
# SPDX-License-Identifier: MIT
# Which journal is read, and what of it: the options and the keys of [journal], for run and cat.
# shellcheck source=tests/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh" || exit 99
[ -x /lib/systemd/systemd-journal-remote ] || skip_all "needs /lib/systemd/systemd-journal-remote"
needs_root_journald "$@"
start_emulator
chmod 711 "$work" # for other users
cp "$AZMONLOG" "$work/azmonlog"

config() { printf '[journal]\n%b' "$1" >"$work/c.conf"; }
cursor() { sed -n 's/^cursor=//p' "$1/cursor"; }
bodies() { sed -n 's/.*"body":"\([^"]*\)".*/\1/p' "$@"; }
# count TEXT STORE: how often it has arrived
count() { bodies "$2" | grep -cx -- "$1"; }

# --- a reader that sees nothing of a flood; it idles while the tests below run ---
quiet="$work/quiet.jsonl"
start "$EMULATOR" --port 0 --port-file "$work/quiet.port" --store "$quiet" --quiet
quiet_emulator=$started
wait_until 30 test -s "$work/quiet.port" || bail "the emulator does not start"
quiet_run() {
  "$AZMONLOG" run -c /dev/null --endpoint "http://127.0.0.1:$(cat "$work/quiet.port")/v1/logs" -t wanted \
    --state-directory "$work/quiet" --start oldest "$@" 2>"$work/quiet.log"
}
logger -t wanted "wanted 1"
start quiet_run
quiet_shell=$started
wait_until 30 grep -q 'wanted 1' "$quiet" || bail "the wanted line does not arrive"
quiet_reader=$(cat "$work/quiet/lock")
wanted_cursor=$(cursor "$work/quiet")
seq -f 'flood %g' 5000 | systemd-cat -t flood cat
journalctl --sync

# --- [journal] of files ---
python3 - <<'END' | /lib/systemd/systemd-journal-remote -o "$work/a.journal" - >/dev/null || bail "no journal file"
entries = {  # by message
    "web": "_SYSTEMD_UNIT=web.service SYSLOG_IDENTIFIER=web PRIORITY=6 SYSLOG_FACILITY=3 _TRANSPORT=journal _UID=33",
    "db": "_SYSTEMD_UNIT=db.service SYSLOG_IDENTIFIER=db PRIORITY=3 SYSLOG_FACILITY=16 _TRANSPORT=syslog _UID=70",
    "about-web": "_PID=1 _SYSTEMD_UNIT=init.scope UNIT=web.service SYSLOG_IDENTIFIER=systemd PRIORITY=5 _TRANSPORT=journal _UID=0",
    "about-web-2": "OBJECT_SYSTEMD_UNIT=web.service _SYSTEMD_UNIT=helper.service SYSLOG_IDENTIFIER=helper PRIORITY=2 "
                   "_TRANSPORT=journal _UID=0",
    "spoof": "UNIT=web.service OBJECT_SYSTEMD_UNIT=web.service _PID=77 _SYSTEMD_UNIT=bad.service SYSLOG_IDENTIFIER=bad "
             "PRIORITY=4 _TRANSPORT=journal _UID=1000",
    "kernel": "SYSLOG_IDENTIFIER=kernel PRIORITY=4 SYSLOG_FACILITY=0 _TRANSPORT=kernel",
    "bare": "_SYSTEMD_UNIT=db.service _TRANSPORT=stdout _UID=70 _SYSTEMD_INVOCATION_ID=" + "d" * 32,
    "tool": "_SYSTEMD_USER_UNIT=tool.service _SYSTEMD_UNIT=user@1000.service SYSLOG_IDENTIFIER=tool PRIORITY=7 "
            "_TRANSPORT=journal _UID=1000",
}
for i, (message, fields) in enumerate(entries.items()):
    print(f"__REALTIME_TIMESTAMP={1790000000000000 + i * 1000000}\n__MONOTONIC_TIMESTAMP={1000000 + i * 1000000}\n"
          f"_BOOT_ID={'b' * 32}\n" + fields.replace(" ", "\n") + f"\nMESSAGE={message}\n")
END
mkdir "$work/files"
mv "$work/a.journal" "$work/files/a.journal"

# only EXPECTED OPTION...: cat and run with this configuration and these options give just the entries with these messages
only() {
  local expected=$1
  shift
  "$AZMONLOG" cat -c "$work/c.conf" "$@" >"$work/out" || return
  sed -n 's/.*"body":{"stringValue":"\([^"]*\)".*/\1/p' "$work/out" | sort >"$work/by-cat"
  rm -rf "$work/state"
  curl -sSf -X POST "http://127.0.0.1:$port/emulator/reset" >/dev/null || return
  azmonlog_run -c "$work/c.conf" --endpoint "$endpoint" --start oldest --once "$@" || return
  bodies "$work/received" | sort >"$work/by-run"
  tr ' ' '\n' <<<"$expected" | grep . | sort >"$work/expected"
  diff "$work/expected" "$work/by-cat" && diff "$work/expected" "$work/by-run"
}
files() { only "$1" --directory "$work/files" "${@:2}"; }

config ''
check "no selection: everything" files "web db about-web about-web-2 spoof kernel bare tool"
check "--unit: what it logged, and what root's processes say about it" files "web about-web about-web-2" --unit web
check "-u with its suffix" files "web about-web about-web-2" -u web.service
check "-u twice: either" files "web about-web about-web-2 db bare" -u web -u db
check "-u of nobody: nothing" files "" -u nobody
check "-t" files "db" -t db
check "--identifier twice: either" files "db kernel" --identifier db -t kernel
check "-t is no pattern" files "" -t 'd*'
check "-p: this priority and more important ones; none without a priority" files "db about-web-2" -p err
check "--priority as a number" files "db about-web-2 spoof kernel" --priority 4
check "-u and -p: both" files "about-web-2" -u web -p err
check "-u and -t: both" files "web" -u web -t web
config 'match=_UID=1000\n'
check "match=" files "spoof tool"
config 'match=_UID=1000\nmatch=_UID=70\n'
check "match= twice with one field: either" files "spoof tool db bare"
config 'match=_UID=1000\nmatch=PRIORITY=7\n'
check "match= with two fields: both" files "tool"
check "match= and -t: both" files "" -t db
config 'facilities=local0 daemon\n'
check "facilities= by their names" files "web db"
config 'facilities=0,16\n'
check "facilities= by their numbers" files "kernel db"
config 'transports=kernel, stdout\n'
check "transports=" files "kernel bare"
config 'exclude_units=web db.service tool\n'
check "exclude_units=: what these logged, users' units too" files "about-web about-web-2 spoof kernel"
config 'exclude_identifiers=web\nexclude_identifiers=bad\n'
check "exclude_identifiers=" files "db about-web about-web-2 kernel bare tool"
config 'exclude_match=_UID=0\nexclude_match=PRIORITY=4\n'
check "exclude_match=: either is enough" files "web db bare tool"
config 'units=web\nexclude_match=_UID=0\n'
check "units= and exclude_match=: what is left" files "web"
check "-u replaces units= of the file; the exclude stays" files "db bare" -u db
config 'units=web db\nidentifiers=web\npriority=debug\n'
check "units=, identifiers= and priority= in the file" files "web"
check "-t replaces identifiers=" files "db" -t db
check "-p replaces priority=" files "" -p err
config 'units=web\nunits=\nidentifiers=tool\n'
check "an empty value empties a list" files "tool"
config "directory=$work/files\n"
check "directory=" only "web db about-web about-web-2 spoof kernel bare tool"

# --- --file ---
python3 "$srcdir/tests/lib/make_export.py" 2 | sed 's/^MESSAGE=entry \([0-9]\).*/MESSAGE=e\1/' |
  /lib/systemd/systemd-journal-remote -o "$work/b.journal" - >/dev/null
config ''
check "--file" only "e0 e1" --file "$work/b.journal"
check "--file twice" only "e0 e1 web db" --file "$work/b.journal" --file "$work/files/a.journal" -t db -t web -t worker
config "file=$work/b.journal\n"
check "file=" only "e0 e1"
check "--file replaces file=" only "db" --file "$work/files/a.journal" -t db

# --- own lines, by the invocation ---
own() { # own EXEC-PID: as a service whose invocation is that of one entry
  rm -rf "$work/state"
  curl -sSf -X POST "http://127.0.0.1:$port/emulator/reset" >/dev/null || return
  # shellcheck disable=SC2016 # $$ is the pid of what exec makes of it
  sh -c 'pid=$1; shift; [ "$pid" = own ] && pid=$$
    export SYSTEMD_EXEC_PID=$pid INVOCATION_ID=dddddddddddddddddddddddddddddddd; exec "$@"' sh "$1" \
    "$AZMONLOG" run -c "$work/c.conf" --directory "$work/files" --endpoint "$endpoint" --state-directory "$work/state" \
    --start oldest --once
}
config ''
check "started by systemd as a service" own own
check "its own invocation is not exported" [ "$(count bare "$work/received")" = 0 ]
check "all others are" [ "$(received)" = 7 ]
check "started by hand in a service" own 1
check "the service is" [ "$(count bare "$work/received")" = 1 ]
config 'exclude_own=no\n'
check "exclude_own=no" own own
check "the own invocation is exported" [ "$(count bare "$work/received")" = 1 ]

# --- what is wrong ---
wrong() { # wrong CODE WORDS OPTION...: for run and for cat
  local code=$1 words=$2 rc command
  shift 2
  for command in "cat" "run --once --endpoint $endpoint --state-directory $work/wrong"; do
    rc=0
    # shellcheck disable=SC2086 # words
    timeout -k 5 60 "$AZMONLOG" $command "$@" >/dev/null 2>"$work/err" || rc=$?
    cat "$work/err"
    [ $rc = "$code" ] && grep -qF -- "$words" "$work/err" || return
  done
}
bad_line() { # bad_line LINE WORDS: as the third line of the file
  config "fields=standard\n$1\n"
  check "$1: FILE:LINE and the reason" wrong 78 "$work/c.conf:3: ${1%%=*}: $2" -c "$work/c.conf"
}
bad_line 'units=we*' "'we*' is a pattern"
bad_line 'exclude_units=ok a?' "'a?' is a pattern"
bad_line 'priority=loud' "'loud' is none of emerg, alert,"
bad_line 'priority=8' "'8' is none of emerg, alert,"
bad_line 'facilities=user,local9' "'local9' is not a syslog facility"
bad_line 'facilities=24' "'24' is not a syslog facility"
bad_line 'match=_UID' "'_UID' is not FIELD=value"
bad_line 'exclude_match=uid=0' "'uid=0' is not FIELD=value"
bad_line 'exclude_own=maybe' "'maybe' is neither yes nor no"
bad_line 'namespace=*' "'*' is not the name of one journal namespace"
bad_line 'namespace=a/b' "'a/b' is not the name of one journal namespace"
bad_line 'scope=mine' "'mine' is none of all, system, user"
bad_line 'directory=here' "'here' is not an absolute path"
bad_line 'file=here' "'here' is not an absolute path"
bad_line "file=$work/nowhere.journal" "cannot read $work/nowhere.journal: No such file"
config ''
check "--unit with a pattern" wrong 64 "--unit: units: 'we*' is a pattern" -c "$work/c.conf" -u 'we*'
check "-p" wrong 64 "--priority: priority: 'loud' is none of" -c "$work/c.conf" -p loud
check "--file that is not there" wrong 64 "--file: file: cannot read /nowhere" -c "$work/c.conf" --file /nowhere
two="[journal] directory=, namespace=, file= and scope= each name a journal; use one of them"
check "--directory and --namespace" wrong 78 "$two" -c "$work/c.conf" --directory "$work/files" --namespace ns1
check "--file and --system" wrong 78 "$two" -c "$work/c.conf" --file "$work/b.journal" --system
config "namespace=ns1\n"
check "namespace= in the file and --directory" wrong 78 "$two" -c "$work/c.conf" --directory "$work/files"
check "unless the one in the file is taken back" files "db" -t db --namespace ""

mapfile -t many < <(seq -f '-t%g' 100)
check "more options than there is room for: none is passed over" wrong 64 "more than 64 options" "${many[@]}"
config "$(seq -f 'identifiers=%g\n' 100 | tr -d '\n')identifiers=db\n"
check "in the file there is room" files "db"

# --- the reader that saw nothing: its position has moved to the end of the journal ---
seqnum() { sed 's/.*;i=\([0-9a-f]*\);.*/\1/'; }
at_the_end() {
  cursor "$work/quiet" | seqnum
  [ "$(cursor "$work/quiet" | seqnum)" = "$(journalctl -n 1 --show-cursor -q | sed -n 's/^-- cursor: //p' | seqnum)" ]
}
check "nothing wanted comes: yet the position moves to the journal's end" wait_until 60 at_the_end
check "that is further than the last wanted line" [ "$(cursor "$work/quiet")" != "$wanted_cursor" ]
check "nothing of the flood was delivered" [ "$(wc -l <"$quiet")" = 1 ]
kill -TERM "$quiet_reader"
check "it ends with 0" wait "$quiet_shell"

# --- gaps and selection ---
vacuum() { journalctl --rotate && journalctl --vacuum-files=1 -q; }
gone() { ! journalctl -q -o cat | grep -qx "$1"; }
vacuum
check "the flood is gone" gone 'flood 4999'
logger -t wanted "wanted 2"
journalctl --sync
check "the quiet reader goes on" quiet_run --once
check "its line arrives" [ "$(count 'wanted 2' "$quiet")" = 1 ]
check "no gap is reported: nothing wanted was lost" [ "$(wc -l <"$quiet")" = 2 ]

for i in 1 2 3; do
  logger -t wanted "unread $i"
  logger -t flood "unread flood $i"
done
journalctl --sync
vacuum
check "lines that were not read are gone" gone 'unread 3'
logger -t wanted "wanted 3"
journalctl --sync
check "the reader that was down goes on" quiet_run --once
check "its line arrives" [ "$(count 'wanted 3' "$quiet")" = 1 ]
check "and one gap" [ "$(grep -c '"azmonlog.gap.reason"' "$quiet")" = 1 ]
check "that says vacuumed, and that not all may have been wanted" sh -c \
  'grep azmonlog.gap.reason "$1" | grep "azmonlog.gap.reason\":\"vacuumed" | grep "azmonlog.gap.up_to\":\"true"' sh "$quiet"
check "and how many at most" grep -q '"azmonlog.gap.entries":6[,}]' "$quiet"
check "nothing else" [ "$(wc -l <"$quiet")" = 4 ]
stop "$quiet_emulator"

# the same for a run that is over at once
once() { azmonlog_run -c /dev/null --endpoint "$endpoint" -t wanted --start now --once; }
rm -rf "$work/state"
check "a run --once" once
seq -f 'many %g' 2500 | systemd-cat -t wanted cat # more than are read without a look around
journalctl --sync
logger -t flood "after them"
journalctl --sync
curl -sSf -X POST "http://127.0.0.1:$port/emulator/reset" >/dev/null
check "another one" once
check "delivers what is wanted" [ "$(received)" = 2500 ]
vacuum
check "what came after it is gone" gone "after them"
logger -t wanted "wanted 4"
journalctl --sync
check "the next one" once
check "sees no gap" [ "$(received)" = 2501 ]

# and with an exclude, where all is read and some is passed over
config 'exclude_identifiers=flood\n'
excluding() { azmonlog_run -c "$work/c.conf" --endpoint "$endpoint" --start now --once; }
rm -rf "$work/state"
check "a run with an exclude" excluding
logger -t flood "excluded"
journalctl --sync
check "another one" excluding
check "delivers nothing" [ "$(received)" = 2501 ]
vacuum
logger -t wanted "wanted 5"
journalctl --sync
check "when that is gone, the next one" excluding
check "delivers what is new" [ "$(count "wanted 5" "$work/received")" = 1 ]
check "and sees no gap" [ "$(grep -c azmonlog.gap "$work/received")" = 0 ]

# --- of the machine: namespaces, system and user ---
user() { setpriv --reuid=1500 --regid=1500 --groups=0 "$@"; } # without tmpfiles the journal's group is root
logger -t machine "of-the-system"
user logger -t machine "of-the-user"
/lib/systemd/systemd-journald ns1 2>"$work/ns1.err" &
ns1=$!
pids+=("$ns1")
wait_until 30 test -S /run/systemd/journal.ns1/socket || bail "no second journald: $(cat "$work/ns1.err")"
python3 - <<'END'
import socket
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.connect("/run/systemd/journal.ns1/socket")
s.send(b"MESSAGE=of-the-namespace\nSYSLOG_IDENTIFIER=machine\n")
END
journalctl --sync
check "journald has three journals" [ "$(journalctl --namespace='*' -q -t machine -o cat | wc -l)" = 3 ]
config 'identifiers=machine\n'
check "all of the machine's journal; no namespace" only "of-the-system of-the-user"
check "--namespace" only "of-the-namespace" --namespace ns1
config 'identifiers=machine\nnamespace=ns1\n'
check "namespace=" only "of-the-namespace"
config 'identifiers=machine\n'
check "--system" only "of-the-system" --system
as_user() { # cat only: the emulator's side does not depend on the user
  user "$work/azmonlog" cat -c /dev/null -t machine "$@" >"$work/out" || return
  sed -n 's/.*"body":{"stringValue":"\([^"]*\)".*/\1/p' "$work/out"
}
user_sees() { [ "$(as_user "${@:2}" | sort | tr '\n' ' ')" = "$1 " ]; }
check "--user: the journal of whoever runs it" user_sees "of-the-user" --user
check "--system as a user" user_sees "of-the-system" --system
check "both" user_sees "of-the-system of-the-user"
config 'scope=system\n'
check "--user replaces scope=" only "" --user -t machine

# --- own lines, by the process ---
curl -sSf -X POST "http://127.0.0.1:$port/emulator/reset" >/dev/null
curl -sSf --data-binary 'request * status 403' "http://127.0.0.1:$port/emulator/script" >/dev/null
printf '[batch]\nmax_export_batch_size=10\nschedule_delay=10ms\n[export]\nconcurrency=1\nhold_max_delay=100ms\n' >"$work/own.conf"
# own_lines CODE OPTION...: its messages go into the journal that it reads; it has to wait, so it has one
start_own() {
  rm -rf "$work/state"
  start systemd-cat -t azmonlog --level-prefix=no "$AZMONLOG" run -c "$work/own.conf" --endpoint "$endpoint" \
    --state-directory "$work/state" --start now
  own=$started
  wait_until 30 test -S "$work/state/control" || bail "azmonlog does not start"
}
said() { journalctl -q -o cat _PID="$1" | grep -q "$2"; }
start_own
seq -f 'line %g' 100 | systemd-cat -t lines cat
check "its own words are in the journal" wait_until 30 said "$own" 'held'
# they are unread: what comes before them is held. Reread configuration must not make strangers of them.
kill -HUP "$own"
check "it rereads its configuration" wait_until 30 said "$own" 'read anew'
curl -sSf --data-binary 'request * normal' "http://127.0.0.1:$port/emulator/script" >/dev/null
logger -t lines "the last line"
check "everything arrives" wait_until 30 grep -q '"body":"the last line"' "$work/received"
check "once" [ "$(received)" = 101 ]
check "but none of its own words" [ "$(grep -c "\"process.pid\":${own}[,}]" "$work/received")" = 0 ]
check "it ends with 0" stop "$own"
printf '[journal]\nexclude_own=no\n' >>"$work/own.conf"
start_own
check "exclude_own=no: they are exported" wait_until 30 grep -q "\"process.pid\":${own}[,}]" "$work/received"
check "it ends with 0" stop "$own"
done_testing
