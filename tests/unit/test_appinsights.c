/* SPDX-License-Identifier: MIT */
#include <errno.h>

#include "encode/otlp.h"
#include "tests/unit/appinsights_help.h"
#include "tests/unit/prng.h"
#include "tests/unit/test.h"

#define SECOND UINT64_C(1000000000)
#define HOUR (3600 * SECOND)

/* `expected` is JSON with ' for ". */
static void check_json(json_t *actual, const char *expected)
{
    char *quoted = strdup(expected), *text = json_dumps(actual, JSON_INDENT(2));
    json_error_t why;
    json_t *e;

    for (char *c = quoted; *c; c++)
        if (*c == '\'')
            *c = '"';
    e = json_loads(quoted, 0, &why);
    ck_assert_msg(e != NULL, "the test's own JSON: %s, line %d", why.text, why.line);
    ck_assert_msg(json_equal(actual, e), "this is %s", text);
    json_decref(e);
    json_decref(actual);
    free(quoted);
    free(text);
}

START_TEST(a_whole_message)
{
    static const struct azm_attribute attributes[] = {
        {.key = {"syslog.identifier", 17}, .text = {"nginx", 5}},
        {.key = {"process.pid", 11}, .type = AZM_VALUE_INT, .integer = 42},
    };
    static const struct azm_attribute resource[] = {
        {.key = {"service.name", 12}, .text = {"nginx", 5}},
        {.key = {"service.namespace", 17}, .text = {"shop", 4}},
        {.key = {"service.instance.id", 19}, .text = {"web1-a", 6}},
        {.key = {"service.version", 15}, .text = {"1.2", 3}},
        {.key = {"host.name", 9}, .text = {"web1", 4}},
        {.key = {"os.type", 7}, .text = {"linux", 5}},
    };
    const struct azm_record r = {
        .time_unix_nano = NOW_NSEC - 123456700,
        .observed_time_unix_nano = NOW_NSEC,
        .severity = 4,
        .has_body = true,
        .body = AZM_TEXT("hello\n\"you\""),
        .uid = {0xFF, 1},
        .has_trace_id = true,
        .trace_id = {0x5B, 0x8E, 0xFF, 0xF7, 0x98, 0x03, 0x81, 0x03, 0xD2, 0x69, 0xB6, 0x33, 0x81, 0x3F, 0xC6, 0x0C},
        .has_span_id = true,
        .span_id = {0xEE, 0xE1, 0x9B, 0x7E, 0xC3, 0xC1, 0xB1, 0x74},
        .attributes = attributes,
        .n_attributes = ELEMENTSOF(attributes),
    };
    struct azm_otlp_encoder e = {.limits = {1 << 20, 1 << 20, 1 << 20}};
    _cleanup_(azm_buf_free) struct azm_buf record = {0}, encoded_resource = {0};

    ck_assert_int_eq(azm_otlp_encode_record(&e, &r, &record), 0);
    ck_assert_int_eq(azm_otlp_encode_resource(&e, resource, ELEMENTSOF(resource), &encoded_resource), 0);
    check_json(envelope(&encoded_resource, &record),
               "{'ver': 1, 'name': 'Microsoft.ApplicationInsights.Message', 'time': '2023-11-14T22:13:19.8765433Z',"
               " 'sampleRate': 100, 'iKey': '" IKEY "',"
               " 'tags': {'ai.cloud.role': 'shop.nginx', 'ai.cloud.roleInstance': 'web1-a',"
               "          'ai.internal.nodeName': 'web1', 'ai.internal.sdkVersion': 'azmonlog:" PACKAGE_VERSION "',"
               "          'ai.application.ver': '1.2', 'ai.operation.id': '5b8efff798038103d269b633813fc60c',"
               "          'ai.operation.parentId': 'eee19b7ec3c1b174'},"
               " 'data': {'baseType': 'MessageData', 'baseData': {"
               "   'ver': 2, 'message': 'hello\\n\\\"you\\\"', 'severityLevel': 2,"
               "   'properties': {'log.record.uid': '7Z040000000000000000000000',"
               "     'syslog.identifier': 'nginx', 'process.pid': '42', 'severity_text': 'warning',"
               "     'host.name': 'web1', 'os.type': 'linux'}}}}");
    azm_otlp_encoder_free(&e);
}
END_TEST

