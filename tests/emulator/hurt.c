/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "hurt.h"
#include "wait.h"

#include <errno.h>
#include <stdio.h>
#include <zlib.h>

static const char chunked[] = "Transfer-Encoding: chunked";

/* 0, also when the client is gone by then; -ENOMEM. */
static int send_head(const struct emu_raw *raw, const struct emu_reply *reply, const char *framing, bool *ret_sent)
{
    _cleanup_(emu_buf_free) struct emu_buf text = {0};
    int r = emu_reply_head(reply, framing, &text);
    *ret_sent = r >= 0 && emu_raw_send(raw, text.data, text.length);
    return r;
}

static bool send_chunk(const struct emu_raw *raw, const void *bytes, size_t length)
{
    char size[24];
    int n = snprintf(size, sizeof(size), "%zx\r\n", length);
    return emu_raw_send(raw, size, (size_t)n) && emu_raw_send(raw, bytes, length) && emu_raw_send(raw, "\r\n", 2);
}

int emu_hurt_endless(const struct emu_raw *raw, const struct emu_reply *reply)
{
    static const char zeros[16384];
    bool sent;
    int r = send_head(raw, reply, chunked, &sent);
    while (sent)
        sent = send_chunk(raw, zeros, sizeof(zeros));
    return r;
}

static void end_deflate(z_stream *stream)
{
    deflateEnd(stream);
}

int emu_hurt_gzip_bomb(const struct emu_raw *raw, const struct emu_reply *reply)
{
    enum { PIECE = 1 << 16, PIECES = 4096, GZIP = 16 };
    static const char zeros[PIECE];
    char packed[PIECE];
    bool sent;

    _cleanup_(end_deflate) z_stream stream = {0};
    if (deflateInit2(&stream, Z_BEST_SPEED, Z_DEFLATED, MAX_WBITS + GZIP, MAX_MEM_LEVEL, Z_DEFAULT_STRATEGY) != Z_OK)
        return -ENOMEM;
    int r = send_head(raw, reply, "Content-Encoding: gzip\r\nTransfer-Encoding: chunked", &sent);
    for (unsigned i = 0; sent && i < PIECES; i++) {
        stream.next_in = (z_const Bytef *)zeros;
        stream.avail_in = sizeof(zeros);
        stream.next_out = (Bytef *)packed;
        stream.avail_out = sizeof(packed);
        deflate(&stream, i < PIECES - 1 ? Z_NO_FLUSH : Z_FINISH); /* zeros pack well: there is room */
        size_t length = sizeof(packed) - stream.avail_out;
        sent = length == 0 || send_chunk(raw, packed, length); /* an empty chunk would be the last */
    }
    if (sent)
        send_chunk(raw, "", 0);
    return r;
}

int emu_hurt_truncated(const struct emu_raw *raw, const struct emu_reply *reply)
{
    static const char zeros[500];
    bool sent;
    int r = send_head(raw, reply, "Content-Length: 1000", &sent);
    if (sent)
        emu_raw_send(raw, zeros, sizeof(zeros));
    return r;
}

int emu_hurt_trickle(const struct emu_raw *raw, const struct emu_reply *reply, unsigned pause_msec)
{
    _cleanup_(emu_buf_free) struct emu_buf text = {0};
    int r = emu_reply_text(reply, &text);
    const size_t piece = pause_msec > 0 ? 1 : text.length;
    for (size_t i = 0; r >= 0 && i < text.length; i += piece)
        if (!emu_sleep(raw->stop_fd, raw->fd, pause_msec) || !emu_raw_send(raw, text.data + i, piece))
            break;
    return r;
}
