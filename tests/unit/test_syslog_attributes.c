/* SPDX-License-Identifier: MIT */
#include "parse/attributes.h"
#include "parse/json_attributes.h"
#include "tests/unit/syslog_help.h"
#include "tests/unit/test.h"

/* Attributes whose names the sender has chosen: structured data and JSON. */

#define TRACE "5b8efff798038103d269b633813fc60c"
#define OTHER_TRACE "0b8efff798038103d269b633813fc60c"
#define SPAN "eee19b7ec3c1b174"

static void read_sd(const char *sd)
{
    char line[512];

    snprintf(line, sizeof line, "<14>1 - h a - - %s text\n", sd);
    read_line(line);
    check_record();
}

START_TEST(structured_data)
{
    static const struct {
        const char *sd, *key, *value;
    } table[] = {
        {"[a b=\"c\"]", "syslog.a.b", "c"},
        {"[a@32473 b=\"\"]", "syslog.a@32473.b", ""},
        {"[a b=\"c\" d=\"e\"]", "syslog.a.d", "e"},
        {"[a b=\"c\"][d e=\"f\"]", "syslog.d.e", "f"},
        {"[a b=\"\\\"\\\\\\]\"]", "syslog.a.b", "\"\\]"},
        {"[a b=\"\\n\\x \\\\\"]", "syslog.a.b", "\\n\\x \\"}, /* the backslash is an ordinary one */
        {"[a b=\"x\\]y]z\"]", "syslog.a.b", "x]y]z"},
        {"[a b=\"=\"]", "syslog.a.b", "="},
        {"[a b=\"[ c=d\"]", "syslog.a.b", "[ c=d"},
        {"[a b=\"\xC3\xA4\xFF\"]", "syslog.a.b", "\xC3\xA4\xFF"},
        {"[a  b=\"c\"   d=\"e\"  ]", "syslog.a.d", "e"}, /* forgiven */
        {"[a]", "syslog.a", ""},
        {"[a ]", "syslog.a", ""},
        {"[a.b c=\"d\"]", "syslog.a.b.c", "d"},
        {"[timeQuality tzKnown=\"1\" isSynced=\"1\"]", "syslog.timeQuality.isSynced", "1"},
        {"[a-name-that-is-longer-than-the-32-letters-of-the-RFC b=\"c\"]",
         "syslog.a-name-that-is-longer-than-the-32-letters-of-the-RFC.b", "c"},
    };

    begin();
    for (size_t i = 0; i < ELEMENTSOF(table); i++) {
        read_sd(table[i].sd);
        assert_text(text_of(table[i].key), table[i].value);
        assert_text(message.record.body, "text");
        ck_assert_ptr_null(attribute("syslog.malformed"));
        ck_assert_ptr_null(attribute("syslog.dropped_attributes"));
    }
    end();
}
END_TEST

/* What cannot be read is not lost: it is the beginning of the body. */
START_TEST(no_structured_data)
{
    static const char *const table[] = {
        "[",
        "[]",
        "[ a b=\"c\"]",
        "[a",
        "[a b",
        "[a b=",
        "[a b=\"",
        "[a b=\"c",
        "[a b=\"c\"",
        "[a b=\"c\\\"]",
        "[a b=c]",
        "[a b]",
        "[a =\"c\"]",
        "[a \"c\"]",
        "[a b=\"c\"d=\"e\"]",
        "[a b=\"c\"]x",
        "[a b=\"c\"][",
        "[a b=\"c\"][d",
        "[a b=\"c\"][d e=\"f\"",
        "[a b=\"c\"]-",
        "x",
        "-x",
        "--",
        "-[a b=\"c\"]",
        "(a)",
        "[\xC3\xA4 b=\"c\"]",
        "[a\tb=\"c\"]",
        "[a b\x7F=\"c\"]",
        "[opentelemetry trace_id=\"" TRACE "\"",
        "",
    };
    char body[256];

    begin();
    for (size_t i = 0; i < ELEMENTSOF(table); i++) {
        read_sd(table[i]);
        snprintf(body, sizeof body, "%s text", table[i]);
        assert_text(message.record.body, body);
        assert_text(text_of("syslog.malformed"), "true");
        assert_text(message.host, "h");
        ck_assert_int_eq(message.record.severity, 6);
        ck_assert(!message.record.has_trace_id);
        ck_assert_uint_eq(message.record.n_attributes, 2);
    }
    read_sd("[a b=\"c\"] [d e=\"f\"]"); /* RFC 5424, 6.3.5, example 3: the second one is text */
    assert_text(message.record.body, "[d e=\"f\"] text");
    ck_assert_ptr_null(attribute("syslog.malformed"));
    end();
}
END_TEST

