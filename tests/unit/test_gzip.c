/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <zlib.h>

#include "encode/gzip.h"
#include "tests/unit/prng.h"
#include "tests/unit/test.h"

static struct azm_gzip *new_gzip(void)
{
    struct azm_gzip *z = NULL;

    ck_assert_int_eq(azm_gzip_new(&z), 0);
    ck_assert_ptr_nonnull(z);
    return z;
}

static void gzip_freep(struct azm_gzip **z)
{
    *z = azm_gzip_free(*z);
    ck_assert_ptr_null(*z);
}

/* Exactly one gzip member without anything after it, and zlib finds `data` in it (and checks CRC and length). */
static void assert_unpacks_to(const struct azm_buf *packed, const void *data, size_t len)
{
    _cleanup_free_ uint8_t *unpacked = malloc(len + 1);
    z_stream s = {0};

    ck_assert_uint_ge(packed->len, 18);
    ck_assert_mem_eq(packed->data, "\x1F\x8B\x08", 3);
    ck_assert_int_eq(inflateInit2(&s, 15 + 16), Z_OK); /* + 16: the gzip form only */
    s.next_in = packed->data;
    s.avail_in = (uInt)packed->len;
    s.next_out = unpacked;
    s.avail_out = (uInt)len + 1;
    ck_assert_int_eq(inflate(&s, Z_FINISH), Z_STREAM_END);
    ck_assert_uint_eq(s.avail_in, 0); /* zlib stops after the first member */
    ck_assert_uint_eq(s.total_out, len);
    if (len > 0)
        ck_assert_mem_eq(unpacked, data, len);
    inflateEnd(&s);
}

/* Something like log lines: compresses well. */
static void append_lines(struct azm_buf *b, struct prng *prng, size_t len)
{
    while (b->len < len)
        ck_assert_int_eq(azm_buf_printf(b, "request %zu took %zu ms, status 200\n", prng_below(prng, 100000),
                                        prng_below(prng, 1000)),
                         0);
    b->len = len;
}

START_TEST(round_trips)
{
    static const size_t sizes[] = {0,     1,     2,     17,    255,    256,     4095,           32767,
                                   32768, 65535, 65536, 65537, 131072, 1000000, 5 * 1024 * 1024};
    _cleanup_(gzip_freep) struct azm_gzip *z = new_gzip();
    struct prng prng = {.state = 7};

    for (size_t i = 0; i < ELEMENTSOF(sizes); i++) {
        _cleanup_(azm_buf_free) struct azm_buf text = {0}, noise = {0}, zeros = {0}, packed = {0};

        append_lines(&text, &prng, sizes[i]);
        ck_assert_int_eq(azm_gzip_compress(z, text.data, text.len, &packed), 0);
        assert_unpacks_to(&packed, text.data, text.len);
        if (sizes[i] >= 4095)
            ck_assert_uint_lt(packed.len, sizes[i] / 2); /* it does compress */

        ck_assert_int_eq(azm_buf_reserve(&noise, sizes[i] + 1), 0);
        prng_bytes(&prng, noise.data, sizes[i]);
        ck_assert_int_eq(azm_gzip_compress(z, noise.data, sizes[i], &packed), 0); /* incompressible */
        assert_unpacks_to(&packed, noise.data, sizes[i]);
        ck_assert_uint_le(packed.len, sizes[i] + sizes[i] / 1000 + 64); /* and hardly grows */

        ck_assert_int_eq(azm_buf_reserve(&zeros, sizes[i] + 1), 0);
        memset(zeros.data, 0, sizes[i]);
        ck_assert_int_eq(azm_gzip_compress(z, zeros.data, sizes[i], &packed), 0);
        assert_unpacks_to(&packed, zeros.data, sizes[i]);
    }
}
END_TEST

START_TEST(one_object_a_hundred_times)
{
    _cleanup_(gzip_freep) struct azm_gzip *z = new_gzip();
    _cleanup_(azm_buf_free) struct azm_buf packed = {0};
    struct prng prng = {.state = 8};

    for (int i = 0; i < 100; i++) {
        _cleanup_(azm_buf_free) struct azm_buf text = {0};

        append_lines(&text, &prng, prng_below(&prng, 300000));
        ck_assert_int_eq(azm_gzip_compress(z, text.data, text.len, &packed), 0); /* replaces what was in there */
        assert_unpacks_to(&packed, text.data, text.len);
    }
}
END_TEST

