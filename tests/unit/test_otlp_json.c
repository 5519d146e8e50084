/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <jansson.h>

#include "encode/otlp.h"
#include "encode/otlp_json.h"
#include "tests/unit/otlp_help.h"
#include "tests/unit/prng.h"
#include "tests/unit/test.h"

/* Encodes the record and its resource, turns the bytes into a line of OTLP/JSON, and reads the line. */
static json_t *line_of(const struct azm_record *r, const struct azm_attribute *resource, size_t n)
{
    struct azm_otlp_encoder encoder = {.limits = {1 << 20, 1 << 20, 1 << 20}};
    struct azm_buf encoded = {0}, encoded_resource = {0}, out = {0};
    json_error_t why;
    json_t *j;

    ck_assert_int_eq(azm_otlp_encode_record(&encoder, r, &encoded), 0);
    ck_assert_int_eq(azm_otlp_encode_resource(&encoder, resource, n, &encoded_resource), 0);
    ck_assert_int_eq(azm_otlp_json_line((struct azm_text){(const char *)encoded_resource.data, encoded_resource.len},
                                        &encoded, &out),
                     0);
    ck_assert_uint_gt(out.len, 0);
    for (size_t i = 0; i < out.len; i++) /* one line, without raw control characters */
        ck_assert(i == out.len - 1 ? out.data[i] == '\n' : out.data[i] >= ' ');
    j = json_loadb((const char *)out.data, out.len, JSON_REJECT_DUPLICATES, &why);
    ck_assert_msg(j != NULL, "%s in %.*s", why.text, (int)out.len, (const char *)out.data);
    azm_otlp_encoder_free(&encoder);
    azm_buf_free(&encoded);
    azm_buf_free(&encoded_resource);
    azm_buf_free(&out);
    return j;
}

/* The same for a bare message of protobuf-c. */
static json_t *line_of_message(const Otlp__LogRecord *m)
{
    struct azm_buf encoded = {0}, out = {0};
    json_t *j;

    ck_assert_int_eq(azm_buf_reserve(&encoded, otlp__log_record__get_packed_size(m)), 0);
    encoded.len = otlp__log_record__pack(m, encoded.data);
    ck_assert_int_eq(azm_otlp_json_line(AZM_TEXT(""), &encoded, &out), 0);
    j = json_loadb((const char *)out.data, out.len, 0, NULL);
    ck_assert_ptr_nonnull(j);
    azm_buf_free(&encoded);
    azm_buf_free(&out);
    return j;
}

/* The log record in the line; borrowed. */
static json_t *record_in(json_t *line)
{
    json_t *resource_logs = json_array_get(json_object_get(line, "resourceLogs"), 0);
    json_t *scope_logs = json_array_get(json_object_get(resource_logs, "scopeLogs"), 0);
    json_t *record = json_array_get(json_object_get(scope_logs, "logRecords"), 0);

    ck_assert_ptr_nonnull(record);
    return record;
}

static json_t *body_in(json_t *line)
{
    json_t *body = json_object_get(json_object_get(record_in(line), "body"), "stringValue");

    ck_assert_ptr_nonnull(body);
    return body;
}

/* `expected` is JSON with ' for ", so that it can be read here. */
static void check_json(const json_t *actual, const char *expected)
{
    char *quoted = strdup(expected), *text = json_dumps(actual, JSON_ENCODE_ANY | JSON_INDENT(2));
    json_error_t why;
    json_t *e;

    for (char *c = quoted; *c; c++)
        if (*c == '\'')
            *c = '"';
    e = json_loads(quoted, JSON_DECODE_ANY, &why);

    ck_assert_msg(e != NULL, "the test's own JSON: %s, line %d", why.text, why.line);
    ck_assert_msg(json_equal(actual, e), "this is %s", text);
    json_decref(e);
    free(quoted);
    free(text);
}

