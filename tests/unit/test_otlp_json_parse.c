/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <math.h>

#include "core/arena.h"
#include "encode/otlp.h"
#include "encode/otlp_json.h"
#include "encode/otlp_json_parse.h"
#include "tests/unit/otlp_help.h"
#include "tests/unit/prng.h"
#include "tests/unit/test.h"

static struct azm_text text_of(const struct azm_buf *b)
{
    return (struct azm_text){(const char *)b->data, b->len};
}

/* bytes -> line -> bytes: nothing is lost, nothing is added. */
static void check_round_trip(struct azm_text resource, const struct azm_buf *record)
{
    struct azm_buf line = {0}, resource_back = {0}, record_back = {0};

    ck_assert_int_eq(azm_otlp_json_line(resource, record, &line), 0);
    ck_assert_int_eq(azm_otlp_json_parse_line(text_of(&line), &resource_back, &record_back), 0);
    ck_assert_msg(azm_text_equal(text_of(&resource_back), resource) &&
                      azm_text_equal(text_of(&record_back), text_of(record)),
                  "other bytes from %.*s", (int)MIN(line.len, (size_t)2000), (const char *)line.data);
    azm_buf_free(&line);
    azm_buf_free(&resource_back);
    azm_buf_free(&record_back);
}

/* --- what the encoder makes --- */

static struct azm_text random_text(struct prng *p, struct azm_arena *arena, size_t max)
{
    static const char *const characters[] = {"\xC3\xA9", "\xE2\x82\xAC", "\xF0\x9F\x98\x80", "\"",
                                             "\\",       "\x7F",         "\xE2\x80\xA8"};
    size_t len = prng_below(p, max + 1), n = 0;
    char *s = azm_arena_alloc(arena, len + 1);

    while (n < len) {
        const char *c = characters[prng_below(p, ELEMENTSOF(characters))];

        if (prng_below(p, 8) == 0 && strlen(c) <= len - n) {
            memcpy(s + n, c, strlen(c));
            n += strlen(c);
        } else
            s[n++] = (char)(1 + prng_below(p, 127)); /* control characters too, but no NUL */
    }
    s[len] = '\0';
    return (struct azm_text){s, len};
}

static int64_t random_int(struct prng *p)
{
    static const int64_t borders[] = {0, -1, 1, INT64_MAX, INT64_MIN, (1LL << 53) + 1, -(1LL << 53) - 1};
    size_t i = prng_below(p, 2 * ELEMENTSOF(borders));

    return i < ELEMENTSOF(borders) ? borders[i] : (int64_t)(prng_next(p) >> prng_below(p, 64));
}

static struct azm_attribute random_attribute(struct prng *p, struct azm_arena *arena)
{
    struct azm_attribute a = {.key = random_text(p, arena, 30), .type = prng_below(p, 3)};
    struct azm_text *items = azm_arena_alloc(arena, 4 * sizeof *items);

    if (a.key.len == 0) /* protobuf leaves an empty key out; the encoder is never given one */
        a.key = AZM_TEXT("k");
    switch (a.type) {
    case AZM_VALUE_TEXT:
        a.text = random_text(p, arena, 50);
        break;
    case AZM_VALUE_INT:
        a.integer = random_int(p);
        break;
    case AZM_VALUE_TEXTS:
        a.texts.n = prng_below(p, 4);
        for (size_t i = 0; i < a.texts.n; i++)
            items[i] = random_text(p, arena, 20);
        a.texts.items = items;
    }
    return a;
}