START_TEST(equal_names_are_an_array)
{
    begin();
    read_sd("[origin ip=\"192.0.2.1\" ip=\"192.0.2.129\"]"); /* RFC 5424, 7.2.4 */
    assert_text(texts_of("syslog.origin.ip"), "192.0.2.1|192.0.2.129");
    read_sd("[a b=\"1\" c=\"x\" b=\"2\"][a b=\"3\" b=\"4\"][a b=\"5\" b=\"6\" b=\"7\" b=\"8\" b=\"9\"]");
    assert_text(texts_of("syslog.a.b"), "1|2|3|4|5|6|7|8|9");
    assert_text(text_of("syslog.a.c"), "x");
    read_sd("[a b=\"1\" c=\"x\" b=\"2\" c=\"y\" b=\"3\" b=\"4\" b=\"5\" c=\"z\" b=\"6\" b=\"7\" b=\"8\" b=\"9\"]");
    assert_text(texts_of("syslog.a.b"), "1|2|3|4|5|6|7|8|9"); /* side by side in memory */
    assert_text(texts_of("syslog.a.c"), "x|y|z");
    read_sd("[a.b c=\"1\"][a b.c=\"2\"]");
    assert_text(texts_of("syslog.a.b.c"), "1|2");
    read_json("{\"a\":{\"b\":1},\"a.b\":2,\"a\\u002eb\":[3,4]}"); /* the last two are one name */
    assert_text(text_of("syslog.attributes"), "{\"a\":{\"b\":1},\"a.b\":2,\"a\\u002eb\":[3,4]}");
    read_json("{\"a\":{\"b\":1, \"c\":\"x\"},\"a.b\":2, \"a.c\":[\"y\",\"z\"]}");
    assert_text(texts_of("a.b"), "1|2");
    assert_text(texts_of("a.c"), "x|y|z");
    check_record();
    end();
}
END_TEST

