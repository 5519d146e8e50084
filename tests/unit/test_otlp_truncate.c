/* SPDX-License-Identifier: MIT */
#include <errno.h>

#include "core/utf8.h"
#include "encode/otlp_truncate.h"
#include "tests/unit/otlp_help.h"
#include "tests/unit/prng.h"
#include "tests/unit/test.h"

/* A record that is too large for a destination, made small; protobuf-c says what is in it before and after. */

#define BODY_MAX ((size_t)16 * 1024)
#define VALUE_MAX ((size_t)1024)
#define ATTRIBUTES_MAX 128
#define ATTRIBUTES 400

/* A record that is being built. */
struct sample {
    Otlp__LogRecord record;
    Otlp__AnyValue body, values[ATTRIBUTES];
    Otlp__KeyValue attributes[ATTRIBUTES], *pointers[ATTRIBUTES];
    char keys[ATTRIBUTES][16];
};

static struct sample sample;

static char *text_of(char c, size_t len) /* lives until the end */
{
    static char texts[16 * 1024 * 1024];
    static size_t used;
    char *s = texts + used;

    used += len + 1;
    ck_assert_uint_le(used, sizeof texts);
    memset(s, c, len);
    return s;
}

static void begin(char *body)
{
    static uint8_t trace[16] = {1, 2, 3}, span[8] = {4, 5, 6};

    otlp__log_record__init(&sample.record);
    sample.record.time_unix_nano = 11;
    sample.record.observed_time_unix_nano = 12;
    sample.record.severity_number = 9;
    sample.record.severity_text = (char *)"info";
    sample.record.flags = 1;
    sample.record.trace_id = (ProtobufCBinaryData){sizeof trace, trace};
    sample.record.span_id = (ProtobufCBinaryData){sizeof span, span};
    sample.record.event_name = (char *)"event";
    sample.record.attributes = sample.pointers;
    if (body) {
        otlp__any_value__init(&sample.body);
        otlp_set_string(&sample.body, azm_text_of(body));
        sample.record.body = &sample.body;
    }
}

/* Adds an attribute without a value; returns the value. */
static Otlp__AnyValue *attribute(const char *key)
{
    size_t i = sample.record.n_attributes++;

    ck_assert_uint_lt(i, ATTRIBUTES);
    snprintf(sample.keys[i], sizeof sample.keys[i], "%s", key);
    otlp__key_value__init(&sample.attributes[i]);
    otlp__any_value__init(&sample.values[i]);
    sample.attributes[i].key = key[0] == '#' ? sample.keys[i] : (char *)key;
    sample.attributes[i].value = &sample.values[i];
    sample.pointers[i] = &sample.attributes[i];
    return &sample.values[i];
}

static void text_attribute(const char *key, char *value)
{
    otlp_set_string(attribute(key), azm_text_of(value));
}

static struct azm_buf pack(void)
{
    struct azm_buf b = {0};

    ck_assert_int_eq(azm_buf_reserve(&b, otlp__log_record__get_packed_size(&sample.record)), 0);
    b.len = otlp__log_record__pack(&sample.record, b.data);
    return b;
}

static struct azm_text text_in(const struct azm_buf *b)
{
    return (struct azm_text){(const char *)b->data, b->len};
}

/* Truncates the sample, which must be necessary. */
static Otlp__LogRecord *truncate_sample(void)
{
    _cleanup_(azm_buf_free) struct azm_buf in = pack(), out = {0};
    struct azm_buf rest;

    ck_assert_int_eq(azm_buf_append(&out, "before", 6), 0);
    ck_assert_int_eq(azm_otlp_truncate_record(text_in(&in), &out), 1);
    ck_assert_mem_eq(out.data, "before", 6); /* it is appended */
    rest = (struct azm_buf){.data = out.data + 6, .len = out.len - 6};
    return otlp_decode_record(&rest);
}

