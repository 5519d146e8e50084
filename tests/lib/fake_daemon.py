#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""fake_daemon.py SOCKET REQUESTS COMMAND=ANSWER...: a control socket that gives canned answers.

Each request line is appended to the file REQUESTS. ANSWER is sent as it is, with a newline, or it is one of
  @close     the connection is closed without an answer
  @silence   nothing happens
  @trickle   one byte a second, for ever
  @journal   waits until the request's marker is in the journal as often as it says; then the journal's messages are
             written to REQUESTS.journal and the answer is {"ok":true}
"""
import json
import os
import socket
import subprocess
import sys
import threading
import time

path, requests, answers = sys.argv[1], sys.argv[2], dict(a.split("=", 1) for a in sys.argv[3:])
answers.setdefault("journal", '{"journald":false,"namespace":""}')


def wait_for_marker(request):
    while True:
        out = subprocess.run(["journalctl", "-o", "cat", "--no-pager"], capture_output=True, check=True).stdout
        if out.decode().splitlines().count(request.get("marker")) >= request.get("markers", 0):
            break
        time.sleep(0.05)
    with open(requests + ".journal", "wb") as f:
        f.write(out)


def serve(client):
    with client, client.makefile("rb") as lines:
        for line in lines:
            with open(requests, "ab") as f:
                f.write(line)
            answer = answers[json.loads(line)["command"]]
            if answer == "@close":
                return
            while answer == "@trickle":
                client.sendall(b" ")
                time.sleep(1)
            if answer == "@journal":
                wait_for_marker(json.loads(line))
                answer = '{"ok":true}'
            if answer != "@silence":
                client.sendall(answer.encode() + b"\n")


listening = socket.socket(socket.AF_UNIX)
listening.bind(path + ".new")
os.chmod(path + ".new", 0o666)
listening.listen()
os.rename(path + ".new", path)  # whoever sees it can connect
while True:
    threading.Thread(target=serve, args=(listening.accept()[0],), daemon=True).start()
