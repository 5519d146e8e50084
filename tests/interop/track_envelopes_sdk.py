# SPDX-License-Identifier: MIT
"""Sends log records by azure-monitor-opentelemetry-exporter. Arguments: the connection string, a file with the records."""
import json
import sys

from azure.monitor.opentelemetry.exporter import AzureMonitorLogExporter
from opentelemetry import context, trace
from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import SimpleLogRecordProcessor

provider = LoggerProvider()
provider.add_log_record_processor(SimpleLogRecordProcessor(AzureMonitorLogExporter(connection_string=sys.argv[1],
                                                                                   disable_offline_storage=True)))
logger = provider.get_logger("interop")
for r in json.load(open(sys.argv[2])):
    where = context.Context()
    if "trace_id" in r:
        where = trace.set_span_in_context(trace.NonRecordingSpan(trace.SpanContext(
            int(r["trace_id"], 16), int(r["span_id"], 16), False, trace.TraceFlags(1))), where)
    logger.emit(LogRecord(timestamp=r["time"], observed_timestamp=r["time"], context=where, body=r["body"],
                          severity_number=SeverityNumber(r["severity"]) if r["severity"] else None,
                          severity_text=r["severity_text"] or None, attributes=r["attributes"]))
provider.shutdown()
