/* SPDX-License-Identifier: MIT */
#pragma once

#include <jansson.h>

#include "core/buf.h"
#include "core/record.h"

/* The way back from OTLP/JSON (encode/otlp_json.h): the bytes of the Resource and of the LogRecord in an
 * ExportLogsServiceRequest with exactly one record. What azmonlog has encoded comes back byte for byte.
 *
 * Lenient as the mapping of proto3 wants it: integers are numbers or strings, null is as good as absent, unknown
 * members are ignored. Ids are hexadecimal. Values are nested 30 deep at most: protobuf's parsers take 100 messages
 * within each other, and a level of kvlist is three.
 *
 * Replaces the contents of both buffers: 0; -EBADMSG if it is anything else (a NUL in a text as well, at which
 * receivers end it), and then the buffers hold nothing; -ENOMEM. */
int azm_otlp_json_parse(const json_t *line, struct azm_buf *resource, struct azm_buf *record);
int azm_otlp_json_parse_line(struct azm_text line, struct azm_buf *resource, struct azm_buf *record);
