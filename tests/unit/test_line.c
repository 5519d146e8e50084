/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <string.h>

#include "core/clock.h"
#include "core/record.h"
#include "parse/line.h"
#include "tests/unit/record_help.h"
#include "tests/unit/test.h"

/* Lines as logging libraries write them, and lines that are none. */

#define NOW UINT64_C(1800000000000000000)
#define TRACE "5b8efff798038103d269b633813fc60c"

static struct azm_line_parser parser;
static struct azm_record record;
static const struct azm_attribute own[] = {{.key = AZM_TEXT("process.pid"), .type = AZM_VALUE_INT, .integer = 7}};

static int parse(enum azm_line_format format, const char *line)
{
    record = (struct azm_record){.time_unix_nano = NOW,
                                 .observed_time_unix_nano = NOW,
                                 .severity = 6,
                                 .has_body = true,
                                 .body = azm_text_of(line),
                                 .attributes = own,
                                 .n_attributes = 1};
    return azm_line_parse(&parser, format, &record);
}

static void assert_body(const char *expected)
{
    ck_assert_msg(azm_text_equal(record.body, azm_text_of(expected)), "body is %.*s", (int)record.body.len,
                  record.body.s);
}

/* Every way of AZM_LINE_AUTO. */
START_TEST(what_libraries_write)
{
    static const struct {
        const char *library, *line, *body;
        int severity;
        uint64_t time; /* 0: the journal's */
        const char *key, *value;
    } table[] = {
        {"slog", "{\"time\":\"2026-11-26T03:13:11.829152123Z\",\"level\":\"WARN\",\"msg\":\"slow\",\"ms\":12}", "slow",
         4, UINT64_C(1795662791829152123), "ms", "12"},
        {"zap", "{\"level\":\"dpanic\",\"ts\":1795662791.829152,\"caller\":\"a/b.go:3\",\"msg\":\"oh\"}", "oh", 2,
         UINT64_C(1795662791829152000), "caller", "a/b.go:3"},
        {"pino", "{\"level\":50,\"time\":1795662791829,\"pid\":3,\"hostname\":\"h\",\"msg\":\"no\"}", "no", 3,
         UINT64_C(1795662791829000000), "hostname", "h"},
        {"bunyan", "{\"name\":\"x\",\"level\":20,\"msg\":\"m\",\"time\":\"2026-11-26T03:13:11.829Z\",\"v\":0}", "m", 7,
         UINT64_C(1795662791829000000), "v", "0"},
        {"python-json-logger",
         "{\"asctime\": \"2026-11-26 03:13:11,829\", \"levelname\": \"CRITICAL\", \"message\": \"x\"}", "x", 2, 0,
         "asctime", "2026-11-26 03:13:11,829"},
        {"structlog",
         "{\"event\": \"login\", \"user\": \"ann\", \"level\": \"info\", \"timestamp\": "
         "\"2026-11-26T04:13:11+01:00\"}",
         "login", 6, UINT64_C(1795662791000000000), "user", "ann"},
        {"logback",
         "{\"@timestamp\":\"2026-11-26T03:13:11.5Z\",\"message\":\"x\",\"level\":\"ERROR\",\"level_value\":40000}", "x",
         3, UINT64_C(1795662791500000000), "level_value", "40000"},
        {"ecs",
         "{\"@timestamp\":\"2026-11-26T03:13:11.5Z\",\"log.level\":\"WARN\",\"message\":\"x\",\"http\":{\"response\":"
         "{\"status_code\":200}}}",
         "x", 4, UINT64_C(1795662791500000000), "http.response.status_code", "200"},
        {".NET",
         "{\"Timestamp\":\"2026-11-26T03:13:11Z\",\"LogLevel\":\"Information\",\"Category\":\"A.B\",\"Message\":\"x\"}",
         "x", 6, UINT64_C(1795662791000000000), "Category", "A.B"},
        {"logrus", "time=\"2026-11-26T03:13:11Z\" level=warning msg=\"a \\\"word\\\"\" size=10", "a \"word\"", 4,
         UINT64_C(1795662791000000000), "size", "10"},
        {"go-kit", "ts=2026-11-26T03:13:11.25Z caller=main.go:7 level=debug msg=started err=", "started", 7,
         UINT64_C(1795662791250000000), "err", ""},
    };

    for (size_t i = 0; i < ELEMENTSOF(table); i++) {
        ck_assert_msg(parse(AZM_LINE_AUTO, table[i].line) == 1, "%s", table[i].library);
        assert_body(table[i].body);
        ck_assert_int_eq(record.severity, table[i].severity);
        ck_assert_uint_eq(record.time_unix_nano, table[i].time ? table[i].time : NOW);
        ck_assert_uint_eq(record.observed_time_unix_nano, NOW);
        ck_assert_pstr_eq(attribute_of(&record, table[i].key), table[i].value);
        ck_assert_pstr_eq(attribute_of(&record, "process.pid"), "7");
        ck_assert_uint_eq(record.n_dropped, 0);
    }
}
END_TEST

