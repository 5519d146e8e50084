/* SPDX-License-Identifier: MIT */
#include <fcntl.h>
#include <sqlite3.h>

#include "tests/unit/spool_help.h"

/* Bytes of the files go bad. What comes out is whole, in order, and not acknowledged; what does not come out is
 * counted; and the spool can be used afterwards. */

/* SQLite's and our own: nothing is flushed in truth, as no machine goes down in here. A third of the time. */
__attribute__((visibility("default"))) int fsync(int fd)
{
    return fcntl(fd, F_GETFD) < 0 ? -1 : 0;
}

__attribute__((visibility("default"))) int fdatasync(int fd)
{
    return fcntl(fd, F_GETFD) < 0 ? -1 : 0;
}

#define ROWS 40
#define FEW_ROWS 14
#define ACKNOWLEDGED 7
#define LOST_MAX 9 /* that stand in one page */

struct image {
    uint8_t *data;
    size_t len;
};

static struct image load(const char *name)
{
    struct image i = {.len = (size_t)MAX(file_size(name), INT64_C(0))};
    FILE *f = fopen(temp_path(name), "re");

    i.data = malloc(i.len + 1);
    ck_assert_ptr_nonnull(i.data);
    if (f) {
        ck_assert_uint_eq(fread(i.data, 1, i.len, f), i.len);
        fclose(f);
    }
    return i;
}

