/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>

#include "encode/gzip.h"

#define GROW_BYTES ((size_t)64 * 1024)

/* So much is unpacked at once: not more than a byte too much. */
static uint32_t room(const struct azm_buf *out, size_t max)
{
    size_t n = MIN(out->cap - out->len - 1, max - out->len) + 1;

    return (uint32_t)MIN(n, (size_t)UINT32_MAX);
}

#if HAVE_ISAL

#include <isa-l/igzip_lib.h>

#define RESERVED_FLAGS 0xE0

struct azm_gzip {
    struct isal_zstream stream;
    uint8_t level_buf[ISAL_DEF_LVL1_DEFAULT];
};

int azm_gzip_new(struct azm_gzip **ret)
{
    struct azm_gzip *z = calloc(1, sizeof *z);

    if (!z)
        return -ENOMEM;
    *ret = z;
    return 0;
}

struct azm_gzip *azm_gzip_free(struct azm_gzip *z)
{
    free(z);
    return NULL;
}

int azm_gzip_compress(struct azm_gzip *z, const void *data, size_t len, struct azm_buf *out)
{
    if (len > UINT32_MAX)
        return -E2BIG;
    isal_deflate_init(&z->stream);
    z->stream.gzip_flag = IGZIP_GZIP;
    z->stream.level = 1;
    z->stream.level_buf = z->level_buf;
    z->stream.level_buf_size = sizeof z->level_buf;
    z->stream.next_in = (uint8_t *)data; /* never written to */
    z->stream.avail_in = (uint32_t)len;
    z->stream.end_of_stream = 1;

    azm_buf_clear(out);
    do {
        uint32_t room;
        int r = azm_buf_reserve(out, GROW_BYTES);

        if (r < 0)
            return r;
        room = (uint32_t)MIN(out->cap - out->len, (size_t)UINT32_MAX);
        z->stream.next_out = out->data + out->len;
        z->stream.avail_out = room;
        if (isal_deflate(&z->stream) != COMP_OK)
            return -EIO;
        out->len += room - z->stream.avail_out;
    } while (z->stream.internal_state.state != ZSTATE_END);
    return 0;
}

/* A header with a flag that RFC 1952 does not know must be refused, as zlib does: there may be a field behind it. */
static bool has_unknown_flags(const uint8_t *member, size_t len)
{
    return len > 3 && member[3] & RESERVED_FLAGS;
}

/* One step: 1 when the member is complete, 0 if there is more, -EBADMSG. */
static int inflate_some(struct inflate_state *state)
{
    int r = isal_inflate(state);

    if (r != ISAL_DECOMP_OK)
        return -EBADMSG;
    if (state->block_state == ISAL_BLOCK_FINISH)
        return state->avail_in == 0 ? 1 : -EBADMSG;
    return state->avail_out == 0 ? 0 : -EBADMSG; /* it wants more than there is */
}

int azm_gunzip(const void *data, size_t len, size_t max, struct azm_buf *out)
{
    _cleanup_free_ struct inflate_state *state = NULL;
    int r = 0;

    azm_buf_clear(out);
    if (len > UINT32_MAX)
        return -E2BIG;
    if (has_unknown_flags(data, len))
        return -EBADMSG;
    state = malloc(sizeof *state); /* 90 KB, of which little is used */
    if (!state)
        return -ENOMEM;
    isal_inflate_init(state);
    state->crc_flag = ISAL_GZIP;      /* reads the header, checks the trailer */
    state->next_in = (uint8_t *)data; /* never written to */
    state->avail_in = (uint32_t)len;
    while (r == 0) {
        r = azm_buf_reserve(out, GROW_BYTES);
        if (r < 0)
            break;
        state->next_out = out->data + out->len;
        state->avail_out = room(out, max);
        r = inflate_some(state);
        out->len = (size_t)(state->next_out - out->data);
        if (out->len > max)
            r = -E2BIG;
    }
    return MIN(r, 0);
}

#else

#include <zlib.h>

struct azm_gzip {
    z_stream stream;
};

int azm_gzip_new(struct azm_gzip **ret)
{
    struct azm_gzip *z = calloc(1, sizeof *z);

    if (!z)
        return -ENOMEM;
    if (deflateInit2(&z->stream, Z_BEST_SPEED, Z_DEFLATED, 15 + 16 /* gzip */, 8, Z_DEFAULT_STRATEGY) != Z_OK) {
        free(z);
        return -ENOMEM;
    }
    *ret = z;
    return 0;
}

struct azm_gzip *azm_gzip_free(struct azm_gzip *z)
{
    if (z) {
        deflateEnd(&z->stream);
        free(z);
    }
    return NULL;
}

int azm_gzip_compress(struct azm_gzip *z, const void *data, size_t len, struct azm_buf *out)
{
    int r;

    if (len > UINT_MAX)
        return -E2BIG;
    if (deflateReset(&z->stream) != Z_OK)
        return -EIO;
    z->stream.next_in = (Bytef *)(uintptr_t)data; /* never written to */
    z->stream.avail_in = (uInt)len;

    azm_buf_clear(out);
    do {
        uInt room;

        r = azm_buf_reserve(out, GROW_BYTES);
        if (r < 0)
            return r;
        room = (uInt)MIN(out->cap - out->len, (size_t)UINT_MAX);
        z->stream.next_out = out->data + out->len;
        z->stream.avail_out = room;
        r = deflate(&z->stream, Z_FINISH);
        if (r != Z_OK && r != Z_BUF_ERROR && r != Z_STREAM_END)
            return -EIO;
        out->len += room - z->stream.avail_out;
    } while (r != Z_STREAM_END);
    return 0;
}

int azm_gunzip(const void *data, size_t len, size_t max, struct azm_buf *out)
{
    z_stream stream = {.next_in = (Bytef *)(uintptr_t)data, .avail_in = (uInt)len}; /* never written to */
    int r = Z_OK, k = 0;

    azm_buf_clear(out);
    if (len > UINT_MAX)
        return -E2BIG;
    if (inflateInit2(&stream, 15 + 16 /* gzip */) != Z_OK)
        return -ENOMEM;
    while (r == Z_OK && k == 0) {
        k = azm_buf_reserve(out, GROW_BYTES);
        if (k < 0)
            break;
        stream.next_out = out->data + out->len;
        stream.avail_out = room(out, max);
        r = inflate(&stream, Z_NO_FLUSH);
        out->len = (size_t)(stream.next_out - out->data);
        if (out->len > max)
            k = -E2BIG;
    }
    if (k == 0 && (r != Z_STREAM_END || stream.avail_in > 0))
        k = -EBADMSG;
    inflateEnd(&stream);
    return k;
}

#endif
