# SPDX-License-Identifier: MIT
"""nginx, haproxy and squid of a test's own: in the foreground, files in a folder, on 127.0.0.1. Standard library only."""
import os
import shutil
import signal
import socket
import subprocess

from journald import PATIENCE, wait_for
from ports import free_port


def listens(port):
    with socket.socket() as s:
        return s.connect_ex(("127.0.0.1", port)) == 0


class Server:
    def __init__(self, out, command):
        self.out, self.command, self.process = out, command, None
        self.log = open(f"{out}/log", "ab")

    def start(self):
        self.process = subprocess.Popen(self.command, stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log, cwd=self.out,
                                        start_new_session=True)
        wait_for(lambda: self.process.poll() is not None or listens(self.port), self.command[0])
        if self.process.poll() is not None:
            raise RuntimeError(f"{self.command[0]} ended at once: {self.logged()}")
        return self

    def logged(self):
        with open(f"{self.out}/log", errors="replace") as f:
            return f.read()[-3000:]

    def reload(self, how=signal.SIGHUP):
        self.process.send_signal(how)

    def end(self, how=signal.SIGTERM):
        """Its children as well, with SIGKILL."""
        if self.process:
            if how == signal.SIGKILL:
                os.killpg(self.process.pid, how)
            else:
                self.process.send_signal(how)
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait(PATIENCE)
            try:
                os.killpg(self.process.pid, signal.SIGKILL)  # what it left behind, of its own session
            except ProcessLookupError:
                pass
            self.process = None

    def close(self):
        self.end()
        self.log.close()


class Nginx(Server):
    """https and HTTP/2, to the plain http server at `backend`; `lines`: more of them for the server."""

    def __init__(self, out, files, backend, lines="", certificate="good", port=None):
        os.makedirs(out, exist_ok=True)
        self.port, self.files, self.backend, self.certificate = port or free_port(), files, backend, certificate
        super().__init__(out, ["nginx", "-p", out, "-e", f"{out}/error.log", "-c", f"{out}/nginx.conf"])
        self.configure(lines)
        self.start()
        self.url = f"https://127.0.0.1:{self.port}"

    def configure(self, lines):
        with open(f"{self.out}/nginx.conf", "w") as f:
            f.write(f"""daemon off; user root; worker_processes 2; pid {self.out}/pid; error_log {self.out}/error.log;
events {{ worker_connections 256; }}
http {{
  access_log {self.out}/access.log;
  client_body_temp_path {self.out}/body; proxy_temp_path {self.out}/proxy; fastcgi_temp_path {self.out}/f; uwsgi_temp_path {self.out}/u;
  scgi_temp_path {self.out}/s;
  server {{
    listen 127.0.0.1:{self.port} ssl http2;
    ssl_certificate {self.files}/{self.certificate}.pem; ssl_certificate_key {self.files}/{self.certificate}.key;
    {lines}
    location / {{ proxy_pass {self.backend}; proxy_http_version 1.1; proxy_set_header Connection ""; }}
  }}
}}
""")

    def answers(self):
        """The status of each answer, in their order."""
        try:
            with open(f"{self.out}/access.log") as f:
                return [int(line.split('" ')[1].split()[0]) for line in f.read().split("\n")[:-1] if '" ' in line]
        except FileNotFoundError:
            return []


class Haproxy(Server):
    """The same by haproxy, with master and worker, so that it can be reloaded (SIGUSR2)."""

    def __init__(self, out, files, backend, lines="", bind="alpn h2,http/1.1", port=None, timeout="20s"):
        os.makedirs(out, exist_ok=True)
        self.port, self.files, self.backend, self.bind, self.timeout = port or free_port(), files, backend, bind, timeout
        with open(f"{out}/both.pem", "w") as f:
            for part in ("pem", "key"):
                with open(f"{files}/good.{part}") as g:
                    f.write(g.read())
        super().__init__(out, ["haproxy", "-W", "-f", f"{out}/haproxy.cfg"])
        self.configure(lines)
        self.start()
        self.url = f"https://127.0.0.1:{self.port}"

    def configure(self, lines):
        with open(f"{self.out}/haproxy.cfg", "w") as f:
            f.write(f"""global
  nbthread 2
  hard-stop-after 5s
defaults
  mode http
  timeout connect 1s
  timeout client 20s
  timeout server {self.timeout}
frontend in
  bind 127.0.0.1:{self.port} ssl crt {self.out}/both.pem {self.bind}
  {lines}
  default_backend out
backend out
  server emulator {self.backend.split('//')[1]} check inter 200ms fall 1 rise 1
""")

    def reload(self, how=signal.SIGUSR2):
        super().reload(how)


class Squid(Server):
    """A forward proxy that wants user:pass word, and lets CONNECT through to `ports` only."""

    def __init__(self, out, ports, port=None):
        os.makedirs(out, exist_ok=True)
        os.chmod(out, 0o755)
        self.port = port or free_port()
        super().__init__(out, ["squid", "-N", "-f", f"{out}/squid.conf"])
        with open(f"{out}/htpasswd", "w") as f:
            f.write("user:" + subprocess.run(["openssl", "passwd", "-apr1", "pass word"], check=True, stdout=subprocess.PIPE,
                                             text=True).stdout)
        os.makedirs(f"{out}/cores")
        shutil.chown(f"{out}/cores", "proxy")
        shutil.chown(out, "proxy")
        up = out
        while up != "/tmp" and up != "/":  # it does not run as root
            os.chmod(up, os.stat(up).st_mode | 0o011)
            up = os.path.dirname(up)
        with open(f"{out}/squid.conf", "w") as f:
            f.write(f"""http_port 127.0.0.1:{self.port}
pid_filename none
cache_effective_user proxy
cache_log {out}/cache.log
access_log stdio:{out}/access.log
cache deny all
coredump_dir {out}/cores
netdb_filename none
pinger_enable off
shutdown_lifetime 1 seconds
auth_param basic program /usr/lib/squid/basic_ncsa_auth {out}/htpasswd
auth_param basic children 2
auth_param basic realm of the test
acl known proxy_auth REQUIRED
acl open port {' '.join(map(str, ports))}
http_access deny !known
http_access allow open
http_access deny all
""")
        self.start()
        self.url = f"http://127.0.0.1:{self.port}"

    def logged(self):
        with open(f"{self.out}/cache.log", errors="replace") as f:
            return super().logged() + f.read()[-2000:]

    def passed(self):
        """The statuses that it has logged: [(status, method)]."""
        try:
            with open(f"{self.out}/access.log") as f:
                return [(line.split()[3], line.split()[5]) for line in f.read().split("\n")[:-1]]
        except FileNotFoundError:
            return []
