/* SPDX-License-Identifier: MIT */
#include <limits.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/config.h"
#include "tests/unit/temp_dir.h"
#include "tests/unit/test.h"

/* packaging/azmonlog.conf: what it says are the defaults are the defaults. */

#define FIELD(name) offsetof(struct azm_config, name)

static const size_t strings[] = {
    FIELD(endpoint),
    FIELD(dce),
    FIELD(dcr),
    FIELD(connection_string),
    FIELD(password_file),
    FIELD(sasl_mechanism),
    FIELD(relay_from),
    FIELD(relay_password_file),
    FIELD(relay_sasl_mechanism),
    FIELD(relay_tls_ca_file),
    FIELD(relay_tls_cert_file),
    FIELD(relay_tls_key_file),
    FIELD(relay_group),
    FIELD(tls_ca_file),
    FIELD(tls_cert_file),
    FIELD(tls_key_file),
    FIELD(authority),
    FIELD(audience),
    FIELD(ingest_suffix),
    FIELD(tenant_id),
    FIELD(client_id),
    FIELD(object_id),
    FIELD(resource_id),
    FIELD(client_secret_file),
    FIELD(client_certificate_file),
    FIELD(journal_directory),
    FIELD(federated_token_file),
    FIELD(journal_namespace),
    FIELD(state_directory),
    FIELD(control),
    FIELD(metrics_listen),
    FIELD(metrics_textfile),
    FIELD(metrics_endpoint),
    FIELD(metrics_dce),
    FIELD(metrics_dcr),
};

/* Strings apart, a member that is not the same, or not in the list above, makes the bytes differ. */
static void assert_same(struct azm_config *a, struct azm_config *b)
{
    for (size_t i = 0; i < ELEMENTSOF(strings); i++) {
        char **x = (char **)((char *)a + strings[i]), **y = (char **)((char *)b + strings[i]);

        ck_assert_str_eq(*x, *y);
        free(*x);
        free(*y);
        *x = *y = NULL;
    }
    ck_assert_mem_eq(a, b, sizeof *a);
}

static void print_sample_path(char ret[static PATH_MAX])
{
    const char *srcdir = getenv("srcdir");

    snprintf(ret, PATH_MAX, "%s/packaging/azmonlog.conf", srcdir ? srcdir : ".");
}

/* The sample with the # taken from each line that has a key: words have a space behind theirs. */
static size_t write_without_comments(const char *path)
{
    _cleanup_fclose_ FILE *in = NULL, *out = NULL;
    char sample[PATH_MAX], line[1024];
    size_t n = 0;

    print_sample_path(sample);
    in = fopen(sample, "re");
    out = fopen(path, "we");
    ck_assert_msg(in && out, "%s, %s: %m", sample, path);
    while (fgets(line, sizeof line, in)) {
        bool key = line[0] == '#' && line[1] >= 'a' && line[1] <= 'z';

        fputs(line + key, out);
        n += key;
    }
    return n;
}

static size_t count_keys(void)
{
    struct azm_config_key k;
    size_t n = 0;

    for (size_t i = 0; azm_config_key(i, &k); i++)
        n += strcmp(k.key, "*") != 0;
    return n;
}

static void assert_is_default(const char *path)
{
    struct azm_config expected, got;
    struct azm_error err = {""};

    ck_assert_int_eq(azm_config_init(&expected), 0);
    ck_assert_int_eq(azm_config_init(&got), 0);
    ck_assert_msg(azm_config_read(&got, path, false, &err) == 0, "%s", err.words);
    assert_same(&expected, &got);
    azm_config_free(&expected);
    azm_config_free(&got);
}

START_TEST(as_it_is)
{
    char path[PATH_MAX];

    print_sample_path(path);
    assert_is_default(path);
}
END_TEST

START_TEST(without_comments)
{
    ck_assert_uint_eq(write_without_comments(temp_path("x.conf")), count_keys());
    assert_is_default(temp_path("x.conf"));
}
END_TEST

static void add_tests(Suite *suite)
{
    add_test(suite, "as it is, nothing differs from the defaults", as_it_is);
    add_test_in_dir(suite, "with the # taken from every key, neither", without_comments);
}

TEST_MAIN("config sample", add_tests)
