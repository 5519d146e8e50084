/* SPDX-License-Identifier: MIT */
#pragma once

#include "core/buf.h"
#include "core/record.h"

/* Records and resources as OTLP protobuf bytes: the only form in which azmonlog keeps them.
 *
 * The bytes are written directly: protobuf-c's generic packer costs several times more for a record
 * (a heap object and two indirections for each attribute), and the unit test compares both byte for byte.
 * Field numbers: proto/otlp_logs.proto. */

#define AZM_OTLP_UID_LEN 26 /* 128 bits in base 32 */

/* Bounds for one record; so a record is never larger than about body + attributes + 1 KiB.
 * What is cut is marked: attribute azmonlog.truncated=true, dropped_attributes_count. */
struct azm_otlp_limits {
    size_t body_bytes;       /* a longer body is cut at a character's end */
    size_t value_bytes;      /* the same for each text attribute value */
    size_t attributes_bytes; /* attributes that do not fit into this any more are dropped and counted */
};

/* The bounds of a record whose texts may have `max_body_bytes`, such that it never takes more than about three quarters
 * of a request of `max_request_bytes`. */
struct azm_otlp_limits azm_otlp_limits_of(size_t max_body_bytes, size_t max_request_bytes);

struct azm_otlp_encoder {
    struct azm_otlp_limits limits;
    struct azm_buf clean; /* scratch for text that is not valid UTF-8, kept from record to record */
};

void azm_otlp_encoder_free(struct azm_otlp_encoder *e);

/* As a ULID is written, which the semantic conventions recommend: in Crockford's base 32. Not NUL-terminated. */
void azm_otlp_print_uid(const uint8_t uid[16], char ret[static AZM_OTLP_UID_LEN]);

/* Replaces the content of `out` by the bytes of one LogRecord: 0 or -ENOMEM. Text becomes valid
 * UTF-8 (bad bytes -> U+FFFD). log.record.uid is the first attribute, in AZM_OTLP_UID_LEN digits. */
int azm_otlp_encode_record(struct azm_otlp_encoder *e, const struct azm_record *r, struct azm_buf *out);

/* Replaces the content of `out` by the bytes of one Resource with these attributes: 0 or -ENOMEM. */
int azm_otlp_encode_resource(struct azm_otlp_encoder *e, const struct azm_attribute *attributes, size_t n,
                             struct azm_buf *out);
