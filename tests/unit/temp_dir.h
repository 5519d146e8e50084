/* SPDX-License-Identifier: MIT */
#pragma once

#include <check.h>
#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* An empty directory under $TMPDIR (or /tmp) around each test that add_test_in_dir adds. It is removed after the test
 * in any case: Check runs an unchecked fixture's teardown in the parent, also when the test crashed or was killed. */
static char temp_dir[PATH_MAX];

static inline void temp_dir_make(void)
{
    const char *tmp = getenv("TMPDIR");

    snprintf(temp_dir, sizeof temp_dir, "%s/azmonlog-test.XXXXXX", tmp && *tmp ? tmp : "/tmp");
    ck_assert_msg(mkdtemp(temp_dir) != NULL, "cannot create %s", temp_dir);
}

static inline int temp_dir_remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st, (void)type, (void)ftw;
    return remove(path);
}

static inline void temp_dir_remove(void)
{
    nftw(temp_dir, temp_dir_remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static inline void add_test_in_dir(Suite *suite, const char *name, const TTest *test)
{
    TCase *c = tcase_create(name);

    tcase_set_timeout(c, 600); /* generous: never a measure of speed */
    tcase_add_unchecked_fixture(c, temp_dir_make, temp_dir_remove);
    tcase_add_test(c, test);
    suite_add_tcase(suite, c);
}

/* The path of `name` in the directory; valid until the fourth call from now. */
static inline const char *temp_path(const char *name)
{
    static char paths[4][PATH_MAX + 256];
    static unsigned next;
    char *path = paths[next++ % 4];

    snprintf(path, sizeof paths[0], "%s/%s", temp_dir, name);
    return path;
}

/* Writes a file of exactly this mode, whatever the umask. */
static inline void write_file(const char *name, mode_t mode, const void *data, size_t len)
{
    FILE *f = fopen(temp_path(name), "we");

    ck_assert_ptr_nonnull(f);
    ck_assert_uint_eq(fwrite(data, 1, len, f), len);
    ck_assert_int_eq(fchmod(fileno(f), mode), 0);
    ck_assert_int_eq(fclose(f), 0);
}

static inline void write_text(const char *name, mode_t mode, const char *text)
{
    write_file(name, mode, text, strlen(text));
}

/* Reads a whole file as text into a static buffer. */
static inline const char *read_text(const char *name)
{
    static char text[65536];
    FILE *f = fopen(temp_path(name), "re");

    ck_assert_ptr_nonnull(f);
    text[fread(text, 1, sizeof text - 1, f)] = '\0';
    fclose(f);
    return text;
}