START_TEST(lines_of_other_kinds_stay_as_they_are)
{
    static const struct {
        enum azm_line_format format;
        const char *line;
    } table[] = {
        {AZM_LINE_PLAIN, "{\"msg\":\"x\"}"},
        {AZM_LINE_JSON, ""},
        {AZM_LINE_JSON, "msg=x"},
        {AZM_LINE_JSON, "{\"msg\":\"x\""},
        {AZM_LINE_JSON, "{\"msg\":\"x\"} and more"},
        {AZM_LINE_JSON, "[\"msg\"]"},
        {AZM_LINE_JSON, "{\"msg\":\"x\",\"msg\":\"y\"}"},
        {AZM_LINE_JSON, "{\"a\":1}"},   /* no message */
        {AZM_LINE_JSON, "{\"msg\":1}"}, /* no text */
        {AZM_LINE_LOGFMT, "{\"msg\":\"x\"}"},
        {AZM_LINE_LOGFMT, ""},
        {AZM_LINE_LOGFMT, " "},
        {AZM_LINE_LOGFMT, "connecting to host=a"},
        {AZM_LINE_LOGFMT, "msg=x and more"},
        {AZM_LINE_LOGFMT, "msg=x a"},
        {AZM_LINE_LOGFMT, "msg=x =y"},
        {AZM_LINE_LOGFMT, "msg=x a=\"y"},
        {AZM_LINE_LOGFMT, "msg=x a=\"y\\\""},
        {AZM_LINE_LOGFMT, "msg=x a=\"y\\q\""},
        {AZM_LINE_LOGFMT, "msg=x a=\"y\"z"},
        {AZM_LINE_LOGFMT, "msg=x a=b=c"},
        {AZM_LINE_LOGFMT, "msg=x a=b\"c"},
        {AZM_LINE_LOGFMT, "msg=x a=1 a=2"},
        {AZM_LINE_LOGFMT, "msg=x a\\b=1"},
        {AZM_LINE_LOGFMT, "msg=x\na=1"},
        {AZM_LINE_LOGFMT, "msg=x a=\xFF"},
        {AZM_LINE_LOGFMT, "a=1 b=2"}, /* no message */
        {AZM_LINE_AUTO, "a plain sentence"},
        {AZM_LINE_AUTO, "{curly words}"},
    };

    for (size_t i = 0; i < ELEMENTSOF(table); i++) {
        ck_assert_msg(parse(table[i].format, table[i].line) == 0, "%s", table[i].line);
        assert_body(table[i].line);
        ck_assert_int_eq(record.severity, 6);
        ck_assert_uint_eq(record.time_unix_nano, NOW);
        ck_assert_uint_eq(record.n_attributes, 1);
    }
}
END_TEST

START_TEST(the_record_goes_before_the_line)
{
    ck_assert_int_eq(parse(AZM_LINE_JSON, "{\"msg\":\"x\",\"process.pid\":1,\"log.record.uid\":\"f\",\"a\":[1,\"b\"]}"),
                     1);
    ck_assert_pstr_eq(attribute_of(&record, "process.pid"), "7");
    ck_assert_ptr_null(attribute_of(&record, "log.record.uid"));
    ck_assert_uint_eq(record.n_dropped, 2); /* told, as all that is left out */
    ck_assert_uint_eq(record.n_attributes, 2);
    ck_assert_int_eq(record.attributes[1].type, AZM_VALUE_TEXTS);
}
END_TEST

