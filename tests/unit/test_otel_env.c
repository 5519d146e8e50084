/* SPDX-License-Identifier: MIT */
#include <errno.h>

#include "config/otel_env.h"
#include "tests/unit/config_help.h"

/* Applies these variables, and no others, to a fresh configuration. */
static int apply(struct azm_config *c, const char *const *env, struct azm_error *err)
{
    set_env(env);
    *err = (struct azm_error){""};
    ck_assert_int_eq(azm_config_init(c), 0);
    return azm_otel_env_apply(c, err);
}

#define ENV(...)                                                                                                       \
    (const char *const[])                                                                                              \
    {                                                                                                                  \
        __VA_ARGS__, NULL                                                                                              \
    }

static void assert_applied(struct azm_config *c, const char *const *env)
{
    struct azm_error err;

    ck_assert_msg(apply(c, env, &err) == 0, "%s: %s", *env, err.words);
}

/* What the tables below compare: one field as text. */
enum field { ENDPOINT, CA_FILE, CERT_FILE, KEY_FILE, GZIP, SCHEDULE_DELAY, BATCH_SIZE, TIMEOUT };

static const char *field_text(const struct azm_config *c, enum field field)
{
    static char text[32];
    uint64_t number = 0;

    switch (field) {
    case ENDPOINT:
        return c->endpoint;
    case CA_FILE:
        return c->tls_ca_file;
    case CERT_FILE:
        return c->tls_cert_file;
    case KEY_FILE:
        return c->tls_key_file;
    case GZIP:
        return c->gzip ? "gzip" : "none";
    case SCHEDULE_DELAY:
        number = c->schedule_delay_usec;
        break;
    case BATCH_SIZE:
        number = c->max_export_batch_size;
        break;
    case TIMEOUT:
        number = c->timeout_usec;
        break;
    }
    snprintf(text, sizeof text, "%llu", (unsigned long long)number);
    return text;
}

START_TEST(every_variable)
{
    static const struct {
        const char *variable;
        enum field field;
        const char *expected;
    } table[] = {
        {"OTEL_EXPORTER_OTLP_ENDPOINT=http://h:4318", ENDPOINT, "http://h:4318/v1/logs"}, /* /v1/logs is appended */
        {"OTEL_EXPORTER_OTLP_ENDPOINT=http://h:4318/", ENDPOINT, "http://h:4318/v1/logs"},
        {"OTEL_EXPORTER_OTLP_ENDPOINT=https://h/a/b", ENDPOINT, "https://h/a/b/v1/logs"},
        {"OTEL_EXPORTER_OTLP_LOGS_ENDPOINT=http://h/x", ENDPOINT, "http://h/x"}, /* as it is */
        {"OTEL_EXPORTER_OTLP_LOGS_ENDPOINT=http://h/", ENDPOINT, "http://h/"},
        {"OTEL_EXPORTER_OTLP_CERTIFICATE=/etc/passwd", CA_FILE, "/etc/passwd"},
        {"OTEL_EXPORTER_OTLP_LOGS_CERTIFICATE=/etc/passwd", CA_FILE, "/etc/passwd"},
        {"OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE=/etc/group", CERT_FILE, "/etc/group"},
        {"OTEL_EXPORTER_OTLP_LOGS_CLIENT_CERTIFICATE=/etc/group", CERT_FILE, "/etc/group"},
        {"OTEL_EXPORTER_OTLP_CLIENT_KEY=/dev/null", KEY_FILE, "/dev/null"},
        {"OTEL_EXPORTER_OTLP_LOGS_CLIENT_KEY=/dev/null", KEY_FILE, "/dev/null"},
        {"OTEL_EXPORTER_OTLP_COMPRESSION=none", GZIP, "none"},
        {"OTEL_EXPORTER_OTLP_LOGS_COMPRESSION=none", GZIP, "none"},
        {"OTEL_EXPORTER_OTLP_COMPRESSION=gzip", GZIP, "gzip"},
        {"OTEL_BLRP_SCHEDULE_DELAY=250", SCHEDULE_DELAY, "250000"}, /* milliseconds */
        {"OTEL_BLRP_MAX_EXPORT_BATCH_SIZE=512", BATCH_SIZE, "512"},
        {"OTEL_BLRP_EXPORT_TIMEOUT=30000", TIMEOUT, "30000000"},
        {"OTEL_EXPORTER_OTLP_TIMEOUT=1500", TIMEOUT, "1500000"},
        {"OTEL_EXPORTER_OTLP_LOGS_TIMEOUT=1500", TIMEOUT, "1500000"},
        {"UNRELATED=x", ENDPOINT, ""},
    };

    for (size_t i = 0; i < ELEMENTSOF(table); i++) {
        CONFIG(c);

        assert_applied(&c, ENV(table[i].variable));
        ck_assert_msg(strcmp(field_text(&c, table[i].field), table[i].expected) == 0, "%s gave %s", table[i].variable,
                      field_text(&c, table[i].field));
    }
}
END_TEST

