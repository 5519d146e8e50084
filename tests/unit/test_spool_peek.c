/* SPDX-License-Identifier: MIT */
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "store/spool_peek.h"
#include "tests/unit/spool_help.h"

static void note_files(struct stat ret[static 2])
{
    char path[PATH_MAX + 300];

    snprintf(path, sizeof path, "%s", temp_dir);
    require(stat(path, &ret[0]) == 0);
    snprintf(path, sizeof path, "%s/q", temp_dir);
    require(stat(path, &ret[1]) == 0);
}

START_TEST(none)
{
    struct azm_spool_peek peek;

    ck_assert_int_eq(azm_spool_peek(spool_options().path, &peek), 0);
}
END_TEST

/* After an orderly end everything is known; and nothing is changed by looking. */
START_TEST(after_an_orderly_end)
{
    struct azm_spool_peek peek;
    struct stat before[2], after[2];
    struct azm_spool *s = open_spool();
    struct azm_error err;

    ck_assert_int_eq(try_append(s, 1, 5, 1000, &err), 0); /* 2 + 3 + 4 + 5 + 6 records */
    ck_assert_int_eq(azm_spool_acknowledge(s, 2, &err), 0);
    azm_spool_free(s);
    note_files(before);
    ck_assert_int_eq(azm_spool_peek(spool_options().path, &peek), 1);
    note_files(after);
    ck_assert(peek.known);
    ck_assert_uint_eq(peek.records, 4 + 5 + 6);
    ck_assert_uint_ge(peek.bytes, 4096);
    for (size_t i = 0; i < 2; i++) {
        ck_assert_int_eq(before[i].st_mtim.tv_sec, after[i].st_mtim.tv_sec);
        ck_assert_int_eq(before[i].st_mtim.tv_nsec, after[i].st_mtim.tv_nsec);
    }
}
END_TEST

/* While it is in use, or after its owner was killed, the WAL has what the file has not. */
START_TEST(in_use)
{
    struct azm_spool_peek peek;
    struct azm_spool *s = open_spool();
    struct azm_error err;

    ck_assert_int_eq(try_append(s, 1, 5, 1000, &err), 0);
    ck_assert_int_eq(azm_spool_peek(spool_options().path, &peek), 1);
    ck_assert(!peek.known);
    ck_assert_uint_ge(peek.bytes, 5000);
    ck_assert_int_eq(try_append(s, 6, 1, 1000, &err), 0); /* it is not disturbed */
    azm_spool_free(s);
}
END_TEST

START_TEST(no_spool_at_all)
{
    struct azm_spool_peek peek;
    char path[PATH_MAX + 300];
    FILE *f;

    snprintf(path, sizeof path, "%s/100%% odd?name#", temp_dir);
    f = fopen(path, "w");
    require(f && fputs("not a database", f) >= 0 && fclose(f) == 0);
    ck_assert_int_eq(azm_spool_peek(path, &peek), 1);
    ck_assert(!peek.known);
    ck_assert_uint_eq(peek.bytes, 14);
}
END_TEST

static void add_tests(Suite *s)
{
    add_test_in_dir(s, "none", none);
    add_test_in_dir(s, "after_an_orderly_end", after_an_orderly_end);
    add_test_in_dir(s, "in_use", in_use);
    add_test_in_dir(s, "no_spool_at_all", no_spool_at_all);
}

TEST_MAIN("spool_peek", add_tests)
