/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <sqlite3.h>

#include "store/spool_vfs.h"
#include "tests/unit/spool_help.h"

/* Gathering writes changes nothing that SQLite can see: every call does what SQLite's own VFS does, and what must be on
 * disk is there. SQLite takes its system calls from a table, which tests may change (sqlite3_vfs.xSetSystemCall). */

#define MOST ((size_t)65536) /* SQLite writes no more at once than a page */

static struct {
    unsigned writes;
    unsigned failing; /* so many fail from now on */
} calls;

static ssize_t my_pwrite(int fd, const void *data, size_t len, off_t at)
{
    calls.writes++;
    if (calls.failing > 0) {
        calls.failing--;
        errno = ENOSPC;
        return -1;
    }
    return pwrite(fd, data, len, at);
}

static void take_over_calls(void)
{
    sqlite3_vfs *vfs = sqlite3_vfs_find(NULL);

    ck_assert_int_eq(vfs->xSetSystemCall(vfs, "pwrite", (sqlite3_syscall_ptr)my_pwrite), SQLITE_OK);
    ck_assert_int_eq(vfs->xSetSystemCall(vfs, "pwrite64", (sqlite3_syscall_ptr)my_pwrite), SQLITE_OK);
}

struct opened {
    sqlite3_file *file;
    char *name;
};

static struct opened open_file(const char *vfs_name, const char *name)
{
    sqlite3_vfs *vfs = sqlite3_vfs_find(vfs_name);
    struct opened o = {calloc(1, (size_t)vfs->szOsFile), calloc(1, PATH_MAX + 16)};

    require(o.file && o.name);
    snprintf(o.name + 8, PATH_MAX, "%s", temp_path(name)); /* zeros around a name, as SQLite has them */
    ck_assert_int_eq(
        vfs->xOpen(vfs, o.name + 8, o.file, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_MAIN_DB, NULL),
        SQLITE_OK);
    return o;
}

static void close_file(struct opened *o)
{
    ck_assert_int_eq(o->file->pMethods->xClose(o->file), SQLITE_OK);
    free(o->file);
    free(o->name);
}

static int write_at(struct opened *o, const void *data, size_t n, sqlite3_int64 at)
{
    return o->file->pMethods->xWrite(o->file, data, (int)n, at);
}

static int sync_file(struct opened *o)
{
    return o->file->pMethods->xSync(o->file, SQLITE_SYNC_NORMAL);
}

static void assert_same_on_disk(void)
{
    static char cmp[2 * PATH_MAX + 600];

    snprintf(cmp, sizeof cmp, "cmp '%s' '%s'", temp_path("ours"), temp_path("sqlite"));
    ck_assert_int_eq(system(cmp), 0);
}

/* One call to both. Writes mostly go on where the last one ended, as SQLite's do. */
static void step(struct prng *p, struct opened *ours, struct opened *sqlite, sqlite3_int64 *at)
{
    static const size_t usual[] = {24, 512, 4096};
    static uint8_t data[MOST], a[MOST], b[MOST];
    size_t what = prng_below(p, 100);
    sqlite3_int64 size[2], place = (sqlite3_int64)prng_below(p, 8 * MOST);
    size_t n = prng_below(p, 10) > 0 ? usual[prng_below(p, ELEMENTSOF(usual))] : prng_below(p, MOST) + 1;

    if (what < 80) {
        if (what < 5)
            *at = place;
        prng_bytes(p, data, MIN(n, (size_t)64));
        ck_assert_int_eq(write_at(ours, data, n, *at), SQLITE_OK);
        ck_assert_int_eq(write_at(sqlite, data, n, *at), SQLITE_OK);
        *at += (sqlite3_int64)n;
    } else if (what < 88) {
        ck_assert_int_eq(ours->file->pMethods->xRead(ours->file, a, (int)n, place),
                         sqlite->file->pMethods->xRead(sqlite->file, b, (int)n, place));
        ck_assert(memcmp(a, b, n) == 0); /* zeros behind the end of the file */
    } else if (what < 94) {
        ck_assert_int_eq(ours->file->pMethods->xFileSize(ours->file, &size[0]), SQLITE_OK);
        ck_assert_int_eq(sqlite->file->pMethods->xFileSize(sqlite->file, &size[1]), SQLITE_OK);
        ck_assert_int_eq(size[0], size[1]);
    } else if (what < 97) {
        ck_assert_int_eq(ours->file->pMethods->xTruncate(ours->file, place), SQLITE_OK);
        ck_assert_int_eq(sqlite->file->pMethods->xTruncate(sqlite->file, place), SQLITE_OK);
        assert_same_on_disk();
    } else {
        ck_assert_int_eq(sync_file(ours), SQLITE_OK);
        assert_same_on_disk();
    }
}

