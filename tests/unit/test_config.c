/* SPDX-License-Identifier: MIT */
#include <errno.h>

#include "tests/unit/config_help.h"

/* Every key that holds a number, a choice or a duration: the preset, and good values. */
static const struct {
    const char *section, *key, *value;
    size_t offset, size;
    uint64_t expected;
} numbers[] = {
    {"batch", "schedule_delay", "", NUMBER(schedule_delay_usec), S},
    {"batch", "schedule_delay", "500ms", NUMBER(schedule_delay_usec), 500 * MS},
    {"batch", "schedule_delay", "5", NUMBER(schedule_delay_usec), 5 * S}, /* bare numbers are seconds */
    {"batch", "schedule_delay", "0", NUMBER(schedule_delay_usec), 0},
    {"batch", "max_export_batch_size", "", NUMBER(max_export_batch_size), 8192},
    {"batch", "max_export_batch_size", "512", NUMBER(max_export_batch_size), 512},
    {"batch", "max_request_bytes", "", NUMBER(max_request_bytes), 1000000},
    {"batch", "max_request_bytes", "64K", NUMBER(max_request_bytes), 65536},
    {"batch", "max_request_bytes", "4m", NUMBER(max_request_bytes), 4 * 1024 * 1024},
    {"batch", "max_request_bytes", "64M", NUMBER(max_request_bytes), 64 * 1024 * 1024},
    {"state", "quarantine_max_bytes", "", NUMBER(quarantine_max_bytes), 64 * 1024 * 1024},
    {"metrics", "heartbeat", "", NUMBER(heartbeat_usec), 0},
    {"metrics", "heartbeat", "5min", NUMBER(heartbeat_usec), 300 * S},
    {"metrics", "interval", "", NUMBER(metrics_interval_usec), 60 * S},
    {"metrics", "interval", "15s", NUMBER(metrics_interval_usec), 15 * S},
    {"state", "quarantine_max_bytes", "1M", NUMBER(quarantine_max_bytes), 1024 * 1024},
    {"state", "quarantine_max_bytes", "1g", NUMBER(quarantine_max_bytes), 1024 * 1024 * 1024},
    {"export", "compression", "", NUMBER(gzip), true},
    {"export", "compression", "none", NUMBER(gzip), false},
    {"export", "compression", "gzip", NUMBER(gzip), true},
    {"export", "concurrency", "", NUMBER(concurrency), 4},
    {"export", "concurrency", "1", NUMBER(concurrency), 1},
    {"export", "concurrency", "64", NUMBER(concurrency), 64},
    {"export", "timeout", "", NUMBER(timeout_usec), 10 * S},
    {"export", "timeout", "1.5s", NUMBER(timeout_usec), 1500 * MS},
    {"export", "retry_initial_delay", "", NUMBER(retry_initial_delay_usec), S},
    {"export", "retry_initial_delay", "250ms", NUMBER(retry_initial_delay_usec), 250 * MS},
    {"export", "retry_max_delay", "", NUMBER(retry_max_delay_usec), 30 * S},
    {"export", "retry_max_delay", "2min", NUMBER(retry_max_delay_usec), 120 * S},
    {"export", "hold_max_delay", "", NUMBER(hold_max_delay_usec), 300 * S},
    {"export", "hold_max_delay", "1h", NUMBER(hold_max_delay_usec), 3600 * S},
    {"export", "shutdown_timeout", "", NUMBER(shutdown_timeout_usec), 5 * S},
    {"export", "shutdown_timeout", "1min 30s", NUMBER(shutdown_timeout_usec), 90 * S},
    {"journal", "start", "", NUMBER(start), AZM_START_BOOT},
    {"journal", "start", "now", NUMBER(start), AZM_START_NOW},
    {"journal", "start", "oldest", NUMBER(start), AZM_START_OLDEST},
    {"journal", "start", "boot", NUMBER(start), AZM_START_BOOT},
    {"journal", "start", "yesterday", NUMBER(start), AZM_START_TIME},
    {"journal", "start", "@1700000000", NUMBER(start_usec), UINT64_C(1700000000) * S},
    {"journal", "scope", "", NUMBER(scope), AZM_SCOPE_ALL},
    {"journal", "scope", "system", NUMBER(scope), AZM_SCOPE_SYSTEM},
    {"journal", "scope", "user", NUMBER(scope), AZM_SCOPE_USER},
    {"journal", "scope", "all", NUMBER(scope), AZM_SCOPE_ALL},
    {"journal", "priority", "", NUMBER(priority), UINT32_MAX}, /* -1: any */
    {"journal", "priority", "emerg", NUMBER(priority), 0},
    {"journal", "priority", "Warning", NUMBER(priority), 4},
    {"journal", "priority", "debug", NUMBER(priority), 7},
    {"journal", "priority", "0", NUMBER(priority), 0},
    {"journal", "priority", "7", NUMBER(priority), 7},
    {"journal", "priority", "any", NUMBER(priority), UINT32_MAX},
    {"journal", "exclude_own", "", NUMBER(exclude_own), true},
    {"journal", "exclude_own", "no", NUMBER(exclude_own), false},
    {"journal", "fields", "", NUMBER(fields), AZM_FIELDS_STANDARD},
    {"journal", "fields", "minimal", NUMBER(fields), AZM_FIELDS_MINIMAL},
    {"journal", "fields", "full", NUMBER(fields), AZM_FIELDS_FULL},
    {"journal", "fields", "standard", NUMBER(fields), AZM_FIELDS_STANDARD},
    {"journal", "max_body_bytes", "", NUMBER(max_body_bytes), 65536},
    {"journal", "max_body_bytes", "1K", NUMBER(max_body_bytes), 1024},
    {"journal", "service_name_field", "", NUMBER(service_name_field), true},
    {"journal", "service_name_field", "no", NUMBER(service_name_field), false},
    {"journal", "service_name_field", "TRUE", NUMBER(service_name_field), true},
    {"journal", "service_name_field", "off", NUMBER(service_name_field), false},
    {"journal", "service_name_field", "1", NUMBER(service_name_field), true},
    {"journal", "service_name_field", "0", NUMBER(service_name_field), false},
};

