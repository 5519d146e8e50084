/* SPDX-License-Identifier: MIT */
#include "core/arena.h"
#include "core/severity.h"
#include "encode/otlp.h"
#include "encode/wire.h"
#include "tests/unit/otlp_help.h"
#include "tests/unit/prng.h"
#include "tests/unit/test.h"

#define NO_LIMIT ((size_t)1 << 30)

/* Every test starts with an empty encoder and lets it do several records, as in life. */
static struct azm_otlp_encoder encoder;
static struct azm_buf out;
static struct azm_arena arena;

static void begin(void)
{
    encoder = (struct azm_otlp_encoder){.limits = {NO_LIMIT, NO_LIMIT, NO_LIMIT}};
    out = (struct azm_buf){0};
    arena = (struct azm_arena){0};
}

static void end(void)
{
    azm_otlp_encoder_free(&encoder);
    azm_buf_free(&out);
    azm_arena_free(&arena);
}

static Otlp__LogRecord *encode(const struct azm_record *r)
{
    ck_assert_int_eq(azm_otlp_encode_record(&encoder, r, &out), 0);
    return otlp_decode_record(&out);
}

/* --- the same bytes as protobuf-c --- */

/* A length near a place where a varint grows by a byte, for the length itself or for one that holds it. */
static size_t border_len(struct prng *p)
{
    static const size_t borders[] = {0, 16, 128, 128, 128, 128, 128, 16384};
    size_t len = borders[prng_below(p, ELEMENTSOF(borders))] + prng_below(p, 4), less = prng_below(p, 40);

    return len > less ? len - less : 0;
}

/* Valid UTF-8 of this length, with a NUL after it. */
static struct azm_text random_text(struct prng *p, size_t len)
{
    static const char *const characters[] = {"\xC3\xA9", "\xE2\x82\xAC", "\xF0\x9F\x98\x80", "\n"};
    char *s = azm_arena_alloc(&arena, len + 1);

    for (size_t i = 0; i < len;) {
        const char *c = characters[prng_below(p, ELEMENTSOF(characters))];

        if (prng_below(p, 20) == 0 && strlen(c) <= len - i) {
            memcpy(s + i, c, strlen(c));
            i += strlen(c);
        } else
            s[i++] = (char)(' ' + prng_below(p, 95));
    }
    s[len] = '\0';
    return (struct azm_text){s, len};
}

static int64_t random_int(struct prng *p)
{
    static const int64_t borders[] = {0, -1, 1, 127, 128, -128, 16383, 16384, INT64_MAX, INT64_MIN};
    size_t i = prng_below(p, 2 * ELEMENTSOF(borders));

    return i < ELEMENTSOF(borders) ? borders[i] : (int64_t)(prng_next(p) >> prng_below(p, 64));
}

static struct azm_attribute random_attribute(struct prng *p)
{
    struct azm_attribute a = {.key = random_text(p, 1 + border_len(p) % 256)};
    struct azm_text *items;

    switch (prng_below(p, 4)) {
    case 0:
        a.type = AZM_VALUE_INT;
        a.integer = random_int(p);
        break;
    case 1:
        a.type = AZM_VALUE_TEXTS;
        a.texts.n = prng_below(p, 9);
        a.texts.items = items = azm_arena_alloc(&arena, 9 * sizeof *items);
        for (size_t i = 0; i < a.texts.n; i++)
            items[i] = random_text(p, border_len(p));
        break;
    default:
        a.type = AZM_VALUE_TEXT;
        a.text = random_text(p, border_len(p));
    }
    return a;
}

static struct azm_attribute *random_attributes(struct prng *p, size_t *ret_n)
{
    struct azm_attribute *a;

    *ret_n = prng_below(p, 12);
    a = azm_arena_alloc(&arena, 12 * sizeof *a);
    for (size_t i = 0; i < *ret_n; i++)
        a[i] = random_attribute(p);
    return a;
}

static Otlp__AnyValue *string_value(struct azm_text t)
{
    Otlp__AnyValue *v = azm_arena_alloc(&arena, sizeof *v);

    otlp__any_value__init(v);
    otlp_set_string(v, t);
    return v;
}

static Otlp__AnyValue *value_of(const struct azm_attribute *a)
{
    Otlp__AnyValue *v = string_value(AZM_TEXT(""));
    Otlp__ArrayValue *array;

    switch (a->type) {
    case AZM_VALUE_TEXT:
        otlp_set_string(v, a->text);
        break;
    case AZM_VALUE_INT:
        v->value_case = OTLP__ANY_VALUE__VALUE_INT_VALUE;
        v->int_value = a->integer;
        break;
    case AZM_VALUE_TEXTS:
        array = azm_arena_alloc(&arena, sizeof *array);
        otlp__array_value__init(array);
        array->n_values = a->texts.n;
        array->values = azm_arena_alloc(&arena, a->texts.n * sizeof(Otlp__AnyValue *));
        for (size_t i = 0; i < a->texts.n; i++)
            array->values[i] = string_value(a->texts.items[i]);
        v->value_case = OTLP__ANY_VALUE__VALUE_ARRAY_VALUE;
        v->array_value = array;
    }
    return v;
}