START_TEST(as_sqlites_own)
{
    struct prng p = {1};
    struct opened ours = open_file(azm_spool_vfs(), "ours"), sqlite = open_file(NULL, "sqlite");
    sqlite3_int64 at = 0;

    for (int i = 0; i < 3000; i++)
        step(&p, &ours, &sqlite, &at);
    close_file(&ours);
    close_file(&sqlite);
    assert_same_on_disk();
}
END_TEST

/* What this is for: 100 pages of a commit, each with its header, and then 100 pages into the database file. */
START_TEST(a_commit_is_few_writes)
{
    struct azm_spool *s;

    take_over_calls();
    s = open_spool();
    append(s, 1, 1, 10);
    calls.writes = 0;
    append(s, 2, 1, 100 * 4096);
    ck_assert_uint_gt(calls.writes, 0);
    ck_assert_uint_le(calls.writes, 8);
    calls.writes = 0;
    azm_spool_free(s);
    ck_assert_uint_gt(calls.writes, 0);
    ck_assert_uint_le(calls.writes, 20);
}
END_TEST

START_TEST(a_failure_is_told)
{
    static const uint8_t page[4096];
    struct opened o = open_file(azm_spool_vfs(), "ours");
    sqlite3_int64 size;
    uint8_t byte;

    take_over_calls();
    calls.failing = 1;
    ck_assert_int_eq(write_at(&o, page, sizeof page, 0), SQLITE_OK);
    ck_assert_int_eq(sync_file(&o), SQLITE_FULL);
    ck_assert_int_eq(sync_file(&o), SQLITE_OK);
    ck_assert_int_eq(file_size("ours"), 0);

    calls.failing = 1;
    ck_assert_int_eq(write_at(&o, page, sizeof page, 0), SQLITE_OK);
    ck_assert_int_eq(o.file->pMethods->xRead(o.file, &byte, 1, 0), SQLITE_FULL);
    ck_assert_int_eq(sync_file(&o), SQLITE_OK);

    calls.failing = 1;
    ck_assert_int_eq(write_at(&o, page, sizeof page, 0), SQLITE_OK);
    ck_assert_int_eq(write_at(&o, page, sizeof page, 2 * sizeof page), SQLITE_FULL);
    ck_assert_int_eq(sync_file(&o), SQLITE_OK);

    /* Here SQLite may go on as if nothing were wrong: the next flush fails, once. */
    calls.failing = 1;
    ck_assert_int_eq(write_at(&o, page, sizeof page, 0), SQLITE_OK);
    ck_assert_int_eq(o.file->pMethods->xFileSize(o.file, &size), SQLITE_FULL);
    ck_assert_int_eq(write_at(&o, page, sizeof page, 0), SQLITE_OK);
    ck_assert_int_eq(sync_file(&o), SQLITE_FULL);
    ck_assert_int_eq(sync_file(&o), SQLITE_OK);
    calls.failing = 1;
    ck_assert_int_eq(write_at(&o, page, sizeof page, 0), SQLITE_OK);
    ck_assert_int_eq(o.file->pMethods->xTruncate(o.file, 0), SQLITE_FULL);
    ck_assert_int_eq(sync_file(&o), SQLITE_FULL);
    ck_assert_int_eq(sync_file(&o), SQLITE_OK);
    close_file(&o);
}
END_TEST

static void add_tests(Suite *s)
{
    add_test_in_dir(s, "as_sqlites_own", as_sqlites_own);
    add_test_in_dir(s, "a_commit_is_few_writes", a_commit_is_few_writes);
    add_test_in_dir(s, "a_failure_is_told", a_failure_is_told);
}

TEST_MAIN("spool_vfs", add_tests)
