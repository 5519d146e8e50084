/* SPDX-License-Identifier: MIT */
#include <sqlite3.h>
#include <sys/statvfs.h>

#include "tests/unit/spool_help.h"

/* A spool in its everyday life: order, acknowledgement, reopening, limits, and who may use it. --wrap=fstatvfs lets
 * others fill the file system. */

static unsigned long free_percent; /* 0: as it is */

int __real_fstatvfs(int fd, struct statvfs *ret);
int __wrap_fstatvfs(int fd, struct statvfs *ret);
int __real_fstatvfs64(int fd, struct statvfs *ret); /* its name with _FILE_OFFSET_BITS=64 */
int __wrap_fstatvfs64(int fd, struct statvfs *ret);

static int wrapped(int r, struct statvfs *ret)
{
    if (r == 0 && free_percent > 0)
        ret->f_bavail = ret->f_blocks / 100 * free_percent;
    return r;
}

int __wrap_fstatvfs(int fd, struct statvfs *ret)
{
    return wrapped(__real_fstatvfs(fd, ret), ret);
}

int __wrap_fstatvfs64(int fd, struct statvfs *ret)
{
    return wrapped(__real_fstatvfs64(fd, ret), ret);
}

static uint64_t on_disk(void)
{
    return (uint64_t)MAX(file_size("q"), (int64_t)0) + (uint64_t)MAX(file_size("q-wal"), (int64_t)0);
}

START_TEST(rows_come_out_as_they_went_in)
{
    struct azm_spool *s = open_spool();
    struct azm_spool_row row = {0};
    uint64_t lost = 0;

    assert_holds(s, 1, 0);
    append(s, 1, 1, 0); /* an empty one, too */
    append(s, 2, 3, 10);
    append(s, 5, 2, 300000);
    append(s, 7, 200, 1000);
    assert_holds(s, 1, 206);
    ck_assert_int_eq(azm_spool_read(s, 4, &row, &lost, NULL), 1);
    ck_assert_uint_eq(row.id, 5);
    ck_assert_uint_eq(row.data.len, 300000);
    ck_assert_int_eq(azm_spool_read(s, 206, &row, &lost, NULL), 0);
    ck_assert_int_eq(azm_spool_read(s, UINT64_MAX, &row, &lost, NULL), 0);
    azm_buf_free(&row.data);
    ck_assert_int_eq(azm_spool_append(s, NULL, 0, NULL), 0);
    ck_assert_ptr_null(azm_spool_free(s));
}
END_TEST

START_TEST(acknowledged_rows_never_come_again)
{
    struct azm_spool *s = open_spool();

    append(s, 1, 300, 500);
    acknowledge(s, 1);
    assert_holds(s, 2, 300);
    acknowledge(s, 1); /* again, and backwards: nothing */
    acknowledge(s, 0);
    acknowledge(s, 150);
    assert_holds(s, 151, 300);
    s = (azm_spool_free(s), open_spool());
    assert_holds(s, 151, 300);
    acknowledge(s, 12345); /* more than there is */
    assert_holds(s, 301, 300);
    append(s, 301, 2, 10);
    assert_holds(s, 301, 302);
    azm_spool_free(s);
}
END_TEST

START_TEST(a_number_is_never_used_twice)
{
    struct azm_spool *s = open_spool();
    uint8_t id[16], again[16];

    azm_spool_id(s, id);
    for (uint64_t n = 1; n < 200; n++) {
        append(s, n, 1, 20);
        acknowledge(s, n);
        if (n % 50 == 0)
            s = (azm_spool_free(s), open_spool());
    }
    azm_spool_id(s, again);
    ck_assert_mem_eq(id, again, 16);
    azm_spool_free(s);
}
END_TEST

START_TEST(an_empty_one_is_removed_and_the_next_is_another)
{
    struct azm_spool *s = open_spool();
    uint8_t id[16], other[16];

    azm_spool_id(s, id);
    append(s, 1, 1, 20);
    ck_assert(azm_spool_exists(temp_path("q")));
    ck_assert_ptr_null(azm_spool_close_and_remove(s)); /* it is not empty */
    s = open_spool();
    assert_holds(s, 1, 1);
    acknowledge(s, 1);
    azm_spool_close_and_remove(s);
    ck_assert(!azm_spool_exists(temp_path("q")));
    ck_assert_int_eq(rmdir(temp_dir), 0); /* nothing is left */
    ck_assert_int_eq(mkdir(temp_dir, 0700), 0);
    s = open_spool();
    azm_spool_id(s, other);
    ck_assert_mem_ne(id, other, 16);
    azm_spool_free(s);
    ck_assert_ptr_null(azm_spool_free(NULL));
    ck_assert_ptr_null(azm_spool_close_and_remove(NULL));
}
END_TEST