START_TEST(the_variable_for_logs_goes_before_the_general_one)
{
    static const struct {
        const char *general, *for_logs;
        enum field field;
        const char *expected;
    } table[] = {
        {"OTEL_EXPORTER_OTLP_ENDPOINT=http://a", "OTEL_EXPORTER_OTLP_LOGS_ENDPOINT=http://b/x", ENDPOINT, "http://b/x"},
        {"OTEL_EXPORTER_OTLP_CERTIFICATE=/dev/null", "OTEL_EXPORTER_OTLP_LOGS_CERTIFICATE=/dev/zero", CA_FILE,
         "/dev/zero"},
        {"OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE=/dev/null", "OTEL_EXPORTER_OTLP_LOGS_CLIENT_CERTIFICATE=/dev/zero",
         CERT_FILE, "/dev/zero"},
        {"OTEL_EXPORTER_OTLP_CLIENT_KEY=/dev/null", "OTEL_EXPORTER_OTLP_LOGS_CLIENT_KEY=/dev/zero", KEY_FILE,
         "/dev/zero"},
        {"OTEL_EXPORTER_OTLP_COMPRESSION=none", "OTEL_EXPORTER_OTLP_LOGS_COMPRESSION=gzip", GZIP, "gzip"},
        {"OTEL_EXPORTER_OTLP_TIMEOUT=1000", "OTEL_EXPORTER_OTLP_LOGS_TIMEOUT=2000", TIMEOUT, "2000000"},
        {"OTEL_BLRP_EXPORT_TIMEOUT=1000", "OTEL_EXPORTER_OTLP_TIMEOUT=2000", TIMEOUT, "2000000"},
        /* an empty variable counts as not set */
        {"OTEL_EXPORTER_OTLP_ENDPOINT=http://a", "OTEL_EXPORTER_OTLP_LOGS_ENDPOINT=", ENDPOINT, "http://a/v1/logs"},
        {"OTEL_EXPORTER_OTLP_TIMEOUT=1000", "OTEL_EXPORTER_OTLP_LOGS_TIMEOUT=", TIMEOUT, "1000000"},
    };

    for (size_t i = 0; i < ELEMENTSOF(table); i++) {
        CONFIG(c);
        CONFIG(swapped);

        assert_applied(&c, ENV(table[i].general, table[i].for_logs));
        ck_assert_str_eq(field_text(&c, table[i].field), table[i].expected);
        assert_applied(&swapped, ENV(table[i].for_logs, table[i].general));
        ck_assert_str_eq(field_text(&swapped, table[i].field), table[i].expected);
    }
}
END_TEST

