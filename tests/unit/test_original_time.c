/* SPDX-License-Identifier: MIT */
#include <errno.h>

#include "encode/original_time.h"
#include "encode/otlp.h"
#include "tests/unit/otlp_help.h"
#include "tests/unit/prng.h"
#include "tests/unit/test.h"
#include "tests/unit/wire_help.h"

#define TIME UINT64_C(1700000000123456789)
#define TIME_TEXT "2023-11-14T22:13:20.123456Z"

static struct azm_buf encoded(uint64_t nsec)
{
    static const struct azm_attribute a = {.key = {"k", 1}, .text = {"v", 1}};
    const struct azm_record r = {
        .time_unix_nano = nsec, .observed_time_unix_nano = 5, .attributes = &a, .n_attributes = 1};
    struct azm_otlp_encoder e = {.limits = {100, 100, 100}};
    struct azm_buf b = {0};

    ck_assert_int_eq(azm_otlp_encode_record(&e, &r, &b), 0);
    azm_otlp_encoder_free(&e);
    return b;
}

START_TEST(time_of_a_record)
{
    _cleanup_(azm_buf_free) struct azm_buf b = encoded(TIME), odd = {0};

    ck_assert_uint_eq(azm_otlp_time_nsec(wire_text(&b)), TIME);
    ck_assert_uint_eq(azm_otlp_time_nsec(AZM_TEXT("")), 0);
    ck_assert_uint_eq(azm_otlp_time_nsec(AZM_TEXT("\xFF")), 0);
    ck_assert_uint_eq(azm_otlp_time_nsec((struct azm_text){wire_text(&b).s, b.len - 1}), 0);
    wire_fixed64(&odd, 11, 7); /* in any order; the last one counts */
    wire_bytes(&odd, 3, "info", 4);
    ck_assert_uint_eq(azm_otlp_time_nsec(wire_text(&odd)), 0);
    wire_fixed64(&odd, 1, 8);
    wire_fixed64(&odd, 1, UINT64_MAX);
    wire_fixed64(&odd, 11, 9);
    ck_assert_uint_eq(azm_otlp_time_nsec(wire_text(&odd)), UINT64_MAX);
}
END_TEST

START_TEST(one_attribute_more)
{
    _cleanup_(azm_buf_free) struct azm_buf b = encoded(TIME), out = {0}, again = {0};
    _cleanup_(otlp_free_record) Otlp__LogRecord *r = NULL;
    struct azm_buf rest;

    ck_assert_int_eq(azm_buf_append(&out, "before", 6), 0);
    ck_assert_int_eq(azm_otlp_append_original_time(wire_text(&b), &out), 0);
    ck_assert_mem_eq(out.data, "before", 6);
    ck_assert_mem_eq(out.data + 6, b.data, b.len);
    rest = (struct azm_buf){.data = out.data + 6, .len = out.len - 6};
    r = otlp_decode_record(&rest);
    ck_assert_uint_eq(r->n_attributes, 3);
    assert_text(otlp_string(otlp_find(r->attributes, r->n_attributes, "azmonlog.original_time")), TIME_TEXT);
    assert_text(otlp_string(otlp_find(r->attributes, r->n_attributes, "k")), "v");
    ck_assert_uint_eq(r->time_unix_nano, TIME);
    ck_assert_uint_eq(r->observed_time_unix_nano, 5);

    ck_assert_int_eq(azm_otlp_append_original_time(wire_text(&rest), &again), 0); /* once is enough */
    assert_text_equal(wire_text(&again), wire_text(&rest));
}
END_TEST

/* Seconds that are whole, the end of what 64 bits hold. */
START_TEST(times)
{
    static const struct {
        uint64_t nsec;
        const char *text;
    } table[] = {
        {1000, "1970-01-01T00:00:00.000001Z"},
        {UINT64_C(1700000000000000000), "2023-11-14T22:13:20.000000Z"},
        {UINT64_C(1709251199999999999), "2024-02-29T23:59:59.999999Z"},
        {UINT64_MAX, "2554-07-21T23:34:33.709551Z"},
    };

    for (size_t i = 0; i < ELEMENTSOF(table); i++) {
        _cleanup_(azm_buf_free) struct azm_buf b = encoded(table[i].nsec), out = {0};
        _cleanup_(otlp_free_record) Otlp__LogRecord *r = NULL;

        ck_assert_int_eq(azm_otlp_append_original_time(wire_text(&b), &out), 0);
        r = otlp_decode_record(&out);
        assert_text(otlp_string(otlp_find(r->attributes, r->n_attributes, "azmonlog.original_time")), table[i].text);
    }
}
END_TEST

START_TEST(without_a_time_it_stays_as_it_is)
{
    _cleanup_(azm_buf_free) struct azm_buf b = encoded(0), out = {0};

    ck_assert_int_eq(azm_otlp_append_original_time(AZM_TEXT(""), &out), 0);
    ck_assert_uint_eq(out.len, 0);
    ck_assert_int_eq(azm_otlp_append_original_time(wire_text(&b), &out), 0);
    assert_text_equal(wire_text(&out), wire_text(&b));
}
END_TEST

START_TEST(garbage_is_refused)
{
    static const struct azm_text garbage[] = {
        {"\xFF", 1}, {"\x32\x05zz", 4}, {"\x30\x01", 2}, {"\x32\x02\x08\x01", 4}, {"\x09\x01\x02", 3},
    };
    struct prng p = {3};

    for (size_t i = 0; i < ELEMENTSOF(garbage); i++) {
        _cleanup_(azm_buf_free) struct azm_buf out = {0};

        ck_assert_int_eq(azm_otlp_append_original_time(garbage[i], &out), -EBADMSG);
        ck_assert_uint_eq(out.len, 0);
    }
    for (int i = 0; i < 5000; i++) {
        _cleanup_(azm_buf_free) struct azm_buf b = encoded(TIME), out = {0};
        size_t len = prng_below(&p, b.len + 1);
        _cleanup_free_ char *exact = malloc(len ? len : 1);
        int r;

        b.data[prng_below(&p, b.len)] ^= (uint8_t)(1 << prng_below(&p, 8));
        memcpy(exact, b.data, len);
        r = azm_otlp_append_original_time((struct azm_text){exact, len}, &out);
        ck_assert(r == 0 || (r == -EBADMSG && out.len == 0));
    }
}
END_TEST

static void add_tests(Suite *s)
{
    add_test(s, "time_of_a_record", time_of_a_record);
    add_test(s, "one_attribute_more", one_attribute_more);
    add_test(s, "times", times);
    add_test(s, "without_a_time_it_stays_as_it_is", without_a_time_it_stays_as_it_is);
    add_test(s, "garbage_is_refused", garbage_is_refused);
}

TEST_MAIN("original_time", add_tests)
