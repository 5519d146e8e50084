/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>

#include "core/record.h"

/* Trace context that comes under a name: trace_id, span_id, trace_flags (also without the underscore, in any case:
 * Micrometer says traceId), or traceparent (W3C Trace Context). Structured data: OpenTelemetry specification,
 * compatibility/logging_trace_context.md, "Syslog RFC5424".
 *
 * True if it now stands in the record (also if it stood there before). False: any other name, a value that is not well
 * formed, or one that contradicts what the record has: an attribute like any other. */
bool azm_trace_take(struct azm_record *r, struct azm_text name, struct azm_text value);