START_TEST(empty_variables_change_nothing)
{
    static const char *const names[] = {
        "OTEL_EXPORTER_OTLP_ENDPOINT",
        "OTEL_EXPORTER_OTLP_LOGS_ENDPOINT",
        "OTEL_EXPORTER_OTLP_HEADERS",
        "OTEL_EXPORTER_OTLP_CERTIFICATE",
        "OTEL_EXPORTER_OTLP_LOGS_COMPRESSION",
        "OTEL_BLRP_SCHEDULE_DELAY",
        "OTEL_EXPORTER_OTLP_TIMEOUT",
        "OTEL_RESOURCE_ATTRIBUTES",
        "OTEL_SERVICE_NAME",
    };
    struct azm_error err;
    CONFIG(c);

    ck_assert_int_eq(azm_config_init(&c), 0);
    ck_assert_int_eq(azm_config_set(&c, "destination", "endpoint", "http://file/x", "F:1", false, &err), 0);
    ck_assert_int_eq(azm_config_set(&c, "destination", "header", "X-A: 1", "F:2", false, &err), 0);
    ck_assert_int_eq(azm_config_set(&c, "resource", "service.name", "file", "F:3", false, &err), 0);
    ck_assert_int_eq(azm_config_set(&c, "export", "compression", "none", "F:4", false, &err), 0);
    ck_assert_int_eq(azm_config_set(&c, "export", "timeout", "7s", "F:5", false, &err), 0);
    clearenv();
    for (size_t i = 0; i < ELEMENTSOF(names); i++)
        setenv(names[i], "", 1);
    ck_assert_int_eq(azm_otel_env_apply(&c, &err), 0);
    ck_assert_str_eq(c.endpoint, "http://file/x");
    ck_assert_uint_eq(c.headers.n, 1);
    ck_assert_uint_eq(c.resource.n, 1);
    ck_assert_str_eq(azm_key_values_get(&c.resource, "service.name"), "file");
    ck_assert(!c.gzip);
    ck_assert_uint_eq(c.timeout_usec, 7 * AZM_USEC_PER_SEC);

    setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://env", 1); /* set, they go before the file */
    setenv("OTEL_SERVICE_NAME", "env", 1);
    ck_assert_int_eq(azm_otel_env_apply(&c, &err), 0);
    ck_assert_str_eq(c.endpoint, "http://env/v1/logs");
    ck_assert_str_eq(azm_key_values_get(&c.resource, "service.name"), "env");
}
END_TEST

START_TEST(lists_of_pairs)
{
    static const struct {
        const char *list, *key, *value;
        size_t n;
    } table[] = {
        {"a=b", "a", "b", 1},
        {"a=b,c=d", "c", "d", 2},
        {" a = b , c = d ", "a", "b", 2},
        {"a=b,,c=d,", "c", "d", 2}, /* empty members */
        {"a=b, ,", "a", "b", 1},
        {"a=b=c", "a", "b=c", 1},
        {"a=Basic dXNlcg==", "a", "Basic dXNlcg==", 1},
        {"a=Bearer%20x%2Cy%3d", "a", "Bearer x,y=", 1}, /* hexadecimal digits of both cases */
        {"%61=%62", "a", "b", 1},
        {"a=%c3%BC", "a", "\xC3\xBC", 1},
        {"a=100%", "a", "100%", 1}, /* a percent sign that begins nothing stays */
        {"a=%4", "a", "%4", 1},
        {"a=%zz", "a", "%zz", 1},
        {"a=%4z", "a", "%4z", 1},
        {"a=%2541", "a", "%41", 1}, /* decoded once */
        {"a=1,a=2", "a", "2", 1},   /* the last one wins */
    };

    for (size_t i = 0; i < ELEMENTSOF(table); i++) {
        char headers[128], resource[128];
        const char *value;
        CONFIG(c);

        snprintf(headers, sizeof headers, "OTEL_EXPORTER_OTLP_HEADERS=%s", table[i].list);
        snprintf(resource, sizeof resource, "OTEL_RESOURCE_ATTRIBUTES=%s", table[i].list);
        assert_applied(&c, ENV(headers, resource));
        ck_assert_uint_eq(c.headers.n, table[i].n);
        ck_assert_uint_eq(c.resource.n, table[i].n);
        value = azm_key_values_get(&c.headers, table[i].key);
        ck_assert_msg(value && strcmp(value, table[i].value) == 0, "%s: %s", headers, value);
        value = azm_key_values_get(&c.resource, table[i].key);
        ck_assert_msg(value && strcmp(value, table[i].value) == 0, "%s: %s", resource, value);
    }
}
END_TEST

START_TEST(names_and_headers_by_precedence)
{
    CONFIG(c);
    CONFIG(d);

    assert_applied(&c, ENV("OTEL_SERVICE_NAME=name", "OTEL_RESOURCE_ATTRIBUTES=service.name=attribute,team=a"));
    ck_assert_str_eq(azm_key_values_get(&c.resource, "service.name"), "name");
    ck_assert_str_eq(azm_key_values_get(&c.resource, "team"), "a");

    assert_applied(
        &d, ENV("OTEL_EXPORTER_OTLP_LOGS_HEADERS=x-a=logs", "OTEL_EXPORTER_OTLP_HEADERS=x-a=general,x-b=general"));
    ck_assert_str_eq(azm_key_values_get(&d.headers, "x-a"), "logs");
    ck_assert_ptr_null(azm_key_values_get(&d.headers, "x-b")); /* the whole list is replaced */
}
END_TEST