START_TEST(a_whole_line)
{
    static const struct azm_text items[] = {{"one", 3}, {"", 0}};
    static const struct azm_attribute attributes[] = {
        {.key = {"text", 4}, .text = {"v", 1}},
        {.key = {"int", 3}, .type = AZM_VALUE_INT, .integer = -5},
        {.key = {"texts", 5}, .type = AZM_VALUE_TEXTS, .texts = {items, 2}},
    };
    static const struct azm_attribute resource[] = {
        {.key = {"service.name", 12}, .text = {"nginx", 5}},
        {.key = {"host.name", 9}, .text = {"web1", 4}},
    };
    const struct azm_record r = {
        .time_unix_nano = UINT64_C(1700000000123456789),
        .observed_time_unix_nano = UINT64_C(1700000000223456000),
        .severity = 4,
        .has_body = true,
        .body = AZM_TEXT("hello"),
        .uid = {0xFF, 1},
        .has_trace_id = true,
        .trace_id = {0x5B, 0x8E, 0xFF, 0xF7, 0x98, 0x03, 0x81, 0x03, 0xD2, 0x69, 0xB6, 0x33, 0x81, 0x3F, 0xC6, 0x0C},
        .has_span_id = true,
        .span_id = {0xEE, 0xE1, 0x9B, 0x7E, 0xC3, 0xC1, 0xB1, 0x74},
        .trace_flags = 1,
        .attributes = attributes,
        .n_attributes = ELEMENTSOF(attributes),
    };
    json_t *line = line_of(&r, resource, ELEMENTSOF(resource));

    check_json(
        line,
        "{'resourceLogs': [{"
        "  'resource': {'attributes': ["
        "    {'key': 'service.name', 'value': {'stringValue': 'nginx'}},"
        "    {'key': 'host.name', 'value': {'stringValue': 'web1'}}]},"
        "  'scopeLogs': [{"
        "    'scope': {'name': 'azmonlog', 'version': '" PACKAGE_VERSION "'},"
        "    'logRecords': [{"
        "      'timeUnixNano': '1700000000123456789',"
        "      'observedTimeUnixNano': '1700000000223456000',"
        "      'severityNumber': 13,"
        "      'severityText': 'warning',"
        "      'body': {'stringValue': 'hello'},"
        "      'attributes': ["
        "        {'key': 'log.record.uid', 'value': {'stringValue': '7Z040000000000000000000000'}},"
        "        {'key': 'text', 'value': {'stringValue': 'v'}},"
        "        {'key': 'int', 'value': {'intValue': '-5'}},"
        "        {'key': 'texts', 'value': {'arrayValue': {'values': [{'stringValue': 'one'}, {'stringValue': ''}]}}}],"
        "      'flags': 1,"
        "      'traceId': '5b8efff798038103d269b633813fc60c',"
        "      'spanId': 'eee19b7ec3c1b174'}]}]}]}");
    json_decref(line);
}
END_TEST

/* What a record does not have is not in the line: no null, no empty string, no zero. */
START_TEST(absent_stays_absent)
{
    const struct azm_record r = {.time_unix_nano = 1, .severity = -1};
    json_t *line = line_of(&r, NULL, 0);

    check_json(record_in(line), "{'timeUnixNano': '1', 'attributes': ["
                                "{'key': 'log.record.uid',"
                                " 'value': {'stringValue': '00000000000000000000000000'}}]}");
    json_decref(line);
}
END_TEST

