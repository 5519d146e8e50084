/* SPDX-License-Identifier: MIT */
#include <errno.h>

#include "parse/attributes.h"
#include "plugin/syslog_resource.h"
#include "tests/unit/prng.h"
#include "tests/unit/syslog_help.h"
#include "tests/unit/test.h"

/* Whatever comes in becomes a record, within bounds, and nothing of the text is lost. */

static const char good[] = "<165>1 2003-08-24T05:14:15.000003-07:00 host.example app/x 8710 ID47 "
                           "[ex@32473 iut=\"3\" source=\"App\\\"l\\]\" ip=\"1\" ip=\"2\"][opentelemetry "
                           "trace_id=\"5b8efff798038103d269b633813fc60c\"] \xEF\xBB\xBFText with \xC3\xA4.\n";
static const char good_meta[] = "1795629105.789124 127.0.0.1 imudp";
static const char good_json[] = " {\"a\":\"b\\n\",\"c\":[1,\"x\",null],\"d\":{\"e\":1.5,\"f\":true},\"span_id\":"
                                "\"eee19b7ec3c1b174\",\"g\":-7}";

#define GOOD(t) ((struct azm_text){t, sizeof(t) - 1})

/* The end of the line is in the body; all of it if it was no such line. */
static void check_body(struct azm_text line)
{
    struct azm_text body = message.record.body;

    if (line.len > 0 && line.s[line.len - 1] == '\n')
        line.len--;
    ck_assert_uint_le(body.len, line.len);
    if (body.len > 0)
        ck_assert_mem_eq(body.s, line.s + line.len - body.len, body.len);
    if (message.host.len == 0 && message.app.len == 0 && attribute("syslog.malformed") && !attribute("syslog.pri") &&
        !attribute("syslog.facility"))
        ck_assert_uint_eq(body.len, line.len);
}

START_TEST(every_truncation)
{
    begin();
    for (size_t len = 0; len < sizeof good; len++) {
        struct azm_text line = {good, len};

        read_texts(line, (struct azm_text){good_meta, len % sizeof good_meta},
                   (struct azm_text){good_json, len % sizeof good_json});
        check_record();
        check_body(line);
    }
    assert_text(message.record.body, "Text with \xC3\xA4.");
    end();
}
END_TEST

static void mutate(struct azm_text original, size_t which)
{
    const struct azm_text texts[] = {GOOD(good), GOOD(good_meta), GOOD(good_json)};
    char *copy = malloc(original.len);

    for (size_t at = 0; at < original.len; at++)
        for (int byte = 0; byte < 256; byte++) {
            struct azm_text t = {copy, original.len};

            memcpy(copy, original.s, original.len);
            copy[at] = (char)byte;
            read_texts(which == 0 ? t : texts[0], which == 1 ? t : texts[1], which == 2 ? t : texts[2]);
            check_record();
            check_body(which == 0 ? t : texts[0]);
        }
    free(copy);
}

START_TEST(every_byte_of_the_line_changed)
{
    begin();
    mutate(GOOD(good), 0);
    end();
}
END_TEST

START_TEST(every_byte_of_meta_and_json_changed)
{
    begin();
    mutate(GOOD(good_meta), 1);
    mutate(GOOD(good_json), 2);
    end();
}
END_TEST

/* Pieces of good lines, in any order, with any bytes between. */
static struct azm_text random_text(struct prng *prng, char *out, size_t size, const char *const *pieces,
                                   size_t n_pieces)
{
    size_t n = 0, parts = prng_below(prng, 24);

    for (size_t i = 0; i < parts; i++) {
        const char *piece = pieces[prng_below(prng, n_pieces)];
        size_t len = prng_below(prng, 4) ? strlen(piece) : prng_below(prng, 6);

        if (n + len > size)
            break;
        if (len == strlen(piece) && len > 0)
            memcpy(out + n, piece, len);
        else
            prng_bytes(prng, out + n, len);
        n += len;
    }
    return (struct azm_text){out, n};
}

