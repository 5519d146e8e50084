/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdint.h>

#include "core/severity.h"
#include "core/utf8.h"
#include "encode/otlp.h"
#include "encode/wire.h"

/* Field numbers, as in proto/otlp_logs.proto */
enum { ANY_STRING = 1, ANY_BOOL = 2, ANY_INT = 3, ANY_ARRAY = 5, ARRAY_VALUES = 1 };
enum { KEY_VALUE_KEY = 1, KEY_VALUE_VALUE = 2, RESOURCE_ATTRIBUTES = 1 };
enum {
    LOG_TIME = 1,
    LOG_SEVERITY_NUMBER = 2,
    LOG_SEVERITY_TEXT = 3,
    LOG_BODY = 5,
    LOG_ATTRIBUTES = 6,
    LOG_DROPPED_ATTRIBUTES = 7,
    LOG_FLAGS = 8,
    LOG_TRACE_ID = 9,
    LOG_SPAN_ID = 10,
    LOG_OBSERVED_TIME = 11,
    LOG_EVENT_NAME = 12,
};

#define KEY_MAX 256        /* longer keys are not sent; journald's field names end at 64 */
#define FIELD_OVERHEAD 11  /* a key and the longest length */
#define FIXED_PART_MAX 256 /* all of LogRecord but body, attributes and event name */

struct azm_otlp_limits azm_otlp_limits_of(size_t max_body_bytes, size_t max_request_bytes)
{
    size_t text_bytes = MIN(max_body_bytes, max_request_bytes / 2);

    return (struct azm_otlp_limits){
        .body_bytes = text_bytes,
        .value_bytes = text_bytes,
        .attributes_bytes = max_request_bytes / 4,
    };
}

void azm_otlp_encoder_free(struct azm_otlp_encoder *e)
{
    azm_buf_free(&e->clean);
}

/* Makes `t` valid UTF-8 of at most max bytes; may point into e->clean (appended, so that several
 * texts of one attribute can live there together; `clean` must not be cleared in between). */
static int clean_text(struct azm_otlp_encoder *e, struct azm_text t, size_t max, struct azm_text *ret, bool *cut)
{
    if (t.len > max + 4) {
        t.len = max + 4; /* enough to find the end of the last character */
        *cut = true;
    }
    if (azm_utf8_valid_prefix(t.s, t.len) < t.len) {
        size_t start = e->clean.len;
        int r = azm_utf8_append_clean(&e->clean, t.s, t.len);

        if (r < 0)
            return r;
        t = (struct azm_text){(const char *)e->clean.data + start, e->clean.len - start};
    }
    if (t.len > max) {
        t.len = azm_utf8_cut(t.s, max);
        *cut = true;
    }
    *ret = t;
    return 0;
}

/* Appends one KeyValue as field `field` of its parent; the content of the AnyValue is `value_len` long
 * and is to be written by the caller at the returned place. */
static uint8_t *put_key_value(struct azm_buf *out, int field, struct azm_text key, size_t value_len)
{
    size_t content = azm_field_len(key.len) + azm_field_len(value_len);
    uint8_t *p;

    if (azm_buf_reserve(out, azm_field_len(content)) < 0)
        return NULL;
    p = azm_put_len_key(out->data + out->len, field, content);
    p = azm_put_bytes(p, KEY_VALUE_KEY, key.s, key.len);
    p = azm_put_len_key(p, KEY_VALUE_VALUE, value_len);
    out->len += azm_field_len(content);
    return p;
}

static int put_text(struct azm_otlp_encoder *e, struct azm_buf *out, int field, const struct azm_attribute *a,
                    bool *cut)
{
    struct azm_text t;
    uint8_t *p;
    int r;

    azm_buf_clear(&e->clean);
    r = clean_text(e, a->text, e->limits.value_bytes, &t, cut);
    if (r < 0)
        return r;
    p = put_key_value(out, field, a->key, azm_field_len(t.len));
    if (!p)
        return -ENOMEM;
    azm_put_bytes(p, ANY_STRING, t.s, t.len);
    return 0;
}