START_TEST(nothing_at_all)
{
    check_json(envelope(&(struct azm_buf){0}, &(struct azm_buf){0}),
               "{'ver': 1, 'name': 'Microsoft.ApplicationInsights.Message', 'time': '2023-11-14T22:13:20.0000000Z',"
               " 'sampleRate': 100, 'iKey': '" IKEY "',"
               " 'tags': {'ai.internal.sdkVersion': 'azmonlog:" PACKAGE_VERSION "'},"
               " 'data': {'baseType': 'MessageData', 'baseData': {"
               "   'ver': 2, 'message': 'n/a', 'severityLevel': 1, 'properties': {}}}}");
}
END_TEST

START_TEST(severities)
{
    static const uint64_t odd[] = {0, 25, UINT64_MAX, (uint64_t)-5};

    for (uint64_t n = 1; n <= 24; n++) {
        _cleanup_(azm_buf_free) struct azm_buf record = {0};
        json_t *j;

        wire_uint(&record, LOG_SEVERITY, n);
        j = envelope(&(struct azm_buf){0}, &record);
        ck_assert_int_eq(json_integer_value(json_object_get(data(j), "severityLevel")), n <= 8    ? 0
                                                                                        : n <= 12 ? 1
                                                                                        : n <= 16 ? 2
                                                                                        : n <= 20 ? 3
                                                                                                  : 4);
        json_decref(j);
    }
    for (size_t i = 0; i < ELEMENTSOF(odd); i++) {
        _cleanup_(azm_buf_free) struct azm_buf record = {0};
        json_t *j;

        wire_uint(&record, LOG_SEVERITY, odd[i]);
        j = envelope(&(struct azm_buf){0}, &record);
        ck_assert_int_eq(json_integer_value(json_object_get(data(j), "severityLevel")), 1);
        json_decref(j);
    }
}
END_TEST

START_TEST(times)
{
    static const struct {
        uint64_t time, observed;
        const char *written, *original;
    } table[] = {
        {NOW_NSEC - 1, 5, "2023-11-14T22:13:19.9999999Z", NULL},
        {0, NOW_NSEC - SECOND, "2023-11-14T22:13:19.0000000Z", NULL},
        {0, 0, "2023-11-14T22:13:20.0000000Z", NULL},
        {NOW_NSEC - 47 * HOUR, 0, "2023-11-12T23:13:20.0000000Z", NULL},
        {NOW_NSEC - 47 * HOUR - 1000, 0, "2023-11-14T22:13:20.0000000Z", "2023-11-12T23:13:19.999999Z"},
        {0, NOW_NSEC - 50 * HOUR, "2023-11-14T22:13:20.0000000Z", "2023-11-12T20:13:20.000000Z"},
        {NOW_NSEC + HOUR, 0, "2023-11-14T23:13:20.0000000Z", NULL},
        {NOW_NSEC + HOUR + 1000, 0, "2023-11-14T22:13:20.0000000Z", "2023-11-14T23:13:20.000001Z"},
        {NOW_NSEC + 25 * HOUR, 0, "2023-11-14T22:13:20.0000000Z", "2023-11-15T23:13:20.000000Z"},
        {UINT64_MAX, 0, "2023-11-14T22:13:20.0000000Z", "2554-07-21T23:34:33.709551Z"},
    };

    for (size_t i = 0; i < ELEMENTSOF(table); i++) {
        _cleanup_(azm_buf_free) struct azm_buf record = {0};
        json_t *j;

        wire_fixed64(&record, LOG_OBSERVED, table[i].observed);
        wire_fixed64(&record, LOG_TIME, table[i].time);
        j = envelope(&(struct azm_buf){0}, &record);
        assert_text(text_at(j, "time"), table[i].written);
        assert_text_or_none(property(j, "azmonlog.original_time"), table[i].original);
        ck_assert(!is_truncated(j));
        json_decref(j);
    }
}
END_TEST

