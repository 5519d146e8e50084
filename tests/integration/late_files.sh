#!/bin/bash
# SPDX-License-Identifier: MIT
# A user's first line makes a journal file of its own. It must not be passed over because the reader was already further on in
# the system's journal, which is being flooded meanwhile; nor must a later one that comes while libsystemd looks at the files.
# shellcheck source=tests/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh" || exit 99
needs_root_journald "$@"
staged() { "$builddir/tests/integration/late_file" "$@" >"$work/staged" 2>&1 || { cat "$work/staged"; return 1; }; }
check "staged: a user's line just before a line of the system, the first one and another one" staged
check "the same with a selection, and a line that is not yet linked to what is selected by" staged journal

start_emulator
USERS=${USERS:-100}
start "$AZMONLOG" run --endpoint "$endpoint" --state-directory "$work/state" --start oldest 2>"$work/log"
daemon=$started

python3 - "$USERS" <<'END'
import os, socket, sys, time

def sender():
    s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    s.connect("/run/systemd/journal/socket")
    return lambda who, text: s.send(f"MESSAGE={text}\nSYSLOG_IDENTIFIER={who}\n".encode())

users = int(sys.argv[1])
flood = os.fork()
if flood == 0:
    send, i = sender(), 0
    while os.getppid() != 1 and i < 10**6:
        send("flood", f"flood {i}")
        i += 1
        if i % 20 == 0:
            time.sleep(0.002)
    os._exit(0)
for user in range(users):
    child = os.fork()
    if child == 0:
        os.setgroups([])
        os.setgid(3000 + user)
        os.setuid(3000 + user)
        send = sender()
        for line in range(3):
            send("user", f"user {user} line {line}")
        os._exit(0)
    os.waitpid(child, 0)
    time.sleep(0.01)
os.kill(flood, 15)
os.waitpid(flood, 0)
END
journalctl --sync
logger -t last "the last line"
wait_until 120 grep -q '"body":"the last line"' "$work/received" || bail "the last line does not arrive"
check "it ends with 0" stop "$daemon"
files=$(find /var/log/journal -name 'user-3*.journal' | wc -l)
echo "# $files journals of users appeared"
check "every user got a journal" [ "$files" = "$USERS" ]
check "every line of every user arrived" [ "$(grep -o '"body":"user [0-9]* line [0-9]*"' "$work/received" | sort -u | wc -l)" = $((USERS * 3)) ]
uids_differ() { [ -z "$(grep -o '"uid":"[0-9A-Z]*"' "$work/received" | sort | uniq -d | head -n 3)" ]; }
check "and nothing arrived twice" uids_differ
done_testing