START_TEST(the_data_is_not_changed)
{
    _cleanup_(gzip_freep) struct azm_gzip *z = new_gzip();
    _cleanup_(azm_buf_free) struct azm_buf text = {0}, copy = {0}, packed = {0};
    struct prng prng = {.state = 9};

    append_lines(&text, &prng, 100000);
    ck_assert_int_eq(azm_buf_append(&copy, text.data, text.len), 0);
    ck_assert_int_eq(azm_gzip_compress(z, text.data, text.len, &packed), 0);
    ck_assert_mem_eq(text.data, copy.data, copy.len);
}
END_TEST

START_TEST(more_than_four_gigabytes_are_refused)
{
    _cleanup_(gzip_freep) struct azm_gzip *z = new_gzip();
    _cleanup_(azm_buf_free) struct azm_buf packed = {0};

    ck_assert_int_eq(azm_gzip_compress(z, "x", (size_t)UINT32_MAX + 1, &packed), -E2BIG); /* before reading them */
    ck_assert_int_eq(azm_gzip_compress(z, "x", 1, &packed), 0);
    assert_unpacks_to(&packed, "x", 1);
}
END_TEST

START_TEST(freeing_nothing)
{
    ck_assert_ptr_null(azm_gzip_free(NULL));
}
END_TEST

/* --- unpacking --- */

/* What zlib says of the same bytes: a member and nothing behind it is 0, all else -EBADMSG. */
static int gunzip_by_zlib(const uint8_t *data, size_t len, struct azm_buf *out)
{
    z_stream s = {.next_in = (Bytef *)(uintptr_t)data, .avail_in = (uInt)len};
    int r;

    azm_buf_clear(out);
    ck_assert_int_eq(azm_buf_reserve(out, 4 * 1024 * 1024), 0);
    ck_assert_int_eq(inflateInit2(&s, 15 + 16), Z_OK);
    s.next_out = out->data;
    s.avail_out = (uInt)out->cap;
    r = inflate(&s, Z_FINISH) == Z_STREAM_END && s.avail_in == 0 ? 0 : -EBADMSG;
    out->len = s.total_out;
    inflateEnd(&s);
    return r;
}

static int gunzip(const struct azm_buf *packed, size_t len, size_t max, struct azm_buf *out)
{
    _cleanup_free_ uint8_t *exact = malloc(MAX(len, (size_t)1)); /* a sanitizer sees what is read behind it */

    memcpy(exact, packed->data, len);
    return azm_gunzip(exact, len, max, out);
}

START_TEST(packed_and_back)
{
    static const size_t sizes[] = {0, 1, 2, 255, 65535, 65536, 65537, 131072, 1000000, 5 * 1024 * 1024};
    _cleanup_(gzip_freep) struct azm_gzip *z = new_gzip();
    _cleanup_(azm_buf_free) struct azm_buf out = {0};
    struct prng prng = {.state = 10};

    for (size_t i = 0; i < ELEMENTSOF(sizes); i++)
        for (int noisy = 0; noisy < 2; noisy++) {
            _cleanup_(azm_buf_free) struct azm_buf text = {0}, packed = {0};

            append_lines(&text, &prng, sizes[i]);
            if (noisy)
                prng_bytes(&prng, text.data, text.len);
            ck_assert_int_eq(azm_gzip_compress(z, text.data, text.len, &packed), 0);
            ck_assert_int_eq(gunzip(&packed, packed.len, sizes[i], &out), 0); /* `max` is still allowed */
            ck_assert_uint_eq(out.len, text.len);
            ck_assert(text.len == 0 || memcmp(out.data, text.data, text.len) == 0);
            if (sizes[i] > 0)
                ck_assert_int_eq(gunzip(&packed, packed.len, sizes[i] - 1, &out), -E2BIG);
        }
}
END_TEST