START_TEST(json_members)
{
    static const struct {
        const char *json, *key, *value;
    } table[] = {
        {"{\"a\":\"b\"}", "a", "b"},
        {" {\"a\":\"b\"}", "a", "b"}, /* rsyslog's own templates have a blank in front */
        {"\n{\"a\":\"b\"}\n", "a", "b"},
        {"{\"a\":\"\"}", "a", ""},
        {"{\"a\":true}", "a", "true"},
        {"{\"a\":false}", "a", "false"},
        {"{\"a\":null}", "a", "(none)"},
        {"{\"a\":{}}", "a", "(none)"},
        {"{\"a\":0.1}", "a", "0.1"},
        {"{\"a\":1.5e300}", "a", "1.5e+300"},
        {"{\"a\":-2.50}", "a", "-2.5"},
        {"{\"a\":0.30000000000000004}", "a", "0.30000000000000004"},
        {"{\"a\":{\"b\":{\"c\":\"d\"}}}", "a.b.c", "d"},
        {"{\"a\":{\"b\":{\"c\":\"d\"},\"e\":\"f\"},\"g\":\"h\"}", "a.e", "f"},
        {"{\"a\":{\"b\":{\"c\":\"d\"},\"e\":\"f\"},\"g\":\"h\"}", "g", "h"},
        {"{\"a\":\"\\u00e4\\u0000\\n\"}", "a", "\xC3\xA4"}, /* text_of is not cut: see below */
        {"{\"a\":\"\xFF\"}", "a", "\xEF\xBF\xBD"},
        {"{\"\xFF\":\"x\"}", "\xEF\xBF\xBD", "x"},
        {"{\"Key With Blanks\":\"x\"}", "Key With Blanks", "x"},
    };

    begin();
    for (size_t i = 0; i < ELEMENTSOF(table); i++) {
        struct azm_text t;

        read_json(table[i].json);
        t = text_of(table[i].key);
        if (strstr(table[i].json, "u0000")) {
            assert_text_equal(t, AZM_TEXT("\xC3\xA4\0\n"));
        } else
            assert_text(t, table[i].value);
        ck_assert_ptr_null(attribute("syslog.attributes"));
        ck_assert_ptr_null(attribute("syslog.dropped_attributes"));
        check_record();
    }
    read_json("{\"a\":-9223372036854775808,\"b\":{\"c\":7}}");
    ck_assert_int_eq(int_of("a"), INT64_MIN);
    ck_assert_int_eq(int_of("b.c"), 7);
    read_json("{\"a\":[\"x\",1,true,null,1.5,[1,{\"b\":2}],{\"c\":[]}]}");
    assert_text(texts_of("a"), "x|1|true|null|1.5|[1,{\"b\":2}]|{\"c\":[]}");
    read_json("{\"a\":[],\"b\":{\"c\":[1]}}");
    assert_text(texts_of("a"), "");
    assert_text(texts_of("b.c"), "1");
    check_record();
    read_json("{}");
    ck_assert_uint_eq(message.record.n_attributes, 1);
    read_json(" \n");
    ck_assert_uint_eq(message.record.n_attributes, 1);
    read_json("{\"\":1,\"a\":{\"\":2}}"); /* a name must be one */
    ck_assert_int_eq(int_of("syslog.dropped_attributes"), 1);
    ck_assert_int_eq(int_of("a."), 2);
    end();
}
END_TEST

START_TEST(no_json_object)
{
    static const char *const table[] = {
        "x",
        "[1]",
        "\"a\"",
        "1",
        "null",
        "{",
        "}",
        "{\"a\":1",
        "{\"a\":1}x",
        "{\"a\":1,}",
        "{a:1}",
        "{\"a\":1,\"a\":2}",
        "{\"a\":12345678901234567890}",
        "{\"a\":\"\t\"}",
        "{\"a\\u0000\":1}",
        "{\"a\":NaN}",
        "{\"a\":\"\\ud800\"}",
    };

    begin();
    for (size_t i = 0; i < ELEMENTSOF(table); i++) {
        read_json(table[i]);
        assert_text(text_of("syslog.attributes"), table[i]);
        ck_assert_uint_eq(message.record.n_attributes, 2);
        check_record();
    }
    end();
}
END_TEST

static struct azm_text nested(size_t depth, const char *open, const char *close)
{
    static char json[65536];
    size_t n = 0;

    for (size_t i = 0; i < depth; i++)
        n += (size_t)sprintf(json + n, "%s", open);
    n += (size_t)sprintf(json + n, "1");
    for (size_t i = 0; i < depth; i++)
        n += (size_t)sprintf(json + n, "%s", close);
    return (struct azm_text){json, n};
}