START_TEST(records_of_the_encoder_come_back)
{
    struct azm_otlp_encoder encoder = {.limits = {1 << 20, 1 << 20, 400}}; /* attributes are dropped now and then */
    struct azm_buf record = {0}, resource = {0};
    struct azm_arena arena = {0};
    struct prng p = {11};

    for (int i = 0; i < 3000; i++) {
        struct azm_attribute attributes[12];
        struct azm_record r = {
            .time_unix_nano = prng_next(&p) | 1,
            .observed_time_unix_nano = prng_below(&p, 4) ? prng_next(&p) : 0,
            .severity = (int)prng_below(&p, 10) - 1,
            .has_body = prng_below(&p, 8) != 0,
            .body = random_text(&p, &arena, 300),
            .has_trace_id = prng_next(&p) & 1,
            .has_span_id = prng_next(&p) & 1,
            .trace_flags = (uint32_t)(prng_next(&p) & 1 ? prng_next(&p) : prng_below(&p, 2)),
            .attributes = attributes,
            .n_attributes = prng_below(&p, ELEMENTSOF(attributes)),
        };

        prng_bytes(&p, r.uid, sizeof r.uid);
        prng_bytes(&p, r.trace_id, sizeof r.trace_id);
        prng_bytes(&p, r.span_id, sizeof r.span_id);
        for (size_t k = 0; k < ELEMENTSOF(attributes); k++)
            attributes[k] = random_attribute(&p, &arena);
        ck_assert_int_eq(azm_otlp_encode_record(&encoder, &r, &record), 0);
        ck_assert_int_eq(azm_otlp_encode_resource(&encoder, attributes + 6, prng_below(&p, 6), &resource), 0);
        check_round_trip(text_of(&resource), &record);
        azm_arena_reset(&arena);
    }
    azm_otlp_encoder_free(&encoder);
    azm_buf_free(&record);
    azm_buf_free(&resource);
    azm_arena_free(&arena);
}
END_TEST

/* --- what others make: every kind of value, and ids of any length (which is what a server may refuse) --- */

static Otlp__AnyValue *random_value(struct prng *p, struct azm_arena *arena, int depth);

static Otlp__KeyValue **random_pairs(struct prng *p, struct azm_arena *arena, int depth, size_t *ret_n)
{
    Otlp__KeyValue **pairs = azm_arena_alloc(arena, 4 * sizeof(Otlp__KeyValue *));

    *ret_n = prng_below(p, 4);
    for (size_t i = 0; i < *ret_n; i++) {
        pairs[i] = azm_arena_alloc(arena, sizeof **pairs);
        otlp__key_value__init(pairs[i]);
        pairs[i]->key = (char *)random_text(p, arena, 10).s;
        pairs[i]->value = random_value(p, arena, depth);
    }
    return pairs;
}

static double random_double(struct prng *p)
{
    static const double odd[] = {0.0, -0.0, 1.0, 0.1, 1e300, 5e-324, -1.5, 1e22, NAN, INFINITY, -INFINITY};
    union {
        uint64_t bits;
        double d;
    } any = {prng_next(p)};

    return isfinite(any.d) && prng_below(p, 2) ? any.d : odd[prng_below(p, ELEMENTSOF(odd))];
}

static ProtobufCBinaryData random_bytes(struct prng *p, struct azm_arena *arena, size_t max)
{
    ProtobufCBinaryData b = {.len = prng_below(p, max + 1)};

    b.data = azm_arena_alloc(arena, max + 1);
    prng_bytes(p, b.data, b.len);
    return b;
}

static Otlp__AnyValue *random_value(struct prng *p, struct azm_arena *arena, int depth)
{
    Otlp__AnyValue *v = azm_arena_alloc(arena, sizeof *v);

    otlp__any_value__init(v);
    switch (prng_below(p, depth < 4 ? 8 : 6)) {
    case 0:
        otlp_set_string(v, random_text(p, arena, 40));
        break;
    case 1:
        v->value_case = OTLP__ANY_VALUE__VALUE_BOOL_VALUE;
        v->bool_value = prng_next(p) & 1;
        break;
    case 2:
        v->value_case = OTLP__ANY_VALUE__VALUE_INT_VALUE;
        v->int_value = random_int(p);
        break;
    case 3:
        v->value_case = OTLP__ANY_VALUE__VALUE_DOUBLE_VALUE;
        v->double_value = random_double(p);
        break;
    case 4:
        v->value_case = OTLP__ANY_VALUE__VALUE_BYTES_VALUE;
        v->bytes_value = random_bytes(p, arena, 20);
        break;
    case 5: /* no value at all */
        break;
    case 6:
        v->value_case = OTLP__ANY_VALUE__VALUE_ARRAY_VALUE;
        v->array_value = azm_arena_alloc(arena, sizeof *v->array_value);
        otlp__array_value__init(v->array_value);
        v->array_value->n_values = prng_below(p, 4);
        v->array_value->values = azm_arena_alloc(arena, 4 * sizeof(Otlp__AnyValue *));
        for (size_t i = 0; i < v->array_value->n_values; i++)
            v->array_value->values[i] = random_value(p, arena, depth + 1);
        break;
    default:
        v->value_case = OTLP__ANY_VALUE__VALUE_KVLIST_VALUE;
        v->kvlist_value = azm_arena_alloc(arena, sizeof *v->kvlist_value);
        otlp__key_value_list__init(v->kvlist_value);
        v->kvlist_value->values = random_pairs(p, arena, depth + 1, &v->kvlist_value->n_values);
    }
    return v;
}

