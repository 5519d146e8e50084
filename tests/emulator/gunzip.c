/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "emulator.h"
#include "gunzip.h"

#include <errno.h>
#include <string.h>
#include <zlib.h>

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
