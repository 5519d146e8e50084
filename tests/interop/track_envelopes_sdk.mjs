// SPDX-License-Identifier: MIT
// Sends log records by applicationinsights. Arguments: the connection string, a file with the records, "logger" or "client": by
// OpenTelemetry's logger, or by trackTrace and trackException.
import { createRequire } from "node:module";
import fs from "node:fs";
const require = createRequire(`${process.env.track_node}/package.json`);
const insights = require("applicationinsights");
const { context, trace, ROOT_CONTEXT } = require("@opentelemetry/api");
const { logs } = require("@opentelemetry/api-logs");

const [connectionString, file, how] = process.argv.slice(2);
const records = JSON.parse(fs.readFileSync(file, "utf8"));
const level = (n) => (n === 0 ? undefined : ["Verbose", "Verbose", "Information", "Warning", "Error", "Critical"][Math.floor((n - 1) / 4)]);
const where = (r) => (r.trace_id ? trace.setSpanContext(ROOT_CONTEXT, { traceId: r.trace_id, spanId: r.span_id, traceFlags: 1 }) : ROOT_CONTEXT);

if (how === "client") {
  const client = new insights.TelemetryClient(connectionString);
  for (const r of records) {
    const { "exception.type": type, "exception.message": message, "exception.stacktrace": stack, ...properties } = r.attributes;
    context.with(where(r), () => {
      if (type === undefined) return client.trackTrace({ message: r.body, severity: level(r.severity), properties });
      const exception = new Error(message);
      exception.name = type;
      exception.stack = stack;
      client.trackException({ exception, severity: level(r.severity), properties });
    });
  }
  await client.flush();
} else {
  insights.useAzureMonitor({ azureMonitorExporterOptions: { connectionString, disableOfflineStorage: true }, samplingRatio: 1 });
  const logger = logs.getLogger("interop");
  for (const r of records)
    logger.emit({ timestamp: [Math.floor(r.time / 1e9), r.time % 1e9], observedTimestamp: [Math.floor(r.time / 1e9), r.time % 1e9], severityNumber: r.severity || undefined, severityText: r.severity_text || undefined, body: r.body, attributes: r.attributes, context: where(r) });
  await logs.getLoggerProvider().forceFlush?.();
  await insights.shutdownAzureMonitor();
}
process.exit(0);
