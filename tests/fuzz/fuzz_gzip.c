/* SPDX-License-Identifier: MIT */
#include "encode/gzip.h"
#include "tests/fuzz/fuzz.h"

/* What claims to be a gzip member; and what is made one comes back. */

FUZZ_TARGET(gzip)
{
    static struct azm_gzip *z;
    static struct azm_buf packed, out;
    struct azm_text t = fuzz_rest(&in);
    int r = azm_gunzip(t.s, t.len, 65536, &out);

    require(r == 0 || r == -EBADMSG || r == -E2BIG);
    require(r < 0 || out.len <= 65536);
    if (!z)
        require(azm_gzip_new(&z) == 0);
    require(azm_gzip_compress(z, t.s, t.len, &packed) == 0);
    require(azm_gunzip(packed.data, packed.len, t.len, &out) == 0);
    require(azm_text_equal(fuzz_text(&out), t));
    require(t.len == 0 || azm_gunzip(packed.data, packed.len, t.len - 1, &out) == -E2BIG);
}
