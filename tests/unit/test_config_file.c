/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "config/config.h"
#include "config/config_file.h"
#include "core/buf.h"
#include "tests/unit/temp_dir.h"
#include "tests/unit/test.h"

#define D64 "0123456789012345678901234567890123456789012345678901234567890123"

/* Writes down each assignment as "FILE:LINE [section] key=value" with the file's name in the test directory; the key
 * "stop" is an error. */
static int record(void *userdata, const char *section, const char *key, const char *value, const char *where,
                  bool is_public, struct azm_error *err)
{
    size_t prefix = strlen(temp_dir) + 1;

    if (strcmp(key, "stop") == 0)
        return azm_error_set(err, EPERM, "%s: stopped", where);
    if (strncmp(where, temp_dir, prefix - 1) == 0)
        where += prefix;
    return azm_buf_printf(userdata, "%s [%s] %s=%s%s\n", where, section, key, value, is_public ? " (public)" : "");
}

/* Reads "x.conf" in the test directory. */
static int read_conf(bool optional, struct azm_buf *assignments, struct azm_error *err)
{
    int r;

    azm_buf_clear(assignments);
    *err = (struct azm_error){""};
    r = azm_config_file_read(temp_path("x.conf"), optional, record, assignments, err);
    ck_assert_int_eq(azm_buf_append(assignments, "", 1), 0); /* a NUL: the tests compare strings */
    return r;
}

static void assert_read(const char *expected)
{
    _cleanup_(azm_buf_free) struct azm_buf assignments = {0};
    struct azm_error err;
    int r = read_conf(false, &assignments, &err);

    ck_assert_msg(r == 0, "%s", err.words);
    ck_assert_str_eq((const char *)assignments.data, expected);
}

static void assert_read_fails(int error, const char *words)
{
    _cleanup_(azm_buf_free) struct azm_buf assignments = {0};
    struct azm_error err;
    int r = read_conf(false, &assignments, &err);

    ck_assert_msg(r == -error, "%d %s, not %s", r, err.words, words);
    ck_assert_msg(strstr(err.words, words) != NULL, "'%s' says nothing of '%s'", err.words, words);
    ck_assert_ptr_nonnull(strstr(err.words, temp_dir));
}

START_TEST(the_form_of_a_file)
{
    static const struct {
        const char *text, *expected;
    } table[] = {
        {"", ""},
        {"\n\n", ""},
        {"[a]\nk=v\n", "x.conf:2 [a] k=v\n"},
        {"[a]\nk=v", "x.conf:2 [a] k=v\n"}, /* no newline at the end */
        {"[a]\r\nk=v\r\n", "x.conf:2 [a] k=v\n"},
        {"  [a]\t\n\t k \t=  v  w \n", "x.conf:2 [a] k=v  w\n"},
        {"[a]\n# c\n; c\n  # c=d\n\nk=v\n", "x.conf:6 [a] k=v\n"},
        {"[a]\nk=\n", "x.conf:2 [a] k=\n"},
        {"[a]\nk=b=c # no comment\n", "x.conf:2 [a] k=b=c # no comment\n"},
        {"[a]\nk=1\n[b]\nk=2\n[a]\nk=3\n", "x.conf:2 [a] k=1\nx.conf:4 [b] k=2\nx.conf:6 [a] k=3\n"},
        {"[a]\nk=C:\\dir\n", "x.conf:2 [a] k=C:\\dir\n"}, /* a backslash elsewhere is nothing special */
        {"[a]\nk=gr\xC3\xBC\xC3\x9F"
         "e\n",
         "x.conf:2 [a] k=gr\xC3\xBC\xC3\x9F"
         "e\n"},
        /* a continued line counts where it begins */
        {"[a]\nk=one \\\n  two \\\n  three\nj=4\n", "x.conf:2 [a] k=one two three\nx.conf:5 [a] j=4\n"},
        {"[a]\nk=v \\", "x.conf:2 [a] k=v\n"},
        {"[a]\nk=v \\\n\nj=w\n", "x.conf:2 [a] k=v\nx.conf:4 [a] j=w\n"},
        {"[a]\n# a comment does not go on \\\nk=v\n", "x.conf:3 [a] k=v\n"},
    };

    for (size_t i = 0; i < ELEMENTSOF(table); i++) {
        write_text("x.conf", 0600, table[i].text);
        assert_read(table[i].expected);
    }
}
END_TEST