START_TEST(random_bytes)
{
    static const char *const line_pieces[] = {"<14>1 ",
                                              "- ",
                                              "-",
                                              " ",
                                              "2003-08-24T05:14:15.",
                                              "Z ",
                                              "[a",
                                              "]",
                                              "\"",
                                              " b=\"",
                                              "\\",
                                              "\n",
                                              "x",
                                              "\xEF\xBB\xBF",
                                              "=",
                                              "[opentelemetry trace_id=\"",
                                              "<14>1 - h a - - [",
                                              "<14>1 - h a 1 - - ",
                                              "\xC3"};
    static const char *const json_pieces[] = {
        "{",    "}",   "[",    "]", "\"",      "\"a\":",  "\"b\":", ",",
        "1",    "1.5", "null", " ", "{\"a\":", "\\u0000", "\xFF",   "\"traceparent\":\"00-",
        "true", "\\"};
    static char line[4096], json[4096], meta[64];
    struct prng prng = {20261125};

    begin();
    for (size_t round = 0; round < 30000; round++) {
        struct azm_text l = random_text(&prng, line, sizeof line, line_pieces, ELEMENTSOF(line_pieces));
        struct azm_text j = random_text(&prng, json, sizeof json, json_pieces, ELEMENTSOF(json_pieces));
        struct azm_text m = {meta, prng_below(&prng, sizeof meta)};

        prng_bytes(&prng, meta, m.len);
        read_texts(l, m, j);
        check_record();
        check_body(l);
    }
    for (size_t round = 0; round < 3000; round++) { /* and nothing but noise */
        struct azm_text l = {line, prng_below(&prng, 300)}, j = {json, prng_below(&prng, 300)};

        prng_bytes(&prng, line, l.len);
        prng_bytes(&prng, json, j.len);
        read_texts(l, (struct azm_text){0}, j);
        check_record();
        check_body(l);
    }
    end();
}
END_TEST

START_TEST(large_message)
{
    static char line[150000];
    size_t start = (size_t)sprintf(line, "<14>1 2003-10-11T22:14:15Z h a - - - ");

    begin();
    for (size_t i = start; i < sizeof line - 1; i++)
        line[i] = (char)(i % 251); /* NUL and invalid UTF-8 as well */
    line[start] = 'x';
    line[sizeof line - 1] = '\n';
    read_texts((struct azm_text){line, sizeof line}, (struct azm_text){0}, (struct azm_text){0});
    ck_assert_uint_eq(message.record.body.len, sizeof line - 1 - start);
    ck_assert_mem_eq(message.record.body.s, line + start, sizeof line - 1 - start);
    check_record();
    end();
}
END_TEST

/* A line with n parameters; names repeat after `names`. */
static struct azm_text many_parameters(size_t n, size_t names, const char *value)
{
    static char line[1 << 20];
    size_t len = (size_t)sprintf(line, "<14>1 2003-10-11T22:14:15Z h a - - [x");

    for (size_t i = 0; i < n; i++)
        len += (size_t)sprintf(line + len, " n%zu=\"%s\"", i % names, value);
    len += (size_t)sprintf(line + len, "] text\n");
    return (struct azm_text){line, len};
}

/* The bounds, and that every parameter is either there or counted. */
START_TEST(ten_thousand_parameters)
{
    static const size_t names[] = {1, 7, AZM_SENT_ATTRIBUTES_MAX, AZM_SENT_ATTRIBUTES_MAX + 1, 10000};

    begin();
    for (size_t i = 0; i < ELEMENTSOF(names); i++)
        for (size_t escaped = 0; escaped < 2; escaped++) {
            size_t n = 0;

            read_texts(many_parameters(10000, names[i], escaped ? "\\\"" : "v"), (struct azm_text){0},
                       AZM_TEXT("{\"a\":1}"));
            for (size_t k = 0; k < message.record.n_attributes; k++) {
                const struct azm_attribute *a = &message.record.attributes[k];

                if (a->key.s[a->key.len - 1] >= '0' && a->key.s[a->key.len - 1] <= '9')
                    n += a->type == AZM_VALUE_TEXTS ? a->texts.n : 1;
            }
            ck_assert_uint_ge(n, AZM_SENT_ATTRIBUTES_MAX);
            ck_assert_uint_le(n, AZM_SENT_VALUES_MAX);
            ck_assert_int_eq(int_of("syslog.dropped_attributes"), (int64_t)(10001 - n));
            ck_assert_int_eq(int_of("syslog.facility"), 1);
            assert_text(message.record.body, "text");
            check_record();
        }
    end();
}
END_TEST

START_TEST(many_bytes_of_parameters)
{
    static char value[40001];
    int64_t n;

    begin();
    memset(value, 'x', sizeof value - 1);
    read_texts(many_parameters(20, 20, value), (struct azm_text){0}, (struct azm_text){0});
    n = (int64_t)message.record.n_attributes - 2;
    ck_assert_int_eq(n, (int64_t)(AZM_SENT_BYTES_MAX / (sizeof value + 9)));
    ck_assert_int_eq(int_of("syslog.dropped_attributes"), 20 - n);
    check_record();
    end();
}
END_TEST

/* The wrapped allocator: counts, and fails at one call. */
static size_t n_allocations, failing_allocation;

static bool allocation_fails(void)
{
    return ++n_allocations == failing_allocation;
}

void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t size);

void *__wrap_malloc(size_t size)
{
    return allocation_fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t n, size_t size)
{
    return allocation_fails() ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *p, size_t size)
{
    return allocation_fails() ? NULL : __real_realloc(p, size);
}

