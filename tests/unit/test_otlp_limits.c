/* SPDX-License-Identifier: MIT */
#include <jansson.h>

#include "core/utf8.h"
#include "encode/otlp.h"
#include "tests/unit/otlp_help.h"
#include "tests/unit/prng.h"
#include "tests/unit/test.h"

/* What the encoder does with text that is too long or no UTF-8. test_otlp.c has the rest of it. */

#define NO_LIMIT ((size_t)1 << 30)

static const struct azm_otlp_limits unlimited = {NO_LIMIT, NO_LIMIT, NO_LIMIT};

static struct azm_otlp_encoder encoder;
static struct azm_buf out;

static void begin(struct azm_otlp_limits limits)
{
    encoder = (struct azm_otlp_encoder){.limits = limits};
    out = (struct azm_buf){0};
}

static void end(void)
{
    azm_otlp_encoder_free(&encoder);
    azm_buf_free(&out);
}

static Otlp__LogRecord *encode(const struct azm_record *r)
{
    ck_assert_int_eq(azm_otlp_encode_record(&encoder, r, &out), 0);
    return otlp_decode_record(&out);
}

static bool is_truncated(const Otlp__LogRecord *m)
{
    const Otlp__AnyValue *v = otlp_find(m->attributes, m->n_attributes, "azmonlog.truncated");

    ck_assert(!v || (v->value_case == OTLP__ANY_VALUE__VALUE_BOOL_VALUE && v->bool_value));
    return v != NULL;
}

static bool is_utf8(struct azm_text t) /* jansson's opinion, not ours */
{
    json_t *j = json_stringn(t.len ? t.s : "", t.len);

    json_decref(j);
    return j != NULL;
}

/* --- limits --- */

/* What must become of a text under a limit: clean it, then keep as many whole characters as fit. */
static struct azm_text cleaned(const char *s, size_t len, struct azm_buf *ret)
{
    azm_buf_clear(ret);
    ck_assert_int_eq(azm_utf8_append_clean(ret, s, len), 0);
    return (struct azm_text){(const char *)ret->data, ret->len};
}

static void check_cut(struct azm_text t, struct azm_text whole, size_t max, bool truncated)
{
    ck_assert_uint_le(t.len, max);
    assert_text_equal(t, ((struct azm_text){whole.s, t.len}));
    ck_assert(is_utf8(t));
    for (size_t longer = t.len + 1; longer <= MIN(max, whole.len); longer++)
        ck_assert_msg(!is_utf8((struct azm_text){whole.s, longer}), "%zu of %zu bytes, though %zu fit", t.len,
                      whole.len, longer);
    ck_assert_msg(truncated == (t.len < whole.len), "%zu of %zu bytes, truncated=%d", t.len, whole.len, truncated);
}

/* Every limit on a text with characters of one to four bytes and broken ones, as body and as attribute value. */
START_TEST(cut_at_a_characters_end)
{
    static const char s[] =
        "a\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80\xFFz\xE2\x82\xF0\x9F\x98 \xC3\xA9\xF0\x9F\x98\x80\xE2";
    _cleanup_(azm_buf_free) struct azm_buf clean = {0};

    begin(unlimited);
    for (size_t len = 0; len < sizeof s; len++)
        for (size_t max = 0; max < 2 * sizeof s; max++) {
            const struct azm_text whole = cleaned(s, len, &clean);
            const struct azm_attribute a = {.key = AZM_TEXT("k"), .text = {s, len}};
            struct azm_record r = {.time_unix_nano = 1, .has_body = true, .body = {s, len}};
            Otlp__LogRecord *m;

            encoder.limits = (struct azm_otlp_limits){max, NO_LIMIT, NO_LIMIT};
            m = encode(&r);
            check_cut(otlp_string(m->body), whole, max, is_truncated(m));
            ck_assert_uint_eq(m->dropped_attributes_count, 0);
            otlp_free_record(&m);

            encoder.limits = (struct azm_otlp_limits){NO_LIMIT, max, NO_LIMIT};
            r.has_body = false;
            r.attributes = &a;
            r.n_attributes = 1;
            m = encode(&r);
            check_cut(otlp_string(otlp_find(m->attributes, m->n_attributes, "k")), whole, max, is_truncated(m));
            ck_assert_uint_eq(m->dropped_attributes_count, 0);
            otlp_free_record(&m);
        }
    end();
}
END_TEST