/* Above 2^53 a JSON number loses digits in most readers: 64-bit integers are strings. */
START_TEST(integers_of_64_bits_are_strings)
{
    static const struct {
        uint64_t time;
        int64_t value;
        const char *expected;
    } table[] = {
        {UINT64_MAX, INT64_MAX, "['18446744073709551615', '9223372036854775807']"},
        {UINT64_C(9007199254740993), INT64_MIN, "['9007199254740993', '-9223372036854775808']"},
        {1, 0, "['1', '0']"},
    };

    for (size_t i = 0; i < ELEMENTSOF(table); i++) {
        const struct azm_attribute a = {.key = AZM_TEXT("k"), .type = AZM_VALUE_INT, .integer = table[i].value};
        const struct azm_record r = {.time_unix_nano = table[i].time, .attributes = &a, .n_attributes = 1};
        json_t *line = line_of(&r, NULL, 0), *record = record_in(line);
        json_t *value = json_object_get(json_array_get(json_object_get(record, "attributes"), 1), "value");
        json_t *both = json_pack("[O,O]", json_object_get(record, "timeUnixNano"), json_object_get(value, "intValue"));

        check_json(both, table[i].expected);
        json_decref(both);
        json_decref(line);
    }
}
END_TEST

static void check_body(struct azm_text body)
{
    const struct azm_record r = {.time_unix_nano = 1, .has_body = true, .body = body};
    json_t *line = line_of(&r, NULL, 0);

    assert_text_equal(((struct azm_text){json_string_value(body_in(line)), json_string_length(body_in(line))}), body);
    json_decref(line);
}

START_TEST(text_survives)
{
    static const char *const bodies[] = {
        "",
        "\"quoted\"",
        "back\\slash",
        "two\nlines\r\n",
        "\ttab",
        "\x1B[31mred\x1B[0m",
        "\x7F",
        "</script>",
        "%s%n",
        "\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80",
        "\xE2\x80\xA8\xE2\x80\xA9",
        "{\"a\":[1]}",
        "\xEF\xBF\xBD\xEF\xBB\xBF",
    };
    char control[] = "a_z";

    for (size_t i = 0; i < ELEMENTSOF(bodies); i++)
        check_body(azm_text_of(bodies[i]));
    for (control[1] = 1; control[1] < ' '; control[1]++)
        check_body(azm_text_of(control));
}
END_TEST

/* Kinds of values that azmonlog itself does not send (a spool may hold another program's records). */
START_TEST(every_kind_of_value)
{
    Otlp__AnyValue inner = OTLP__ANY_VALUE__INIT, values[5];
    Otlp__KeyValue pair = OTLP__KEY_VALUE__INIT;
    Otlp__KeyValue *pairs[] = {&pair};
    Otlp__KeyValueList list = OTLP__KEY_VALUE_LIST__INIT;
    Otlp__AnyValue *pointers[5];
    Otlp__ArrayValue array = OTLP__ARRAY_VALUE__INIT;
    Otlp__AnyValue body = OTLP__ANY_VALUE__INIT;
    Otlp__LogRecord m = OTLP__LOG_RECORD__INIT;
    json_t *line;

    for (size_t i = 0; i < ELEMENTSOF(values); i++) {
        otlp__any_value__init(&values[i]);
        pointers[i] = &values[i];
    }
    values[0].value_case = OTLP__ANY_VALUE__VALUE_BOOL_VALUE;
    values[0].bool_value = 1;
    values[1].value_case = OTLP__ANY_VALUE__VALUE_DOUBLE_VALUE;
    values[1].double_value = 1.5;
    values[2].value_case = OTLP__ANY_VALUE__VALUE_BYTES_VALUE;
    values[2].bytes_value = (ProtobufCBinaryData){.data = (uint8_t *)"\0\xFF\x10!", .len = 4};
    values[3].value_case = OTLP__ANY_VALUE__VALUE_KVLIST_VALUE;
    values[3].kvlist_value = &list;
    list.n_values = 1;
    list.values = pairs;
    pair.key = (char *)"in";
    pair.value = &inner;
    otlp_set_string(&inner, AZM_TEXT("deep"));
    /* values[4] holds nothing */
    body.value_case = OTLP__ANY_VALUE__VALUE_ARRAY_VALUE;
    body.array_value = &array;
    array.n_values = ELEMENTSOF(pointers);
    array.values = pointers;
    m.body = &body;
    m.dropped_attributes_count = 7;
    line = line_of_message(&m);
    check_json(json_object_get(record_in(line), "body"),
               "{'arrayValue': {'values': ["
               "  {'boolValue': true}, {'doubleValue': 1.5}, {'bytesValue': 'AP8QIQ=='},"
               "  {'kvlistValue': {'values': [{'key': 'in', 'value': {'stringValue': 'deep'}}]}}, {}]}}");
    check_json(json_object_get(record_in(line), "droppedAttributesCount"), "7");
    json_decref(line);
}
END_TEST