/* As systemd.syntax(7) has it: the backslash is replaced by a space, and comment lines between are left out. */
START_TEST(a_continued_line_is_joined_by_a_space)
{
    write_text("x.conf", 0600, "[a]\nk=one\\\ntwo\n");
    assert_read("x.conf:2 [a] k=one two\n");
}
END_TEST

START_TEST(comments_between_continued_lines)
{
    write_text("x.conf", 0600, "[a]\nk=one \\\n# not this\n; nor this\ntwo\nj=3\n");
    assert_read("x.conf:2 [a] k=one two\nx.conf:6 [a] j=3\n");
}
END_TEST

START_TEST(what_is_not_of_this_form)
{
    static const struct {
        const char *text, *words;
        int error;
    } table[] = {
        {"k=v\n", "x.conf:1: key=value before the first [section]", EINVAL},
        {"\n[]\nk=v\n", "x.conf:3: key=value before the first [section]", EINVAL},
        {"[a\nk=v\n", "x.conf:1: a section is written as [name]", EINVAL},
        {"[", "x.conf:1: a section is written as [name]", EINVAL},
        {"[a] # comment\n", "x.conf:1: a section is written as [name]", EINVAL},
        {"[" D64 D64 D64 D64 "01234567]\n", "x.conf:1: a section is written as [name]", EINVAL},
        {"[a]\njust words\n", "x.conf:2: neither [section] nor key=value", EINVAL},
        {"[a]\n = v\n", "x.conf:2: neither [section] nor key=value", EINVAL},
        {"[a]\nk=one \\\n two\nbad\n", "x.conf:4: neither [section] nor key=value", EINVAL},
        {"[a]\n\nstop=1\nk=v\n", "x.conf:3: stopped", EPERM},
    };

    for (size_t i = 0; i < ELEMENTSOF(table); i++) {
        write_text("x.conf", 0600, table[i].text);
        assert_read_fails(table[i].error, table[i].words);
    }
    write_file("x.conf", 0600, "[a]\nk=v\0w\nj=x\n", 14);
    assert_read_fails(EBADMSG, "x.conf:2: cannot read this line as text");
}
END_TEST

START_TEST(long_lines_are_whole)
{
    static const size_t sizes[] = {199, 200, 201, 1023, 1024, 4096, 5000, 300000};

    for (size_t i = 0; i < ELEMENTSOF(sizes); i++) {
        _cleanup_(azm_buf_free) struct azm_buf text = {0}, expected = {0};
        _cleanup_free_ char *value = calloc(1, sizes[i] + 1);

        memset(value, 'x', sizes[i]);
        value[sizes[i] - 1] = 'y';
        ck_assert_int_eq(azm_buf_printf(&text, "[a]\nk=%s\nj=%s \\\n%s\n", value, value, value), 0);
        ck_assert_int_eq(azm_buf_printf(&expected, "x.conf:2 [a] k=%s\nx.conf:3 [a] j=%s %s\n", value, value, value),
                         0);
        ck_assert_int_eq(azm_buf_append(&expected, "", 1), 0);
        write_file("x.conf", 0600, text.data, text.len);
        assert_read((const char *)expected.data);
    }
}
END_TEST

START_TEST(drop_ins_in_the_order_of_their_names)
{
    write_text("x.conf", 0600, "[a]\nk=main\n");
    ck_assert_int_eq(mkdir(temp_path("x.conf.d"), 0700), 0);
    assert_read("x.conf:2 [a] k=main\n");
    write_text("x.conf.d/20-a.conf", 0600, "[a]\nk=20\n");
    write_text("x.conf.d/10-z.conf", 0644, "[b]\n\nk=10\n");
    write_text("x.conf.d/5.conf", 0600, "[a]\nk=5\n");
    write_text("x.conf.d/README", 0600, "not read\n");
    write_text("x.conf.d/30.conf.bak", 0600, "not read\n");
    write_text("x.conf.d/30.confx", 0600, "not read\n");
    write_text("x.conf.d/30conf", 0600, "not read\n");
    write_text("x.conf.d/.hidden.conf", 0600, "not read\n");
    write_text("x.conf.d/.conf", 0600, "not read\n");
    assert_read("x.conf:2 [a] k=main\n"
                "x.conf.d/10-z.conf:3 [b] k=10 (public)\n"
                "x.conf.d/20-a.conf:2 [a] k=20\n"
                "x.conf.d/5.conf:2 [a] k=5\n");

    write_text("x.conf.d/15.conf", 0600, "k=15\n"); /* a section does not go on from one file into the next */
    assert_read_fails(EINVAL, "x.conf.d/15.conf:1: key=value before the first [section]");
    write_text("x.conf.d/15.conf", 0600, "[a]\nstop=\n");
    assert_read_fails(EPERM, "x.conf.d/15.conf:2: stopped");
}
END_TEST

