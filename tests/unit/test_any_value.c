/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <math.h>

#include "encode/any_value.h"
#include "tests/unit/otlp_help.h"
#include "tests/unit/prng.h"
#include "tests/unit/test.h"
#include "tests/unit/wire_help.h"

/* Checks the text of a value, and frees it. */
static void check_text(struct azm_buf value, const char *expected)
{
    _cleanup_(azm_buf_free) struct azm_buf scratch = {0};
    struct azm_arena arena = {0};
    struct azm_text t;

    ck_assert_int_eq(azm_any_value_text(wire_text(&value), &scratch, &arena, &t), 0);
    assert_text(t, expected);
    azm_arena_free(&arena);
    azm_buf_free(&value);
}

/* The same as the only item of an array. */
static void check_item(struct azm_buf value, const char *expected)
{
    char *array;

    ck_assert_int_gt(asprintf(&array, "[%s]", expected), 0);
    check_text(any_array(&value, 1), array);
    free(array);
}

static void check_refused(struct azm_buf value)
{
    _cleanup_(azm_buf_free) struct azm_buf scratch = {0};
    struct azm_arena arena = {0};
    struct azm_text t;

    ck_assert_int_eq(azm_any_value_text(wire_text(&value), &scratch, &arena, &t), -EBADMSG);
    azm_arena_free(&arena);
    azm_buf_free(&value);
}

START_TEST(every_kind)
{
    static const struct {
        int64_t value;
        const char *expected;
    } ints[] = {{0, "0"}, {-1, "-1"}, {INT64_MAX, "9223372036854775807"}, {INT64_MIN, "-9223372036854775808"}};
    static const struct {
        double value;
        const char *expected;
    } doubles[] = {{0, "0"},
                   {-0.0, "-0"},
                   {1.5, "1.5"},
                   {0.1, "0.1"},
                   {1e300, "1e+300"},
                   {-2.25, "-2.25"},
                   {1.0 / 3, "0.3333333333333333"},
                   {5e-324, "4.94065645841247e-324"}};

    check_text((struct azm_buf){0}, "");
    check_item((struct azm_buf){0}, "null");
    check_text(any_text(AZM_TEXT("as \"it\" is")), "as \"it\" is");
    check_item(any_text(AZM_TEXT("as \"it\" is")), "\"as \\\"it\\\" is\"");
    check_text(any_text(AZM_TEXT("")), "");
    check_item(any_text(AZM_TEXT("")), "\"\"");
    for (int json = 0; json < 2; json++) {
        void (*check)(struct azm_buf, const char *) = json ? check_item : check_text;

        check(any_bool(true), "true");
        check(any_bool(false), "false");
        for (size_t i = 0; i < ELEMENTSOF(ints); i++)
            check(any_int(ints[i].value), ints[i].expected);
        for (size_t i = 0; i < ELEMENTSOF(doubles); i++)
            check(any_double(doubles[i].value), doubles[i].expected);
        check(any_double(NAN), json ? "\"NaN\"" : "NaN");
        check(any_double(INFINITY), json ? "\"Infinity\"" : "Infinity");
        check(any_double(-INFINITY), json ? "\"-Infinity\"" : "-Infinity");
        check(any_bytes("", 0), json ? "\"\"" : "");
        check(any_bytes("\0\xFF\x10!", 4), json ? "\"AP8QIQ==\"" : "AP8QIQ==");
        check(any_array(NULL, 0), "[]");
        check(any_array((struct azm_buf[]){any_int(1), any_text(AZM_TEXT("two")), {0}}, 3), "[1,\"two\",null]");
        check(any_kvlist(AZM_TEXT("k\n"), any_array((struct azm_buf[]){any_bool(true)}, 1)), "{\"k\\n\":[true]}");
    }
}
END_TEST

START_TEST(empty_kvlist)
{
    struct azm_buf v = {0};

    wire_bytes(&v, 6, "", 0);
    check_text(v, "{}");
}
END_TEST

START_TEST(the_last_of_a_oneof_counts)
{
    struct azm_buf v = any_int(1);

    wire_bytes(&v, 1, "last", 4);
    wire_uint(&v, 15, 99); /* a field of the future */
    check_text(v, "last");
}
END_TEST

static struct azm_buf nested(unsigned depth)
{
    struct azm_buf v = any_int(1);

    for (unsigned i = 0; i < depth; i++)
        v = i & 1 ? any_kvlist(AZM_TEXT("k"), v) : any_array(&v, 1);
    return v;
}

START_TEST(depth_is_bounded)
{
    _cleanup_(azm_buf_free) struct azm_buf scratch = {0};
    struct azm_buf deepest = nested(AZM_ANY_VALUE_DEPTH_MAX);
    struct azm_arena arena = {0};
    struct azm_text t;

    ck_assert_int_eq(azm_any_value_text(wire_text(&deepest), &scratch, &arena, &t), 0);
    azm_arena_free(&arena);
    azm_buf_free(&deepest);
    check_refused(nested(AZM_ANY_VALUE_DEPTH_MAX + 1));
    check_refused(nested(10000));
}
END_TEST

static struct azm_buf raw(const void *data, size_t len)
{
    struct azm_buf b = {0};

    ck_assert_int_eq(azm_buf_append(&b, data, len), 0);
    return b;
}

START_TEST(garbage_is_refused)
{
    struct azm_buf item;

    check_refused(raw("\x0A\x05zz", 4)); /* more content than there are bytes */
    check_refused(raw("\xFF", 1));
    check_refused(raw("\x08\x01", 2));                 /* text as a number */
    check_refused(raw("\x22\x01z", 3));                /* a double as text */
    check_refused(raw("\x2A\x02\x08\x01", 4));         /* an array of bare numbers */
    check_refused(raw("\x32\x04\x0A\x02\x08\x01", 6)); /* a key that is a number */
    item = raw("\x18", 1);
    check_refused(any_array(&item, 1));
    item = raw("\x18", 1);
    check_refused(any_kvlist(AZM_TEXT("k"), item));
}
END_TEST

START_TEST(noise_does_no_harm)
{
    struct prng p = {11};

    for (int i = 0; i < 20000; i++) {
        struct azm_buf v = any_array((struct azm_buf[]){any_int(1), any_kvlist(AZM_TEXT("k"), any_double(1.25)),
                                                        any_bytes("abcdef", 6), any_text(AZM_TEXT("text"))},
                                     4);
        size_t len = prng_below(&p, v.len + 1);
        _cleanup_free_ char *exact = malloc(len ? len : 1);
        _cleanup_(azm_buf_free) struct azm_buf scratch = {0};
        struct azm_arena arena = {0};
        struct azm_text t;
        int r;

        v.data[prng_below(&p, v.len)] ^= (uint8_t)(1 << prng_below(&p, 8));
        memcpy(exact, v.data, len);
        r = azm_any_value_text((struct azm_text){exact, len}, &scratch, &arena, &t);
        ck_assert_msg(r == 0 || r == -EBADMSG, "%d", r);
        azm_arena_free(&arena);
        azm_buf_free(&v);
    }
}
END_TEST

static void add_tests(Suite *s)
{
    add_test(s, "every_kind", every_kind);
    add_test(s, "empty_kvlist", empty_kvlist);
    add_test(s, "the_last_of_a_oneof_counts", the_last_of_a_oneof_counts);
    add_test(s, "depth_is_bounded", depth_is_bounded);
    add_test(s, "garbage_is_refused", garbage_is_refused);
    add_test(s, "noise_does_no_harm", noise_does_no_harm);
}

TEST_MAIN("any_value", add_tests)
