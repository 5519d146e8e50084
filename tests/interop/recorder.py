# SPDX-License-Identifier: MIT
"""A reverse proxy that remembers the requests which it passes on. Standard library only."""
import http.client
import http.server
import json
import ssl
import threading
import urllib.parse

HOP = {"connection", "keep-alive", "transfer-encoding", "content-length"}


class Request:
    def __init__(self, method, target, headers, body, status, answer):
        self.method, self.target, self.headers, self.body, self.status, self.answer = method, target, headers, body, status, answer
        url = urllib.parse.urlsplit(target)
        self.path = url.path
        self.query = urllib.parse.parse_qsl(url.query, keep_blank_values=True)
        form = self.header("content-type", "").startswith("application/x-www-form-urlencoded")
        self.form = urllib.parse.parse_qsl(body.decode(), keep_blank_values=True) if form else []

    def header(self, name, otherwise=None):
        return next((v for k, v in self.headers if k.lower() == name.lower()), otherwise)


class Recorder:
    """Listens on 127.0.0.1, by https if there is a certificate (paths of certificate and key), passes on to `target`, and
    remembers all of it in `requests`. `own`: answers of its own, path -> object."""

    def __init__(self, target, certificate=None, own=None):
        recorder, self.requests, self.own = self, [], own or {}
        self.target = urllib.parse.urlsplit(target)

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def handle_any(self):
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                status, headers, answer = recorder.pass_on(self.command, self.path, self.headers.items(), body)
                recorder.requests.append(Request(self.command, self.path, self.headers.items(), body, status, answer))
                self.send_response_only(status)
                for name, value in headers:
                    if name.lower() not in HOP:
                        self.send_header(name, value)
                if status not in (204, 304):
                    self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            do_GET = do_POST = do_PUT = handle_any

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*certificate)
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True, do_handshake_on_connect=False)
        self.address = f"127.0.0.1:{self.server.server_address[1]}"
        self.url = f"{'https' if certificate else 'http'}://{self.address}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def pass_on(self, method, target, headers, body):
        own = self.own.get(urllib.parse.urlsplit(target).path)
        if own:
            return 200, [("Content-Type", "application/json")], json.dumps(own).encode()
        if self.target.scheme == "https":
            up = http.client.HTTPSConnection(self.target.netloc, timeout=30, context=ssl._create_unverified_context())
        else:
            up = http.client.HTTPConnection(self.target.netloc, timeout=30)
        try:
            up.putrequest(method, target, skip_host=True, skip_accept_encoding=True)
            for name, value in headers:
                if name.lower() != "connection":
                    up.putheader(name, value)
            up.endheaders(body)
            answer = up.getresponse()
            return answer.status, answer.getheaders(), answer.read()
        finally:
            up.close()

    def take(self):
        """The requests since the last time."""
        taken, self.requests = self.requests, []
        return taken

    def close(self):
        self.server.shutdown()
        self.server.server_close()