/* What does not fit is dropped and counted; what comes after it and fits is kept. */
START_TEST(attributes_limit)
{
    char big[600];
    struct azm_attribute a[20];
    struct azm_record r = {.time_unix_nano = 1, .attributes = a, .n_attributes = ELEMENTSOF(a)};
    Otlp__LogRecord *m;

    begin((struct azm_otlp_limits){NO_LIMIT, NO_LIMIT, 1000});
    memset(big, 'x', sizeof big);
    for (size_t i = 0; i < ELEMENTSOF(a); i++) /* 20 x 100 bytes and a bit */
        a[i] = (struct azm_attribute){.key = {&"abcdefghijklmnopqrst"[i], 1}, .text = {big, 90}};
    m = encode(&r);
    ck_assert_uint_eq(m->dropped_attributes_count, 20 - 9); /* the uid takes 48 bytes, each attribute 99 */
    ck_assert_uint_eq(m->n_attributes, 1 + 9 + 1);
    ck_assert_ptr_nonnull(otlp_find(m->attributes, m->n_attributes, "i"));
    ck_assert(is_truncated(m));
    otlp_free_record(&m);

    a[0].text.len = a[1].text.len = 600; /* only one of them fits */
    r.n_attributes = 3;
    r.n_dropped = 5; /* by the source, before us */
    m = encode(&r);
    ck_assert_uint_eq(m->dropped_attributes_count, 5 + 1);
    ck_assert_ptr_nonnull(otlp_find(m->attributes, m->n_attributes, "a"));
    ck_assert_ptr_null(otlp_find(m->attributes, m->n_attributes, "b"));
    ck_assert_ptr_nonnull(otlp_find(m->attributes, m->n_attributes, "c"));
    otlp_free_record(&m);

    r.n_attributes = 1;
    r.n_dropped = 0; /* nothing dropped, nothing marked */
    m = encode(&r);
    ck_assert_uint_eq(m->dropped_attributes_count, 0);
    ck_assert(!is_truncated(m));
    otlp_free_record(&m);
    end();
}
END_TEST

START_TEST(keys_above_256_bytes_are_dropped)
{
    char key[257];
    struct azm_attribute a = {.key = {key, 256}, .text = AZM_TEXT("v")};
    struct azm_record r = {.time_unix_nano = 1, .attributes = &a, .n_attributes = 1};
    Otlp__LogRecord *m;

    begin(unlimited);
    memset(key, 'k', sizeof key);
    for (; a.key.len <= 257; a.key.len++) {
        m = encode(&r);
        ck_assert_uint_eq(m->dropped_attributes_count, a.key.len - 256);
        ck_assert_int_eq(is_truncated(m), a.key.len > 256);
        otlp_free_record(&m);
    }
    end();
}
END_TEST

/* One field that came a thousand times must not take all the record: its first values stay, the cut is marked. */
START_TEST(arrays_obey_the_limits)
{
    struct azm_text items[1000];
    const struct azm_attribute a = {
        .key = AZM_TEXT("k"), .type = AZM_VALUE_TEXTS, .texts = {.items = items, .n = ELEMENTSOF(items)}};
    const struct azm_record r = {.time_unix_nano = 1, .attributes = &a, .n_attributes = 1};
    const Otlp__AnyValue *v;
    Otlp__LogRecord *m;

    for (size_t i = 0; i < ELEMENTSOF(items); i++)
        items[i] = AZM_TEXT("0123456789");
    begin((struct azm_otlp_limits){NO_LIMIT, 4, 2000});
    m = encode(&r);
    ck_assert_uint_le(out.len, 2200);
    ck_assert(is_truncated(m));
    v = otlp_find(m->attributes, m->n_attributes, "k");
    if (v) {
        ck_assert_uint_gt(v->array_value->n_values, 100);
        for (size_t i = 0; i < v->array_value->n_values; i++)
            assert_text(otlp_string(v->array_value->values[i]), "0123");
    } else
        ck_assert_uint_eq(m->dropped_attributes_count, 1);
    otlp_free_record(&m);
    end();
}
END_TEST

/* --- text that is no UTF-8 --- */

#define BAD "\xEF\xBF\xBD" /* U+FFFD */