START_TEST(json_is_bounded)
{
    char *json = malloc(AZM_JSON_BYTES_MAX + 100);
    size_t n;

    begin();
    read_texts(AZM_TEXT("<14>1 - - - - - - x\n"), (struct azm_text){0}, nested(AZM_JSON_DEPTH_MAX, "{\"a\":", "}"));
    ck_assert_int_eq(int_of("a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a"), 1);
    for (size_t depth = AZM_JSON_DEPTH_MAX + 1; depth < 8000; depth *= 3) {
        read_texts(AZM_TEXT("<14>1 - - - - - - x\n"), (struct azm_text){0}, nested(depth, "{\"a\":", "}"));
        ck_assert_ptr_nonnull(attribute("syslog.attributes"));
        check_record();
    }
    read_json("{\"a\":\"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[\\\"{\",\"b\":1}"); /* in text they are none */
    ck_assert_int_eq(int_of("b"), 1);

    for (size_t more = 0; more < 2; more++) { /* around the limit of size */
        n = (size_t)sprintf(json, "{\"a\":\"");
        memset(json + n, 'x', AZM_JSON_BYTES_MAX - n - 2 + more);
        memcpy(json + AZM_JSON_BYTES_MAX - 2 + more, "\"}", 2);
        read_texts(AZM_TEXT("<14>1 - - - - - - x\n"), (struct azm_text){0},
                   (struct azm_text){json, AZM_JSON_BYTES_MAX + more});
        if (more)
            ck_assert_int_eq(int_of("syslog.dropped_attributes"), 1); /* more than fits as text as well */
        else
            ck_assert_uint_eq(text_of("a").len, AZM_JSON_BYTES_MAX - 8);
        check_record();
    }
    n = (size_t)sprintf(json, "{\"a\":[0"); /* an array of too many */
    for (size_t i = 1; i <= AZM_SENT_VALUES_MAX; i++)
        n += (size_t)sprintf(json + n, ",%zu", i);
    n += (size_t)sprintf(json + n, "],\"b\":1}");
    read_texts(AZM_TEXT("<14>1 - - - - - - x\n"), (struct azm_text){0}, (struct azm_text){json, n});
    ck_assert_int_eq(int_of("syslog.dropped_attributes"), 1);
    ck_assert_int_eq(int_of("b"), 1);
    n = (size_t)sprintf(json, "{\"b\":1");
    for (size_t i = 0; i < 300; i++) /* names: one is b */
        n += (size_t)sprintf(json + n, ",\"a%zu\":%zu", i, i);
    n += (size_t)sprintf(json + n, "}");
    read_texts(AZM_TEXT("<14>1 - - - - - - x\n"), (struct azm_text){0}, (struct azm_text){json, n});
    ck_assert_int_eq(int_of("syslog.dropped_attributes"), 301 - AZM_SENT_ATTRIBUTES_MAX);
    ck_assert_uint_eq(message.record.n_attributes, AZM_SENT_ATTRIBUTES_MAX + 2);
    check_record();
    free(json);
    end();
}
END_TEST

START_TEST(long_names)
{
    static char line[2048];
    const size_t prefix = strlen("syslog..b");

    begin();
    for (size_t len = 240; len < 300; len++) {
        bool fits = len + prefix <= AZM_SENT_KEY_MAX;

        memset(line, 'x', sizeof line);
        sprintf(line, "<14>1 - h a - - [");
        line[strlen(line)] = 'x';
        sprintf(line + strlen("<14>1 - h a - - [") + len, " b=\"c\"] text");
        read_line(line);
        ck_assert_int_eq(int_of("syslog.dropped_attributes"), fits ? -1 : 1);
        ck_assert_uint_eq(message.record.n_attributes, 2);
        check_record();

        sprintf(line, "{\"");
        memset(line + 2, 'y', len);
        sprintf(line + 2 + len, "\":1,\"z\":{\"");
        memset(line + strlen(line), 'z', len - 2); /* with "z." as long */
        sprintf(line + 2 + len + strlen("\":1,\"z\":{\"") + len - 2, "\":1}}");
        read_json(line);
        fits = len <= AZM_SENT_KEY_MAX;
        ck_assert_int_eq(int_of("syslog.dropped_attributes"), fits ? -1 : 2);
        check_record();

        sprintf(line, "{\"");
        memset(line + 2, 'y', len);
        sprintf(line + 2 + len, "\":{\"b\":1}}");
        read_json(line);
        ck_assert_int_eq(int_of("syslog.dropped_attributes"), len + 2 <= AZM_SENT_KEY_MAX ? -1 : 1);
        check_record();
    }
    end();
}
END_TEST