static const Otlp__AnyValue *find(const Otlp__LogRecord *r, const char *key)
{
    return otlp_find(r->attributes, r->n_attributes, key);
}

static void assert_marked(const Otlp__LogRecord *r)
{
    const Otlp__AnyValue *mark = find(r, "azmonlog.truncated");

    ck_assert_ptr_nonnull(mark);
    ck_assert_int_eq(mark->value_case, OTLP__ANY_VALUE__VALUE_BOOL_VALUE);
    ck_assert(mark->bool_value);
}

START_TEST(body_and_values_are_cut)
{
    _cleanup_(otlp_free_record) Otlp__LogRecord *r = NULL;

    begin(text_of('b', 1000000));
    text_attribute("log.record.uid", text_of('7', 32));
    text_attribute("long", text_of('l', 50000));
    text_attribute("full", text_of('f', VALUE_MAX));
    text_attribute("one", text_of('o', VALUE_MAX + 1));
    r = truncate_sample();
    assert_text(otlp_string(r->body), text_of('b', BODY_MAX));
    assert_text(otlp_string(find(r, "long")), text_of('l', VALUE_MAX));
    assert_text(otlp_string(find(r, "full")), text_of('f', VALUE_MAX));
    assert_text(otlp_string(find(r, "one")), text_of('o', VALUE_MAX));
    assert_marked(r);
    ck_assert_uint_eq(r->n_attributes, 5);
    ck_assert_uint_eq(r->dropped_attributes_count, 0);
    /* what it is known by stays */
    assert_text(otlp_string(find(r, "log.record.uid")), "77777777777777777777777777777777");
    ck_assert_str_eq(r->attributes[0]->key, "log.record.uid");
    ck_assert_uint_eq(r->time_unix_nano, 11);
    ck_assert_uint_eq(r->observed_time_unix_nano, 12);
    ck_assert_int_eq(r->severity_number, 9);
    ck_assert_str_eq(r->severity_text, "info");
    ck_assert_str_eq(r->event_name, "event");
    ck_assert_uint_eq(r->flags, 1);
    ck_assert_uint_eq(r->trace_id.len, 16);
    ck_assert_mem_eq(r->trace_id.data, "\1\2\3", 3);
    ck_assert_uint_eq(r->span_id.len, 8);
    ck_assert_mem_eq(r->span_id.data, "\4\5\6", 3);
}
END_TEST

START_TEST(what_is_small_is_left_alone)
{
    _cleanup_(azm_buf_free) struct azm_buf in = {0}, out = {0};

    begin(text_of('b', BODY_MAX));
    for (unsigned i = 0; i < ATTRIBUTES_MAX; i++)
        text_attribute("#", text_of('v', VALUE_MAX));
    in = pack();
    ck_assert_int_eq(azm_buf_append(&out, "before", 6), 0);
    ck_assert_int_eq(azm_otlp_truncate_record(text_in(&in), &out), 0);
    ck_assert_uint_eq(out.len, 6);
    ck_assert_mem_eq(out.data, "before", 6);

    ck_assert_int_eq(azm_otlp_truncate_record(AZM_TEXT(""), &out), 0); /* a record without fields */
    ck_assert_uint_eq(out.len, 6);
    azm_buf_free(&in);
    begin(NULL); /* no body */
    in = pack();
    ck_assert_int_eq(azm_otlp_truncate_record(text_in(&in), &out), 0);
}
END_TEST

