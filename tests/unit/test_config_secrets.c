/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "config/config.h"
#include "tests/unit/temp_dir.h"
#include "tests/unit/test.h"

/* Request headers, the one part of the configuration that holds secrets: who may read the place they stand in, and that
 * no error shows them. The secret in these tests is always "s3cret". */

#define WHERE "/etc/x.conf:7"

static int set(struct azm_config *c, const char *key, const char *value, bool is_public, struct azm_error *err)
{
    *err = (struct azm_error){""};
    return azm_config_set(c, "destination", key, value, WHERE, is_public, err);
}

static void assert_set(struct azm_config *c, const char *key, const char *value, bool is_public)
{
    struct azm_error err;

    ck_assert_msg(set(c, key, value, is_public, &err) == 0, "%s=%s: %s", key, value, err.words);
}

/* The value is refused, and the error names the place and the key but does not show the secret. */
static void assert_refused(struct azm_config *c, const char *key, const char *value, bool is_public)
{
    struct azm_error err;
    char start[64];

    ck_assert_msg(set(c, key, value, is_public, &err) < 0, "%s=%s was taken", key, value);
    snprintf(start, sizeof start, WHERE ": %s: ", key);
    ck_assert_msg(strncmp(err.words, start, strlen(start)) == 0, "%s", err.words);
    ck_assert_msg(strstr(err.words, "s3cret") == NULL, "the error shows the secret: %s", err.words);
}

START_TEST(headers_are_a_list)
{
    _cleanup_(azm_config_free) struct azm_config c;

    ck_assert_int_eq(azm_config_init(&c), 0);
    assert_set(&c, "header", "X-One:1", false);
    assert_set(&c, "header", "X-Two: \t with: colon, and a tab\there", false);
    assert_set(&c, "header", "X-Three:", false);
    assert_set(&c, "header", "X-One: other", false); /* the same name again: the later value */
    assert_set(&c, "header", "User-Agent: mine", true);
    ck_assert_uint_eq(c.headers.n, 4);
    ck_assert_str_eq(c.headers.items[0].key, "X-One");
    ck_assert_str_eq(c.headers.items[0].value, "other");
    ck_assert_str_eq(c.headers.items[1].value, "with: colon, and a tab\there");
    ck_assert_str_eq(c.headers.items[2].value, "");
    assert_set(&c, "header", "", false);
    ck_assert_uint_eq(c.headers.n, 0);
}
END_TEST

/* RFC 9110, 5.1: field names have no case. Otherwise authorization= of the environment would be sent beside the
 * Authorization of the file, which it is to replace. */
START_TEST(header_names_have_no_case)
{
    _cleanup_(azm_config_free) struct azm_config c;

    ck_assert_int_eq(azm_config_init(&c), 0);
    assert_set(&c, "header", "Authorization: Bearer old", false);
    assert_set(&c, "header", "authorization: Bearer new", false);
    ck_assert_uint_eq(c.headers.n, 1);
    ck_assert_str_eq(c.headers.items[0].value, "Bearer new");
}
END_TEST

START_TEST(secret_headers_are_refused_where_everybody_can_read_them)
{
    static const char *const secret[] = {
        "Authorization: Bearer s3cret",
        "authorization: s3cret",
        "Proxy-Authorization: s3cret",
        "Cookie: a=s3cret",
        "X-Api-Key: s3cret",
        "api-key: s3cret",
        "X-Auth-Token: s3cret",
        "X-SECRET: s3cret",
        "Ocp-Apim-Subscription-Key: s3cret",
        "X-Password: s3cret",
    };
    static const char *const plain[] = {"X-Tenant: a", "X-Scope-OrgID: b", "User-Agent: c"};

    for (size_t i = 0; i < ELEMENTSOF(secret); i++) {
        _cleanup_(azm_config_free) struct azm_config c;

        ck_assert_int_eq(azm_config_init(&c), 0);
        assert_refused(&c, "header", secret[i], true);
        ck_assert_uint_eq(c.headers.n, 0);
        assert_set(&c, "header", secret[i], false);
    }
    for (size_t i = 0; i < ELEMENTSOF(plain); i++) {
        _cleanup_(azm_config_free) struct azm_config c;

        ck_assert_int_eq(azm_config_init(&c), 0);
        assert_set(&c, "header", plain[i], true);
    }
}
END_TEST

