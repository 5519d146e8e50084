/* SPDX-License-Identifier: MIT */
#include <errno.h>

#include "auth/secret_file.h"
#include "tests/unit/temp_dir.h"
#include "tests/unit/test.h"

#define MARKER "M4rk3r-S3cr3t"

static int read_secret(const char *name, size_t max, bool shared, struct azm_secret **ret, struct azm_error *err)
{
    int r;

    err->words[0] = '\0';
    r = azm_secret_file_read(name, max, shared, ret, err);
    ck_assert(!strstr(err->words, MARKER));
    ck_assert(r == 0 || *err->words);
    return r;
}

static void assert_read(const char *name, const char *text)
{
    struct azm_secret *s;
    struct azm_error err;
    int r = read_secret(name, 1000, false, &s, &err);

    ck_assert_msg(r == 0, "%s", err.words);
    ck_assert_str_eq(azm_secret_text(s), text);
    azm_secret_unref(s);
}

static void assert_not_read(const char *name, int error, const char *words)
{
    struct azm_secret *s;
    struct azm_error err;

    ck_assert_int_eq(read_secret(name, 1000, false, &s, &err), -error);
    ck_assert_msg(strstr(err.words, words) != NULL, "%s", err.words);
}

START_TEST(absolute_path)
{
    write_text("secret", 0600, MARKER);
    assert_read(temp_path("secret"), MARKER);
    write_text("secret", 0640, MARKER "\n");
    assert_read(temp_path("secret"), MARKER);
    write_text("secret", 0600, " two\nlines \r\n\n");
    assert_read(temp_path("secret"), " two\nlines ");
}
END_TEST

START_TEST(name_of_a_credential)
{
    unsetenv("CREDENTIALS_DIRECTORY");
    assert_not_read("secret", ENXIO, "LoadCredential=secret:PATH");
    setenv("CREDENTIALS_DIRECTORY", temp_dir, 1);
    write_text("secret", 0400, MARKER);
    assert_read("secret", MARKER);
    assert_not_read("other", ENOENT, "other");
    assert_not_read("dir/secret", EINVAL, "'dir/secret' is neither");
    assert_not_read("../secret", EINVAL, "neither");
    assert_not_read("..", EINVAL, "neither");
    assert_not_read(".", EINVAL, "neither");
    assert_not_read("", EINVAL, "is not a file");
}
END_TEST

START_TEST(who_may_read_it)
{
    for (mode_t mode = 1; mode <= 7; mode++) {
        write_text("secret", 0600 | mode, MARKER);
        assert_not_read(temp_path("secret"), EPERM, "everybody can read");
    }
}
END_TEST

START_TEST(what_is_no_file)
{
    ck_assert_int_eq(mkfifo(temp_path("fifo"), 0600), 0);
    assert_not_read(temp_path("fifo"), EINVAL, "is not a file");
    assert_not_read(temp_dir, EINVAL, "is not a file");
    assert_not_read("/dev/zero", EINVAL, "is not a file");
    assert_not_read(temp_path("missing"), ENOENT, "missing");
    write_text("secret", 0600, "\n\r\n");
    assert_not_read(temp_path("secret"), EINVAL, "is empty");
}
END_TEST

START_TEST(bound)
{
    static char text[1002];

    memset(text, 'x', sizeof text);
    write_file("secret", 0600, text, 1000);
    text[1000] = '\0';
    assert_read(temp_path("secret"), text);
    text[1000] = '\n';
    write_file("secret", 0600, text, 1001);
    assert_not_read(temp_path("secret"), EFBIG, "larger than 1000 bytes");
}
END_TEST

/* As Kubernetes mounts it: token -> ..data/token, ..data -> ..2026, renamed over when it is renewed; everybody in the
 * container may read it. */
START_TEST(mounted_by_kubernetes)
{
    struct azm_secret *s;
    struct azm_error err;

    ck_assert_int_eq(mkdir(temp_path("..2026"), 0755), 0);
    write_text("..2026/token", 0644, MARKER);
    ck_assert_int_eq(symlink("..2026", temp_path("..data")), 0);
    ck_assert_int_eq(symlink("..data/token", temp_path("token")), 0);
    assert_not_read(temp_path("token"), EPERM, "everybody can read");
    ck_assert_int_eq(read_secret(temp_path("token"), 1000, true, &s, &err), 0);
    ck_assert_str_eq(azm_secret_text(s), MARKER);
    azm_secret_unref(s);
}
END_TEST

static void add_tests(Suite *s)
{
    add_test_in_dir(s, "absolute_path", absolute_path);
    add_test_in_dir(s, "name_of_a_credential", name_of_a_credential);
    add_test_in_dir(s, "who_may_read_it", who_may_read_it);
    add_test_in_dir(s, "what_is_no_file", what_is_no_file);
    add_test_in_dir(s, "bound", bound);
    add_test_in_dir(s, "mounted_by_kubernetes", mounted_by_kubernetes);
}

TEST_MAIN("secret_file", add_tests)
