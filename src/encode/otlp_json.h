/* SPDX-License-Identifier: MIT */
#pragma once

#include "core/buf.h"
#include "core/record.h"

/* Appends one line of OTLP/JSON (an ExportLogsServiceRequest with one record, as the OTLP File
 * Exporter writes it) for one encoded record and its encoded resource: 0, -EBADMSG if the bytes are no
 * OTLP, -ENOMEM. It decodes the bytes that would be sent, so that what people see is what goes out.
 * Source: opentelemetry-proto docs/specification.md, "JSON Protobuf Encoding" (ids in hexadecimal, 64-bit
 * integers as strings, enums as numbers, lowerCamelCase). */
int azm_otlp_json_line(struct azm_text resource, const struct azm_buf *record, struct azm_buf *out);
