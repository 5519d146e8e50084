/* SPDX-License-Identifier: MIT */
#pragma once

#include <check.h>

#include "core/buf.h"
#include "core/record.h"
#include "encode/wire.h"

/* OTLP bytes by hand: any field in any order, also what no encoder writes. */

static inline struct azm_text wire_text(const struct azm_buf *b)
{
    return (struct azm_text){(const char *)b->data, b->len};
}

static inline void wire_bytes(struct azm_buf *b, int field, const void *data, size_t len)
{
    ck_assert_int_eq(azm_buf_reserve(b, azm_field_len(len)), 0);
    b->len = (size_t)(azm_put_bytes(b->data + b->len, field, data, len) - b->data);
}

static inline void wire_uint(struct azm_buf *b, int field, uint64_t v)
{
    ck_assert_int_eq(azm_buf_reserve(b, 11), 0);
    b->len = (size_t)(azm_put_uint(b->data + b->len, field, v) - b->data);
}

static inline void wire_fixed64(struct azm_buf *b, int field, uint64_t v)
{
    ck_assert_int_eq(azm_buf_reserve(b, 9), 0);
    b->len = (size_t)(azm_put_fixed64(b->data + b->len, field, v) - b->data);
}

/* Appends `inner` as a field, and frees it. */
static inline void wire_message(struct azm_buf *b, int field, struct azm_buf inner)
{
    wire_bytes(b, field, inner.data, inner.len);
    azm_buf_free(&inner);
}

/* --- AnyValue --- */

static inline struct azm_buf any_text(struct azm_text t)
{
    struct azm_buf b = {0};

    wire_bytes(&b, 1, t.s, t.len);
    return b;
}

static inline struct azm_buf any_bool(bool v)
{
    struct azm_buf b = {0};

    wire_uint(&b, 2, v);
    return b;
}

static inline struct azm_buf any_int(int64_t v)
{
    struct azm_buf b = {0};

    wire_uint(&b, 3, (uint64_t)v);
    return b;
}

static inline struct azm_buf any_double(double v)
{
    struct azm_buf b = {0};
    uint64_t bits;

    memcpy(&bits, &v, sizeof bits);
    wire_fixed64(&b, 4, bits);
    return b;
}

static inline struct azm_buf any_bytes(const void *data, size_t len)
{
    struct azm_buf b = {0};

    wire_bytes(&b, 7, data, len);
    return b;
}

/* `values` are freed. */
static inline struct azm_buf any_array(const struct azm_buf *values, size_t n)
{
    struct azm_buf b = {0}, list = {0};

    for (size_t i = 0; i < n; i++)
        wire_message(&list, 1, values[i]);
    wire_message(&b, 5, list);
    return b;
}

/* Appends a KeyValue, and frees the value. */
static inline void wire_key_value(struct azm_buf *b, int field, struct azm_text key, struct azm_buf value)
{
    struct azm_buf kv = {0};

    wire_bytes(&kv, 1, key.s, key.len);
    wire_message(&kv, 2, value);
    wire_message(b, field, kv);
}

/* A kvlist of one pair; the value is freed. */
static inline struct azm_buf any_kvlist(struct azm_text key, struct azm_buf value)
{
    struct azm_buf b = {0}, list = {0};

    wire_key_value(&list, 1, key, value);
    wire_message(&b, 6, list);
    return b;
}