START_TEST(files_are_private_whatever_the_umask)
{
    static const char *const names[] = {"q", "q-wal", "q-lock", "q-ballast"};

    for (int i = 0; i < 2; i++) {
        mode_t old = umask(i ? 0777 : 0);
        struct azm_spool *s = open_spool();

        append(s, 1, 1, 20);
        umask(old);
        for (size_t n = 0; n < ELEMENTSOF(names); n++) {
            struct stat st;

            ck_assert_msg(lstat(temp_path(names[n]), &st) == 0, "%s", names[n]);
            ck_assert_msg((st.st_mode & 07777) == 0600, "%s: %o", names[n], st.st_mode);
        }
        ck_assert_int_eq(file_size("q-shm"), -1);
        acknowledge(s, 1);
        azm_spool_close_and_remove(s);
    }
}
END_TEST

static void assert_refused(int error, const char *words)
{
    struct azm_spool_options o = spool_options();
    struct azm_spool *s = NULL;
    struct azm_error err = {""};
    int r = azm_spool_open(&o, &s, NULL, &err);

    ck_assert_msg(r == -error, "%d: %s", r, err.words);
    ck_assert_msg(strstr(err.words, words) != NULL, "%s", err.words);
    ck_assert_msg(strstr(err.words, temp_path("q")) != NULL, "%s", err.words);
    ck_assert_ptr_null(s);
}

START_TEST(links_and_other_things_are_refused)
{
    write_text("elsewhere", 0600, "");
    ck_assert_int_eq(symlink("elsewhere", temp_path("q")), 0);
    assert_refused(ELOOP, "symbolic link");
    ck_assert_int_eq(unlink(temp_path("q")), 0);
    ck_assert_int_eq(mkdir(temp_path("q"), 0700), 0);
    assert_refused(EINVAL, "not a regular file");
    ck_assert_int_eq(rmdir(temp_path("q")), 0);
    ck_assert_int_eq(mkfifo(temp_path("q"), 0600), 0);
    assert_refused(EINVAL, "not a regular file");
    ck_assert_int_eq(unlink(temp_path("q")), 0);
    ck_assert_int_eq(unlink(temp_path("q-lock")), 0);
    ck_assert_int_eq(symlink("elsewhere", temp_path("q-lock")), 0);
    assert_refused(ELOOP, "q-lock");
    ck_assert_int_eq(unlink(temp_path("q-lock")), 0);
    ck_assert_int_eq(symlink("elsewhere", temp_path("q-ballast")), 0);
    azm_spool_free(open_spool()); /* without ballast */
    ck_assert_int_eq(file_size("elsewhere"), 0);
}
END_TEST

START_TEST(a_missing_directory_is_an_error)
{
    ck_assert_int_eq(rmdir(temp_dir), 0);
    assert_refused(ENOENT, "directory");
    ck_assert_int_eq(mkdir(temp_dir, 0700), 0);
}
END_TEST

START_TEST(only_one_process_has_it)
{
    struct azm_spool *s = open_spool();
    int status;
    pid_t pid;

    append(s, 1, 1, 10);
    assert_refused(EBUSY, "another process"); /* nor twice in one process */
    pid = fork();
    if (pid == 0) {
        assert_refused(EBUSY, "another process");
        _exit(0);
    }
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_int_eq(status, 0);
    append(s, 2, 1, 10);
    azm_spool_free(s);
    s = open_spool();
    assert_holds(s, 1, 2);
    azm_spool_free(s);
}
END_TEST