START_TEST(ours_win)
{
    begin();
    read_texts(
        AZM_TEXT("<14>1 - h a 77 ID [facility][procid x=\"1\"][c] text\n"), AZM_TEXT("1.5 10.0.0.1 imudp"),
        AZM_TEXT("{\"syslog.facility\":9,\"process\":{\"pid\":1,\"name\":\"n\"},\"client.address\":\"x\",\"syslog\":{"
                 "\"input\":\"x\",\"msgid\":\"x\",\"malformed\":\"x\",\"c\":\"json\"},\"log.record.uid\":\"x\","
                 "\"azmonlog.truncated\":1,\"azmonlog.list\":[1,2],\"azmonlog.gap.reason\":\"x\",\"syslog.dropped_"
                 "attributes\":0}"));
    ck_assert_int_eq(int_of("syslog.facility"), 1);
    ck_assert_int_eq(int_of("process.pid"), 77);
    assert_text(text_of("process.name"), "n");
    assert_text(text_of("client.address"), "10.0.0.1");
    assert_text(text_of("syslog.input"), "imudp");
    assert_text(text_of("syslog.msgid"), "ID");
    assert_text(text_of("syslog.procid.x"), "1");
    assert_text(texts_of("syslog.c"), "|json");
    ck_assert_ptr_null(attribute("syslog.malformed"));
    ck_assert_ptr_null(attribute("log.record.uid"));
    ck_assert_ptr_null(attribute("azmonlog.truncated"));
    ck_assert_int_eq(int_of("syslog.dropped_attributes"), 12);
    check_record();
    read_json("{\"process.pid\":5,\"client.address\":\"10.0.0.2\",\"syslog.input\":\"x\"}");
    ck_assert_int_eq(int_of("process.pid"), 5);      /* what we do not have is his to say, */
    ck_assert_ptr_null(attribute("client.address")); /* but not what only rsyslog can know */
    ck_assert_ptr_null(attribute("syslog.input"));
    ck_assert_int_eq(int_of("syslog.dropped_attributes"), 2);
    end();
}
END_TEST

