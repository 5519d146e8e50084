/* SPDX-License-Identifier: MIT */
#pragma once

#include <endian.h>
#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Protobuf wire format (protobuf.dev, "Encoding"): the few writers and the one reader that OTLP needs. The writers
 * write at `p`, where the caller has made room, and return the end. A key is (field << 3) | wire type; every field
 * number that is written here is below 16, so a key is one byte. */

enum { AZM_WIRE_VARINT = 0, AZM_WIRE_FIXED64 = 1, AZM_WIRE_LEN = 2, AZM_WIRE_FIXED32 = 5 };

#define AZM_WIRE_KEY(field, type) ((uint8_t)((field) << 3 | (type)))

/* Bytes of `v` as a varint: 1..10. */
static inline size_t azm_varint_len(uint64_t v)
{
    return (size_t)(63 - __builtin_clzll(v | 1)) / 7 + 1;
}

/* Bytes of a length-delimited field: key, length, content. */
static inline size_t azm_field_len(size_t content)
{
    return 1 + azm_varint_len(content) + content;
}

static inline uint8_t *azm_put_varint(uint8_t *p, uint64_t v)
{
    while (v >= 0x80) {
        *p++ = (uint8_t)(v | 0x80);
        v >>= 7;
    }
    *p++ = (uint8_t)v;
    return p;
}

static inline uint8_t *azm_put_len_key(uint8_t *p, int field, size_t content)
{
    *p++ = AZM_WIRE_KEY(field, AZM_WIRE_LEN);
    return azm_put_varint(p, content);
}

static inline uint8_t *azm_put_bytes(uint8_t *p, int field, const void *data, size_t len)
{
    p = azm_put_len_key(p, field, len);
    if (len > 0)
        memcpy(p, data, len);
    return p + len;
}

static inline uint8_t *azm_put_uint(uint8_t *p, int field, uint64_t v)
{
    *p++ = AZM_WIRE_KEY(field, AZM_WIRE_VARINT);
    return azm_put_varint(p, v);
}

static inline uint8_t *azm_put_fixed64(uint8_t *p, int field, uint64_t v)
{
    v = htole64(v);
    *p++ = AZM_WIRE_KEY(field, AZM_WIRE_FIXED64);
    memcpy(p, &v, sizeof v);
    return p + sizeof v;
}

static inline uint8_t *azm_put_fixed32(uint8_t *p, int field, uint32_t v)
{
    v = htole32(v);
    *p++ = AZM_WIRE_KEY(field, AZM_WIRE_FIXED32);
    memcpy(p, &v, sizeof v);
    return p + sizeof v;
}

/* One field as it is read. `data` and `len` are set for AZM_WIRE_LEN, else `value`. */
struct azm_wire_field {
    uint64_t number, value;
    int type;
    const uint8_t *data;
    size_t len;
};

static inline int azm_get_varint(const uint8_t **p, const uint8_t *end, uint64_t *ret)
{
    uint64_t v = 0;

    for (int shift = 0; shift < 64 && *p < end; shift += 7) {
        uint8_t b = *(*p)++;

        v |= (uint64_t)(b & 0x7f) << shift;
        if (b < 0x80) {
            *ret = v;
            return 0;
        }
    }
    return -EBADMSG;
}

/* Reads the field at *p, which moves on: 1; 0 at the end; -EBADMSG. */
static inline int azm_wire_next(const uint8_t **p, const uint8_t *end, struct azm_wire_field *ret)
{
    uint64_t key;
    size_t fixed;

    if (*p == end)
        return 0;
    if (azm_get_varint(p, end, &key) < 0)
        return -EBADMSG;
    ret->number = key >> 3;
    ret->type = (int)(key & 7);
    ret->data = NULL;
    ret->len = 0;
    switch (ret->type) {
    case AZM_WIRE_VARINT:
        return azm_get_varint(p, end, &ret->value) < 0 ? -EBADMSG : 1;
    case AZM_WIRE_LEN:
        if (azm_get_varint(p, end, &ret->value) < 0 || ret->value > (uint64_t)(end - *p))
            return -EBADMSG;
        ret->data = *p;
        ret->len = (size_t)ret->value;
        *p += ret->len;
        return 1;
    case AZM_WIRE_FIXED64:
    case AZM_WIRE_FIXED32:
        fixed = ret->type == AZM_WIRE_FIXED64 ? 8 : 4;
        if ((size_t)(end - *p) < fixed)
            return -EBADMSG;
        ret->value = 0;
        memcpy(&ret->value, *p, fixed);
        ret->value = le64toh(ret->value);
        *p += fixed;
        return 1;
    default:
        return -EBADMSG;
    }
}