/* Every key that holds a string. */
static const struct {
    const char *section, *key, *value;
    size_t offset;
    const char *expected;
} strings[] = {
    {"destination", "endpoint", "", STRING(endpoint), ""},
    {"destination", "endpoint", "http://127.0.0.1:4318/v1/logs", STRING(endpoint), "http://127.0.0.1:4318/v1/logs"},
    {"destination", "endpoint", "HTTPS://h.example/a?b=c", STRING(endpoint), "HTTPS://h.example/a?b=c"},
    {"destination", "endpoint", "http://[::1]:4318/x", STRING(endpoint), "http://[::1]:4318/x"},
    {"destination", "endpoint", "http://h/", STRING(endpoint), "http://h/"}, /* the path "/", and meant so */
    {"destination", "endpoint", "http://a/x https://b/x\thttp://c/", STRING(endpoint),
     "http://a/x https://b/x\thttp://c/"},
    {"destination", "tls_ca_file", "", STRING(tls_ca_file), ""},
    {"destination", "tls_ca_file", "/etc/passwd", STRING(tls_ca_file), "/etc/passwd"},
    {"destination", "tls_cert_file", "", STRING(tls_cert_file), ""},
    {"destination", "tls_cert_file", "/etc/group", STRING(tls_cert_file), "/etc/group"},
    {"destination", "tls_key_file", "", STRING(tls_key_file), ""},
    {"destination", "tls_key_file", "/dev/null", STRING(tls_key_file), "/dev/null"},
    {"journal", "directory", "", STRING(journal_directory), ""},
    {"journal", "directory", "/var/log/journal/x y", STRING(journal_directory), "/var/log/journal/x y"},
    {"journal", "namespace", "", STRING(journal_namespace), ""},
    {"journal", "namespace", "shop", STRING(journal_namespace), "shop"},
    {"journal", "namespace", "user-session@1", STRING(journal_namespace), "user-session@1"},
    {"state", "directory", "", STRING(state_directory), "/var/lib/azmonlog"},
    {"state", "directory", "/srv/state", STRING(state_directory), "/srv/state"},
    {"state", "control", "", STRING(control), ""},
    {"state", "control", "/run/x/control", STRING(control), "/run/x/control"},
};