START_TEST(secret_headers_in_a_file)
{
    static const struct {
        mode_t mode;
        int result;
    } table[] = {{0644, -EPERM}, {0604, -EPERM}, {0640, 0}, {0600, 0}};

    for (size_t i = 0; i < ELEMENTSOF(table); i++) {
        _cleanup_(azm_config_free) struct azm_config c;
        struct azm_error err = {""};
        int r;

        ck_assert_int_eq(azm_config_init(&c), 0);
        write_text("x.conf", table[i].mode, "[destination]\nheader=Authorization: Bearer s3cret\n");
        r = azm_config_read(&c, temp_path("x.conf"), false, &err);
        ck_assert_msg(r == table[i].result, "mode %o: %d %s", table[i].mode, r, err.words);
        ck_assert_ptr_null(strstr(err.words, "s3cret"));
        if (r < 0)
            ck_assert_ptr_nonnull(strstr(err.words, "x.conf:2: header: the header Authorization"));
    }
}
END_TEST

START_TEST(errors_about_headers_show_no_value)
{
    static const char *const table[] = {
        "Authorization s3cret",
        "Authorization=Bearer s3cret",
        "Bearer s3cret",
        "s3cret",
        ": s3cret",
        "A B: s3cret",
        "Authorization : s3cret",
        "Host: s3cret",
        "Content-Type: s3cret",
        "X: s3cret\x01",
        "X: \ns3cret",
        "X: s3cret\x1B[0m",
    };

    for (size_t i = 0; i < ELEMENTSOF(table); i++) {
        _cleanup_(azm_config_free) struct azm_config c;

        ck_assert_int_eq(azm_config_init(&c), 0);
        assert_refused(&c, "header", table[i], false);
    }
}
END_TEST

START_TEST(errors_about_endpoints_show_no_password)
{
    static const char *const table[] = {
        "http://user:s3cret@h/x",
        "https://:s3cret@h/x",
        "http://s3cret@h/x",
        "http://user:s3cret@h", /* no path */
        "ftp://user:s3cret@h/x",
        "http://user:s3cret@h:99999/x",
        "https://h.example?code=s3cret", /* no path, and a function key in the query */
    };

    for (size_t i = 0; i < ELEMENTSOF(table); i++) {
        _cleanup_(azm_config_free) struct azm_config c;

        ck_assert_int_eq(azm_config_init(&c), 0);
        assert_refused(&c, "endpoint", table[i], false);
        ck_assert_str_eq(c.endpoint, "");
    }
}
END_TEST

START_TEST(headers_file_by_mode)
{
    static const struct {
        mode_t mode;
        bool good;
    } table[] = {{0600, true},  {0640, true},  {0400, true},  {0440, true},
                 {0604, false}, {0644, false}, {0444, false}, {0666, false}};

    for (size_t i = 0; i < ELEMENTSOF(table); i++) {
        _cleanup_(azm_config_free) struct azm_config c;

        ck_assert_int_eq(azm_config_init(&c), 0);
        unlink(temp_path("headers")); /* an ordinary user could not write over mode 0400 */
        write_text("headers", table[i].mode, "Authorization: Bearer s3cret\n");
        if (table[i].good) { /* the place where the name of the file stands may be public */
            assert_set(&c, "headers_file", temp_path("headers"), true);
            ck_assert_str_eq(azm_key_values_get(&c.headers, "Authorization"), "Bearer s3cret");
        } else {
            assert_refused(&c, "headers_file", temp_path("headers"), true);
            ck_assert_uint_eq(c.headers.n, 0);
        }
    }
}
END_TEST

START_TEST(headers_file_content)
{
    _cleanup_(azm_config_free) struct azm_config c;

    ck_assert_int_eq(azm_config_init(&c), 0);
    assert_set(&c, "header", "X-Two: from the configuration", true);
    write_text("headers", 0600, "# a comment\n\nAuthorization: Bearer s3cret\r\nX-Two: 2\nX-Last: no newline");
    assert_set(&c, "headers_file", temp_path("headers"), true);
    ck_assert_uint_eq(c.headers.n, 3);
    ck_assert_str_eq(azm_key_values_get(&c.headers, "Authorization"), "Bearer s3cret");
    ck_assert_str_eq(azm_key_values_get(&c.headers, "X-Two"), "2");
    ck_assert_str_eq(azm_key_values_get(&c.headers, "X-Last"), "no newline");
}
END_TEST