START_TEST(a_full_one_says_so_and_goes_on)
{
    struct azm_spool_options o = spool_options();
    struct azm_spool *s;
    struct azm_spool_status st;
    struct azm_error err = {""};
    uint64_t last = 0, acknowledged = 0, most = 0;
    int r;

    o.max_bytes = 2 * MIB;
    s = open_spool_with(o, NULL);
    for (int round = 0; round < 20; round++) {
        while ((r = try_append(s, last + 1, 1, 20000, &err)) == 0) {
            last++;
            most = MAX(most, on_disk());
        }
        ck_assert_int_eq(r, -ENOSPC);
        ck_assert_ptr_nonnull(strstr(err.words, "is full: "));
        ck_assert_ptr_nonnull(strstr(err.words, "bytes of max 2097152; "));
        azm_spool_get_status(s, &st);
        ck_assert_int_eq(st.full, AZM_SPOOL_FULL_LIMIT);
        ck_assert_uint_gt(last - acknowledged, 70); /* most of the limit can be used, in every round */
        assert_holds(s, acknowledged + 1, last);
        acknowledged += 1 + (uint64_t)round * 2;
        acknowledge(s, acknowledged);
        append(s, ++last, 1, 20000); /* it is not full any more */
        azm_spool_get_status(s, &st);
        ck_assert_int_eq(st.full, AZM_SPOOL_HAS_ROOM);
    }
    ck_assert_uint_le(most, o.max_bytes);
    assert_holds(s, acknowledged + 1, last);
    azm_spool_free(s);
}
END_TEST

START_TEST(a_row_that_can_never_fit)
{
    struct azm_spool_options o = spool_options();
    struct azm_spool *s;
    struct azm_error err = {""};

    o.max_bytes = 2 * MIB;
    s = open_spool_with(o, NULL);
    ck_assert_int_eq(try_append(s, 1, 1, 3 * MIB, &err), -EMSGSIZE);
    ck_assert_msg(strstr(err.words, "can never hold that") != NULL, "%s", err.words);
    append(s, 1, 1, 700000);
    assert_holds(s, 1, 1);
    azm_spool_free(s);
}
END_TEST

START_TEST(others_fill_the_disk)
{
    struct azm_spool_options o = spool_options();
    struct azm_spool *s;
    struct azm_spool_status st;
    struct azm_error err = {""};

    o.min_free_percent = 5;
    s = open_spool_with(o, NULL);
    free_percent = 50;
    append(s, 1, 1, 1000);
    free_percent = 4;
    ck_assert_int_eq(try_append(s, 2, 1, 1000, &err), -ENOSPC);
    ck_assert_msg(strstr(err.words, "is full: ") && strstr(err.words, "5 %"), "%s", err.words);
    azm_spool_get_status(s, &st);
    ck_assert_int_eq(st.full, AZM_SPOOL_FULL_DISK);
    assert_holds(s, 1, 1);
    acknowledge(s, 1); /* is always possible */
    free_percent = 6;
    append(s, 2, 1, 1000);
    azm_spool_get_status(s, &st);
    ck_assert_int_eq(st.full, AZM_SPOOL_HAS_ROOM);
    assert_holds(s, 2, 2);
    azm_spool_free(s);
}
END_TEST

START_TEST(ballast_is_there_and_comes_back)
{
    struct azm_spool_options o = spool_options();
    struct azm_spool *s = open_spool();
    struct stat st;

    ck_assert_int_eq(stat(temp_path("q-ballast"), &st), 0);
    ck_assert_int_eq(st.st_size, 64 * 1024);
    ck_assert_int_ge(st.st_blocks * 512, 64 * 1024); /* it does take space */
    azm_spool_free(s);
    ck_assert_int_eq(unlink(temp_path("q-ballast")), 0);
    s = open_spool();
    ck_assert_int_eq(file_size("q-ballast"), 64 * 1024);
    azm_spool_free(s);
    o.ballast_bytes = (size_t)1 << 55; /* no disk has that: no error */
    ck_assert_int_eq(unlink(temp_path("q-ballast")), 0);
    s = open_spool_with(o, NULL);
    ck_assert_int_eq(file_size("q-ballast"), -1);
    append(s, 1, 1, 1000);
    azm_spool_free(s);
}
END_TEST

START_TEST(the_disk_gets_its_space_back)
{
    struct azm_spool_options o = spool_options();
    struct azm_spool *s;
    int64_t full;

    o.max_bytes = 200 * MIB;
    s = open_spool_with(o, NULL);
    append(s, 1, 1, 1000);
    for (uint64_t n = 2; n <= 301; n += 10)
        append(s, n, 10, 300000);
    s = (azm_spool_free(s), open_spool_with(o, NULL));
    full = file_size("q");
    ck_assert_int_gt(full, 80 * (int64_t)MIB);
    for (uint64_t n = 10; n < 300; n += 10)
        acknowledge(s, n);
    s = (azm_spool_free(s), open_spool_with(o, NULL));
    ck_assert_int_lt(file_size("q"), full - 512 * 1024); /* a part, when most of it is free */
    acknowledge(s, 301);
    ck_assert_uint_lt(on_disk(), 100000);
    assert_holds(s, 302, 301);
    append(s, 302, 2, 100000);
    assert_holds(s, 302, 303);
    azm_spool_free(s);
}
END_TEST