START_TEST(arrays_and_their_like_are_left_out_and_counted)
{
    _cleanup_(otlp_free_record) Otlp__LogRecord *r = NULL;
    Otlp__ArrayValue array = OTLP__ARRAY_VALUE__INIT;
    Otlp__KeyValueList list = OTLP__KEY_VALUE_LIST__INIT;
    Otlp__AnyValue *v;

    begin(text_of('b', 10));
    sample.record.dropped_attributes_count = 3; /* by whoever made it */
    v = attribute("array");
    v->value_case = OTLP__ANY_VALUE__VALUE_ARRAY_VALUE;
    v->array_value = &array;
    v = attribute("int");
    v->value_case = OTLP__ANY_VALUE__VALUE_INT_VALUE;
    v->int_value = -7;
    v = attribute("list");
    v->value_case = OTLP__ANY_VALUE__VALUE_KVLIST_VALUE;
    v->kvlist_value = &list;
    v = attribute("double");
    v->value_case = OTLP__ANY_VALUE__VALUE_DOUBLE_VALUE;
    v->double_value = 0.5;
    v = attribute("bytes");
    v->value_case = OTLP__ANY_VALUE__VALUE_BYTES_VALUE;
    v->bytes_value = (ProtobufCBinaryData){4, (uint8_t *)"abcd"};
    v = attribute("bool");
    v->value_case = OTLP__ANY_VALUE__VALUE_BOOL_VALUE;
    v->bool_value = 1;
    attribute("nothing");
    text_attribute("text", text_of('t', 5));
    r = truncate_sample();
    ck_assert_uint_eq(r->dropped_attributes_count, 3 + 4);
    ck_assert_uint_eq(r->n_attributes, 5);
    ck_assert_str_eq(r->attributes[0]->key, "int"); /* in order */
    ck_assert_str_eq(r->attributes[1]->key, "double");
    ck_assert_str_eq(r->attributes[2]->key, "bool");
    ck_assert_str_eq(r->attributes[3]->key, "text");
    ck_assert(find(r, "int")->int_value == -7);
    ck_assert(find(r, "double")->double_value == 0.5);
    assert_text(otlp_string(find(r, "text")), "ttttt");
    assert_text(otlp_string(r->body), "bbbbbbbbbb");
    assert_marked(r);
}
END_TEST

START_TEST(many_attributes)
{
    _cleanup_(otlp_free_record) Otlp__LogRecord *r = NULL;
    char key[16];

    begin(text_of('b', 10));
    for (unsigned i = 0; i < ATTRIBUTES - 1; i++) {
        snprintf(key, sizeof key, "#%u", i);
        text_attribute(key, text_of('v', 3));
    }
    text_attribute("azmonlog.truncated", text_of('1', 1)); /* a mark is no attribute that is dropped */
    r = truncate_sample();
    ck_assert_uint_eq(r->n_attributes, ATTRIBUTES_MAX + 1);
    ck_assert_uint_eq(r->dropped_attributes_count, ATTRIBUTES - 1 - ATTRIBUTES_MAX);
    ck_assert_ptr_nonnull(find(r, "#0"));
    ck_assert_ptr_nonnull(find(r, "#127"));
    ck_assert_ptr_null(find(r, "#128"));
    assert_marked(r);
}
END_TEST

/* One that azmonlog had already cut has the mark, which stays single. */
START_TEST(the_mark_is_there_once)
{
    _cleanup_(otlp_free_record) Otlp__LogRecord *r = NULL;
    Otlp__AnyValue *v;

    begin(text_of('b', BODY_MAX + 1));
    v = attribute("azmonlog.truncated");
    v->value_case = OTLP__ANY_VALUE__VALUE_BOOL_VALUE;
    v->bool_value = 1;
    text_attribute("other", text_of('o', 3));
    r = truncate_sample();
    assert_marked(r); /* which fails if it is there twice */
    ck_assert_uint_eq(r->n_attributes, 2);
    ck_assert_uint_eq(r->dropped_attributes_count, 0);
}
END_TEST

/* What was truncated is not truncated again: so there is an end. */
START_TEST(once_is_enough)
{
    _cleanup_(azm_buf_free) struct azm_buf in = {0}, once = {0}, twice = {0};

    begin(text_of('b', 1000000));
    for (unsigned i = 0; i < ATTRIBUTES; i++)
        text_attribute("#", text_of('v', 5000));
    in = pack();
    ck_assert_int_eq(azm_otlp_truncate_record(text_in(&in), &once), 1);
    ck_assert_uint_lt(once.len, BODY_MAX + ATTRIBUTES_MAX * (VALUE_MAX + 32) + 1024);
    ck_assert_int_eq(azm_otlp_truncate_record(text_in(&once), &twice), 0);
}
END_TEST