static int put_int(struct azm_buf *out, int field, struct azm_text key, int64_t v)
{
    uint8_t *p = put_key_value(out, field, key, 1 + azm_varint_len((uint64_t)v));

    if (!p)
        return -ENOMEM;
    azm_put_uint(p, ANY_INT, (uint64_t)v);
    return 0;
}

static int put_true(struct azm_buf *out, int field, struct azm_text key)
{
    uint8_t *p = put_key_value(out, field, key, 2);

    if (!p)
        return -ENOMEM;
    azm_put_uint(p, ANY_BOOL, 1);
    return 0;
}

static int put_texts(struct azm_otlp_encoder *e, struct azm_buf *out, int field, const struct azm_attribute *a,
                     bool *cut)
{
    size_t array = 0, i, room;
    uint8_t *p;
    int r;

    /* Sizes first: a length stands before its content. Clean twice rather than keep a list. */
    for (i = 0; i < a->texts.n; i++) {
        struct azm_text t;

        azm_buf_clear(&e->clean);
        r = clean_text(e, a->texts.items[i], e->limits.value_bytes, &t, cut);
        if (r < 0)
            return r;
        room = azm_field_len(azm_field_len(t.len));
        if (array + room > e->limits.attributes_bytes) { /* one field must not take all the record */
            *cut = true;
            break;
        }
        array += room;
    }
    p = put_key_value(out, field, a->key, azm_field_len(array));
    if (!p)
        return -ENOMEM;
    p = azm_put_len_key(p, ANY_ARRAY, array);
    for (size_t k = 0; k < i; k++) {
        struct azm_text t;

        azm_buf_clear(&e->clean);
        r = clean_text(e, a->texts.items[k], e->limits.value_bytes, &t, cut);
        if (r < 0)
            return r;
        p = azm_put_len_key(p, ARRAY_VALUES, azm_field_len(t.len));
        p = azm_put_bytes(p, ANY_STRING, t.s, t.len);
    }
    return 0;
}

static int put_attribute(struct azm_otlp_encoder *e, struct azm_buf *out, int field, const struct azm_attribute *a,
                         bool *cut)
{
    switch (a->type) {
    case AZM_VALUE_TEXT:
        return put_text(e, out, field, a, cut);
    case AZM_VALUE_INT:
        return put_int(out, field, a->key, a->integer);
    case AZM_VALUE_TEXTS:
        return put_texts(e, out, field, a, cut);
    }
    return -EINVAL;
}

