/* SPDX-License-Identifier: MIT */
#include <jansson.h>

#include "core/utf8.h"
#include "encode/json_text.h"
#include "tests/unit/otlp_help.h"
#include "tests/unit/prng.h"
#include "tests/unit/test.h"

#define FFFD "\xEF\xBF\xBD"
#define SMILE "\xF0\x9F\x98\x80" /* outside of the basic plane: two units */
#define EURO "\xE2\x82\xAC"

static void append(struct azm_buf *out, struct azm_text t)
{
    ck_assert_int_eq(azm_json_append(out, t), 0);
}

START_TEST(each_is_escaped_as_it_must)
{
    static const struct {
        struct azm_text in;
        const char *out;
    } table[] = {
        {{"", 0}, ""},
        {{"plain", 5}, "plain"},
        {{"\"", 1}, "\\\""},
        {{"\\", 1}, "\\\\"},
        {{"/", 1}, "/"},
        {{"\n\r\t", 3}, "\\n\\r\\t"},
        {{"\b\f\x01\x1B\x1F", 5}, "\\u0008\\u000c\\u0001\\u001b\\u001f"},
        {{"\0", 1}, FFFD},
        {{"\x7F", 1}, "\x7F"},
        {{"\xC3\xA9" EURO SMILE, 9}, "\xC3\xA9" EURO SMILE},
        {{"\xE2\x80\xA8\xE2\x80\xA9", 6}, "\xE2\x80\xA8\xE2\x80\xA9"},
        {{"a\xFFz", 3}, "a" FFFD "z"},
        {{"a\xE2\x82", 3}, "a" FFFD},          /* one for the piece */
        {{"\xED\xA0\x80", 3}, FFFD FFFD FFFD}, /* a surrogate: one for each byte */
    };

    for (size_t i = 0; i < ELEMENTSOF(table); i++) {
        _cleanup_(azm_buf_free) struct azm_buf out = {0};
        struct azm_json_text fit = azm_json_fit(table[i].in, SIZE_MAX, SIZE_MAX);

        ck_assert_int_eq(azm_buf_append(&out, "<", 1), 0);
        append(&out, table[i].in);
        assert_text(((struct azm_text){(char *)out.data + 1, out.len - 1}), table[i].out);
        ck_assert_uint_eq(fit.json_bytes, strlen(table[i].out));
        ck_assert_uint_eq(fit.text.len, table[i].in.len);
        ck_assert(!fit.cut);
    }
}
END_TEST

START_TEST(cut_at_either_limit)
{
    static const struct {
        const char *in;
        size_t max_units, max_json_bytes;
        const char *out;
    } table[] = {
        {"abc", 3, 3, "abc"},         {"abc", 2, 3, "ab"},
        {"abc", 3, 2, "ab"},          {"abc", 0, 9, ""},
        {EURO EURO, 2, 6, EURO EURO}, {EURO EURO, 1, 6, EURO},
        {EURO EURO, 2, 5, EURO},      {"a" SMILE, 3, 9, "a" SMILE},
        {"a" SMILE, 2, 9, "a"}, /* half of a pair is no character */
        {"a" SMILE, 3, 4, "a"},       {"\n\n", 2, 4, "\n\n"},
        {"\n\n", 2, 3, "\n"},         {"\x01z", 2, 7, "\x01z"},
        {"\x01z", 2, 5, ""},          {"\xFF\xFF", 1, 9, "\xFF"},
        {"\xFF\xFF", 2, 5, "\xFF"},
    };

    for (size_t i = 0; i < ELEMENTSOF(table); i++) {
        struct azm_json_text fit = azm_json_fit(azm_text_of(table[i].in), table[i].max_units, table[i].max_json_bytes);

        assert_text(fit.text, table[i].out);
        ck_assert_msg(fit.cut == (strlen(table[i].out) < strlen(table[i].in)), "row %zu", i);
    }
}
END_TEST

/* Whatever the bytes: JSON, as long as was said, and it reads as what core/utf8 makes of them. */
START_TEST(noise_becomes_json)
{
    struct prng p = {7};

    for (int i = 0; i < 20000; i++) {
        _cleanup_(azm_buf_free) struct azm_buf out = {0}, clean = {0};
        size_t len = prng_below(&p, 40);
        _cleanup_free_ char *s = malloc(len + 1);
        struct azm_json_text fit;
        json_t *j;

        for (size_t k = 0; k < len; k++)
            s[k] = (char)(i & 1 ? prng_next(&p) : (uint64_t) "\"\\a\n\xC3\xA9\xF0\x9F\x98\x80\x01"[prng_below(&p, 11)]);
        s = realloc(s, len ? len : 1); /* so that a sanitizer sees a read past the end */
        fit = azm_json_fit((struct azm_text){s, len}, prng_below(&p, 30), prng_below(&p, 60));
        ck_assert_int_eq(azm_buf_append(&out, "\"", 1), 0);
        append(&out, fit.text);
        ck_assert_uint_eq(out.len - 1, fit.json_bytes);
        ck_assert_int_eq(azm_buf_append(&out, "\"", 1), 0);
        j = json_loadb((char *)out.data, out.len, JSON_DECODE_ANY, NULL);
        ck_assert_ptr_nonnull(j);
        ck_assert_int_eq(azm_utf8_append_clean(&clean, fit.text.s, fit.text.len), 0);
        assert_text_equal(((struct azm_text){json_string_value(j), json_string_length(j)}),
                          ((struct azm_text){(char *)clean.data, clean.len}));
        json_decref(j);
    }
}
END_TEST

static void add_tests(Suite *s)
{
    add_test(s, "each_is_escaped_as_it_must", each_is_escaped_as_it_must);
    add_test(s, "cut_at_either_limit", cut_at_either_limit);
    add_test(s, "noise_becomes_json", noise_becomes_json);
}

TEST_MAIN("json_text", add_tests)
