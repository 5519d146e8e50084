/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "emulator.h"
#include "gunzip.h"

#include <errno.h>
#include <string.h>
#include <zlib.h>
#if HAVE_ISAL
#include <isa-l.h>
#endif

enum { GZIP_ONLY = 16 }; /* added to zlib's window bits: a gzip header and nothing else */

static void end_inflate(z_stream *stream)
{
    inflateEnd(stream);
}

int emu_gunzip(const void *packed, size_t length, size_t limit, struct emu_buf *plain)
{
    _cleanup_(end_inflate) z_stream stream = {0};
    if (inflateInit2(&stream, MAX_WBITS + GZIP_ONLY) != Z_OK)
        return -ENOMEM;

    /* One byte more than allowed is enough to know that there is too much. */
    char chunk[16384];
    size_t left = limit + 1;
    stream.next_in = (z_const Bytef *)packed;
    stream.avail_in = (uInt)length;
    for (;;) {
        uInt room = (uInt)(left < sizeof(chunk) ? left : sizeof(chunk));
        stream.next_out = (Bytef *)chunk;
        stream.avail_out = room;
        int z = inflate(&stream, Z_NO_FLUSH);
        if (z == Z_MEM_ERROR)
            return -ENOMEM;
        if (z != Z_OK && z != Z_STREAM_END)
            return -EBADMSG; /* Z_BUF_ERROR too: no more input, but the member is not complete */

        uInt got = room - stream.avail_out;
        int r = emu_buf_append(plain, chunk, got);
        if (r < 0)
            return r;
        left -= got;
        if (left == 0)
            return -EFBIG;
        if (z == Z_STREAM_END)
            return stream.avail_in == 0 ? 0 : -EBADMSG;
    }
}

#if HAVE_ISAL
int emu_gunzip_fast(const void *packed, size_t length, size_t limit, struct emu_buf *plain)
{
    struct inflate_state state;
    int r = emu_buf_reserve(plain, limit + 1);
    if (r < 0)
        return r;

    isal_inflate_init(&state);
    state.crc_flag = ISAL_GZIP; /* reads the header, checks the trailer */
    state.next_in = (uint8_t *)packed;
    state.avail_in = (uint32_t)length;
    state.next_out = (uint8_t *)plain->data + plain->length;
    state.avail_out = (uint32_t)limit + 1;
    if (isal_inflate(&state) != ISAL_DECOMP_OK)
        return -EBADMSG;
    if (state.avail_out == 0)
        return -EFBIG;
    if (state.block_state != ISAL_BLOCK_FINISH || state.avail_in > 0)
        return -EBADMSG;
    plain->length += state.total_out;
    return 0;
}
#else
int emu_gunzip_fast(const void *packed, size_t length, size_t limit, struct emu_buf *plain)
{
    return emu_gunzip(packed, length, limit, plain);
}
#endif