START_TEST(trace_context_goes_to_the_record)
{
    ck_assert_int_eq(parse(AZM_LINE_JSON, "{\"msg\":\"x\",\"traceId\":\"" TRACE "\",\"span_id\":\"eee19b7ec3c1b174\","
                                          "\"trace_flags\":1}"),
                     1);
    ck_assert(record.has_trace_id && record.has_span_id);
    ck_assert_uint_eq(record.trace_flags, 1);
    ck_assert_uint_eq(record.n_attributes, 1);

    ck_assert_int_eq(parse(AZM_LINE_LOGFMT, "msg=x trace_id=" TRACE), 1);
    ck_assert(record.has_trace_id && !record.has_span_id);
    ck_assert_int_eq(parse(AZM_LINE_LOGFMT, "msg=x trace_id=nonsense"), 1);
    ck_assert(!record.has_trace_id);
    ck_assert_pstr_eq(attribute_of(&record, "trace_id"), "nonsense");
}
END_TEST

/* What a well-known name holds is an attribute where it cannot be used. */
START_TEST(odd_values)
{
    static const struct {
        const char *member, *key, *value;
    } table[] = {
        {"\"level\":\"loud\"", "level", "loud"},
        {"\"level\":8", "level", "8"},
        {"\"level\":70", "level", "70"},
        {"\"level\":-1", "level", "-1"},
        {"\"level\":6.5", "level", "6.5"},
        {"\"level\":true", "level", "true"},
        {"\"time\":\"yesterday\"", "time", "yesterday"},
        {"\"time\":\"2026-11-26\"", "time", "2026-11-26"},
        {"\"time\":\"2026-11-26T03:13:11\"", "time", "2026-11-26T03:13:11"}, /* of which zone? */
        {"\"time\":5", "time", "5"},
        {"\"time\":-1795662791", "time", "-1795662791"},
        {"\"time\":1e300", "time", "1e+300"},
        {"\"msg2\":\"\"", "msg2", ""},
        {"\"event\":\"not the message\"", "event", "not the message"},
    };
    char line[256];

    for (size_t i = 0; i < ELEMENTSOF(table); i++) {
        snprintf(line, sizeof line, "{%s,\"msg\":\"x\"}", table[i].member);
        ck_assert_int_eq(parse(AZM_LINE_JSON, line), 1);
        assert_body("x");
        ck_assert_int_eq(record.severity, 6);
        ck_assert_uint_eq(record.time_unix_nano, NOW);
        ck_assert_pstr_eq(attribute_of(&record, table[i].key), table[i].value);
    }
}
END_TEST

START_TEST(numbers_are_times_of_every_unit)
{
    static const struct {
        const char *number;
        uint64_t time;
    } table[] = {
        {"1795662791", UINT64_C(1795662791000000000)},          {"1795662791.5", UINT64_C(1795662791500000000)},
        {"1795662791829", UINT64_C(1795662791829000000)},       {"1795662791829.25", UINT64_C(1795662791829250000)},
        {"1795662791829152", UINT64_C(1795662791829152000)},    {"1795662791829152123", UINT64_C(1795662791829152123)},
        {"9223372036854775807", UINT64_C(9223372036854775807)}, {"9999999999", UINT64_C(9999999999000000000)},
    };
    char line[256];

    for (size_t i = 0; i < ELEMENTSOF(table); i++) {
        snprintf(line, sizeof line, "{\"ts\":%s,\"msg\":\"x\"}", table[i].number);
        ck_assert_int_eq(parse(AZM_LINE_JSON, line), 1);
        ck_assert_uint_eq(record.time_unix_nano, table[i].time);
        ck_assert_uint_eq(record.n_attributes, 1);
    }
}
END_TEST

static void add_tests(Suite *s)
{
    add_test(s, "what_libraries_write", what_libraries_write);
    add_test(s, "lines_of_other_kinds_stay_as_they_are", lines_of_other_kinds_stay_as_they_are);
    add_test(s, "the_record_goes_before_the_line", the_record_goes_before_the_line);
    add_test(s, "trace_context_goes_to_the_record", trace_context_goes_to_the_record);
    add_test(s, "odd_values", odd_values);
    add_test(s, "numbers_are_times_of_every_unit", numbers_are_times_of_every_unit);
}

TEST_MAIN("line", add_tests)