/* --- what is no OTLP --- */

static void check_refused(struct azm_text resource, struct azm_text record)
{
    const struct azm_buf encoded = {.data = (uint8_t *)record.s, .len = record.len};
    struct azm_buf out = {0};

    ck_assert_int_eq(azm_buf_append(&out, "before", 6), 0);
    ck_assert_int_eq(azm_otlp_json_line(resource, &encoded, &out), -EBADMSG);
    ck_assert_uint_eq(out.len, 6);
    azm_buf_free(&out);
}

START_TEST(garbage_is_refused)
{
    static const struct azm_text garbage[] = {
        {"\xFF", 1}, /* an endless varint */
        {"\x0A\x05"
         "a",
         3},                     /* more content than there are bytes */
        {"\x09\x01\x02", 3},     /* a fixed64 of two bytes */
        {"\x0A\x02\xFF\xFF", 4}, /* a field whose content is garbage */
        {"MESSAGE=hello", 13},
    };

    for (size_t i = 0; i < ELEMENTSOF(garbage); i++) {
        check_refused(garbage[i], AZM_TEXT(""));
        check_refused(AZM_TEXT(""), garbage[i]);
    }
}
END_TEST

/* A proto3 string is UTF-8 or the message is none: showing such a record without its text would hide what is there. */
START_TEST(text_that_is_no_utf8_is_refused)
{
    static const struct azm_text body = {"\x2A\x04\x0A\x02\xFF\xFE", 6};
    static const struct azm_text key = {"\x32\x09\x0A\x02\xFF\xFE\x12\x03\x0A\x01v", 11};

    check_refused(AZM_TEXT(""), body);
    check_refused(AZM_TEXT(""), key);
}
END_TEST

/* Random bytes and damaged records: refused, or read as something; never a crash (the sanitizers watch). */
START_TEST(noise_does_no_harm)
{
    struct prng p = {4};

    for (int i = 0; i < 5000; i++) {
        uint8_t noise[64] = "\x09\x01\x02\x03\x04\x05\x06\x07\x08\x2A\x07\x0A\x05"
                            "hello"
                            "\x32\x08\x0A\x01k\x12\x03\x0A\x01v";
        const struct azm_buf record = {.data = noise, .len = 28};
        struct azm_buf out = {0};
        int r;

        if (i & 1)
            prng_bytes(&p, noise, 28);
        else
            noise[prng_below(&p, 28)] ^= (uint8_t)(1 << prng_below(&p, 8));
        r = azm_otlp_json_line(AZM_TEXT(""), &record, &out);
        ck_assert_msg(r == 0 || r == -EBADMSG, "%d", r);
        ck_assert(r == 0 || out.len == 0);
        azm_buf_free(&out);
    }
}
END_TEST

static void add_tests(Suite *s)
{
    add_test(s, "a_whole_line", a_whole_line);
    add_test(s, "absent_stays_absent", absent_stays_absent);
    add_test(s, "integers_of_64_bits_are_strings", integers_of_64_bits_are_strings);
    add_test(s, "text_survives", text_survives);
    add_test(s, "every_kind_of_value", every_kind_of_value);
    add_test(s, "garbage_is_refused", garbage_is_refused);
    add_test(s, "text_that_is_no_utf8_is_refused", text_that_is_no_utf8_is_refused);
    add_test(s, "noise_does_no_harm", noise_does_no_harm);
}

TEST_MAIN("otlp_json", add_tests)
