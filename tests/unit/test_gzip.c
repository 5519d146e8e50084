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

static void add_tests(Suite *s)
{
    add_test(s, "round_trips", round_trips);
    add_test(s, "one_object_a_hundred_times", one_object_a_hundred_times);
    add_test(s, "the_data_is_not_changed", the_data_is_not_changed);
    add_test(s, "more_than_four_gigabytes_are_refused", more_than_four_gigabytes_are_refused);
    add_test(s, "freeing_nothing", freeing_nothing);
}

TEST_MAIN("gzip", add_tests)