START_TEST(trace_context)
{
    static const struct {
        const char *sd, *json;
        bool trace, span;
        uint32_t flags;
        size_t n_attributes; /* besides the facility */
    } table[] = {
        {"[opentelemetry trace_id=\"" TRACE "\" span_id=\"" SPAN "\" trace_flags=\"01\"]", "", true, true, 1, 0},
        {"[opentelemetry trace_id=\"" TRACE "\"]", "", true, false, 0, 0},
        {"[opentelemetry trace_id=\"" TRACE "0\" span_id=\"\"]", "", false, false, 0, 2},
        {"[opentelemetry trace_id=\"00000000000000000000000000000000\"]", "", false, false, 0, 1},
        {"[opentelemetry trace_flags=\"1\" other=\"x\"]", "", false, false, 0, 2},
        {"[opentelemetry trace_id=\"" TRACE "\" trace_id=\"" OTHER_TRACE "\"]", "", true, false, 0, 1},
        {"[opentelemetry traceparent=\"00-" TRACE "-" SPAN "-01\"]", "", true, true, 1, 0},
        {"[other trace_id=\"" TRACE "\"]", "", false, false, 0, 1},
        {"[opentelemetry@1 trace_id=\"" TRACE "\"]", "", false, false, 0, 1},
        {"-", "{\"trace_id\":\"" TRACE "\",\"span_id\":\"" SPAN "\",\"trace_flags\":\"01\"}", true, true, 1, 0},
        {"-", "{\"traceid\":\"" TRACE "\",\"spanid\":\"" SPAN "\",\"traceflags\":1}", true, true, 1, 0},
        {"-", "{\"traceId\":\"" TRACE "\",\"SPAN_ID\":\"" SPAN "\",\"traceFlags\":255}", true, true, 255, 0},
        {"-", "{\"trace_id\":\"5B8EFFF798038103D269B633813FC60C\"}", true, false, 0, 0},
        {"-", "{\"trace_id\":\"x\",\"span_id\":7,\"trace_flags\":256}", false, false, 0, 3},
        {"-", "{\"trace_id\":null,\"span_id\":[\"" SPAN "\"]}", false, false, 0, 1},
        {"-", "{\"a\":{\"trace_id\":\"" TRACE "\"}}", false, false, 0, 1},
        {"-", "{\"traceparent\":\"00-" TRACE "-" SPAN "-01\"}", true, true, 1, 0},
        {"-", "{\"traceparent\":\"01-" TRACE "-" SPAN "-01-what comes later\"}", true, true, 1, 0},
        {"-", "{\"traceparent\":\"00-" TRACE "-" SPAN "-01-\"}", false, false, 0, 1},
        {"-", "{\"traceparent\":\"01-" TRACE "-" SPAN "-01x\"}", false, false, 0, 1},
        {"-", "{\"traceparent\":\"ff-" TRACE "-" SPAN "-01\"}", false, false, 0, 1},
        {"-", "{\"traceparent\":\"00-" TRACE "-" SPAN "-0\"}", false, false, 0, 1},
        {"-", "{\"traceparent\":\"00-" TRACE "-" SPAN "-0g\"}", false, false, 0, 1},
        {"-", "{\"traceparent\":\"00-" TRACE "x" SPAN "-01\"}", false, false, 0, 1},
        {"-", "{\"traceparent\":\"00-" TRACE "-0000000000000000-01\"}", false, false, 0, 1},
        {"-", "{\"traceparent\":\"00-" TRACE "-" SPAN "-01\",\"trace_id\":\"" TRACE "\"}", true, true, 1, 0},
        {"-", "{\"trace_id\":\"" OTHER_TRACE "\",\"traceparent\":\"00-" TRACE "-" SPAN "-01\"}", true, false, 0, 1},
        {"[opentelemetry trace_id=\"" TRACE "\"]", "{\"trace_id\":\"" OTHER_TRACE "\"}", true, false, 0, 1},
        {"[opentelemetry trace_id=\"" TRACE "\"]", "{\"trace_id\":\"" TRACE "\",\"span_id\":\"" SPAN "\"}", true, true,
         0, 0},
    };
    static const uint8_t trace_id[] = {0x5B, 0x8E, 0xFF, 0xF7, 0x98, 0x03, 0x81, 0x03,
                                       0xD2, 0x69, 0xB6, 0x33, 0x81, 0x3F, 0xC6, 0x0C};
    static const uint8_t span_id[] = {0xEE, 0xE1, 0x9B, 0x7E, 0xC3, 0xC1, 0xB1, 0x74};
    char line[512];

    begin();
    for (size_t i = 0; i < ELEMENTSOF(table); i++) {
        const struct azm_record *r = &message.record;

        snprintf(line, sizeof line, "<14>1 - h a - - %s text\n", table[i].sd);
        read_texts(azm_text_of(line), (struct azm_text){0}, azm_text_of(table[i].json));
        ck_assert_msg(r->has_trace_id == table[i].trace && r->has_span_id == table[i].span &&
                          r->trace_flags == table[i].flags && r->n_attributes == 1 + table[i].n_attributes,
                      "%s %s", table[i].sd, table[i].json);
        if (r->has_trace_id && !strstr(table[i].json, "{\"trace_id\":\"" OTHER_TRACE))
            ck_assert_mem_eq(r->trace_id, trace_id, sizeof trace_id);
        if (r->has_span_id)
            ck_assert_mem_eq(r->span_id, span_id, sizeof span_id);
        check_record();
    }
    end();
}
END_TEST

static void add_tests(Suite *s)
{
    add_test(s, "structured_data", structured_data);
    add_test(s, "no_structured_data", no_structured_data);
    add_test(s, "equal_names_are_an_array", equal_names_are_an_array);
    add_test(s, "json_members", json_members);
    add_test(s, "no_json_object", no_json_object);
    add_test(s, "json_is_bounded", json_is_bounded);
    add_test(s, "long_names", long_names);
    add_test(s, "ours_win", ours_win);
    add_test(s, "trace_context", trace_context);
}

TEST_MAIN("syslog_attributes", add_tests)
