/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <openssl/evp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "encode/any_value.h"
#include "encode/json_text.h"
#include "encode/wire.h"

/* Field numbers, as in proto/otlp_logs.proto */
enum { ANY_NONE, ANY_STRING, ANY_BOOL, ANY_INT, ANY_DOUBLE, ANY_ARRAY, ANY_KVLIST, ANY_BYTES, ANY_END };
enum { LIST_VALUES = 1, KEY_VALUE_KEY = 1, KEY_VALUE_VALUE = 2 };

static struct azm_text content(const struct azm_wire_field *f)
{
    return (struct azm_text){(const char *)f->data, f->len};
}

/* The last one of the oneof counts; its number is ANY_NONE if there is none. */
static int read_value(struct azm_text value, struct azm_wire_field *ret)
{
    static const int types[ANY_END] = {
        [ANY_STRING] = AZM_WIRE_LEN,     [ANY_BOOL] = AZM_WIRE_VARINT, [ANY_INT] = AZM_WIRE_VARINT,
        [ANY_DOUBLE] = AZM_WIRE_FIXED64, [ANY_ARRAY] = AZM_WIRE_LEN,   [ANY_KVLIST] = AZM_WIRE_LEN,
        [ANY_BYTES] = AZM_WIRE_LEN,
    };
    const uint8_t *p = (const uint8_t *)value.s, *end = p + value.len;
    struct azm_wire_field f;
    int r;

    *ret = (struct azm_wire_field){.number = ANY_NONE};
    while ((r = azm_wire_next(&p, end, &f)) > 0) {
        if (f.number == ANY_NONE || f.number >= ANY_END)
            continue;
        if (f.type != types[f.number])
            return -EBADMSG;
        *ret = f;
    }
    return r;
}

int azm_key_value_read(struct azm_text kv, struct azm_text *key, struct azm_text *value)
{
    const uint8_t *p = (const uint8_t *)kv.s, *end = p + kv.len;
    struct azm_wire_field f;
    int r;

    *key = *value = AZM_TEXT("");
    while ((r = azm_wire_next(&p, end, &f)) > 0) {
        if (f.number != KEY_VALUE_KEY && f.number != KEY_VALUE_VALUE)
            continue;
        if (f.type != AZM_WIRE_LEN)
            return -EBADMSG;
        *(f.number == KEY_VALUE_KEY ? key : value) = content(&f);
    }
    return r;
}

static int append_text(struct azm_buf *out, struct azm_text t)
{
    return azm_buf_append(out, t.s, t.len);
}

static int append_base64(struct azm_buf *out, struct azm_text t)
{
    if (t.len > INT32_MAX / 2 || azm_buf_reserve(out, 4 * ((t.len + 2) / 3) + 1) < 0) /* it writes a NUL as well */
        return -ENOMEM;
    out->len += (size_t)EVP_EncodeBlock(out->data + out->len, (const uint8_t *)t.s, (int)t.len);
    return 0;
}

/* The shortest digits that give the same number again. */
static int append_finite(struct azm_buf *out, double d)
{
    char digits[32];

    for (int precision = 15; precision <= 17; precision++) {
        snprintf(digits, sizeof digits, "%.*g", precision, d);
        if (strtod(digits, NULL) == d)
            break;
    }
    return append_text(out, azm_text_of(digits));
}

static double as_double(const struct azm_wire_field *f)
{
    double d;

    memcpy(&d, &f->value, sizeof d);
    return d;
}

/* A value that is no list and no text, without quotes. */
static int append_scalar(struct azm_buf *out, const struct azm_wire_field *f)
{
    double d;

    switch (f->number) {
    case ANY_BOOL:
        return append_text(out, f->value ? AZM_TEXT("true") : AZM_TEXT("false"));
    case ANY_INT:
        return azm_buf_printf(out, "%" PRIi64, (int64_t)f->value);
    case ANY_DOUBLE:
        d = as_double(f);
        if (isfinite(d))
            return append_finite(out, d);
        return append_text(out, isnan(d) ? AZM_TEXT("NaN") : d > 0 ? AZM_TEXT("Infinity") : AZM_TEXT("-Infinity"));
    case ANY_BYTES:
        return append_base64(out, content(f));
    default:
        return 0;
    }
}

static int append_json_value(struct azm_buf *out, struct azm_text value, unsigned depth);

static int append_json_string(struct azm_buf *out, struct azm_text t)
{
    if (azm_buf_append(out, "\"", 1) < 0 || azm_json_append(out, t) < 0)
        return -ENOMEM;
    return azm_buf_append(out, "\"", 1);
}

static int append_json_member(struct azm_buf *out, struct azm_text kv, unsigned depth)
{
    struct azm_text key, value;
    int r = azm_key_value_read(kv, &key, &value);

    if (r < 0)
        return r;
    if (append_json_string(out, key) < 0 || azm_buf_append(out, ":", 1) < 0)
        return -ENOMEM;
    return append_json_value(out, value, depth);
}

static int append_json_list(struct azm_buf *out, const struct azm_wire_field *list, unsigned depth)
{
    bool array = list->number == ANY_ARRAY;
    const uint8_t *p = list->data, *end = p + list->len;
    const char *before = array ? "[" : "{";
    struct azm_wire_field f;
    int r;

    if (depth == AZM_ANY_VALUE_DEPTH_MAX)
        return -EBADMSG;
    while ((r = azm_wire_next(&p, end, &f)) > 0) {
        if (f.number != LIST_VALUES)
            continue;
        if (f.type != AZM_WIRE_LEN)
            return -EBADMSG;
        if (azm_buf_append(out, before, 1) < 0)
            return -ENOMEM;
        before = ",";
        r = array ? append_json_value(out, content(&f), depth + 1) : append_json_member(out, content(&f), depth + 1);
        if (r < 0)
            return r;
    }
    if (r < 0)
        return r;
    if (*before != ',' && azm_buf_append(out, before, 1) < 0)
        return -ENOMEM;
    return azm_buf_append(out, array ? "]" : "}", 1);
}

static int append_json_value(struct azm_buf *out, struct azm_text value, unsigned depth)
{
    struct azm_text quote = {0};
    struct azm_wire_field f;
    int r = read_value(value, &f);

    if (r < 0)
        return r;
    switch (f.number) {
    case ANY_NONE:
        return append_text(out, AZM_TEXT("null"));
    case ANY_STRING:
        return append_json_string(out, content(&f));
    case ANY_ARRAY:
    case ANY_KVLIST:
        return append_json_list(out, &f, depth);
    default:
        if (f.number == ANY_BYTES || (f.number == ANY_DOUBLE && !isfinite(as_double(&f))))
            quote = AZM_TEXT("\"");
        if (append_text(out, quote) < 0 || append_scalar(out, &f) < 0)
            return -ENOMEM;
        return append_text(out, quote);
    }
}

int azm_any_value_text(struct azm_text value, struct azm_buf *scratch, struct azm_arena *arena, struct azm_text *ret)
{
    struct azm_wire_field f;
    int r = read_value(value, &f);

    if (r < 0)
        return r;
    if (f.number == ANY_STRING) {
        *ret = content(&f);
        return 0;
    }
    azm_buf_clear(scratch);
    r = f.number == ANY_ARRAY || f.number == ANY_KVLIST ? append_json_list(scratch, &f, 0) : append_scalar(scratch, &f);
    if (r < 0)
        return r;
    *ret = (struct azm_text){azm_arena_copy(arena, scratch->data, scratch->len), scratch->len};
    return ret->s ? 0 : -ENOMEM;
}
