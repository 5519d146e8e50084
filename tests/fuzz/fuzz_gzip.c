/* SPDX-License-Identifier: MIT */
#include <zlib.h>

#include "encode/gzip.h"
#include "tests/fuzz/fuzz.h"

/* What claims to be a gzip member, beside what zlib makes of it; and what is made one comes back. */

#define MAX_BYTES 65536

/* Of ISA-L and zlib, neither takes what the other one refuses. */
static void compare_with_zlib(struct azm_text member, int r, const struct azm_buf *out)
{
    static uint8_t room[MAX_BYTES + 1];
    z_stream s = {.next_in = (Bytef *)(uintptr_t)member.s, .avail_in = (uInt)member.len};
    bool whole;

    s.next_out = room;
    s.avail_out = sizeof room;
    require(inflateInit2(&s, 15 + 16) == Z_OK);
    whole = inflate(&s, Z_FINISH) == Z_STREAM_END && s.avail_in == 0 && s.total_out <= MAX_BYTES;
    inflateEnd(&s);
    require(whole == (r == 0));
    require(!whole || (s.total_out == out->len && memcmp(room, out->data, out->len) == 0));
}

FUZZ_TARGET(gzip)
{
    static struct azm_gzip *z;
    static struct azm_buf packed, out;
    struct azm_text t = fuzz_rest(&in);
    int r = azm_gunzip(t.s, t.len, MAX_BYTES, &out);

    require(r == 0 || r == -EBADMSG || r == -E2BIG);
    require(r < 0 || out.len <= MAX_BYTES);
    compare_with_zlib(t, r, &out);
    if (!z)
        require(azm_gzip_new(&z) == 0);
    require(azm_gzip_compress(z, t.s, t.len, &packed) == 0);
    require(azm_gunzip(packed.data, packed.len, t.len, &out) == 0);
    require(azm_text_equal(fuzz_text(&out), t));
    require(t.len == 0 || azm_gunzip(packed.data, packed.len, t.len - 1, &out) == -E2BIG);
}