static void pack(const ProtobufCMessage *m, struct azm_buf *out)
{
    azm_buf_clear(out);
    ck_assert_int_eq(azm_buf_reserve(out, protobuf_c_message_get_packed_size(m)), 0);
    out->len = protobuf_c_message_pack(m, out->data);
}

START_TEST(records_of_others_come_back)
{
    struct azm_buf record = {0}, resource = {0};
    struct azm_arena arena = {0};
    struct prng p = {12};

    for (int i = 0; i < 3000; i++) {
        Otlp__LogRecord m = OTLP__LOG_RECORD__INIT;
        Otlp__Resource res = OTLP__RESOURCE__INIT;

        m.time_unix_nano = prng_below(&p, 4) ? prng_next(&p) : 0;
        m.observed_time_unix_nano = prng_below(&p, 4) ? prng_next(&p) : 0;
        m.severity_number = (int32_t)prng_next(&p) >> prng_below(&p, 32);
        m.severity_text = (char *)random_text(&p, &arena, 10).s;
        m.body = prng_below(&p, 8) ? random_value(&p, &arena, 0) : NULL;
        m.attributes = random_pairs(&p, &arena, 0, &m.n_attributes);
        m.dropped_attributes_count = (uint32_t)(prng_next(&p) >> (32 + prng_below(&p, 32)));
        m.flags = (uint32_t)prng_next(&p);
        m.trace_id = random_bytes(&p, &arena, 32);
        m.span_id = random_bytes(&p, &arena, 9);
        m.event_name = (char *)random_text(&p, &arena, 10).s;
        res.attributes = random_pairs(&p, &arena, 0, &res.n_attributes);
        res.dropped_attributes_count = (uint32_t)prng_below(&p, 2);
        pack(&m.base, &record);
        pack(&res.base, &resource);
        check_round_trip(text_of(&resource), &record);
        azm_arena_reset(&arena);
    }
    azm_buf_free(&record);
    azm_buf_free(&resource);
    azm_arena_free(&arena);
}
END_TEST

/* --- lines that a person has edited --- */

/* `record` is the inside of the log record, with ' for ". */
static int parse(const char *record, struct azm_buf *out)
{
    struct azm_buf line = {0}, resource = {0};
    int r;

    azm_buf_printf(&line, "{'resourceLogs':[{'resource':{},'scopeLogs':[{'logRecords':[{%s}]}]}]}", record);
    for (size_t i = 0; i < line.len; i++)
        if (line.data[i] == '\'')
            line.data[i] = '"';
    r = azm_otlp_json_parse_line(text_of(&line), &resource, out);
    ck_assert_uint_eq(resource.len, 0);
    azm_buf_free(&line);
    azm_buf_free(&resource);
    return r;
}

START_TEST(lenient_as_proto3)
{
    static const struct {
        const char *one, *other;
    } same[] = {
        {"'timeUnixNano':'1700000000123456789'", "'timeUnixNano':1700000000123456789"},
        {"'timeUnixNano':'1700000000'", "'timeUnixNano':1.7e9"},
        {"'severityNumber':9", "'severityNumber':'9'"},
        {"'severityNumber':9", "'severityNumber':9.0"},
        {"'flags':1", "'flags':'1', 'traceId':'', 'spanId':null, 'body':null, 'attributes':null"},
        {"'traceId':'5b8efff798038103d269b633813fc60c'", "'traceId':'5B8EFFF798038103D269B633813FC60C'"},
        {"'body':{'intValue':'-5'}", "'body':{'intValue':-5, 'stringValue':null, 'unknown':[{}]}, 'unknown':{'a':1}"},
        {"'body':{'doubleValue':2.0}", "'body':{'doubleValue':2}"},
        {"'body':{'doubleValue':-0.5}", "'body':{'doubleValue':'-5e-1'}"},
        {"'body':{'arrayValue':{'values':[]}}", "'body':{'arrayValue':{}}"},
        {"'attributes':[]", "'timeUnixNano':0, 'droppedAttributesCount':'0'"},
    };

    for (size_t i = 0; i < ELEMENTSOF(same); i++) {
        struct azm_buf one = {0}, other = {0};

        ck_assert_msg(parse(same[i].one, &one) == 0, "%s", same[i].one);
        ck_assert_msg(parse(same[i].other, &other) == 0, "%s", same[i].other);
        ck_assert_msg(azm_text_equal(text_of(&one), text_of(&other)), "%s is another record than %s", same[i].one,
                      same[i].other);
        azm_buf_free(&one);
        azm_buf_free(&other);
    }
}
END_TEST