static const char *good_other(const char *key) /* a value that is nobody's preset */
{
    for (size_t i = 0; i < ELEMENTSOF(numbers); i++)
        if (strcmp(numbers[i].key, key) == 0 && *numbers[i].value)
            return numbers[i].value;
    return "/dev/zero";
}

START_TEST(good_values_and_presets)
{
    for (size_t i = 0; i < ELEMENTSOF(numbers); i++) {
        _cleanup_(azm_config_free) struct azm_config c;

        ck_assert_int_eq(azm_config_init(&c), 0);
        if (*numbers[i].value == '\0') { /* the preset: after azm_config_init and after an empty assignment */
            ck_assert_uint_eq(number_at(&c, numbers[i].offset, numbers[i].size), numbers[i].expected);
            assert_set(&c, numbers[i].section, numbers[i].key, good_other(numbers[i].key));
            ck_assert_uint_ne(number_at(&c, numbers[i].offset, numbers[i].size), numbers[i].expected);
        }
        assert_set(&c, numbers[i].section, numbers[i].key, numbers[i].value);
        ck_assert_msg(number_at(&c, numbers[i].offset, numbers[i].size) == numbers[i].expected, "%s=%s gave %llu",
                      numbers[i].key, numbers[i].value,
                      (unsigned long long)number_at(&c, numbers[i].offset, numbers[i].size));
    }
    for (size_t i = 0; i < ELEMENTSOF(strings); i++) {
        _cleanup_(azm_config_free) struct azm_config c;

        ck_assert_int_eq(azm_config_init(&c), 0);
        if (*strings[i].value == '\0') {
            ck_assert_str_eq(string_at(&c, strings[i].offset), strings[i].expected);
            assert_set(&c, strings[i].section, strings[i].key,
                       strcmp(strings[i].key, "endpoint") == 0    ? "http://h/x"
                       : strcmp(strings[i].key, "namespace") == 0 ? "other"
                                                                  : "/dev/zero");
            ck_assert_str_ne(string_at(&c, strings[i].offset), strings[i].expected);
        }
        assert_set(&c, strings[i].section, strings[i].key, strings[i].value);
        ck_assert_str_eq(string_at(&c, strings[i].offset), strings[i].expected);
    }
}
END_TEST

START_TEST(the_presets_pass_the_check)
{
    _cleanup_(azm_config_free) struct azm_config c;
    struct azm_error err = {""};

    ck_assert_int_eq(azm_config_init(&c), 0);
    ck_assert_msg(azm_config_check(&c, &err) == 0, "%s", err.words);
}
END_TEST