/* A thousand times its size: it is given up when the limit is passed, not when all of it lies in memory. */
START_TEST(a_bomb_is_given_up_early)
{
    _cleanup_(gzip_freep) struct azm_gzip *z = new_gzip();
    _cleanup_(azm_buf_free) struct azm_buf packed = {0}, out = {0};
    _cleanup_free_ uint8_t *zeros = calloc(1, 64 * 1024 * 1024);

    ck_assert_int_eq(azm_gzip_compress(z, zeros, 64 * 1024 * 1024, &packed), 0);
    ck_assert_uint_lt(packed.len, 1024 * 1024);
    ck_assert_int_eq(gunzip(&packed, packed.len, 1024 * 1024, &out), -E2BIG);
    ck_assert_uint_le(out.cap, 4 * 1024 * 1024);
    ck_assert_int_eq(gunzip(&packed, packed.len, 64 * 1024 * 1024, &out), 0);
}
END_TEST

START_TEST(cut_anywhere)
{
    _cleanup_(gzip_freep) struct azm_gzip *z = new_gzip();
    _cleanup_(azm_buf_free) struct azm_buf text = {0}, packed = {0}, out = {0};
    struct prng prng = {.state = 11};

    append_lines(&text, &prng, 20000);
    ck_assert_int_eq(azm_gzip_compress(z, text.data, text.len, &packed), 0);
    for (size_t len = 0; len < packed.len; len++)
        if (gunzip(&packed, len, 1000000, &out) != -EBADMSG)
            ck_abort_msg("%zu of %zu bytes", len, packed.len);
    ck_assert_int_eq(gunzip(&packed, packed.len, 1000000, &out), 0);
}
END_TEST

START_TEST(what_follows_is_not_overlooked)
{
    _cleanup_(gzip_freep) struct azm_gzip *z = new_gzip();
    _cleanup_(azm_buf_free) struct azm_buf packed = {0}, out = {0}, second = {0};

    ck_assert_int_eq(azm_gzip_compress(z, "first", 5, &packed), 0);
    ck_assert_int_eq(azm_gzip_compress(z, "second", 6, &second), 0);
    ck_assert_int_eq(azm_buf_append(&packed, "", 1), 0); /* one byte */
    ck_assert_int_eq(gunzip(&packed, packed.len, 100, &out), -EBADMSG);
    packed.len--;
    ck_assert_int_eq(gunzip(&packed, packed.len, 100, &out), 0);
    ck_assert_int_eq(azm_buf_append(&packed, second.data, second.len), 0); /* another member */
    ck_assert_int_eq(gunzip(&packed, packed.len, 100, &out), -EBADMSG);
}
END_TEST

START_TEST(what_is_no_gzip)
{
    static const char *const rows[] = {"", "x", "\x1F\x8B", "\x78\x9C\x4B\x04\x00\x00\x62\x00\x62" /* zlib's own */,
                                       "a text of some length that is not compressed at all"};
    _cleanup_(azm_buf_free) struct azm_buf out = {0};
    struct prng prng = {.state = 13};

    for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
        ck_assert_int_eq(azm_buf_append(&out, "before", 6), 0);
        ck_assert_int_eq(azm_gunzip(rows[i], strlen(rows[i]), 1000, &out), -EBADMSG);
        ck_assert_uint_eq(out.len, 0);
    }
    for (int i = 0; i < 1000; i++) {
        uint8_t noise[200];

        prng_bytes(&prng, noise, sizeof noise);
        memcpy(noise, "\x1F\x8B\x08\x00", 4);
        if (azm_gunzip(noise, sizeof noise, 1000, &out) == 0)
            ck_abort();
    }
    ck_assert_int_eq(azm_gunzip("x", (size_t)UINT32_MAX + 1, 1000, &out), -E2BIG); /* before reading them */
}
END_TEST

static void assert_agrees_with_zlib(const uint8_t *data, size_t len)
{
    _cleanup_(azm_buf_free) struct azm_buf ours = {0}, zlibs = {0};
    struct azm_buf whole = {.data = (uint8_t *)data, .len = len};
    int r = gunzip_by_zlib(data, len, &zlibs);

    ck_assert_int_eq(gunzip(&whole, len, 4 * 1024 * 1024, &ours), r);
    if (r == 0) {
        ck_assert_uint_eq(ours.len, zlibs.len);
        ck_assert(ours.len == 0 || memcmp(ours.data, zlibs.data, ours.len) == 0);
    }
}

/* By zlib, in each of its ways, with what a header may have besides. */
static void pack_by_zlib(const struct azm_buf *text, int level, int strategy, int window, bool header,
                         struct azm_buf *out)
{
    gz_header h = {.text = 1,
                   .time = 7,
                   .os = 3,
                   .extra = (Bytef *)"ab\2\0xy",
                   .extra_len = 6,
                   .name = (Bytef *)"a name",
                   .comment = (Bytef *)"what it is",
                   .hcrc = 1};
    z_stream s = {.next_in = text->data, .avail_in = (uInt)text->len};