START_TEST(wrong_members_are_refused)
{
    static const char *const wrong[] = {
        "'timeUnixNano':'-1'",
        "'timeUnixNano':-1",
        "'timeUnixNano':'18446744073709551616'",
        "'timeUnixNano':18446744073709551616",
        "'timeUnixNano':1.5",
        "'timeUnixNano':1e300",
        "'timeUnixNano':''",
        "'timeUnixNano':' 1'",
        "'timeUnixNano':'1x'",
        "'timeUnixNano':'+1'",
        "'timeUnixNano':true",
        "'timeUnixNano':[1]",
        "'severityNumber':2147483648",
        "'severityNumber':'INFO'",
        "'severityText':5",
        "'flags':4294967296",
        "'droppedAttributesCount':-1",
        "'traceId':'abc'",
        "'traceId':'xy'",
        "'traceId':5",
        "'spanId':{}",
        "'body':'text'",
        "'body':[]",
        "'body':{'stringValue':5}",
        "'body':{'stringValue':'a\\u0000b'}",
        "'body':{'stringValue':'\\ud800'}",
        "'body':{'boolValue':1}",
        "'body':{'intValue':'9223372036854775808'}",
        "'body':{'intValue':'--1'}",
        "'body':{'intValue':'-'}",
        "'body':{'doubleValue':'nan'}",
        "'body':{'doubleValue':'0x10'}",
        "'body':{'doubleValue':'1e999'}",
        "'body':{'doubleValue':''}",
        "'body':{'bytesValue':'A'}",
        "'body':{'bytesValue':'A==='}",
        "'body':{'bytesValue':'====' }",
        "'body':{'bytesValue':'AA=A'}",
        "'body':{'bytesValue':'A*AA'}",
        "'body':{'bytesValue':7}",
        "'body':{'arrayValue':[]}",
        "'body':{'arrayValue':{'values':{}}}",
        "'body':{'arrayValue':{'values':[null]}}",
        "'body':{'arrayValue':{'values':['a']}}",
        "'body':{'kvlistValue':{'values':[{'key':1}]}}",
        "'body':{'kvlistValue':5}",
        "'body':{'stringValue':'a','intValue':1}",
        "'body':{'stringValue':'a','stringValue':'b'}",
        "'attributes':{}",
        "'attributes':[null]",
        "'attributes':['a']",
        "'attributes':[{'key':'k','value':'v'}]",
    };

    for (size_t i = 0; i < ELEMENTSOF(wrong); i++) {
        struct azm_buf record = {0};

        ck_assert_msg(parse(wrong[i], &record) == -EBADMSG, "%s", wrong[i]);
        ck_assert_uint_eq(record.len, 0);
        azm_buf_free(&record);
    }
}
END_TEST

START_TEST(other_lines_are_refused)
{
    static const char *const lines[] = {
        "",
        "\n",
        "{",
        "{}",
        "[]",
        "null",
        "hello",
        "{\"resourceLogs\":5}",
        "{\"resourceLogs\":[]}",
        "{\"resourceLogs\":[5]}",
        "{\"resourceLogs\":[{\"scopeLogs\":[{\"logRecords\":[]}]}]}",
        "{\"resourceLogs\":[{\"scopeLogs\":[{\"logRecords\":[null]}]}]}",
        "{\"resourceLogs\":[{\"scopeLogs\":[{\"logRecords\":[{},{}]}]}]}",
        "{\"resourceLogs\":[{\"scopeLogs\":[{\"logRecords\":[{}]},{}]}]}",
        "{\"resourceLogs\":[{\"scopeLogs\":[{\"logRecords\":[{}]}]},{}]}",
        "{\"resourceLogs\":[{\"resource\":5,\"scopeLogs\":[{\"logRecords\":[{}]}]}]}",
        "{\"resourceLogs\":[{\"resource\":{\"attributes\":5},\"scopeLogs\":[{\"logRecords\":[{}]}]}]}",
        "{\"resourceLogs\":[{\"scopeLogs\":[{\"logRecords\":[{}]}]}]} x",
    };

    for (size_t i = 0; i < ELEMENTSOF(lines); i++) {
        struct azm_buf resource = {0}, record = {0};

        ck_assert_msg(azm_otlp_json_parse_line(azm_text_of(lines[i]), &resource, &record) == -EBADMSG, "%s", lines[i]);
        ck_assert_uint_eq(resource.len + record.len, 0);
        azm_buf_free(&resource);
        azm_buf_free(&record);
    }
}
END_TEST