START_TEST(bad_values_name_the_place_and_the_key)
{
    static const struct {
        const char *section, *key, *value, *words; /* words: what else the error says */
    } table[] = {
        {"destination", "endpoint", "localhost:4318/v1/logs", "not an http or https URL"},
        {"destination", "endpoint", "ftp://h/x", "not an http or https URL"},
        {"destination", "endpoint", "file:///etc/passwd", "not an http or https URL"},
        {"destination", "endpoint", "unix:///run/x", "not an http or https URL"},
        {"destination", "endpoint", "/v1/logs", "not an http or https URL"},
        {"destination", "endpoint", "http://h:99999/x", "not an http or https URL"},
        {"destination", "endpoint", "http://a/x b/x", "'b/x' is not an http or https URL"},
        {"destination", "endpoint", "http://a/x http://b", "'http://b' has no path"},
        {"destination", "endpoint", "http://a/x http://b/x http://a/x", "numbers 1 and 3 of them are the same"},
        {"destination", "endpoint", "http://h", "at http://h/v1/logs"},
        {"destination", "endpoint", "https://h:4318", "at https://h:4318/v1/logs"},
        {"destination", "endpoint", "http://user@h/x", "use header="},
        {"destination", "header", "Authorization", "Name: value"},
        {"destination", "header", ": x", "Name: value"},
        {"destination", "header", "A B: x", "Name: value"},
        {"destination", "header", "A\xC3\xA9: x", "Name: value"},
        {"destination", "header", "A: x\ny", "control characters"},
        {"destination", "header", "A: x\ry", "control characters"},
        {"destination", "header", "A: x\x01", "control characters"},
        {"destination", "header", "Content-Type: text/plain", "set by azmonlog itself"},
        {"destination", "header", "content-LENGTH: 5", "set by azmonlog itself"},
        {"destination", "header", "Content-Encoding: br", "set by azmonlog itself"},
        {"destination", "header", "Transfer-Encoding: chunked", "set by azmonlog itself"},
        {"destination", "header", "Expect: 100-continue", "set by azmonlog itself"},
        {"destination", "header", "Host: h", "set by azmonlog itself"},
        {"destination", "headers_file", "/nonexistent/headers", "cannot read /nonexistent/headers: No such file"},
        {"destination", "tls_ca_file", "ca.pem", "no absolute path, and there are no credentials"},
        {"destination", "tls_cert_file", "./c.pem", "neither an absolute path nor the name of a credential"},
        {"destination", "tls_key_file", "~/k.pem", "neither an absolute path nor the name of a credential"},
        {"batch", "schedule_delay", "1 fortnight", "not a duration"},
        {"batch", "schedule_delay", "-1s", "not a duration"},
        {"batch", "max_export_batch_size", "many", "not a number"},
        {"batch", "max_export_batch_size", "-1", "not a number"},
        {"batch", "max_export_batch_size", " 1", "not a number"},
        {"batch", "max_export_batch_size", "99999999999999999999", "not a number"},
        {"batch", "max_request_bytes", "64KB", "not a number"},
        {"batch", "max_request_bytes", "64T", "not a number"},
        {"batch", "max_request_bytes", "1.5M", "not a number"},
        {"batch", "max_request_bytes", "99999999999G", "too large"},
        {"export", "compression", "zstd", "neither gzip nor none"},
        {"export", "compression", "GZIP", "neither gzip nor none"},
        {"export", "concurrency", "0", "between 1 and 64"},
        {"export", "concurrency", "65", "between 1 and 64"},
        {"export", "concurrency", "4294967300", "between 1 and 64"}, /* 2^32 + 4 */
        {"export", "concurrency", "x", "not a number"},
        {"export", "timeout", "soon", "not a duration"},
        {"export", "retry_initial_delay", "1x", "not a duration"},
        {"export", "retry_max_delay", "0x10", "not a duration"},
        {"export", "hold_max_delay", "inf", "not a duration"},
        {"export", "shutdown_timeout", "99999999999999999w", "not a duration"},
        {"export", "timeout", "99ms", "not between 100ms and 3600s"},
        {"export", "retry_initial_delay", "999us", "not between 1ms and"},
        {"batch", "schedule_delay", "61min", "not between 0ms and 3600s"},
        {"batch", "max_request_bytes", "65535", "not between 65536 and 67108864"},
        {"batch", "max_request_bytes", "67108865", "not between 65536 and 67108864"},
        {"batch", "max_export_batch_size", "0", "not between 1 and"},
        {"journal", "max_body_bytes", "1023", "not between 1024 and"},
        {"destination", "tls_ca_file", "/no/such/file", "cannot read /no/such/file: No such file"},
        {"destination", "headers_file", "headers", "no absolute path, and there are no credentials"},
        {"journal", "start", "tomorrow", "none of boot, now, oldest, nor a time"},
        {"journal", "start", "2026-02-30", "none of boot, now, oldest, nor a time"},
        {"journal", "directory", "var/log", "not an absolute path"},
        {"journal", "namespace", "a/b", "not the name of one journal namespace"},
        {"journal", "namespace", "../x", "not the name of one journal namespace"},
        {"journal", "namespace", ".x", "not the name of one journal namespace"},
        {"journal", "namespace", "*", "not the name of one journal namespace"}, /* libsystemd takes it: all of them */
        {"journal", "namespace", "+x", "not the name of one journal namespace"},
        {"journal", "file", "x.journal", "not an absolute path"},
        {"journal", "file", "/no/such.journal", "cannot read /no/such.journal: No such file"},
        {"journal", "scope", "root", "none of all, system, user"},
        {"journal", "scope", "ALL", "none of all, system, user"},
        {"journal", "priority", "8", "none of emerg, alert"},
        {"journal", "priority", "-1", "none of emerg, alert"},
        {"journal", "priority", "7x", "none of emerg, alert"},
        {"journal", "priority", " 7", "none of emerg, alert"},
        {"journal", "priority", "18446744073709551616", "none of emerg, alert"}, /* 2^64 */
        {"journal", "priority", "4..6", "none of emerg, alert"},
        {"journal", "units", "ssh*", "'ssh*' is a pattern"},
        {"journal", "units", "good ss?", "'ss?' is a pattern"},
        {"journal", "exclude_units", "[a]", "'[a]' is a pattern"},
        {"journal", "facilities", "24", "'24' is not a syslog facility"},
        {"journal", "facilities", "kern, local8", "'local8' is not a syslog facility"},
        {"journal", "facilities", "-1", "'-1' is not a syslog facility"},
        {"journal", "match", "_UID", "not FIELD=value"},
        {"journal", "match", "=0", "not FIELD=value"},
        {"journal", "match", "_uid=0", "not FIELD=value"},
        {"journal", "match", "A B=0", "not FIELD=value"},
        {"journal", "match", " _UID=0", "not FIELD=value"},
        {"journal", "exclude_match", "+", "not FIELD=value"},
        {"journal", "exclude_own", "perhaps", "neither yes nor no"},
        {"journal", "fields", "all", "none of minimal, standard, full"},
        {"journal", "max_body_bytes", "64 K", "not a number"},
        {"journal", "service_name_field", "maybe", "neither yes nor no"},
        {"resource", "", "x", "UTF-8 text and not empty"},
        {"resource", "a\xFF", "x", "UTF-8 text and not empty"},
        {"state", "directory", "state", "not an absolute path"},
        {"state", "control", "run/control", "not an absolute path"},
        {"state", "quarantine_max_bytes", "1000", "not between"},
        {"state", "quarantine_max_bytes", "2G", "not between"},
        {"metrics", "heartbeat", "2d", "not between"},
        {"metrics", "interval", "0", "not between"},
        {"metrics", "endpoint", "http://h:4318", "OTLP/HTTP metrics are usually taken at http://h:4318/v1/metrics"},
        {"metrics", "endpoint", "http://u:p@h/v1/metrics", "a URL with a user name"},
        {"metrics", "dce", "h/x",
         "not the metrics ingestion endpoint of a data collection endpoint "
         "(https://NAME-ID.REGION-1.metrics.ingest.monitor.azure.com)"},
        {"metrics", "dcr", "x", "not the immutable id"},
        {"metrics", "header", "Host: x", "set by azmonlog itself"},
        {"metrics", "textfile", "azmonlog.prom", "not an absolute path"},
        {"metrics", "textfile", "/run/azmonlog.txt", "does not end in .prom"},
#if HAVE_MICROHTTPD
        {"metrics", "listen", "9469", "not an address and a port"},
        {"metrics", "listen", "127.0.0.1", "not an address and a port"},
        {"metrics", "listen", "127.0.0.1:", "not an address and a port"},
        {"metrics", "listen", "127.0.0.1:0", "not an address and a port"},
        {"metrics", "listen", "127.0.0.1:65536", "not an address and a port"},
        {"metrics", "listen", "127.0.0.1:80x", "not an address and a port"},
        {"metrics", "listen", ":9469", "not an address and a port"},
        {"metrics", "listen", "0.0.0.0:9469", "not an address of this host alone"},
        {"metrics", "listen", "192.0.2.1:9469", "not an address of this host alone"},
        {"metrics", "listen", "::1:9469", "not an address of this host alone"},
        {"metrics", "listen", "[::]:9469", "not an address of this host alone"},
        {"metrics", "listen", "localhost:9469", "not an address of this host alone"},
#else
        {"metrics", "listen", "127.0.0.1:9469", "without libmicrohttpd"},
#endif
    };

    for (size_t i = 0; i < ELEMENTSOF(table); i++) {
        _cleanup_(azm_config_free) struct azm_config c;
        struct azm_error err = {""};
        char start[128];

        ck_assert_int_eq(azm_config_init(&c), 0);
        ck_assert_msg(azm_config_set(&c, table[i].section, table[i].key, table[i].value, WHERE, false, &err) < 0,
                      "%s=%s was taken", table[i].key, table[i].value);
        snprintf(start, sizeof start, WHERE ": %s: ", table[i].key);
        ck_assert_msg(strncmp(err.words, start, strlen(start)) == 0, "%s", err.words);
        ck_assert_msg(strstr(err.words, table[i].words) != NULL, "%s=%s: %s", table[i].key, table[i].value, err.words);
    }
}
END_TEST