START_TEST(bad_values_name_the_variable)
{
    static const char *const table[] = {
        "OTEL_EXPORTER_OTLP_ENDPOINT=localhost:4317",
        "OTEL_EXPORTER_OTLP_ENDPOINT=grpc://h",
        "OTEL_EXPORTER_OTLP_ENDPOINT=http://user:s3cret@h",
        "OTEL_EXPORTER_OTLP_LOGS_ENDPOINT=http://h",
        "OTEL_EXPORTER_OTLP_HEADERS=s3cret",
        "OTEL_EXPORTER_OTLP_HEADERS=a=b,s3cret",
        "OTEL_EXPORTER_OTLP_HEADERS==s3cret",
        "OTEL_EXPORTER_OTLP_LOGS_HEADERS=a b=s3cret",
        "OTEL_EXPORTER_OTLP_HEADERS=a=s3cret%0d%0aX:y", /* no header can be smuggled in */
        "OTEL_EXPORTER_OTLP_HEADERS=content-type=s3cret",
        "OTEL_EXPORTER_OTLP_CERTIFICATE=ca.pem",
        "OTEL_EXPORTER_OTLP_LOGS_CLIENT_KEY=key.pem",
        "OTEL_EXPORTER_OTLP_COMPRESSION=zstd",
        "OTEL_BLRP_SCHEDULE_DELAY=1s",
        "OTEL_BLRP_SCHEDULE_DELAY=-1",
        "OTEL_BLRP_SCHEDULE_DELAY=1.5",
        "OTEL_BLRP_SCHEDULE_DELAY= 1",
        "OTEL_BLRP_MAX_EXPORT_BATCH_SIZE=all",
        "OTEL_BLRP_EXPORT_TIMEOUT=99999999999999999999",
        "OTEL_EXPORTER_OTLP_TIMEOUT=soon",
        "OTEL_RESOURCE_ATTRIBUTES=no pair",
    };

    for (size_t i = 0; i < ELEMENTSOF(table); i++) {
        struct azm_error err;
        char start[64];
        CONFIG(c);

        ck_assert_msg(apply(&c, ENV(table[i]), &err) < 0, "%s was taken", table[i]);
        snprintf(start, sizeof start, "$%.*s: ", (int)strcspn(table[i], "="), table[i]);
        ck_assert_msg(strncmp(err.words, start, strlen(start)) == 0, "%s: '%s'", table[i], err.words);
        ck_assert_msg(strstr(err.words, "s3cret") == NULL, "%s", err.words);
    }
}
END_TEST

/* Like a header without a name. OTLP: an attribute's key is not empty. */
START_TEST(an_attribute_without_a_key_is_refused)
{
    struct azm_error err;
    CONFIG(c);

    ck_assert_msg(apply(&c, ENV("OTEL_RESOURCE_ATTRIBUTES==x"), &err) == -EINVAL, "an empty key was taken");
}
END_TEST

/* %00 would cut the value off at this place without a word. */
START_TEST(an_encoded_nul_byte_is_refused)
{
    struct azm_error err;
    CONFIG(c);
    CONFIG(d);

    ck_assert_msg(apply(&c, ENV("OTEL_EXPORTER_OTLP_HEADERS=a=b%00c"), &err) == -EINVAL, "the header became '%s'",
                  azm_key_values_get(&c.headers, "a"));
    ck_assert_msg(apply(&d, ENV("OTEL_RESOURCE_ATTRIBUTES=a=b%00c"), &err) == -EINVAL, "the attribute became '%s'",
                  azm_key_values_get(&d.resource, "a"));
}
END_TEST

static void add_tests(Suite *s)
{
    add_test(s, "every_variable", every_variable);
    add_test(s, "the_variable_for_logs_goes_before_the_general_one", the_variable_for_logs_goes_before_the_general_one);
    add_test(s, "empty_variables_change_nothing", empty_variables_change_nothing);
    add_test(s, "lists_of_pairs", lists_of_pairs);
    add_test(s, "names_and_headers_by_precedence", names_and_headers_by_precedence);
    add_test(s, "bad_values_name_the_variable", bad_values_name_the_variable);
    add_test(s, "an_attribute_without_a_key_is_refused", an_attribute_without_a_key_is_refused);
    add_test(s, "an_encoded_nul_byte_is_refused", an_encoded_nul_byte_is_refused);
}

TEST_MAIN("otel_env", add_tests)