static void set_opened(const char *text)
{
    char sql[100];
    sqlite3 *db;

    ck_assert_int_eq(sqlite3_open(temp_path("q"), &db), SQLITE_OK);
    snprintf(sql, sizeof sql, "UPDATE meta SET opened = '%s'", text);
    ck_assert_int_eq(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
}

/* Rows of many sizes, each in a transaction of its own. */
static struct azm_spool *make(uint64_t rows, uint8_t id[static 16])
{
    struct azm_spool *s = open_spool();

    for (uint64_t n = 1; n <= rows; n++)
        append(s, n, 1, n % 4 == 0 ? 9000 : n * 60);
    acknowledge(s, ACKNOWLEDGED);
    azm_spool_id(s, id);
    return s;
}

static void remove_all(void)
{
    temp_dir_remove();
    ck_assert_int_eq(mkdir(temp_dir, 0700), 0);
}

/* Opens it, reads all, and uses it. *damage: of opening it or met later. *same: it knows its id. */
static struct contents use_damaged(uint64_t rows, const uint8_t id[static 16], struct azm_spool_damage *damage,
                                   bool *same)
{
    struct azm_spool *s = open_spool_with(spool_options(), damage);
    struct contents c = read_all(s);
    struct azm_error err = {""};
    struct azm_spool_status st;
    uint64_t lost = 0, next;
    struct azm_spool_row row = {0};
    uint8_t now[16];

    azm_spool_id(s, now);
    *same = memcmp(now, id, sizeof now) == 0;
    if (*same && c.rows > 0)
        ck_assert_uint_gt(c.first, ACKNOWLEDGED);
    c.lost += damage->lost_rows;
    next = *same ? rows + 1 : c.last + 1;
    append(s, next, 1, 1234); /* the next one gets a new number */
    if (c.rows > 0)
        acknowledge(s, c.last);
    ck_assert_int_eq(azm_spool_read(s, c.last, &row, &lost, &err), 1);
    ck_assert_uint_eq(row.id, next);
    assert_row_whole(&row);
    acknowledge(s, next);
    azm_spool_get_status(s, &st);
    ck_assert_uint_eq(st.rows, 0);
    ck_assert_uint_eq(st.records, 0);
    ck_assert_uint_le(st.repairs, 1);
    *damage = st.last_damage;
    if (damage->found)
        ck_assert_int_eq(access(damage->set_aside, F_OK), 0);
    azm_spool_free(s);
    s = open_spool(); /* and it stays usable */
    ck_assert_int_eq(azm_spool_read(s, 0, &row, &lost, &err), 0);
    ck_assert_uint_eq(lost, 0);
    azm_buf_free(&row.data);
    azm_spool_close_and_remove(s);
    return c;
}

static void flip_main(const char *opened)
{
    uint8_t id[16];
    struct image file;
    unsigned found = 0, lossless = 0, offsets = 0;

    azm_spool_free(make(ROWS, id));
    set_opened(opened);
    file = load("q");
    for (size_t at = 0; at < file.len; at += 512) {
        struct azm_spool_damage damage;
        struct contents c;
        bool same;

        remove_all();
        file.data[at] ^= 0x55;
        write_file("q", 0600, file.data, file.len);
        c = use_damaged(ROWS, id, &damage, &same);
        file.data[at] ^= 0x55;
        ck_assert_msg(same, "offset %zu", at); /* it is there twice */
        ck_assert_msg(c.rows + c.lost == ROWS - ACKNOWLEDGED, "offset %zu: %" PRIu64 " rows, %" PRIu64 " lost", at,
                      c.rows, c.lost);
        ck_assert_msg(c.lost <= LOST_MAX, "offset %zu: %" PRIu64 " rows", at, c.rows);
        found += damage.found;
        lossless += c.lost == 0;
        offsets++;
    }
    ck_assert_uint_gt(offsets, 200);
    ck_assert_uint_gt(found, 10);
    ck_assert_uint_lt(lossless, offsets);
    free(file.data);
}

START_TEST(each_512th_byte_of_a_file_that_was_closed)
{
    flip_main("closed");
}
END_TEST

START_TEST(each_512th_byte_of_a_file_that_is_checked)
{
    flip_main("another boot");
}
END_TEST

START_TEST(each_512th_byte_of_the_wal)
{
    uint8_t id[16];
    struct azm_spool *s = make(FEW_ROWS, id);
    struct image file = load("q"), wal = load("q-wal");
    unsigned offsets = 0;

    azm_spool_free(s);
    ck_assert_uint_gt(wal.len, 100000); /* all of it is in there */
    for (size_t at = 0; at < wal.len; at += 512) {
        struct azm_spool_damage damage;
        struct contents c;
        bool same;

        remove_all();
        wal.data[at] ^= 0x55;
        write_file("q", 0600, file.data, file.len);
        write_file("q-wal", 0600, wal.data, wal.len);
        if (at + 4120 >=
            wal.len) { /* the last transaction, an acknowledgement: as if it had not been written to its end */
            struct azm_spool_damage none;

            azm_spool_free(open_spool_with(spool_options(), &none));
            ck_assert(!none.found);
        } else {
            c = use_damaged(FEW_ROWS, id, &damage, &same);
            ck_assert_msg(damage.found && same, "offset %zu", at);
            ck_assert_msg(c.rows + c.lost == FEW_ROWS - ACKNOWLEDGED, "offset %zu: %" PRIu64 " rows, %" PRIu64 " lost",
                          at, c.rows, c.lost);
            ck_assert_msg(c.lost <= LOST_MAX, "offset %zu: %" PRIu64 " rows", at, c.rows);
        }
        wal.data[at] ^= 0x55;
        offsets++;
    }
    ck_assert_uint_gt(offsets, 200);
    free(file.data);
    free(wal.data);
}
END_TEST

/* Power was lost in the middle of a commit: the sectors of the first frame are on disk in part only, and those behind
 * it all. Nothing is damaged, as the commit never returned. */
START_TEST(torn_commit)
{
    static const uint8_t zeroes[4096];
    const size_t frame = 24 + 4096;
    uint8_t id[16];
    struct image file, wal;
    sqlite3 *db;

    azm_spool_free(make(FEW_ROWS, id));
    ck_assert_int_eq(sqlite3_open(temp_path("q"), &db), SQLITE_OK);
    ck_assert_int_eq(
        sqlite3_exec(db,
                     "UPDATE meta SET opened = 'another boot';"
                     "BEGIN; UPDATE meta SET acknowledged = 0; UPDATE meta_copy SET acknowledged = 0; COMMIT",
                     NULL, NULL, NULL),
        SQLITE_OK);
    file = load("q");
    wal = load("q-wal");
    sqlite3_close(db);
    ck_assert_uint_eq(wal.len, 32 + 3 * frame);
    for (size_t sector = 0; sector < 8; sector++) {
        struct azm_spool_damage damage;
        struct azm_spool *s;

        remove_all();
        write_file("q", 0600, file.data, file.len);
        memcpy(wal.data + 32 + frame + 24 + sector * 512, zeroes, 512);
        write_file("q-wal", 0600, wal.data, wal.len);
        s = open_spool_with(spool_options(), &damage);
        ck_assert_msg(!damage.found, "sector %zu", sector);
        assert_holds(s, ACKNOWLEDGED + 1, FEW_ROWS);
        azm_spool_free(s);
    }
    free(file.data);
    free(wal.data);
}
END_TEST

START_TEST(truncated_anywhere)
{
    uint8_t id[16];
    struct azm_spool *s = make(ROWS, id);
    struct image live = load("q"), wal = load("q-wal"), file;
    struct prng p = {5};

    azm_spool_free(s);
    set_opened("another boot");
    file = load("q");
    for (int i = 0; i < 150; i++) {
        struct azm_spool_damage damage;
        bool same;

        remove_all();
        if (i % 3 == 0) { /* the WAL: as if the rest had never been written */
            write_file("q", 0600, live.data, live.len);
            write_file("q-wal", 0600, wal.data, prng_below(&p, wal.len));
            s = open_spool_with(spool_options(), &damage);
            ck_assert(!damage.found);
            ck_assert_uint_eq(read_all(s).lost, 0);
            azm_spool_free(s);
            continue;
        }
        if (i % 3 == 1) { /* the file, and all of it is in the WAL: nothing is lost */
            write_file("q", 0600, live.data, i < 20 ? 0 : prng_below(&p, live.len));
            write_file("q-wal", 0600, wal.data, wal.len);
            ck_assert_uint_eq(use_damaged(ROWS, id, &damage, &same).rows, ROWS - ACKNOWLEDGED);
            ck_assert(same);
            continue;
        }
        write_file("q", 0600, file.data, 1 + prng_below(&p, file.len - 1));
        use_damaged(ROWS, id, &damage, &same);
        ck_assert(damage.found);
    }
    free(live.data);
    free(wal.data);
    free(file.data);
}
END_TEST

START_TEST(garbage)
{
    uint8_t id[16];
    struct azm_spool_damage damage;
    struct image file;
    struct prng p = {6};
    bool same;

    azm_spool_free(make(ROWS, id));
    file = load("q");
    for (int i = 0; i < 30; i++) { /* the beginning: more and more, but not the page of meta */
        remove_all();
        prng_bytes(&p, file.data, (size_t)(i + 1) * 4096 / 30);
        write_file("q", 0600, file.data, file.len);
        ck_assert_uint_eq(use_damaged(ROWS, id, &damage, &same).rows, ROWS - ACKNOWLEDGED);
        ck_assert(same && damage.found);
        ck_assert_uint_eq(damage.lost_rows, 0);
    }
    for (int i = 0; i < 20; i++) { /* everything */
        remove_all();
        prng_bytes(&p, file.data, file.len);
        write_file("q", 0600, file.data, i ? prng_below(&p, file.len) + 1 : file.len);
        ck_assert_uint_eq(use_damaged(ROWS, id, &damage, &same).rows, 0);
        ck_assert(!same && damage.found);
    }
    remove_all(); /* a WAL without a file, and one of garbage */
    write_file("q-wal", 0600, file.data, file.len);
    ck_assert_uint_eq(use_damaged(ROWS, id, &damage, &same).rows, 0);
    free(file.data);
}
END_TEST

static uint64_t next_usec(void *userdata)
{
    (void)userdata;
    return UINT64_C(1700000000000000);
}

START_TEST(set_aside_twice_in_a_second)
{
    struct azm_clock clock = azm_system_clock;
    struct azm_spool_options o = spool_options();
    struct azm_spool_damage damage;
    char first[sizeof damage.set_aside];

    clock.realtime_usec = next_usec;
    o.clock = &clock;
    write_text("q", 0600, "no database at all");
    azm_spool_free(open_spool_with(o, &damage));
    ck_assert(damage.found);
    ck_assert_str_eq(damage.set_aside, temp_path("q.corrupt-1700000000"));
    ck_assert_str_eq(read_text("q.corrupt-1700000000"), "no database at all");
    strcpy(first, damage.set_aside);
    write_text("q", 0600, "something else");
    azm_spool_free(open_spool_with(o, &damage));
    ck_assert(damage.found);
    ck_assert_str_ne(damage.set_aside, first);
    ck_assert_str_eq(read_text("q.corrupt-1700000000"), "no database at all");
    ck_assert_str_eq(read_text(strrchr(damage.set_aside, '/') + 1), "something else");
}
END_TEST

/* The process died in the middle of a repair: the next one ends it. */
START_TEST(repaired_but_not_yet_in_its_place)
{
    uint8_t id[16], now[16];
    struct image file;
    struct azm_spool *s;

    azm_spool_free(make(ROWS, id));
    file = load("q");
    ck_assert_int_eq(rename(temp_path("q"), temp_path("q-repaired")), 0);
    write_text("q-wal", 0600, "of the damaged one");
    write_text("q-new", 0600, "not complete");
    ck_assert(azm_spool_exists(temp_path("q")));
    for (int i = 0; i < 2; i++) {
        s = open_spool();
        azm_spool_id(s, now);
        ck_assert_mem_eq(id, now, sizeof id);
        assert_holds(s, ACKNOWLEDGED + 1, ROWS);
        azm_spool_free(s);
        ck_assert_int_eq(file_size("q-new"), -1);
        write_file("q-repaired", 0600, file.data, file.len);
        write_text("q", 0600, "the damaged one");
    }
    free(file.data);
}
END_TEST

START_TEST(damage_while_it_is_open)
{
    struct prng p = {7};

    for (int i = 0; i < 8; i++) {
        struct azm_spool *s = open_spool();
        struct contents c, again;
        struct azm_spool_damage damage;
        int64_t size;
        int fd;

        for (uint64_t n = 1; n <= 80; n++) /* more than SQLite keeps in memory */
            append(s, n, 1, 100000);
        fd = open(temp_path("q"), O_RDWR | O_CLOEXEC);
        size = file_size("q");
        for (int k = 0; k < 10; k++) {
            uint8_t junk[600];

            prng_bytes(&p, junk, sizeof junk);
            ck_assert_int_gt(pwrite(fd, junk, sizeof junk, 4096 * 4 + (off_t)prng_below(&p, (size_t)size - 5 * 4096)),
                             0);
        }
        close(fd);
        c = read_all(s);
        ck_assert_uint_eq(c.rows + c.lost, 80);
        ck_assert_uint_ge(c.lost, 3); /* some hit the same row, or one that is in memory still */
        again = read_all(s);
        ck_assert_uint_eq(again.rows, c.rows);
        ck_assert_uint_eq(again.lost, 0); /* counted once */
        append(s, 81, 1, 100);
        azm_spool_free(s);
        s = open_spool_with(spool_options(), &damage);
        again = read_all(s);
        ck_assert_uint_eq(again.rows, c.rows + 1);
        acknowledge(s, 81);
        azm_spool_close_and_remove(s);
        remove_all();
    }
}
END_TEST

static void add_tests(Suite *s)
{
    add_test_in_dir(s, "each_512th_byte_of_a_file_that_was_closed", each_512th_byte_of_a_file_that_was_closed);
    add_test_in_dir(s, "each_512th_byte_of_a_file_that_is_checked", each_512th_byte_of_a_file_that_is_checked);
    add_test_in_dir(s, "each_512th_byte_of_the_wal", each_512th_byte_of_the_wal);
    add_test_in_dir(s, "torn_commit", torn_commit);
    add_test_in_dir(s, "truncated_anywhere", truncated_anywhere);
    add_test_in_dir(s, "garbage", garbage);
    add_test_in_dir(s, "set_aside_twice_in_a_second", set_aside_twice_in_a_second);
    add_test_in_dir(s, "repaired_but_not_yet_in_its_place", repaired_but_not_yet_in_its_place);
    add_test_in_dir(s, "damage_while_it_is_open", damage_while_it_is_open);
}

TEST_MAIN("spool_damage", add_tests)