START_TEST(unknown_keys_and_sections_list_the_known_ones)
{
    _cleanup_(azm_config_free) struct azm_config c;
    struct azm_error err;

    ck_assert_int_eq(azm_config_init(&c), 0);
    ck_assert_int_eq(azm_config_set(&c, "export", "time_out", "1", WHERE, false, &err), -EINVAL);
    ck_assert_str_eq(err.words, WHERE ": unknown key 'time_out' in [export]; known there: compression, concurrency, "
                                      "timeout, retry_initial_delay, retry_max_delay, hold_max_delay, "
                                      "shutdown_timeout");
    ck_assert_int_eq(azm_config_set(&c, "exporter", "timeout", "1", WHERE, false, &err), -EINVAL);
    ck_assert_str_eq(err.words, WHERE ": unknown section [exporter]; known are: destination, batch, export, journal, "
                                      "unit \"NAME\", filter, redact, relay, resource, state, metrics");
    ck_assert_int_eq(azm_config_set(&c, "batch", "timeout", "1", WHERE, false, &err), -EINVAL); /* of another section */
    ck_assert_int_eq(azm_config_set(&c, "Batch", "schedule_delay", "1", WHERE, false, &err), -EINVAL);
}
END_TEST

START_TEST(resource_takes_any_key)
{
    _cleanup_(azm_config_free) struct azm_config c;
    struct azm_error err;
    char *long_text = calloc(1, 5000);

    ck_assert_int_eq(azm_config_init(&c), 0);
    assert_set(&c, "resource", "deployment.environment", "test");
    assert_set(&c, "resource", "service.name", "a");
    assert_set(&c, "resource", "service.name", "b"); /* a key set later wins */
    assert_set(&c, "resource", "empty", "");         /* an attribute may be empty */
    ck_assert_uint_eq(c.resource.n, 3);
    ck_assert_str_eq(azm_key_values_get(&c.resource, "deployment.environment"), "test");
    ck_assert_str_eq(azm_key_values_get(&c.resource, "service.name"), "b");
    ck_assert_str_eq(azm_key_values_get(&c.resource, "empty"), "");
    ck_assert_ptr_null(azm_key_values_get(&c.resource, "service"));

    memset(long_text, 'x', 4096);
    assert_set(&c, "resource", "long", long_text);
    long_text[4096] = 'x';
    ck_assert_int_eq(azm_config_set(&c, "resource", "long", long_text, WHERE, false, &err), -EINVAL);
    long_text[257] = '\0';
    ck_assert_int_eq(azm_config_set(&c, "resource", long_text, "x", WHERE, false, &err), -EINVAL);
    ck_assert_ptr_nonnull(strstr(err.words, WHERE));
    long_text[256] = '\0';
    assert_set(&c, "resource", long_text, "x");
    free(long_text);
}
END_TEST

