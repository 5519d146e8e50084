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
}

TEST_MAIN("gzip", add_tests)