void azm_otlp_print_uid(const uint8_t uid[16], char ret[static AZM_OTLP_UID_LEN])
{
    static const char digits[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
    uint64_t high, low;

    memcpy(&high, uid, 8);
    memcpy(&low, uid + 8, 8);
    high = be64toh(high);
    low = be64toh(low);
    /* 2 digits of the first 8 bits, and twice 12 of 60 */
    ret[0] = digits[high >> 61];
    ret[1] = digits[high >> 56 & 31];
    high = high << 4 | low >> 60;
    for (int i = 0; i < 12; i++) {
        ret[2 + i] = digits[high >> (55 - 5 * i) & 31];
        ret[14 + i] = digits[low >> (55 - 5 * i) & 31];
    }
}

static int put_uid(struct azm_buf *out, const uint8_t uid[16])
{
    uint8_t *p = put_key_value(out, LOG_ATTRIBUTES, AZM_TEXT("log.record.uid"), azm_field_len(AZM_OTLP_UID_LEN));

    if (!p)
        return -ENOMEM;
    p = azm_put_len_key(p, ANY_STRING, AZM_OTLP_UID_LEN);
    azm_otlp_print_uid(uid, (char *)p);
    return 0;
}

/* All attributes, within the limit; counts what had to stay out. */
static int put_attributes(struct azm_otlp_encoder *e, const struct azm_record *r, struct azm_buf *out,
                          uint32_t *ret_dropped, bool *cut)
{
    const size_t start = out->len;
    uint32_t dropped = r->n_dropped;
    int k;

    k = put_uid(out, r->uid);
    if (k < 0)
        return k;
    for (size_t i = 0; i < r->n_attributes; i++) {
        size_t before = out->len;

        if (r->attributes[i].key.len > KEY_MAX) {
            dropped++;
            continue;
        }
        k = put_attribute(e, out, LOG_ATTRIBUTES, &r->attributes[i], cut);
        if (k < 0)
            return k;
        if (out->len - start > e->limits.attributes_bytes) {
            out->len = before;
            dropped++;
        }
    }
    *ret_dropped = dropped;
    return 0;
}

/* What comes before the attributes in the order of field numbers, in which a generic packer writes. */
static int put_head(struct azm_otlp_encoder *e, const struct azm_record *r, struct azm_buf *out, bool *cut)
{
    const struct azm_severity *severity = azm_severity_of(r->severity);
    struct azm_text body = {0};
    uint8_t *p;
    int k;

    azm_buf_clear(&e->clean);
    k = r->has_body ? clean_text(e, r->body, e->limits.body_bytes, &body, cut) : 0;
    if (k >= 0)
        k = azm_buf_reserve(out, FIXED_PART_MAX + body.len + 2 * FIELD_OVERHEAD);
    if (k < 0)
        return k;
    p = azm_put_fixed64(out->data, LOG_TIME, r->time_unix_nano);
    if (severity) {
        p = azm_put_uint(p, LOG_SEVERITY_NUMBER, (uint64_t)severity->number);
        p = azm_put_bytes(p, LOG_SEVERITY_TEXT, severity->text.s, severity->text.len);
    }
    if (r->has_body) {
        p = azm_put_len_key(p, LOG_BODY, azm_field_len(body.len));
        p = azm_put_bytes(p, ANY_STRING, body.s, body.len);
    }
    out->len = (size_t)(p - out->data);
    return 0;
}

/* And what comes behind them. */
static int put_tail(const struct azm_record *r, uint32_t dropped, struct azm_buf *out)
{
    uint8_t *p;

    if (azm_buf_reserve(out, FIXED_PART_MAX + r->event_name.len + FIELD_OVERHEAD) < 0)
        return -ENOMEM;
    p = out->data + out->len;
    if (dropped > 0)
        p = azm_put_uint(p, LOG_DROPPED_ATTRIBUTES, dropped);
    if (r->trace_flags)
        p = azm_put_fixed32(p, LOG_FLAGS, r->trace_flags);
    if (r->has_trace_id)
        p = azm_put_bytes(p, LOG_TRACE_ID, r->trace_id, sizeof r->trace_id);
    if (r->has_span_id)
        p = azm_put_bytes(p, LOG_SPAN_ID, r->span_id, sizeof r->span_id);
    if (r->observed_time_unix_nano)
        p = azm_put_fixed64(p, LOG_OBSERVED_TIME, r->observed_time_unix_nano);
    if (r->event_name.len > 0)
        p = azm_put_bytes(p, LOG_EVENT_NAME, r->event_name.s, r->event_name.len);
    out->len = (size_t)(p - out->data);
    return 0;
}

int azm_otlp_encode_record(struct azm_otlp_encoder *e, const struct azm_record *r, struct azm_buf *out)
{
    bool cut = false;
    uint32_t dropped = 0;
    int k;

    azm_buf_clear(out);
    k = put_head(e, r, out, &cut);
    if (k >= 0)
        k = put_attributes(e, r, out, &dropped, &cut);
    if (k >= 0 && (cut || dropped > 0))
        k = put_true(out, LOG_ATTRIBUTES, AZM_TEXT("azmonlog.truncated"));
    return k < 0 ? k : put_tail(r, dropped, out);
}

int azm_otlp_encode_resource(struct azm_otlp_encoder *e, const struct azm_attribute *attributes, size_t n,
                             struct azm_buf *out)
{
    bool cut = false;

    azm_buf_clear(out);
    for (size_t i = 0; i < n; i++) {
        int r = put_attribute(e, out, RESOURCE_ATTRIBUTES, &attributes[i], &cut);

        if (r < 0)
            return r;
    }
    return 0;
}