/* Every key that holds a list: what one assignment after another makes of it, as words with | between them. */
#define LIST(field) offsetof(struct azm_config, field)

START_TEST(lists)
{
    static const struct {
        const char *key;
        size_t offset;
        const char *values[4], *expected;
    } table[] = {
        {"file", LIST(journal_files), {"/dev/null", "/dev/zero", "/dev/null"}, "/dev/null|/dev/zero"},
        {"units", LIST(units), {"ssh"}, "ssh.service"},
        {"units", LIST(units), {"ssh", "cron"}, "ssh.service|cron.service"},
        {"units", LIST(units), {"ssh ssh.service"}, "ssh.service"},
        {"units", LIST(units), {" a,b\tc , ,"}, "a.service|b.service|c.service"},
        {"units",
         LIST(units),
         {"a.socket b.timer c.mount d.slice e.scope"},
         "a.socket|b.timer|c.mount|d.slice|e.scope"},
        {"units",
         LIST(units),
         {"a.device b.swap c.target d.path e.automount"},
         "a.device|b.swap|c.target|d.path|e.automount"},
        {"units", LIST(units), {"org.x.y getty@tty1"}, "org.x.y.service|getty@tty1.service"},
        {"units", LIST(units), {".service"}, ".service.service"}, /* no name, only a suffix */
        {"exclude_units", LIST(exclude_units), {"a b.socket"}, "a.service|b.socket"},
        {"identifiers", LIST(identifiers), {"a, b c", "d"}, "a|b|c|d"},
        {"exclude_identifiers", LIST(exclude_identifiers), {"a, b c", "d"}, "a|b|c|d"},
        {"transports", LIST(transports), {"kernel, syslog", "audit"}, "kernel|syslog|audit"},
        {"facilities", LIST(facilities), {"kern USER 2 daemon"}, "0|1|2|3"},
        {"facilities", LIST(facilities), {"auth authpriv cron ftp", "local0 local7"}, "4|10|9|11|16|23"},
        {"facilities", LIST(facilities), {"23", "local7"}, "23"},
        {"match", LIST(matches), {"_UID=0", "MESSAGE=a = b, c", "X="}, "_UID=0|MESSAGE=a = b, c|X="},
        {"exclude_match", LIST(exclude_matches), {"_UID=0"}, "_UID=0"},
    };

    for (size_t i = 0; i < ELEMENTSOF(table); i++) {
        _cleanup_(azm_config_free) struct azm_config c;
        const struct azm_key_values *list = (const void *)((const char *)&c + table[i].offset);
        char found[256] = "";

        ck_assert_int_eq(azm_config_init(&c), 0);
        for (int round = 0; round < 2; round++) {
            ck_assert_uint_eq(list->n, 0);
            for (const char *const *v = table[i].values; *v; v++)
                assert_set(&c, "journal", table[i].key, *v);
            *found = '\0';
            for (size_t k = 0; k < list->n; k++)
                snprintf(found + strlen(found), sizeof found - strlen(found), "%s%s", k ? "|" : "", list->items[k].key);
            ck_assert_str_eq(found, table[i].expected);
            assert_set(&c, "journal", table[i].key, ""); /* an empty assignment empties it, and more may follow */
        }
        ck_assert_uint_eq(list->n, 0);
    }
}
END_TEST