/* One that went the other way first, and has the attribute from there. */
START_TEST(the_original_time_is_there_once)
{
    _cleanup_(azm_buf_free) struct azm_buf record = {0};
    json_t *j;

    wire_fixed64(&record, LOG_TIME, SECOND);
    text_attribute(&record, AZM_ORIGINAL_TIME_KEY, AZM_TEXT("earlier"));
    j = envelope(&(struct azm_buf){0}, &record);
    assert_text(property(j, AZM_ORIGINAL_TIME_KEY), "earlier");
    ck_assert(!is_truncated(j));
    json_decref(j);
}
END_TEST

START_TEST(ids)
{
    static const struct {
        struct azm_text trace, span;
        bool has_trace, has_span;
    } table[] = {
        {{"0123456789abcdef", 16}, {"01234567", 8}, true, true},
        {{"0123456789abcdef", 16}, {"", 0}, true, false},
        {{"", 0}, {"01234567", 8}, false, true},
        {{"0123456789abcde", 15}, {"0123456", 7}, false, false},
        {{"\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 16}, {"\0\0\0\0\0\0\0\0", 8}, false, false},
        {{"\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1", 16}, {"\0\0\0\0\0\0\0\1", 8}, true, true},
    };

    for (size_t i = 0; i < ELEMENTSOF(table); i++) {
        _cleanup_(azm_buf_free) struct azm_buf record = {0};
        json_t *j;

        wire_bytes(&record, LOG_TRACE_ID, table[i].trace.s, table[i].trace.len);
        wire_bytes(&record, LOG_SPAN_ID, table[i].span.s, table[i].span.len);
        j = envelope(&(struct azm_buf){0}, &record);
        ck_assert_uint_eq(tag(j, "ai.operation.id").len, table[i].has_trace ? 32 : 0);
        ck_assert_uint_eq(tag(j, "ai.operation.parentId").len, table[i].has_span ? 16 : 0);
        ck_assert_int_eq(tag(j, "ai.operation.id").s != NULL, table[i].has_trace);
        ck_assert_int_eq(tag(j, "ai.operation.parentId").s != NULL, table[i].has_span);
        json_decref(j);
    }
}
END_TEST

START_TEST(bodies)
{
    static const struct azm_text empty = {"", 0};
    struct {
        struct azm_buf value;
        const char *message;
    } table[] = {
        {any_text(AZM_TEXT("text")), "text"},
        {any_text(empty), "n/a"},
        {{0}, "n/a"},
        {any_int(-7), "-7"},
        {any_double(0.5), "0.5"},
        {any_bool(true), "true"},
        {any_bytes("abc", 3), "YWJj"},
        {any_array((struct azm_buf[]){any_text(AZM_TEXT("a")), any_int(1)}, 2), "[\"a\",1]"},
        {any_kvlist(AZM_TEXT("k"), any_text(AZM_TEXT("v"))), "{\"k\":\"v\"}"},
        {any_text(AZM_TEXT("bad \xFF\0 bytes")), "bad \xEF\xBF\xBD\xEF\xBF\xBD bytes"},
    };

    for (size_t i = 0; i < ELEMENTSOF(table); i++) {
        _cleanup_(azm_buf_free) struct azm_buf record = {0};
        json_t *j;

        wire_message(&record, LOG_BODY, table[i].value);
        j = envelope(&(struct azm_buf){0}, &record);
        assert_text(message(j), table[i].message);
        json_decref(j);
    }
}
END_TEST

/* test_any_value has the rest. */
START_TEST(properties)
{
    _cleanup_(azm_buf_free) struct azm_buf record = {0}, resource = {0};
    json_t *j;

    attribute(&record, "text", any_text(AZM_TEXT("\xE2\x82\xAC\"")));
    attribute(&record, "int", any_int(5));
    attribute(&record, "nothing", (struct azm_buf){0});
    attribute(&record, "array", any_array((struct azm_buf[]){any_text(AZM_TEXT("x"))}, 1));
    attribute(&record, "both", any_text(AZM_TEXT("record")));
    wire_bytes(&record, LOG_EVENT, "login", 5);
    wire_bytes(&record, LOG_SEVERITY_TEXT, "crit", 4);
    resource_attribute(&resource, "both", "resource");
    resource_attribute(&resource, "deployment.environment", "test");
    wire_key_value(&resource, RESOURCE_ATTRIBUTE, AZM_TEXT("number"), any_int(6));
    j = envelope(&resource, &record);
    check_json(json_incref(json_object_get(data(j), "properties")),
               "{'text': '\xE2\x82\xAC\\\"', 'int': '5', 'nothing': '', 'array': '[\\\"x\\\"]', 'both': 'resource',"
               " 'event_name': 'login', 'severity_text': 'crit', 'deployment.environment': 'test', 'number': '6',"
               " 'azmonlog.dropped_attributes_count': '1', 'azmonlog.truncated': 'true'}"); /* one of `both` */
    json_decref(j);
}
END_TEST

START_TEST(tags)
{
    static const struct {
        const char *name, *space, *instance, *host;
        const char *role, *role_instance, *node, *space_property;
    } table[] = {
        {"n", "s", "i", "h", "s.n", "i", "h", NULL},
        {"n", NULL, NULL, "h", "n", "h", "h", NULL},
        {"n", "", "", "h", "n", "h", "h", NULL},
        {NULL, "s", NULL, NULL, NULL, NULL, NULL, "s"},
        {"", "s", "i", NULL, NULL, "i", NULL, "s"},
        {"\"\n", "\\", "\t", "\xFF", "\\.\"\n", "\t", "\xEF\xBF\xBD", NULL},
    };

    for (size_t i = 0; i < ELEMENTSOF(table); i++) {
        _cleanup_(azm_buf_free) struct azm_buf resource = {0};
        json_t *j;

        if (table[i].name)
            resource_attribute(&resource, "service.name", table[i].name);
        if (table[i].space)
            resource_attribute(&resource, "service.namespace", table[i].space);
        if (table[i].instance)
            resource_attribute(&resource, "service.instance.id", table[i].instance);
        if (table[i].host)
            resource_attribute(&resource, "host.name", table[i].host);
        j = envelope(&resource, &(struct azm_buf){0});
        assert_text_or_none(tag(j, "ai.cloud.role"), table[i].role);
        assert_text_or_none(tag(j, "ai.cloud.roleInstance"), table[i].role_instance);
        assert_text_or_none(tag(j, "ai.internal.nodeName"), table[i].node);
        assert_text_or_none(property(j, "host.name"), table[i].node);
        assert_text_or_none(property(j, "service.namespace"), table[i].space_property);
        assert_none(property(j, "service.name"));
        assert_none(property(j, "service.instance.id"));
        ck_assert(!is_truncated(j));
        json_decref(j);
    }
}
END_TEST

/* The last resource is kept; a copy of its bytes, not its place. */
START_TEST(resources_change)
{
    _cleanup_(azm_buf_free) struct azm_buf record = {0}, resource = {0};
    static const char *const names[] = {"one", "two", "two", "one", "six"};

    body(&record, AZM_TEXT("b"));
    for (size_t i = 0; i < ELEMENTSOF(names); i++) {
        json_t *j;

        azm_buf_clear(&resource);
        resource_attribute(&resource, "service.name", names[i]);
        resource_attribute(&resource, "os.type", names[i]);
        for (int again = 0; again < 2; again++) {
            j = envelope(&resource, &record);
            assert_text(tag(j, "ai.cloud.role"), names[i]);
            assert_text(property(j, "os.type"), names[i]);
            json_decref(j);
        }
    }
    /* One that is none does not stand for the next one. */
    for (int i = 0; i < 2; i++) {
        _cleanup_(azm_buf_free) struct azm_buf out = {0};
        json_t *j;

        ck_assert_int_eq(azm_appinsights_append(&appinsights, AZM_TEXT("\x08\x01"), wire_text(&record), NOW_USEC, &out),
                         -EBADMSG);
        ck_assert_uint_eq(out.len, 0);
        if (i == 0)
            continue;
        j = envelope(&(struct azm_buf){0}, &record);
        assert_none(tag(j, "ai.cloud.role"));
        assert_none(property(j, "os.type"));
        json_decref(j);
    }
}
END_TEST

/* --- exceptions --- */

static json_t *exception_envelope(const char *type, const char *text, const char *stack, const char *message)
{
    _cleanup_(azm_buf_free) struct azm_buf record = {0};

    if (stack)
        text_attribute(&record, "exception.stacktrace", azm_text_of(stack));
    if (type)
        text_attribute(&record, "exception.type", azm_text_of(type));
    if (text)
        text_attribute(&record, "exception.message", azm_text_of(text));
    if (message)
        body(&record, azm_text_of(message));
    text_attribute(&record, "other", AZM_TEXT("o"));
    return envelope(&(struct azm_buf){0}, &record);
}

START_TEST(exceptions)
{
    static const struct {
        const char *type, *text, *stack, *body;
        const char *written_type, *written, *body_property;
    } table[] = {
        {"E", "m", "s", "b", "E", "m", "b"},
        {"E", NULL, NULL, "b", "E", "b", NULL},
        {NULL, "m", NULL, NULL, "Exception", "m", NULL},
        {"E", NULL, "s", NULL, "E", "n/a", NULL},
        {"", "", "", "b", "Exception", "b", NULL},
        {"E", "same", NULL, "same", "E", "same", NULL},
    };

    for (size_t i = 0; i < ELEMENTSOF(table); i++) {
        json_t *j = exception_envelope(table[i].type, table[i].text, table[i].stack, table[i].body), *e = exception(j);
        bool has_stack = table[i].stack && *table[i].stack;

        assert_text(text_at(j, "name"), "Microsoft.ApplicationInsights.Exception");
        assert_text(text_at(json_object_get(j, "data"), "baseType"), "ExceptionData");
        ck_assert_int_eq(json_integer_value(json_object_get(data(j), "ver")), 2);
        ck_assert_int_eq(json_integer_value(json_object_get(data(j), "severityLevel")), 1);
        ck_assert_ptr_null(json_object_get(data(j), "message"));
        assert_text(text_at(e, "typeName"), table[i].written_type);
        assert_text(text_at(e, "message"), table[i].written);
        assert_text_or_none(text_at(e, "stack"), has_stack ? table[i].stack : NULL);
        ck_assert_int_eq(json_is_true(json_object_get(e, "hasFullStack")), has_stack);
        assert_text_or_none(property(j, "message"), table[i].body_property);
        assert_text(property(j, "other"), "o");
        assert_none(property(j, "exception.type"));
        assert_none(property(j, "exception.message"));
        assert_none(property(j, "exception.stacktrace"));
        ck_assert(!is_truncated(j));
        json_decref(j);
    }
}
END_TEST

START_TEST(a_stack_alone_is_a_message)
{
    json_t *j = exception_envelope(NULL, NULL, "s", "b");

    assert_text(text_at(json_object_get(j, "data"), "baseType"), "MessageData");
    assert_text(message(j), "b");
    assert_text(property(j, "exception.stacktrace"), "s");
    json_decref(j);
}
END_TEST

/* --- random records --- */

static struct azm_text random_text(struct prng *p, size_t max)
{
    static const char *const pieces[] = {
        "a", "Z", " ", "\n", "\"", "\\", "\xC3\xA9", "\xE2\x82\xAC", "\xF0\x9F\x98\x80"};
    size_t len = 0, n = prng_below(p, max);
    char *s = malloc(4 * n + 1);

    for (size_t i = 0; i < n; i++) {
        const char *c = pieces[prng_below(p, ELEMENTSOF(pieces))];

        memcpy(s + len, c, strlen(c));
        len += strlen(c);
    }
    return (struct azm_text){s, len};
}

/* Whatever it has, it is all there. */
START_TEST(all_attributes_are_there)
{
    struct prng p = {21};

    for (int i = 0; i < 2000; i++) {
        _cleanup_(azm_buf_free) struct azm_buf record = {0}, resource = {0};
        struct azm_text text = random_text(&p, 200), values[40];
        size_t n = prng_below(&p, 20), m = prng_below(&p, 20);
        char key[16];
        json_t *j;

        body(&record, text);
        for (size_t k = 0; k < n + m; k++) {
            values[k] = random_text(&p, 60);
            snprintf(key, sizeof key, "k%zu", k);
            if (k < n)
                text_attribute(&record, key, values[k]);
            else
                wire_key_value(&resource, RESOURCE_ATTRIBUTE, azm_text_of(key), any_text(values[k]));
        }
        j = envelope(&resource, &record);
        assert_text_equal(message(j), text.len ? text : AZM_TEXT("n/a"));
        for (size_t k = 0; k < n + m; k++) {
            snprintf(key, sizeof key, "k%zu", k);
            assert_text_equal(property(j, key), values[k]);
            free((char *)values[k].s);
        }
        ck_assert_uint_eq(json_object_size(json_object_get(data(j), "properties")), n + m);
        free((char *)text.s);
        json_decref(j);
    }
}
END_TEST

/* --- what is no OTLP --- */

START_TEST(garbage_is_refused)
{
    static const struct azm_text garbage[] = {
        {"\xFF", 1},                     /* an endless varint */
        {"\x09\x01\x02", 3},             /* a fixed64 of two bytes */
        {"\x32\x05zz", 4},               /* more content than there are bytes */
        {"\x0A\x01z", 3},                /* the time as text */
        {"\x2A\x02\x08\x01", 4},         /* a body's text as a number */
        {"\x32\x02\x08\x01", 4},         /* a key as a number */
        {"\x32\x04\x12\x02\x0A\x09", 6}, /* a value that ends early */
        {"\x45\x01", 2},                 /* flags of one byte */
        {"\x40\x01", 2},                 /* flags as a varint */
        {"MESSAGE=hello", 13},
    };

    for (size_t i = 0; i < ELEMENTSOF(garbage); i++) {
        _cleanup_(azm_buf_free) struct azm_buf out = {0};

        ck_assert_int_eq(azm_buf_append(&out, "before", 6), 0);
        ck_assert_int_eq(azm_appinsights_append(&appinsights, AZM_TEXT(""), garbage[i], NOW_USEC, &out), -EBADMSG);
        ck_assert_uint_eq(out.len, 6);
    }
}
END_TEST

START_TEST(noise_does_no_harm)
{
    struct prng p = {5};

    for (int i = 0; i < 10000; i++) {
        _cleanup_(azm_buf_free) struct azm_buf record = {0}, resource = {0}, out = {0};
        struct azm_buf *hurt = i & 1 ? &record : &resource;
        _cleanup_free_ char *exact = NULL;
        struct azm_text t;
        int r;

        resource_attribute(&resource, "service.name", "n");
        resource_attribute(&resource, "host.name", "h");
        wire_fixed64(&record, LOG_TIME, NOW_NSEC);
        body(&record, AZM_TEXT("hello"));
        text_attribute(&record, "exception.type", AZM_TEXT("E"));
        attribute(&record, "k", any_array((struct azm_buf[]){any_double(1.5), any_bytes("abc", 3)}, 2));
        hurt->data[prng_below(&p, hurt->len)] ^= (uint8_t)(1 << prng_below(&p, 8));
        t.len = prng_below(&p, 4) ? hurt->len : prng_below(&p, hurt->len);
        t.s = exact = malloc(t.len ? t.len : 1);
        memcpy(exact, hurt->data, t.len);
        r = azm_appinsights_append(&appinsights, i & 1 ? wire_text(&resource) : t, i & 1 ? t : wire_text(&record),
                                   NOW_USEC, &out);
        ck_assert_msg(r == 0 || r == -EBADMSG, "%d", r);
        if (r == 0) {
            json_t *j = json_loadb((char *)out.data, out.len, JSON_REJECT_DUPLICATES, NULL);

            ck_assert_ptr_nonnull(j);
            json_decref(j);
        } else
            ck_assert_uint_eq(out.len, 0);
    }
    azm_appinsights_free(&appinsights);
}
END_TEST

static void add_tests(Suite *s)
{
    add_test(s, "a_whole_message", a_whole_message);
    add_test(s, "nothing_at_all", nothing_at_all);
    add_test(s, "severities", severities);
    add_test(s, "times", times);
    add_test(s, "the_original_time_is_there_once", the_original_time_is_there_once);
    add_test(s, "ids", ids);
    add_test(s, "bodies", bodies);
    add_test(s, "properties", properties);
    add_test(s, "tags", tags);
    add_test(s, "resources_change", resources_change);
    add_test(s, "exceptions", exceptions);
    add_test(s, "a_stack_alone_is_a_message", a_stack_alone_is_a_message);
    add_test(s, "all_attributes_are_there", all_attributes_are_there);
    add_test(s, "garbage_is_refused", garbage_is_refused);
    add_test(s, "noise_does_no_harm", noise_does_no_harm);
}

TEST_MAIN("appinsights", add_tests)
