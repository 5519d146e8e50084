/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Bytes that belong to somebody else. Not NUL-terminated; may hold NUL and invalid UTF-8. */
struct azm_text {
    const char *s;
    size_t len;
};

#define AZM_TEXT(literal) ((struct azm_text){(literal), sizeof(literal) - 1})

static inline struct azm_text azm_text_of(const char *s)
{
    return (struct azm_text){s, s ? strlen(s) : 0};
}

/* The eight bytes at `a` and at `b`: 0 if they are equal. */
static inline uint64_t azm_difference(const char *a, const char *b)
{
    uint64_t x, y;

    memcpy(&x, a, sizeof x);
    memcpy(&y, b, sizeof y);
    return x ^ y;
}

static inline uint32_t azm_difference_of_4(const char *a, const char *b)
{
    uint32_t x, y;

    memcpy(&x, a, sizeof x);
    memcpy(&y, b, sizeof y);
    return x ^ y;
}

static inline bool azm_text_equal(struct azm_text a, struct azm_text b)
{
    if (a.len != b.len)
        return false;
    /* Names are looked up many times for each record, and a call costs more than what it does here: the first bytes and
     * the last ones, which may be the same. */
    if (a.len >= 4 && a.len < 8)
        return !(azm_difference_of_4(a.s, b.s) | azm_difference_of_4(a.s + a.len - 4, b.s + a.len - 4));
    if (a.len >= 8 && a.len <= 16)
        return !(azm_difference(a.s, b.s) | azm_difference(a.s + a.len - 8, b.s + a.len - 8));
    if (a.len > 16 && a.len <= 32)
        return !(azm_difference(a.s, b.s) | azm_difference(a.s + 8, b.s + 8) |
                 azm_difference(a.s + a.len - 16, b.s + a.len - 16) | azm_difference(a.s + a.len - 8, b.s + a.len - 8));
    return a.len == 0 || memcmp(a.s, b.s, a.len) == 0;
}

enum azm_value_type {
    AZM_VALUE_TEXT,
    AZM_VALUE_INT,
    AZM_VALUE_TEXTS, /* several values of one field, as an OTLP array */
};

struct azm_attribute {
    struct azm_text key; /* valid UTF-8 */
    enum azm_value_type type;
    union {
        struct azm_text text;
        int64_t integer;
        struct {
            const struct azm_text *items;
            size_t n;
        } texts;
    };
};

/* One log record on its way from a source to the encoder. Every pointer is borrowed from the
 * source and valid until the source is asked for the next record. */
struct azm_record {
    struct azm_text encoded;          /* an OTLP LogRecord: then this and `resource` are all there is; else empty */
    uint64_t time_unix_nano;          /* when it happened; never 0 */
    uint64_t observed_time_unix_nano; /* when journald (rsyslog) received it */
    int severity;                     /* syslog severity 0..7; -1: none was given */
    bool has_body;                    /* false: the entry has no MESSAGE at all */
    struct azm_text body;
    struct azm_text resource;   /* the encoded OTLP Resource, see azm_otlp_encode_resource */
    struct azm_text event_name; /* valid UTF-8; empty: none */
    uint8_t uid[16];            /* log.record.uid: same entry, same uid; see source/uid.h */

    bool has_trace_id, has_span_id;
    uint8_t trace_id[16], span_id[8];
    uint32_t trace_flags;

    const struct azm_attribute *attributes; /* keys are unique */
    size_t n_attributes;
    uint32_t n_dropped; /* attributes that the source has left out already */

    const struct azm_entry_line *line; /* of a journal entry, for source/join.h; NULL: it is complete as it is */

    /* Not sent: for the rules of src/process. */
    bool own;                           /* azmonlog's own (a gap): no rule leaves it out */
    struct azm_text service;            /* service.name of the resource */
    const struct azm_attribute *fields; /* what else the source knows and a rule asks for; keys may be there twice */
    size_t n_fields;
};
