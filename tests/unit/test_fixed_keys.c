/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <string.h>

#include "cli/fixed_keys.h"
#include "tests/unit/test.h"

struct setting {
    const char *section, *key, *value;
};

static void begin(struct azm_config *c, const struct setting *s)
{
    struct azm_error err = {""};

    ck_assert_int_eq(azm_config_init(c), 0);
    ck_assert_msg(azm_config_set(c, s->section, s->key, s->value, "test", false, &err) == 0, "%s", err.words);
}

/* `old` has the default, `new` has this. */
static int check(const struct setting *s, struct azm_error *err)
{
    _cleanup_(azm_config_free) struct azm_config old = {0}, new = {0};
    int r;

    ck_assert_int_eq(azm_config_init(&old), 0);
    begin(&new, s);
    ck_assert_int_eq(cli_check_fixed_keys(&old, &old, err), 0);
    ck_assert_int_eq(cli_check_fixed_keys(&new, &new, err), 0);
    r = cli_check_fixed_keys(&old, &new, err);
    ck_assert_int_eq(cli_check_fixed_keys(&new, &old, err), r);
    return r;
}

START_TEST(what_it_stands_on_is_fixed)
{
    static const struct setting table[] = {
        {"journal", "directory", "/other"},
        {"journal", "namespace", "other"},
        {"journal", "file", "/dev/null"},
        {"journal", "scope", "user"},
        {"relay", "from", "redis://other/logs"},
        {"relay", "group", "other"},
        {"relay", "password_file", "/other"},
        {"relay", "sasl_mechanism", "SCRAM-SHA-256"},
        {"relay", "tls_ca_file", "/dev/null"},
        {"relay", "tls_cert_file", "/dev/null"},
        {"relay", "tls_key_file", "/dev/null"},
        {"relay", "claim_after", "7min"},
        {"relay", "trim", "no"},
        {"state", "directory", "/other"},
        {"state", "control", "/other"},
        {"state", "quarantine_max_bytes", "12345678"},
        {"metrics", "textfile", "/other.prom"},
#if HAVE_MICROHTTPD
        {"metrics", "listen", "127.0.0.1:1"},
#endif
    };

    for (size_t i = 0; i < ELEMENTSOF(table); i++) {
        _cleanup_free_ char *wanted = NULL;
        struct azm_error err = {""};

        ck_assert_int_gt(asprintf(&wanted, "[%s] %s= cannot change", table[i].section, table[i].key), 0);
        ck_assert_msg(check(&table[i], &err) == -EINVAL, "[%s] %s=", table[i].section, table[i].key);
        ck_assert_msg(strncmp(err.words, wanted, strlen(wanted)) == 0, "%s", err.words);
    }
}
END_TEST

START_TEST(the_rest_may_change)
{
    static const struct setting table[] = {
        {"destination", "endpoint", "http://127.0.0.1:1/v1/logs"},
        {"batch", "schedule_delay", "7s"},
        {"journal", "priority", "err"},
        {"export", "concurrency", "7"},
    };

    for (size_t i = 0; i < ELEMENTSOF(table); i++) {
        struct azm_error err = {""};

        ck_assert_msg(check(&table[i], &err) == 0, "%s", err.words);
    }
}
END_TEST

static void add_tests(Suite *s)
{
    add_test(s, "what_it_stands_on_is_fixed", what_it_stands_on_is_fixed);
    add_test(s, "the_rest_may_change", the_rest_may_change);
}

TEST_MAIN("fixed_keys", add_tests)