static int parse_nested(const char *open, const char *close, int depth)
{
    struct azm_buf text = {0}, record = {0};
    int r;

    azm_buf_printf(&text, "'body':");
    for (int i = 0; i < depth; i++)
        azm_buf_printf(&text, "%s", open);
    azm_buf_printf(&text, "{'intValue':1}");
    for (int i = 0; i < depth; i++)
        azm_buf_printf(&text, "%s", close);
    azm_buf_append(&text, "", 1);
    r = parse((const char *)text.data, &record);
    azm_buf_free(&text);
    azm_buf_free(&record);
    return r;
}

START_TEST(nesting_is_bounded)
{
    static const struct {
        const char *open, *close;
    } kinds[] = {
        {"{'arrayValue':{'values':[", "]}}"},
        {"{'kvlistValue':{'values':[{'key':'k','value':", "}]}}"},
    };

    for (size_t i = 0; i < ELEMENTSOF(kinds); i++) {
        ck_assert_int_eq(parse_nested(kinds[i].open, kinds[i].close, 30), 0);
        ck_assert_int_eq(parse_nested(kinds[i].open, kinds[i].close, 31), -EBADMSG);
        ck_assert_int_eq(parse_nested(kinds[i].open, kinds[i].close, 500), -EBADMSG);
        ck_assert_int_eq(parse_nested(kinds[i].open, kinds[i].close, 100000), -EBADMSG);
    }
}
END_TEST

/* Damaged lines: refused, or read as some record that is OTLP again; never a crash (the sanitizers watch). */
START_TEST(noise_does_no_harm)
{
    static const char whole[] =
        "{\"resourceLogs\":[{\"resource\":{\"attributes\":[{\"key\":\"a\",\"value\":{\"stringValue\":\"b\"}}]},"
        "\"scopeLogs\":[{\"logRecords\":[{\"timeUnixNano\":\"17\",\"severityNumber\":9,\"body\":{\"arrayValue\":"
        "{\"values\":[{\"bytesValue\":\"AP8QIQ==\"},{\"doubleValue\":1.5},{\"kvlistValue\":{\"values\":[{\"key\":\"k\","
        "\"value\":{\"intValue\":\"-5\"}}]}}]}},\"traceId\":\"5b8efff798038103d269b633813fc60c\"}]}]}]}";
    struct azm_buf resource = {0}, record = {0}, line = {0};
    struct prng p = {13};
    int taken = 0;

    for (int i = 0; i < 20000; i++) {
        char noise[sizeof whole];
        int r;

        memcpy(noise, whole, sizeof whole);
        for (size_t k = prng_below(&p, 3) + 1; k > 0; k--) {
            char c = whole[prng_below(&p, sizeof whole - 1)];

            noise[prng_below(&p, sizeof whole - 1)] = prng_below(&p, 2) ? c : (char)prng_next(&p);
        }
        r = azm_otlp_json_parse_line((struct azm_text){noise, sizeof whole - 1 - prng_below(&p, 2)}, &resource,
                                     &record);
        ck_assert_msg(r == 0 || r == -EBADMSG, "%d", r);
        if (r == 0) {
            azm_buf_clear(&line);
            ck_assert_int_eq(azm_otlp_json_line(text_of(&resource), &record, &line), 0);
            taken++;
        }
    }
    ck_assert_int_gt(taken, 100);
    azm_buf_free(&resource);
    azm_buf_free(&record);
    azm_buf_free(&line);
}
END_TEST

static void add_tests(Suite *s)
{
    add_test(s, "records_of_the_encoder_come_back", records_of_the_encoder_come_back);
    add_test(s, "records_of_others_come_back", records_of_others_come_back);
    add_test(s, "lenient_as_proto3", lenient_as_proto3);
    add_test(s, "wrong_members_are_refused", wrong_members_are_refused);
    add_test(s, "other_lines_are_refused", other_lines_are_refused);
    add_test(s, "nesting_is_bounded", nesting_is_bounded);
    add_test(s, "noise_does_no_harm", noise_does_no_harm);
}

TEST_MAIN("otlp_json_parse", add_tests)