static Otlp__KeyValue *pair(const char *key, Otlp__AnyValue *value)
{
    Otlp__KeyValue *kv = azm_arena_alloc(&arena, sizeof *kv);

    otlp__key_value__init(kv);
    kv->key = (char *)key;
    kv->value = value;
    return kv;
}

/* The bytes of the record as protobuf-c writes them. */
static size_t pack_with_protobuf_c(const struct azm_record *r, uint8_t **ret)
{
    const struct azm_severity *severity = azm_severity_of(r->severity);
    Otlp__LogRecord m = OTLP__LOG_RECORD__INIT;
    char uid[AZM_OTLP_UID_LEN + 1] = "";

    for (size_t digit = 0; digit < AZM_OTLP_UID_LEN;
         digit++) { /* bit by bit; there are two too few for the first one */
        unsigned value = 0;

        for (size_t bit = MAX(5 * digit, (size_t)2); bit < 5 * digit + 5; bit++)
            value = value * 2 + (r->uid[(bit - 2) / 8] >> (7 - (bit - 2) % 8) & 1);
        uid[digit] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"[value];
    }
    m.attributes = azm_arena_alloc(&arena, (r->n_attributes + 1) * sizeof *m.attributes);
    m.attributes[m.n_attributes++] = pair("log.record.uid", string_value(azm_text_of(uid)));
    for (size_t i = 0; i < r->n_attributes; i++)
        m.attributes[m.n_attributes++] = pair(r->attributes[i].key.s, value_of(&r->attributes[i]));
    m.time_unix_nano = r->time_unix_nano;
    m.observed_time_unix_nano = r->observed_time_unix_nano;
    if (severity) {
        m.severity_number = severity->number;
        m.severity_text = (char *)severity->text.s;
    }
    if (r->has_body)
        m.body = string_value(r->body);
    m.flags = r->trace_flags;
    if (r->has_trace_id)
        m.trace_id = (ProtobufCBinaryData){.data = (uint8_t *)r->trace_id, .len = sizeof r->trace_id};
    if (r->has_span_id)
        m.span_id = (ProtobufCBinaryData){.data = (uint8_t *)r->span_id, .len = sizeof r->span_id};
    if (r->event_name.len > 0)
        m.event_name = azm_arena_copy(&arena, r->event_name.s, r->event_name.len + 1);
    *ret = azm_arena_alloc(&arena, otlp__log_record__get_packed_size(&m));
    return otlp__log_record__pack(&m, *ret);
}

START_TEST(same_bytes_as_protobuf_c)
{
    struct prng p = {1};

    begin();
    for (int i = 0; i < 4000; i++) {
        struct azm_record r = {
            .time_unix_nano = prng_next(&p) | 1,
            .observed_time_unix_nano = prng_below(&p, 4) ? prng_next(&p) : 0,
            .severity = (int)prng_below(&p, 10) - 1,
            .has_body = prng_below(&p, 8) != 0,
            .body = random_text(&p, border_len(&p)),
            .has_trace_id = prng_next(&p) & 1,
            .has_span_id = prng_next(&p) & 1,
            .trace_flags = (uint32_t)(prng_next(&p) & 1 ? prng_next(&p) : prng_below(&p, 2)),
            .event_name = prng_below(&p, 4) ? AZM_TEXT("") : random_text(&p, 1 + prng_below(&p, 600)),
        };
        uint8_t *expected;
        size_t len;

        prng_bytes(&p, r.uid, sizeof r.uid);
        prng_bytes(&p, r.trace_id, sizeof r.trace_id);
        prng_bytes(&p, r.span_id, sizeof r.span_id);
        r.attributes = random_attributes(&p, &r.n_attributes);
        len = pack_with_protobuf_c(&r, &expected);
        ck_assert_int_eq(azm_otlp_encode_record(&encoder, &r, &out), 0);
        ck_assert_msg(out.len == len && memcmp(out.data, expected, len) == 0, "record %d differs", i);
        azm_arena_reset(&arena);
    }
    end();
}
END_TEST

START_TEST(resources_are_the_same_too)
{
    struct prng p = {2};

    begin();
    for (int i = 0; i < 1000; i++) {
        Otlp__Resource m = OTLP__RESOURCE__INIT;
        struct azm_attribute *a = random_attributes(&p, &m.n_attributes);
        uint8_t *expected;
        size_t len;

        m.attributes = azm_arena_alloc(&arena, m.n_attributes * sizeof *m.attributes);
        for (size_t k = 0; k < m.n_attributes; k++)
            m.attributes[k] = pair(a[k].key.s, value_of(&a[k]));
        expected = azm_arena_alloc(&arena, otlp__resource__get_packed_size(&m));
        len = otlp__resource__pack(&m, expected);
        ck_assert_int_eq(azm_otlp_encode_resource(&encoder, a, m.n_attributes, &out), 0);
        ck_assert_msg(out.len == len && memcmp(out.data, expected, len) == 0, "resource %d differs", i);
        azm_arena_reset(&arena);
    }
    end();
}
END_TEST