START_TEST(invalid_utf8_becomes_u_fffd)
{
    static const struct {
        struct azm_text given;
        const char *expected;
    } table[] = {
        {AZM_TEXT("\xFF"), BAD},
        {AZM_TEXT("a\x80z"), "a" BAD "z"},
        {AZM_TEXT("\xE2\x82"), BAD}, /* cut off: one for the maximal subpart */
        {AZM_TEXT("\xE2\x82z"), BAD "z"},
        {AZM_TEXT("\xC0\xAF"), BAD BAD},         /* overlong */
        {AZM_TEXT("\xED\xA0\x80"), BAD BAD BAD}, /* a surrogate */
        {AZM_TEXT("\xF4\x90\x80\x80"), BAD BAD BAD BAD},
        {AZM_TEXT("a\0z"), "a" BAD "z"},                  /* receivers written in C would end the text here */
        {AZM_TEXT("1234567\xFF\xFE"), "1234567" BAD BAD}, /* across the eight bytes looked at together */
    };

    begin(unlimited);
    for (size_t i = 0; i < ELEMENTSOF(table); i++) {
        const struct azm_text items[] = {table[i].given, AZM_TEXT("good"), table[i].given};
        const struct azm_attribute a[] = {
            {.key = AZM_TEXT("text"), .text = table[i].given},
            {.key = AZM_TEXT("texts"), .type = AZM_VALUE_TEXTS, .texts = {items, ELEMENTSOF(items)}},
        };
        const struct azm_record r = {
            .time_unix_nano = 1, .has_body = true, .body = table[i].given, .attributes = a, .n_attributes = 2};
        _cleanup_(otlp_free_record) Otlp__LogRecord *m = encode(&r);
        const Otlp__AnyValue *texts = otlp_find(m->attributes, m->n_attributes, "texts");

        assert_text(otlp_string(m->body), table[i].expected);
        assert_text(otlp_string(otlp_find(m->attributes, m->n_attributes, "text")), table[i].expected);
        ck_assert_ptr_nonnull(texts);
        ck_assert_int_eq(texts->value_case, OTLP__ANY_VALUE__VALUE_ARRAY_VALUE);
        ck_assert_uint_eq(texts->array_value->n_values, 3);
        assert_text(otlp_string(texts->array_value->values[0]), table[i].expected);
        assert_text(otlp_string(texts->array_value->values[1]), "good");
        assert_text(otlp_string(texts->array_value->values[2]), table[i].expected);
        ck_assert(!is_truncated(m));
    }
    end();
}
END_TEST

/* Whatever bytes come, under whatever limits: a message that a strict parser takes. */
START_TEST(garbage_never_makes_an_undecodable_message)
{
    struct prng p = {3};

    begin(unlimited);
    for (int i = 0; i < 3000; i++) {
        char noise[3][200];
        struct azm_text items[] = {{noise[0], prng_below(&p, 200)}, {noise[2], prng_below(&p, 200)}};
        const struct azm_attribute a[] = {
            {.key = AZM_TEXT("text"), .text = {noise[1], prng_below(&p, 200)}},
            {.key = AZM_TEXT("texts"), .type = AZM_VALUE_TEXTS, .texts = {items, ELEMENTSOF(items)}},
        };
        const struct azm_record r = {.time_unix_nano = 1,
                                     .has_body = true,
                                     .body = {noise[2], prng_below(&p, 200)},
                                     .attributes = a,
                                     .n_attributes = 2};
        Otlp__LogRecord *m;

        prng_bytes(&p, noise, sizeof noise);
        encoder.limits = (struct azm_otlp_limits){prng_below(&p, 300), prng_below(&p, 300), prng_below(&p, 2000)};
        m = encode(&r);
        ck_assert(is_utf8(otlp_string(m->body)));
        for (size_t k = 0; k < m->n_attributes; k++) {
            const Otlp__AnyValue *v = m->attributes[k]->value;

            if (v->value_case == OTLP__ANY_VALUE__VALUE_STRING_VALUE)
                ck_assert(is_utf8(otlp_string(v)));
            if (v->value_case == OTLP__ANY_VALUE__VALUE_ARRAY_VALUE)
                for (size_t n = 0; n < v->array_value->n_values; n++)
                    ck_assert(is_utf8(otlp_string(v->array_value->values[n])));
        }
        otlp_free_record(&m);
    }
    end();
}
END_TEST

START_TEST(limits_of_a_configuration)
{
    static const struct {
        size_t body, request;
        struct azm_otlp_limits limits;
    } table[] = {
        {1000, 8000, {1000, 1000, 2000}},
        {4000, 8000, {4000, 4000, 2000}},
        {4001, 8000, {4000, 4000, 2000}}, /* half of a request at most */
        {SIZE_MAX, 8000, {4000, 4000, 2000}},
    };

    for (size_t i = 0; i < ELEMENTSOF(table); i++) {
        const struct azm_otlp_limits l = azm_otlp_limits_of(table[i].body, table[i].request);

        ck_assert_uint_eq(l.body_bytes, table[i].limits.body_bytes);
        ck_assert_uint_eq(l.value_bytes, table[i].limits.value_bytes);
        ck_assert_uint_eq(l.attributes_bytes, table[i].limits.attributes_bytes);
    }
}
END_TEST

static void add_tests(Suite *s)
{
    add_test(s, "limits_of_a_configuration", limits_of_a_configuration);
    add_test(s, "cut_at_a_characters_end", cut_at_a_characters_end);
    add_test(s, "attributes_limit", attributes_limit);
    add_test(s, "keys_above_256_bytes_are_dropped", keys_above_256_bytes_are_dropped);
    add_test(s, "arrays_obey_the_limits", arrays_obey_the_limits);
    add_test(s, "invalid_utf8_becomes_u_fffd", invalid_utf8_becomes_u_fffd);
    add_test(s, "garbage_never_makes_an_undecodable_message", garbage_never_makes_an_undecodable_message);
}

TEST_MAIN("otlp_limits", add_tests)
