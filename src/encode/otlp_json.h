/* SPDX-License-Identifier: MIT */
#pragma once

#include <jansson.h>

#include "core/buf.h"
#include "core/record.h"

/* OTLP/JSON: one line is an ExportLogsServiceRequest with one record, as the OTLP File Exporter writes it. Its way back
 * into bytes: encode/otlp_json_parse.h.
 * Source: opentelemetry-proto docs/specification.md, "JSON Protobuf Encoding" (ids in hexadecimal, 64-bit
 * integers as strings, enums as numbers, lowerCamelCase). */

/* Appends the line for one encoded record and its encoded resource: 0, -EBADMSG if the bytes are no
 * OTLP, -ENOMEM. It decodes the bytes that would be sent, so that what people see is what goes out. */
int azm_otlp_json_line(struct azm_text resource, const struct azm_buf *record, struct azm_buf *out);

/* The same in two steps, for a line with more members (which OTLP's readers ignore): the object, which the caller
 * releases, and its line. */
int azm_otlp_json_object(struct azm_text resource, struct azm_text record, json_t **ret);
int azm_otlp_json_append(const json_t *line, struct azm_buf *out);

/* The Resource and the LogRecord in such an object. Borrowed; NULL if there is not exactly one. */
json_t *azm_otlp_json_resource(const json_t *line);
json_t *azm_otlp_json_record(const json_t *line);

/* The text of an attribute of either; borrowed, NULL if there is none or if it is no text. */
const char *azm_otlp_json_attribute(const json_t *holder, const char *key);
