# SPDX-License-Identifier: MIT
"""A forward proxy for https, which refuses on demand. Standard library only."""
import http.server
import select
import socket
import threading

from journald import wait_for


class FakeProxy:
    """Answers CONNECT with `status`; 200: and lets everything through, until that changes."""

    def __init__(self, status):
        proxy, self.status, self.asked, self.tunnels = self, status, 0, set()

        class Handler(http.server.BaseHTTPRequestHandler):
            def log_message(self, *_):
                pass

            def do_CONNECT(self):
                proxy.asked += 1
                self.close_connection = True
                if proxy.status != 200:
                    self.send_response(proxy.status)
                    if proxy.status == 407:
                        self.send_header("Proxy-Authenticate", "Basic realm=test")
                    self.send_header("Content-Length", "0")
                    self.end_headers()
                    return
                host, port = self.path.rsplit(":", 1)
                with socket.create_connection((host, int(port))) as up:
                    self.send_response(200)
                    self.end_headers()
                    self.tunnel(up)

            def tunnel(self, up):
                proxy.tunnels.add(self)
                try:
                    while proxy.status == 200:
                        for a in select.select([self.connection, up], [], [], 0.02)[0]:
                            data = a.recv(65536)
                            if not data:
                                return
                            (up if a is self.connection else self.connection).sendall(data)
                finally:
                    proxy.tunnels.discard(self)

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def refuse(self, status):
        """From now on; what was let through is cut off when this returns."""
        self.status = status
        wait_for(lambda: not self.tunnels, "all is cut off")

    def close(self):
        self.server.shutdown()
        self.server.server_close()