/* The second time that a message of these hosts comes. (jansson is a library of its own: it allocates for JSON.) */
START_TEST(steady_state_allocates_nothing)
{
    const struct azm_key_values configured = {0};
    const struct azm_syslog_input in = {GOOD(good), GOOD(good_meta), {0}, NOW};
    struct azm_syslog_resources *resources;
    struct azm_text resource;
    size_t failures = 0;

    begin();
    ck_assert_int_eq(azm_syslog_resources_new(&configured, &resources), 0);
    for (size_t i = 0; i < 100; i++) {
        failures += azm_syslog_read(reader, &in, &message) < 0; /* Check's macros allocate */
        failures += azm_syslog_resources_get(resources, message.host, message.app, &resource) < 0;
        if (i == 0)
            n_allocations = 0;
    }
    ck_assert_uint_eq(n_allocations, 0);
    ck_assert_uint_eq(failures, 0);
    azm_syslog_resources_free(resources);
    end();
}
END_TEST

/* One message, with each allocation failing once: said so, and the next message is as good as ever. */
static void fail_each_allocation(struct azm_text line, struct azm_text json)
{
    const struct azm_syslog_input in = {line, GOOD(good_meta), json, NOW};
    bool failed = true;

    for (size_t at = 1; failed; at++) {
        int k;

        n_allocations = 0;
        failing_allocation = at;
        k = azm_syslog_reader_new(&reader);
        if (k == 0)
            k = azm_syslog_read(reader, &in, &message);
        failed = n_allocations >= at;
        failing_allocation = 0;
        ck_assert_int_eq(k, failed ? -ENOMEM : 0);
        if (reader) {
            read_texts(GOOD(good), GOOD(good_meta), GOOD(good_json));
            check_record();
            assert_text(message.record.body, "Text with \xC3\xA4.");
        }
        end();
    }
}

START_TEST(every_allocation_fails_once)
{
    static char json[65536];
    size_t n = (size_t)sprintf(json, "{\"a\":[{\"\xFF\":2.5}");

    /* More than the arena's first block of 32 KiB, by keys and values, by arrays, by numbers and names. */
    fail_each_allocation(many_parameters(3000, 2, "\\]"), AZM_TEXT("{\"a\":{\"b\":1}}"));
    for (size_t i = 0; i < 900; i++)
        n += (size_t)sprintf(json + n, ",%zu.5,{\"x\":%zu}", i, i);
    n += (size_t)sprintf(json + n, "]}");
    fail_each_allocation(GOOD(good), (struct azm_text){json, n});
    n = (size_t)sprintf(json, "{");
    for (size_t i = 0; i < 250; i++)
        n += (size_t)sprintf(json + n,
                             "\"n%zu\":{\"a name that is not quite short, nor is the value long, but there "
                             "are many, and each has an array\":[%zu,1.5]},",
                             i, i);
    n += (size_t)sprintf(json + n, "\"z\":1}");
    fail_each_allocation(GOOD(good), (struct azm_text){json, n});
}
END_TEST

START_TEST(every_allocation_of_resources_fails_once)
{
    const struct azm_key_values configured = {0};
    struct azm_syslog_resources *resources;
    struct azm_text resource;
    bool failed = true;

    for (size_t at = 1; failed; at++) {
        int k;

        n_allocations = 0;
        failing_allocation = at;
        k = azm_syslog_resources_new(&configured, &resources);
        if (k == 0)
            k = azm_syslog_resources_get(resources, AZM_TEXT("h"), AZM_TEXT("a"), &resource);
        failed = n_allocations >= at;
        failing_allocation = 0;
        ck_assert_int_eq(k, failed ? -ENOMEM : 0);
        if (resources) {
            ck_assert_int_eq(azm_syslog_resources_get(resources, AZM_TEXT("h"), AZM_TEXT("a"), &resource), 0);
            ck_assert_uint_gt(resource.len, 0);
        }
        resources = azm_syslog_resources_free(resources);
    }
}
END_TEST

static void add_tests(Suite *s)
{
    add_test(s, "every_truncation", every_truncation);
    add_test(s, "every_byte_of_the_line_changed", every_byte_of_the_line_changed);
    add_test(s, "every_byte_of_meta_and_json_changed", every_byte_of_meta_and_json_changed);
    add_test(s, "random_bytes", random_bytes);
    add_test(s, "large_message", large_message);
    add_test(s, "ten_thousand_parameters", ten_thousand_parameters);
    add_test(s, "many_bytes_of_parameters", many_bytes_of_parameters);
    add_test(s, "steady_state_allocates_nothing", steady_state_allocates_nothing);
    add_test(s, "every_allocation_fails_once", every_allocation_fails_once);
    add_test(s, "every_allocation_of_resources_fails_once", every_allocation_of_resources_fails_once);
}

TEST_MAIN("syslog_hostile", add_tests)