START_TEST(bad_headers_files_name_the_line_and_show_nothing)
{
    static const struct {
        const char *text, *words;
    } table[] = {
        {"s3cret\n", "headers:1: a header is written as"},
        {"X-A: 1\n# c\nBearer s3cret\n", "headers:3: a header is written as"},
        {"Host: s3cret\n", "headers:1: the header Host"},
        {"X-A: s3cret\x07\n", "headers:1: a header value has no control"},
    };

    for (size_t i = 0; i < ELEMENTSOF(table); i++) {
        _cleanup_(azm_config_free) struct azm_config c;
        struct azm_error err;

        ck_assert_int_eq(azm_config_init(&c), 0);
        write_text("headers", 0600, table[i].text);
        assert_refused(&c, "headers_file", temp_path("headers"), true);
        ck_assert_int_lt(set(&c, "headers_file", temp_path("headers"), true, &err), 0);
        ck_assert_msg(strstr(err.words, table[i].words) != NULL, "%s", err.words);
    }
}
END_TEST

/* LoadCredential= of the unit. */
START_TEST(credentials_by_name)
{
    _cleanup_(azm_config_free) struct azm_config c;
    struct azm_error err = {""};

    write_text("azmonlog.headers", 0400, "Authorization: Bearer s3cret\n");
    write_text("azmonlog.tls-key", 0400, "key\n");
    ck_assert_int_eq(azm_config_init(&c), 0);
    setenv("CREDENTIALS_DIRECTORY", temp_dir, 1);
    assert_set(&c, "headers_file", "azmonlog.headers", true);
    assert_set(&c, "tls_key_file", "azmonlog.tls-key", true);
    ck_assert_int_eq(set(&c, "tls_key_file", "azmonlog.none", true, &err), -ENOENT);
    unsetenv("CREDENTIALS_DIRECTORY");
    ck_assert_str_eq(c.headers.items[0].value, "Bearer s3cret");
    ck_assert_str_eq(c.tls_key_file, temp_path("azmonlog.tls-key"));
    ck_assert_int_eq(set(&c, "headers_file", "azmonlog.headers", true, &err), -ENXIO);
}
END_TEST

START_TEST(a_headers_file_that_cannot_be_read_is_an_error)
{
    _cleanup_(azm_config_free) struct azm_config c;
    struct azm_error err;

    ck_assert_int_eq(azm_config_init(&c), 0);
    assert_refused(&c, "headers_file", temp_path("missing"), false);
    ck_assert_int_eq(mkdir(temp_path("directory"), 0700), 0);
    ck_assert_msg(set(&c, "headers_file", temp_path("directory"), false, &err) < 0, "a directory was taken as a file");
}
END_TEST

START_TEST(a_headers_file_with_a_nul_byte_is_an_error)
{
    _cleanup_(azm_config_free) struct azm_config c;
    struct azm_error err;

    ck_assert_int_eq(azm_config_init(&c), 0);
    write_file("headers", 0600, "Authorization: Bearer s3\0cret\n", 30);
    ck_assert_msg(set(&c, "headers_file", temp_path("headers"), false, &err) < 0,
                  "the value was cut off at the NUL: %s", azm_key_values_get(&c.headers, "Authorization"));
}
END_TEST

static void add_tests(Suite *s)
{
    add_test(s, "headers_are_a_list", headers_are_a_list);
    add_test(s, "header_names_have_no_case", header_names_have_no_case);
    add_test(s, "secret_headers_are_refused_where_everybody_can_read_them",
             secret_headers_are_refused_where_everybody_can_read_them);
    add_test_in_dir(s, "secret_headers_in_a_file", secret_headers_in_a_file);
    add_test(s, "errors_about_headers_show_no_value", errors_about_headers_show_no_value);
    add_test(s, "errors_about_endpoints_show_no_password", errors_about_endpoints_show_no_password);
    add_test_in_dir(s, "headers_file_by_mode", headers_file_by_mode);
    add_test_in_dir(s, "headers_file_content", headers_file_content);
    add_test_in_dir(s, "bad_headers_files_name_the_line_and_show_nothing",
                    bad_headers_files_name_the_line_and_show_nothing);
    add_test_in_dir(s, "credentials_by_name", credentials_by_name);
    add_test_in_dir(s, "a_headers_file_that_cannot_be_read_is_an_error",
                    a_headers_file_that_cannot_be_read_is_an_error);
    add_test_in_dir(s, "a_headers_file_with_a_nul_byte_is_an_error", a_headers_file_with_a_nul_byte_is_an_error);
}

TEST_MAIN("config_secrets", add_tests)