    ck_assert_int_eq(deflateInit2(&s, level, Z_DEFLATED, window + 16, 9, strategy), Z_OK);
    if (header)
        ck_assert_int_eq(deflateSetHeader(&s, &h), Z_OK);
    azm_buf_clear(out);
    ck_assert_int_eq(azm_buf_reserve(out, deflateBound(&s, (uLong)text->len)), 0);
    s.next_out = out->data;
    s.avail_out = (uInt)out->cap;
    ck_assert_int_eq(deflate(&s, Z_FINISH), Z_STREAM_END);
    out->len = s.total_out;
    deflateEnd(&s);
}

START_TEST(what_zlib_has_packed)
{
    static const int strategies[] = {Z_DEFAULT_STRATEGY, Z_FILTERED, Z_HUFFMAN_ONLY, Z_RLE, Z_FIXED};
    static const size_t sizes[] = {0, 1, 100, 65536, 300000};
    struct prng prng = {.state = 14};

    for (size_t i = 0; i < ELEMENTSOF(sizes); i++)
        for (size_t k = 0; k < ELEMENTSOF(strategies); k++)
            for (int level = 0; level <= 9; level += 3) {
                _cleanup_(azm_buf_free) struct azm_buf text = {0}, packed = {0};

                append_lines(&text, &prng, sizes[i]);
                pack_by_zlib(&text, level, strategies[k], 15, level == 3, &packed);
                assert_agrees_with_zlib(packed.data, packed.len);
                pack_by_zlib(&text, level, strategies[k], 9, false, &packed);
                assert_agrees_with_zlib(packed.data, packed.len);
            }
}
END_TEST

/* Whatever is wrong with it, both see it. */
START_TEST(damaged_in_any_way)
{
    _cleanup_(gzip_freep) struct azm_gzip *z = new_gzip();
    _cleanup_(azm_buf_free) struct azm_buf text = {0}, ours = {0}, zlibs = {0};
    struct prng prng = {.state = 15};

    append_lines(&text, &prng, 3000);
    ck_assert_int_eq(azm_gzip_compress(z, text.data, text.len, &ours), 0);
    pack_by_zlib(&text, 6, Z_DEFAULT_STRATEGY, 15, false, &zlibs);
    for (int i = 0; i < 20000; i++) {
        const struct azm_buf *of = i % 2 ? &ours : &zlibs;
        _cleanup_free_ uint8_t *hurt = malloc(of->len);

        memcpy(hurt, of->data, of->len);
        for (size_t n = 1 + prng_below(&prng, 3); n > 0; n--)
            hurt[10 + prng_below(&prng, of->len - 10)] ^= (uint8_t)(1U << prng_below(&prng, 8));
        assert_agrees_with_zlib(hurt, of->len);
    }
    for (size_t i = 0; i < 10; i++) /* each bit of the header */
        for (int bit = 0; bit < 8; bit++) {
            ours.data[i] ^= (uint8_t)(1U << bit);
            assert_agrees_with_zlib(ours.data, ours.len);
            ours.data[i] ^= (uint8_t)(1U << bit);
        }
}
END_TEST

static void add_tests(Suite *s)
{
    add_test(s, "round_trips", round_trips);
    add_test(s, "one_object_a_hundred_times", one_object_a_hundred_times);
    add_test(s, "the_data_is_not_changed", the_data_is_not_changed);
    add_test(s, "more_than_four_gigabytes_are_refused", more_than_four_gigabytes_are_refused);
    add_test(s, "freeing_nothing", freeing_nothing);
    add_test(s, "packed_and_back", packed_and_back);
    add_test(s, "a_bomb_is_given_up_early", a_bomb_is_given_up_early);
    add_test(s, "cut_anywhere", cut_anywhere);
    add_test(s, "what_follows_is_not_overlooked", what_follows_is_not_overlooked);
    add_test(s, "what_is_no_gzip", what_is_no_gzip);
    add_test(s, "what_zlib_has_packed", what_zlib_has_packed);
    add_test(s, "damaged_in_any_way", damaged_in_any_way);
}

TEST_MAIN("gzip", add_tests)