/* Wherever the limit falls, characters stay whole. */
START_TEST(characters_stay_whole)
{
    static const char *const characters[] = {"\xC3\xA4", "\xE2\x82\xAC", "\xF0\x9F\x98\x80"};

    for (size_t i = 0; i < ELEMENTSOF(characters); i++)
        for (size_t shift = 0; shift < 5; shift++) {
            _cleanup_(otlp_free_record) Otlp__LogRecord *r = NULL;
            size_t len = strlen(characters[i]);
            char *body = text_of('x', BODY_MAX * 2), *value = text_of('x', VALUE_MAX * 2);
            struct azm_text t;

            for (size_t k = shift; k + len <= BODY_MAX * 2; k += len)
                memcpy(body + k, characters[i], len);
            for (size_t k = shift; k + len <= VALUE_MAX * 2; k += len)
                memcpy(value + k, characters[i], len);
            begin(body);
            text_attribute("v", value);
            r = truncate_sample();
            t = otlp_string(r->body);
            ck_assert_uint_eq(azm_utf8_valid_prefix(t.s, t.len), t.len);
            ck_assert(t.len <= BODY_MAX && t.len > BODY_MAX - len);
            t = otlp_string(find(r, "v"));
            ck_assert_uint_eq(azm_utf8_valid_prefix(t.s, t.len), t.len);
            ck_assert(t.len <= VALUE_MAX && t.len > VALUE_MAX - len);
        }
}
END_TEST

/* Bytes that are no record are told from one; cut or mangled ones do no harm. */
START_TEST(garbage)
{
    _cleanup_(azm_buf_free) struct azm_buf in = {0}, out = {0};
    struct prng dice = {1};

    ck_assert_int_eq(azm_otlp_truncate_record(AZM_TEXT("\xFF\xFF\xFF"), &out), -EBADMSG);
    ck_assert_int_eq(azm_otlp_truncate_record(AZM_TEXT("\x0B no groups"), &out), -EBADMSG);
    begin(text_of('b', BODY_MAX + 7));
    for (unsigned i = 0; i < 5; i++)
        text_attribute("#", text_of('v', VALUE_MAX + 7));
    in = pack();
    for (size_t i = 0; i < 2000; i++) {
        size_t len = i < 1000 ? prng_below(&dice, in.len) : in.len;
        _cleanup_free_ char *copy = malloc(MAX(len, (size_t)1));
        int r;

        memcpy(copy, in.data, len);
        for (size_t k = i < 1000 ? 0 : 1 + prng_below(&dice, 5); k > 0; k--)
            copy[prng_below(&dice, k % 2 ? len : 40)] = (char)prng_next(&dice);
        azm_buf_clear(&out);
        r = azm_otlp_truncate_record((struct azm_text){copy, len}, &out);
        if ((r != 0 && r != 1 && r != -EBADMSG) || (r == 1) != (out.len > 0))
            ck_abort_msg("%d, %zu bytes", r, out.len);
    }
}
END_TEST

static void add_tests(Suite *s)
{
    add_test(s, "body_and_values_are_cut", body_and_values_are_cut);
    add_test(s, "what_is_small_is_left_alone", what_is_small_is_left_alone);
    add_test(s, "arrays_and_their_like_are_left_out_and_counted", arrays_and_their_like_are_left_out_and_counted);
    add_test(s, "many_attributes", many_attributes);
    add_test(s, "the_mark_is_there_once", the_mark_is_there_once);
    add_test(s, "once_is_enough", once_is_enough);
    add_test(s, "characters_stay_whole", characters_stay_whole);
    add_test(s, "garbage", garbage);
}

TEST_MAIN("otlp_truncate", add_tests)