START_TEST(nothing_is_read_after_an_error)
{
    _cleanup_(azm_buf_free) struct azm_buf assignments = {0};
    struct azm_error err;

    ck_assert_int_eq(mkdir(temp_path("x.conf.d"), 0700), 0);
    write_text("x.conf", 0600, "[a]\nk=1\n");
    write_text("x.conf.d/1.conf", 0600, "[a]\nk=2\nstop=\nk=3\n");
    write_text("x.conf.d/2.conf", 0600, "[a]\nk=4\n");
    ck_assert_int_eq(read_conf(false, &assignments, &err), -EPERM);
    ck_assert_str_eq((const char *)assignments.data, "x.conf:2 [a] k=1\nx.conf.d/1.conf:2 [a] k=2\n");
}
END_TEST

START_TEST(a_missing_file)
{
    _cleanup_(azm_buf_free) struct azm_buf assignments = {0};
    struct azm_error err;

    assert_read_fails(ENOENT, "cannot read the configuration");
    ck_assert_int_eq(read_conf(true, &assignments, &err), 0);
    ck_assert_str_eq((const char *)assignments.data, "");

    ck_assert_int_eq(mkdir(temp_path("x.conf.d"), 0700), 0); /* drop-ins count without the file, too */
    write_text("x.conf.d/1.conf", 0600, "[a]\nk=v\n");
    ck_assert_int_eq(read_conf(true, &assignments, &err), 0);
    ck_assert_str_eq((const char *)assignments.data, "x.conf.d/1.conf:2 [a] k=v\n");

    ck_assert_int_eq(symlink("nowhere", temp_path("x.conf.d/2.conf")), 0); /* a name that leads nowhere is a mistake */
    ck_assert_int_eq(read_conf(true, &assignments, &err), -ENOENT);
    ck_assert_ptr_nonnull(strstr(err.words, "x.conf.d/2.conf"));
}
END_TEST

START_TEST(what_is_no_file)
{
    _cleanup_(azm_buf_free) struct azm_buf assignments = {0};
    struct azm_error err;
    char path[64];
    int fds[2];

    ck_assert_int_eq(mkdir(temp_path("x.conf"), 0700), 0);
    assert_read_fails(EINVAL, "is not a file");
    ck_assert_int_eq(read_conf(true, &assignments, &err), -EINVAL); /* optional excuses a missing file only */
    ck_assert_int_eq(rmdir(temp_path("x.conf")), 0);
    ck_assert_int_eq(symlink("x.conf", temp_path("x.conf")), 0);
    ck_assert_int_eq(read_conf(true, &assignments, &err), -ELOOP);
    ck_assert_int_eq(unlink(temp_path("x.conf")), 0);

    write_text("x.conf", 0600, "[a]\nk=v\n");
    write_text("x.conf.d", 0600, "a file where drop-ins would be\n");
    assert_read("x.conf:2 [a] k=v\n");
    ck_assert_int_eq(unlink(temp_path("x.conf.d")), 0);
    ck_assert_int_eq(mkdir(temp_path("x.conf.d"), 0700), 0);
    ck_assert_int_eq(mkdir(temp_path("x.conf.d/dir.conf"), 0700), 0);
    assert_read_fails(EINVAL, "is not a file");

    azm_buf_clear(&assignments);
    ck_assert_int_eq(azm_config_file_read("/dev/null", false, record, &assignments, &err), 0);
    ck_assert_uint_eq(assignments.len, 0);

    ck_assert_int_eq(pipe(fds), 0); /* --config=<(generate) */
    ck_assert_int_eq(write(fds[1], "[a]\nk=v\n", 8), 8);
    close(fds[1]);
    snprintf(path, sizeof path, "/dev/fd/%d", fds[0]);
    ck_assert_int_eq(azm_config_file_read(path, false, record, &assignments, &err), 0);
    ck_assert_int_eq(azm_buf_append(&assignments, "", 1), 0);
    snprintf(path, sizeof path, "/dev/fd/%d:2 [a] k=v\n", fds[0]);
    ck_assert_str_eq((const char *)assignments.data, path);
    close(fds[0]);
}
END_TEST