START_TEST(varints)
{
    static const struct {
        uint64_t v;
        size_t len;
        const char *bytes;
    } table[] = {
        {0, 1, "\0"},
        {1, 1, "\x01"},
        {127, 1, "\x7F"},
        {128, 2, "\x80\x01"},
        {300, 2, "\xAC\x02"}, /* the example of protobuf.dev */
        {16383, 2, "\xFF\x7F"},
        {16384, 3, "\x80\x80\x01"},
        {UINT64_C(1) << 63, 10, "\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01"},
        {UINT64_MAX, 10, "\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x01"},
    };

    for (size_t i = 0; i < ELEMENTSOF(table); i++) {
        uint8_t bytes[10];

        ck_assert_uint_eq(azm_varint_len(table[i].v), table[i].len);
        ck_assert_ptr_eq(azm_put_varint(bytes, table[i].v), bytes + table[i].len);
        ck_assert_mem_eq(bytes, table[i].bytes, table[i].len);
    }
}
END_TEST

/* --- content --- */

/* No MESSAGE at all and an empty one are two different things. */
START_TEST(body_absent_or_empty)
{
    struct azm_record r = {.time_unix_nano = 1, .severity = -1};
    Otlp__LogRecord *m;

    begin();
    m = encode(&r);
    ck_assert_ptr_null(m->body);
    otlp_free_record(&m);

    r.has_body = true;
    m = encode(&r);
    assert_text(otlp_string(m->body), "");
    otlp_free_record(&m);
    end();
}
END_TEST

START_TEST(uid_is_base_32_and_first)
{
    const struct azm_attribute a = {.key = AZM_TEXT("k"), .text = AZM_TEXT("v")};
    const struct azm_record r = {
        .time_unix_nano = 1,
        .uid = {0x00, 0x01, 0x0F, 0x10, 0x7F, 0x80, 0x9A, 0xA9, 0xAB, 0xCD, 0xEF, 0xF0, 0xFE, 0xFF, 0x5C, 0xC5},
        .attributes = &a,
        .n_attributes = 1};
    Otlp__LogRecord *m;

    begin();
    m = encode(&r);
    ck_assert_uint_eq(m->n_attributes, 2);
    ck_assert_str_eq(m->attributes[0]->key, "log.record.uid");
    assert_text(otlp_string(m->attributes[0]->value), "00047H0ZW0KAMTQKFFY3ZFYQ65");
    otlp_free_record(&m);
    end();
}
END_TEST

START_TEST(numbers_and_arrays_come_back)
{
    static const int64_t numbers[] = {0, 1, -1, -128, INT64_MAX, INT64_MIN};
    const struct azm_text items[] = {AZM_TEXT("one"), AZM_TEXT(""), AZM_TEXT("one")};
    struct azm_attribute a[] = {
        {.key = AZM_TEXT("int"), .type = AZM_VALUE_INT},
        {.key = AZM_TEXT("texts"), .type = AZM_VALUE_TEXTS, .texts = {items, ELEMENTSOF(items)}},
        {.key = AZM_TEXT("none"), .type = AZM_VALUE_TEXTS},
    };
    const struct azm_record r = {.time_unix_nano = 1, .attributes = a, .n_attributes = ELEMENTSOF(a)};

    begin();
    for (size_t i = 0; i < ELEMENTSOF(numbers); i++) {
        _cleanup_(otlp_free_record) Otlp__LogRecord *m = NULL;
        const Otlp__AnyValue *v;

        a[0].integer = numbers[i];
        m = encode(&r);
        v = otlp_find(m->attributes, m->n_attributes, "int");
        ck_assert_int_eq(v->value_case, OTLP__ANY_VALUE__VALUE_INT_VALUE);
        ck_assert_int_eq(v->int_value, numbers[i]);
        v = otlp_find(m->attributes, m->n_attributes, "texts");
        ck_assert_int_eq(v->value_case, OTLP__ANY_VALUE__VALUE_ARRAY_VALUE);
        ck_assert_uint_eq(v->array_value->n_values, 3);
        for (size_t k = 0; k < 3; k++)
            assert_text_equal(otlp_string(v->array_value->values[k]), items[k]);
        v = otlp_find(m->attributes, m->n_attributes, "none");
        ck_assert_int_eq(v->value_case, OTLP__ANY_VALUE__VALUE_ARRAY_VALUE);
        ck_assert_uint_eq(v->array_value->n_values, 0);
    }
    end();
}
END_TEST

static void add_tests(Suite *s)
{
    add_test(s, "same_bytes_as_protobuf_c", same_bytes_as_protobuf_c);
    add_test(s, "resources_are_the_same_too", resources_are_the_same_too);
    add_test(s, "varints", varints);
    add_test(s, "body_absent_or_empty", body_absent_or_empty);
    add_test(s, "uid_is_base_32_and_first", uid_is_base_32_and_first);
    add_test(s, "numbers_and_arrays_come_back", numbers_and_arrays_come_back);
}

TEST_MAIN("otlp", add_tests)
