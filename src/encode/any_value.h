/* SPDX-License-Identifier: MIT */
#pragma once

#include "core/arena.h"
#include "core/buf.h"
#include "core/record.h"

/* Attribute values for destinations that know only text.
 *
 * Source: OpenTelemetry specification, common/README.md, "AnyValue representation for non-OTLP protocols": text as it
 * is; integers, doubles, true and false as JSON writes them, but NaN, Infinity and -Infinity; bytes in base64; nothing
 * as no text; arrays and kvlists as JSON, in which what JSON has no word for is a string, and nothing is null.
 * Field numbers: proto/otlp_logs.proto. */

/* Arrays and kvlists within each other; as in encode/otlp_json_parse.h. It keeps the stack small. */
#define AZM_ANY_VALUE_DEPTH_MAX 30

/* The text of an encoded AnyValue. It points into `value` (then it may be bad UTF-8) or into `arena`; `scratch` is
 * overwritten. 0, -EBADMSG (no AnyValue, or one that is nested too deep), -ENOMEM. */
int azm_any_value_text(struct azm_text value, struct azm_buf *scratch, struct azm_arena *arena, struct azm_text *ret);

/* The two parts of an encoded KeyValue, borrowed from it; an absent one is empty. 0 or -EBADMSG. */
int azm_key_value_read(struct azm_text kv, struct azm_text *key, struct azm_text *value);
