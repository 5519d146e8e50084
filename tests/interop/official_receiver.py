# SPDX-License-Identifier: MIT
"""An OTLP/HTTP receiver made of the official protobuf classes (opentelemetry-proto of PyPI).

usage: official_receiver.py PORT_FILE STORE     each request becomes a line of JSON in STORE, by protobuf's own json_format"""
import gzip
import http.server
import json
import os
import sys
import threading

from google.protobuf.json_format import MessageToDict
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest, ExportLogsServiceResponse
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest, ExportMetricsServiceResponse

store = open(sys.argv[2], "a")
writing = threading.Lock()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version, disable_nagle_algorithm = "HTTP/1.1", True

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        metrics = self.path == "/v1/metrics"
        request, response = (ExportMetricsServiceRequest, ExportMetricsServiceResponse) if metrics else (
            ExportLogsServiceRequest, ExportLogsServiceResponse)
        try:
            text, code = json.dumps(MessageToDict(request.FromString(body))), 200
        except Exception as e:
            text, code = json.dumps({"error": str(e)}), 400
        with writing:
            print(text, file=store, flush=True)
        answer = response().SerializeToString()
        self.send_response(code)
        self.send_header("Content-Type", "application/x-protobuf")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
with open(sys.argv[1] + ".tmp", "w") as f:
    f.write(str(server.server_port))
os.rename(sys.argv[1] + ".tmp", sys.argv[1])
server.serve_forever()
