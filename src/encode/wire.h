/* SPDX-License-Identifier: MIT */
#pragma once

#include <endian.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Protobuf wire format (protobuf.dev, "Encoding"): the few writers that OTLP needs. They write at `p`,
 * where the caller has made room, and return the end. A key is (field << 3) | wire type; every field
 * number here is below 16, so a key is one byte. */

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