START_TEST(the_database_of_another_program_is_left_alone)
{
    struct azm_spool_options o = spool_options();
    sqlite3 *db;

    ck_assert_int_eq(sqlite3_open(o.path, &db), SQLITE_OK);
    ck_assert_int_eq(sqlite3_exec(db, "CREATE TABLE t(a); INSERT INTO t VALUES(1)", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
    assert_refused(ENOTSUP, "another program");
    ck_assert_int_eq(sqlite3_open(o.path, &db), SQLITE_OK);
    ck_assert_int_eq(sqlite3_exec(db, "SELECT a FROM t", NULL, NULL, NULL), SQLITE_OK);
    assert_refused(ENOTSUP, "another program");
    sqlite3_close(db);
}
END_TEST

/* Random steps against two numbers: what is there lies between them. */
static void random_steps(uint64_t seed)
{
    struct prng p = {seed};
    struct azm_spool_options o = spool_options();
    struct azm_spool *s;
    uint64_t acknowledged = 0, last = 0;

    o.max_bytes = (1 + prng_below(&p, 8)) * MIB;
    s = open_spool_with(o, NULL);
    for (int step = 0; step < 120; step++) {
        size_t n = 1 + prng_below(&p, 40), size = prng_below(&p, prng_below(&p, 5) ? 3000 : 60000);
        struct azm_error err = {""};
        int r;

        switch (prng_below(&p, 8)) {
        case 0:
            s = (azm_spool_free(s), open_spool_with(o, NULL));
            break;
        case 1:
        case 2:
        case 3:
            acknowledged = acknowledged + prng_below(&p, (size_t)(last - acknowledged + 1));
            acknowledge(s, acknowledged);
            break;
        default:
            r = try_append(s, last + 1, n, size, &err);
            ck_assert_msg(r == 0 || r == -ENOSPC || r == -EMSGSIZE, "%s", err.words);
            if (r == 0)
                last += n;
        }
        ck_assert_uint_le(on_disk(), o.max_bytes);
        assert_holds(s, acknowledged + 1, last);
    }
    acknowledge(s, last);
    azm_spool_close_and_remove(s);
    ck_assert(!azm_spool_exists(temp_path("q")));
}

START_TEST(random_steps_against_a_model)
{
    const char *seed = getenv("SEED");

    for (uint64_t n = 1; n <= 8; n++)
        random_steps(n + (seed ? strtoull(seed, NULL, 10) : 0));
}
END_TEST

static void add_tests(Suite *s)
{
    add_test_in_dir(s, "rows_come_out_as_they_went_in", rows_come_out_as_they_went_in);
    add_test_in_dir(s, "acknowledged_rows_never_come_again", acknowledged_rows_never_come_again);
    add_test_in_dir(s, "a_number_is_never_used_twice", a_number_is_never_used_twice);
    add_test_in_dir(s, "an_empty_one_is_removed_and_the_next_is_another",
                    an_empty_one_is_removed_and_the_next_is_another);
    add_test_in_dir(s, "files_are_private_whatever_the_umask", files_are_private_whatever_the_umask);
    add_test_in_dir(s, "links_and_other_things_are_refused", links_and_other_things_are_refused);
    add_test_in_dir(s, "a_missing_directory_is_an_error", a_missing_directory_is_an_error);
    add_test_in_dir(s, "only_one_process_has_it", only_one_process_has_it);
    add_test_in_dir(s, "a_full_one_says_so_and_goes_on", a_full_one_says_so_and_goes_on);
    add_test_in_dir(s, "a_row_that_can_never_fit", a_row_that_can_never_fit);
    add_test_in_dir(s, "others_fill_the_disk", others_fill_the_disk);
    add_test_in_dir(s, "ballast_is_there_and_comes_back", ballast_is_there_and_comes_back);
    add_test_in_dir(s, "the_disk_gets_its_space_back", the_disk_gets_its_space_back);
    add_test_in_dir(s, "the_database_of_another_program_is_left_alone", the_database_of_another_program_is_left_alone);
    add_test_in_dir(s, "random_steps_against_a_model", random_steps_against_a_model);
}

TEST_MAIN("spool", add_tests)