START_TEST(everybody_can_read_it)
{
    static const struct {
        mode_t mode;
        bool is_public;
    } table[] = {{0600, false}, {0640, false}, {0660, false}, {0644, true}, {0604, true}, {0666, true}};

    for (size_t i = 0; i < ELEMENTSOF(table); i++) {
        write_text("x.conf", table[i].mode, "[a]\nk=v\n");
        assert_read(table[i].is_public ? "x.conf:2 [a] k=v (public)\n" : "x.conf:2 [a] k=v\n");
    }
}
END_TEST

START_TEST(the_configuration_from_files)
{
    _cleanup_(azm_config_free) struct azm_config c;
    struct azm_error err = {""};
    char start[PATH_MAX + 300];

    ck_assert_int_eq(azm_config_init(&c), 0);
    ck_assert_int_eq(mkdir(temp_path("x.conf.d"), 0700), 0);
    write_text("x.conf", 0644,
               "[destination]\nendpoint=http://h/x\nheader=X-A: 1\nheader=X-B: 2\n"
               "[export]\nconcurrency=8\ntimeout=7s\n[resource]\nteam=a\n");
    write_text("x.conf.d/1.conf", 0644, "[export]\nconcurrency=16\ntimeout=\n[resource]\nteam=b\n");
    ck_assert_msg(azm_config_read(&c, temp_path("x.conf"), false, &err) == 0, "%s", err.words);
    ck_assert_str_eq(c.endpoint, "http://h/x");
    ck_assert_uint_eq(c.concurrency, 16);        /* what is set later wins */
    ck_assert_uint_eq(c.timeout_usec, 10000000); /* an empty value brings the preset back */
    ck_assert_uint_eq(c.headers.n, 2);           /* header= adds to a list */
    ck_assert_str_eq(azm_key_values_get(&c.resource, "team"), "b");

    write_text("x.conf.d/2.conf", 0644, "[destination]\nheader=\nheader=X-C: 3\n"); /* an empty value empties it */
    ck_assert_int_eq(azm_config_read(&c, temp_path("x.conf"), false, &err), 0);
    ck_assert_uint_eq(c.headers.n, 1);
    ck_assert_str_eq(azm_key_values_get(&c.headers, "X-C"), "3");

    write_text("x.conf.d/3.conf", 0644, "# a comment\n[batch]\nschedule_delay=soon\n");
    ck_assert_int_eq(azm_config_read(&c, temp_path("x.conf"), false, &err), -EINVAL);
    snprintf(start, sizeof start, "%s:3: schedule_delay: 'soon'", temp_path("x.conf.d/3.conf"));
    ck_assert_msg(strncmp(err.words, start, strlen(start)) == 0, "%s", err.words);
}
END_TEST

static void add_tests(Suite *s)
{
    add_test_in_dir(s, "the_form_of_a_file", the_form_of_a_file);
    add_test_in_dir(s, "a_continued_line_is_joined_by_a_space", a_continued_line_is_joined_by_a_space);
    add_test_in_dir(s, "comments_between_continued_lines", comments_between_continued_lines);
    add_test_in_dir(s, "what_is_not_of_this_form", what_is_not_of_this_form);
    add_test_in_dir(s, "long_lines_are_whole", long_lines_are_whole);
    add_test_in_dir(s, "drop_ins_in_the_order_of_their_names", drop_ins_in_the_order_of_their_names);
    add_test_in_dir(s, "nothing_is_read_after_an_error", nothing_is_read_after_an_error);
    add_test_in_dir(s, "a_missing_file", a_missing_file);
    add_test_in_dir(s, "what_is_no_file", what_is_no_file);
    add_test_in_dir(s, "everybody_can_read_it", everybody_can_read_it);
    add_test_in_dir(s, "the_configuration_from_files", the_configuration_from_files);
}

TEST_MAIN("config_file", add_tests)