START_TEST(headers_can_be_emptied)
{
    _cleanup_(azm_config_free) struct azm_config c;

    ck_assert_int_eq(azm_config_init(&c), 0);
    assert_set(&c, "destination", "header", "A: 1");
    assert_set(&c, "destination", "header", "");
    ck_assert_uint_eq(c.headers.n, 0);
    assert_set(&c, "destination", "header", "B: 2");
    ck_assert_uint_eq(c.headers.n, 1);
    ck_assert_str_eq(c.headers.items[0].key, "B");
}
END_TEST

/* A bad word in a list is an error, whatever stands before it; the longest names have room. */
START_TEST(names_of_units_have_a_limit)
{
    _cleanup_(azm_config_free) struct azm_config c;
    struct azm_error err = {""};
    char name[300];

    ck_assert_int_eq(azm_config_init(&c), 0);
    memset(name, 'x', sizeof name);
    name[240] = '\0';
    assert_set(&c, "journal", "units", name);
    ck_assert_uint_eq(strlen(c.units.items[0].key), 248);
    name[240] = 'x';
    name[241] = '\0';
    ck_assert_int_eq(azm_config_set(&c, "journal", "units", name, WHERE, false, &err), -EINVAL);
    ck_assert_ptr_nonnull(strstr(err.words, "too long for the name of a unit"));
}
END_TEST

START_TEST(check_sees_what_does_not_fit_together)
{
    static const struct {
        const char *section, *key, *value, *other_section, *other_key, *other_value, *words; /* NULL: passes */
    } table[] = {
        {"destination", "tls_key_file", "/dev/null", NULL, NULL, NULL, "tls_cert_file="},
        {"destination", "tls_key_file", "/dev/null", "destination", "tls_cert_file", "/dev/null", NULL},
        {"destination", "tls_cert_file", "/dev/null", NULL, NULL, NULL, NULL}, /* one file with both */
        {"journal", "directory", "/x", "journal", "namespace", "x", "use one of them"},
        {"journal", "directory", "/x", "journal", "file", "/dev/null", "use one of them"},
        {"journal", "directory", "/x", "journal", "scope", "user", "use one of them"},
        {"journal", "namespace", "x", "journal", "file", "/dev/null", "use one of them"},
        {"journal", "namespace", "x", "journal", "scope", "system", "use one of them"},
        {"journal", "file", "/dev/null", "journal", "scope", "system", "use one of them"},
        {"journal", "file", "/dev/null", "journal", "file", "/dev/zero", NULL},
        {"journal", "directory", "/x", "journal", "scope", "all", NULL},
        {"journal", "directory", "/x", "journal", "units", "x", NULL},
    };

    for (size_t i = 0; i < ELEMENTSOF(table); i++) {
        _cleanup_(azm_config_free) struct azm_config c;
        struct azm_error err = {""};
        int r;

        ck_assert_int_eq(azm_config_init(&c), 0);
        assert_set(&c, table[i].section, table[i].key, table[i].value);
        if (table[i].other_key)
            assert_set(&c, table[i].other_section, table[i].other_key, table[i].other_value);
        r = azm_config_check(&c, &err);
        ck_assert_msg(r == (table[i].words ? -EINVAL : 0), "%s=%s: %d %s", table[i].key, table[i].value, r, err.words);
        ck_assert_ptr_nonnull(strstr(err.words, table[i].words ? table[i].words : ""));
    }
}
END_TEST

static void add_tests(Suite *s)
{
    add_test(s, "good_values_and_presets", good_values_and_presets);
    add_test(s, "the_presets_pass_the_check", the_presets_pass_the_check);
    add_test(s, "bad_values_name_the_place_and_the_key", bad_values_name_the_place_and_the_key);
    add_test(s, "unknown_keys_and_sections_list_the_known_ones", unknown_keys_and_sections_list_the_known_ones);
    add_test(s, "resource_takes_any_key", resource_takes_any_key);
    add_test(s, "lists", lists);
    add_test(s, "headers_can_be_emptied", headers_can_be_emptied);
    add_test(s, "names_of_units_have_a_limit", names_of_units_have_a_limit);
    add_test(s, "check_sees_what_does_not_fit_together", check_sees_what_does_not_fit_together);
}

TEST_MAIN("config", add_tests)
