/* SPDX-License-Identifier: MIT */
#include <fcntl.h>
#include <signal.h>
#include <sqlite3.h>
#include <sys/mman.h>

#include "tests/unit/spool_help.h"

/* Whatever write fails and wherever the process dies, a row whose append returned is there, and one that was
 * acknowledged does not come again. SQLite takes its system calls from a table, which tests may change
 * (sqlite3_vfs.xSetSystemCall); only fsync and fdatasync it calls directly: those in this program stand before the
 * library's. Armed, they are counted, and the n-th fails (or all from the n-th on, as on a full disk), or is the end.
 */

enum mode { PASS, FAIL, FAIL_FROM, DIE_BEFORE, DIE_AFTER };

static struct {
    enum mode mode;
    unsigned at, n;
    unsigned flushes;
    bool wal_gone_first; /* the directory was flushed when there was no WAL any more, and the file was still there */
} calls;

static void arm(enum mode mode, unsigned at)
{
    calls.mode = mode;
    calls.at = at;
    calls.n = 0;
}

static enum mode called(int error)
{
    if (calls.mode == PASS)
        return PASS;
    calls.n++;
    if (calls.n != calls.at && (calls.mode != FAIL_FROM || calls.n < calls.at))
        return PASS;
    if (calls.mode == DIE_BEFORE)
        raise(SIGKILL);
    if (calls.mode == DIE_AFTER)
        return DIE_AFTER;
    errno = error;
    return FAIL;
}

#define WRAPPED(error, call)                                                                                           \
    ({                                                                                                                 \
        enum mode mode_ = called(error);                                                                               \
        __typeof__(call) result_ = mode_ == FAIL ? -1 : (call);                                                        \
                                                                                                                       \
        if (mode_ == DIE_AFTER)                                                                                        \
            raise(SIGKILL);                                                                                            \
        result_;                                                                                                       \
    })

static ssize_t my_write(int fd, const void *data, size_t len)
{
    return WRAPPED(ENOSPC, write(fd, data, len));
}

/* It takes no more than a page, as a kernel may, and is called for the rest: pages that are written together are lost
 * one by one. */
static ssize_t my_pwrite(int fd, const void *data, size_t len, off_t at)
{
    return WRAPPED(ENOSPC, pwrite(fd, data, MIN(len, (size_t)4096), at));
}

static int my_ftruncate(int fd, off_t len)
{
    return WRAPPED(EIO, ftruncate(fd, len));
}

static int my_unlink(const char *path)
{
    return WRAPPED(EIO, unlink(path));
}

static void look_at_directory(int fd)
{
    struct stat st;

    if (fstat(fd, &st) == 0 && S_ISDIR(st.st_mode) && file_size("q") > 0 && file_size("q-wal") < 0)
        calls.wal_gone_first = true;
}

/* SQLite's. Nothing is flushed in truth: what dies here is the process, not the machine, and it is faster. */
__attribute__((visibility("default"))) int fsync(int fd)
{
    calls.flushes++;
    look_at_directory(fd);
    return WRAPPED(EIO, fcntl(fd, F_GETFD) < 0 ? -1 : 0);
}

__attribute__((visibility("default"))) int fdatasync(int fd)
{
    calls.flushes++;
    return WRAPPED(EIO, fcntl(fd, F_GETFD) < 0 ? -1 : 0);
}

static void take_over_calls(void)
{
    sqlite3_vfs *vfs;

    sqlite3_initialize();
    vfs = sqlite3_vfs_find(NULL);
    ck_assert_int_eq(vfs->xSetSystemCall(vfs, "write", (sqlite3_syscall_ptr)my_write), SQLITE_OK);
    ck_assert_int_eq(vfs->xSetSystemCall(vfs, "pwrite", (sqlite3_syscall_ptr)my_pwrite), SQLITE_OK);
    ck_assert_int_eq(vfs->xSetSystemCall(vfs, "pwrite64", (sqlite3_syscall_ptr)my_pwrite), SQLITE_OK);
    ck_assert_int_eq(vfs->xSetSystemCall(vfs, "ftruncate", (sqlite3_syscall_ptr)my_ftruncate), SQLITE_OK);
    ck_assert_int_eq(vfs->xSetSystemCall(vfs, "unlink", (sqlite3_syscall_ptr)my_unlink), SQLITE_OK);
}

/* A small WAL, so that it goes into the file now and then. */
static struct azm_spool_options small(void)
{
    struct azm_spool_options o = spool_options();

    o.max_bytes = 1 * MIB;
    return o;
}

/* What a process has done, in memory that outlives it. */
struct progress {
    uint64_t appended, acknowledged; /* these calls returned */
    uint64_t next_acknowledged;      /* may have been done */
    bool opened;
};

static struct progress *shared_progress(void)
{
    struct progress *p = mmap(NULL, sizeof *p, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    ck_assert_ptr_ne(p, MAP_FAILED);
    return p;
}

static int step(struct azm_spool *s, struct progress *p, unsigned n)
{
    struct azm_error err = {""};
    size_t rows = 1 + n % 3;
    int r;

    r = try_append(s, p->appended + 1, rows, n % 5 == 0 ? 30000 : 700, &err);
    if (r < 0)
        return r;
    p->appended += rows;
    if (n % 2) {
        p->next_acknowledged = p->acknowledged + 1 + n % 4;
        r = azm_spool_acknowledge(s, p->next_acknowledged, &err);
        if (r < 0)
            return r;
        p->acknowledged = MIN(p->next_acknowledged, p->appended);
    }
    return 0;
}

/* All rows from the acknowledged to the last appended are there; more rows, whose append did not return, may be. */
static struct azm_spool *assert_nothing_lost(struct progress *p)
{
    struct azm_spool_damage damage;
    struct azm_spool *s = open_spool_with(small(), &damage);
    struct contents c = read_all(s);
    struct azm_spool_status st;

    ck_assert(!damage.found);
    ck_assert_uint_eq(c.lost, 0);
    azm_spool_get_status(s, &st);
    ck_assert_uint_eq(st.rows, c.rows);
    ck_assert_uint_eq(st.records, c.records);
    if (c.rows == 0) {
        ck_assert_uint_ge(p->next_acknowledged, p->appended);
        p->acknowledged = p->next_acknowledged = p->appended;
        return s;
    }
    ck_assert_uint_eq(c.rows, c.last - c.first + 1);
    ck_assert_uint_ge(c.first, p->acknowledged + 1);
    ck_assert_uint_le(c.first, p->next_acknowledged + 1);
    ck_assert_uint_ge(c.last, p->appended);
    p->appended = c.last;
    p->acknowledged = p->next_acknowledged = c.first - 1;
    return s;
}

static void die_at_every_call(enum mode mode)
{
    unsigned n;

    take_over_calls();
    for (n = 1;; n++) {
        struct progress *p = shared_progress();
        struct azm_spool *s;
        int status;
        pid_t pid = fork();

        ck_assert_int_ge(pid, 0);
        if (pid == 0) {
            arm(mode, n);
            s = open_spool_with(small(), NULL);
            for (unsigned i = 1; i <= 14; i++) {
                if (step(s, p, i) < 0)
                    _exit(1);
            }
            azm_spool_free(s);
            _exit(0);
        }
        ck_assert_int_eq(waitpid(pid, &status, 0), pid);
        s = assert_nothing_lost(p);
        ck_assert_int_eq(step(s, p, 15), 0);
        acknowledge(s, UINT64_MAX);
        azm_spool_close_and_remove(s);
        munmap(p, sizeof *p);
        if (!WIFSIGNALED(status)) {
            ck_assert_int_eq(status, 0);
            break;
        }
    }
    ck_assert_uint_gt(n, 100);
}

START_TEST(killed_before_every_call)
{
    die_at_every_call(DIE_BEFORE);
}
END_TEST

START_TEST(killed_after_every_call)
{
    die_at_every_call(DIE_AFTER);
}
END_TEST

/* Works until it is killed. */
static void work(struct progress *p)
{
    struct azm_spool_options o = small();
    struct azm_spool *s = NULL;

    require(azm_spool_open(&o, &s, NULL, NULL) == 0);
    p->opened = true;
    for (unsigned i = 1;; i++) {
        if (step(s, p, i) < 0) { /* full */
            p->next_acknowledged = p->appended;
            require(azm_spool_acknowledge(s, p->appended, NULL) == 0);
            p->acknowledged = p->appended;
        }
    }
}

START_TEST(killed_at_random_moments)
{
    struct progress *p = shared_progress();
    struct prng prng = {11};

    for (int round = 0; round < 25; round++) {
        pid_t pid = fork();
        int status;

        ck_assert_int_ge(pid, 0);
        if (pid == 0)
            work(p);
        while (!__atomic_load_n(&p->opened, __ATOMIC_ACQUIRE) && waitpid(pid, &status, WNOHANG) == 0)
            usleep(500);
        ck_assert(p->opened);
        usleep((useconds_t)prng_below(&prng, 15000));
        kill(pid, SIGKILL);
        ck_assert_int_eq(waitpid(pid, &status, 0), pid);
        ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
        p->opened = false;
        azm_spool_free(assert_nothing_lost(p));
    }
    munmap(p, sizeof *p);
}
END_TEST

/* In the middle of anything the disk is full, or a write fails: nothing is lost, and when that is over the spool works,
 * both with the same connection and after the death of the process. */
static void fail_every_call(enum mode mode)
{
    unsigned n, failures = 0;

    take_over_calls();
    for (n = 1;; n++) {
        struct progress p = {0};
        struct azm_spool *s = open_spool_with(small(), NULL);
        unsigned reached;

        arm(mode, n);
        for (unsigned i = 1; i <= 14; i++) {
            int r = step(s, &p, i);

            ck_assert_msg(r == 0 || r == -ENOSPC || r == -EIO, "%d", r);
            if (r < 0) {
                failures++;
                break;
            }
        }
        reached = calls.n;
        arm(PASS, 0);
        assert_holds(s, p.acknowledged + 1, p.appended);
        p.next_acknowledged = p.acknowledged = MIN(p.acknowledged + 1, p.appended);
        acknowledge(s, p.acknowledged); /* and the next ones work */
        ck_assert_int_eq(step(s, &p, 16), 0);
        assert_holds(s, p.acknowledged + 1, p.appended);
        azm_spool_free(s);
        s = assert_nothing_lost(&p);
        acknowledge(s, UINT64_MAX);
        azm_spool_close_and_remove(s);
        if (reached < n)
            break;
    }
    ck_assert_uint_gt(n, 80);
    ck_assert_uint_gt(failures, 40);
}

START_TEST(every_call_failing)
{
    fail_every_call(FAIL);
}
END_TEST

START_TEST(every_call_failing_from_one_on)
{
    fail_every_call(FAIL_FROM);
}
END_TEST

START_TEST(ballast_is_given_up_for_an_acknowledgement)
{
    struct azm_spool *s = open_spool_with(small(), NULL);
    struct azm_error err = {""};

    take_over_calls();
    append(s, 1, 100, 1000);
    ck_assert_int_eq(file_size("q-ballast"), 64 * 1024);
    arm(FAIL, 1);
    acknowledge(s, 80); /* fails once */
    ck_assert_uint_gt(calls.n, 1);
    ck_assert_int_eq(file_size("q-ballast"), -1);
    arm(PASS, 0);
    assert_holds(s, 81, 100);
    append(s, 101, 1, 10);
    ck_assert_int_eq(file_size("q-ballast"), 64 * 1024); /* made again */
    arm(FAIL_FROM, 1);
    ck_assert_int_eq(azm_spool_acknowledge(s, 90, &err), -ENOSPC);
    ck_assert_msg(strstr(err.words, "full") && strstr(err.words, temp_path("q")), "%s", err.words);
    arm(PASS, 0);
    assert_holds(s, 81, 101); /* it was not acknowledged */
    azm_spool_free(s);
}
END_TEST

/* A spool of the rows 3..16, of which nothing can be found by way of its tables. */
static void make_damaged(void)
{
    static const uint8_t zeroes[5 * 4096];
    struct azm_spool *s = open_spool_with(small(), NULL);
    int fd;

    append(s, 1, 16, 3000);
    acknowledge(s, 2);
    azm_spool_free(s);
    fd = open(temp_path("q"), O_WRONLY | O_CLOEXEC);
    ck_assert_int_eq(pwrite(fd, zeroes, 4096, 0), 4096);
    ck_assert_int_eq(pwrite(fd, zeroes, 4096, 4 * 4096), 4096); /* meta_copy or the root of the rows */
    close(fd);
}

static void assert_repaired(void)
{
    struct azm_spool *s = open_spool_with(small(), NULL);

    assert_holds(s, 3, 16);
    append(s, 17, 1, 100);
    acknowledge(s, 17);
    azm_spool_close_and_remove(s);
    temp_dir_remove(); /* what was set aside */
    ck_assert_int_eq(mkdir(temp_dir, 0700), 0);
}

static void die_in_repair(enum mode mode)
{
    unsigned n;

    take_over_calls();
    for (n = 1;; n++) {
        int status;
        pid_t pid;

        make_damaged();
        pid = fork();
        ck_assert_int_ge(pid, 0);
        if (pid == 0) {
            arm(mode, n);
            open_spool_with(small(), NULL);
            _exit(0);
        }
        ck_assert_int_eq(waitpid(pid, &status, 0), pid);
        assert_repaired();
        if (!WIFSIGNALED(status)) {
            ck_assert_int_eq(status, 0);
            break;
        }
    }
    ck_assert_uint_gt(n, 30);
}

START_TEST(killed_in_a_repair)
{
    die_in_repair(DIE_BEFORE);
    die_in_repair(DIE_AFTER);
}
END_TEST

static void fail_in_repair(enum mode mode)
{
    struct azm_spool_options o = small();
    unsigned n, failures = 0;

    take_over_calls();
    for (n = 1;; n++) {
        struct azm_spool *s = NULL;
        struct azm_error err = {""};
        unsigned reached;
        int r;

        make_damaged();
        arm(mode, n);
        r = azm_spool_open(&o, &s, NULL, &err);
        reached = calls.n;
        arm(PASS, 0);
        ck_assert_msg(r == 0 || r == -ENOSPC || r == -EIO, "%s", err.words);
        failures += r < 0;
        azm_spool_free(s);
        assert_repaired();
        if (reached < n)
            break;
    }
    ck_assert_uint_gt(n, 30);
    ck_assert_uint_gt(failures, 10);
}

START_TEST(every_call_failing_in_a_repair)
{
    fail_in_repair(FAIL);
    fail_in_repair(FAIL_FROM);
}
END_TEST

static uint64_t at_hand(void *userdata)
{
    return *(uint64_t *)userdata;
}

/* A full disk when damage is met: an error, until there is space. */
START_TEST(a_repair_that_has_to_wait)
{
    struct azm_spool_options o = small();
    struct azm_clock clock = azm_system_clock;
    uint64_t now = 1000 * AZM_USEC_PER_SEC;
    struct azm_spool_row row = {0};
    struct azm_spool_status st;
    struct azm_error err = {""};
    struct azm_spool *s;
    uint64_t lost = 0;
    int fd;

    clock.monotonic_usec = at_hand;
    clock.userdata = &now;
    o.clock = &clock;
    o.max_bytes = 64 * MIB;
    take_over_calls();
    s = open_spool_with(o, NULL);
    for (uint64_t id = 1; id <= 60; id++)
        append(s, id, 1, 100000);
    acknowledge(s, 2);
    fd = open(temp_path("q"), O_RDWR | O_CLOEXEC);
    for (off_t page = 40; page * 4096 < file_size("q") - 4096 * 400; page++)
        ck_assert_int_eq(pwrite(fd, "\0\0\0", 4, page * 4096), 4); /* the chains of overflow pages, and leaves */
    close(fd);
    arm(FAIL_FROM, 1);
    for (int i = 0; i < 3; i++) {
        uint64_t after = 0;
        int r;

        while ((r = azm_spool_read(s, after, &row, &lost, &err)) > 0)
            after = row.id;
        ck_assert_msg(r == -ENOSPC || r == -EIO, "%s", err.words);
        ck_assert_int_lt(try_append(s, 61, 1, 10, &err), 0);
        ck_assert_int_lt(azm_spool_acknowledge(s, 3, &err), 0);
        azm_spool_get_status(s, &st);
        ck_assert_uint_eq(st.rows, 58);
        ck_assert_uint_eq(st.repairs, 0);
        now += i * 10 * AZM_USEC_PER_SEC;
    }
    arm(PASS, 0);
    append(s, 61, 1, 10);
    azm_spool_get_status(s, &st);
    ck_assert_uint_eq(st.repairs, 1);
    ck_assert(st.last_damage.found);
    lost = 0;
    row.id = 0;
    for (uint64_t after = 0; azm_spool_read(s, after, &row, &lost, &err) > 0; after = row.id)
        assert_row_whole(&row);
    ck_assert_uint_eq(row.id, 61);
    ck_assert_uint_eq(st.last_damage.lost_rows, lost);
    ck_assert_uint_eq(st.last_damage.recovered + lost, 58);
    acknowledge(s, 61);
    azm_buf_free(&row.data);
    azm_spool_free(s);
}
END_TEST

/* After a power loss a WAL without its file would look like damage. */
START_TEST(the_wal_is_removed_before_the_file)
{
    struct azm_spool *s = open_spool();

    append(s, 1, 1, 10);
    acknowledge(s, 1);
    calls.wal_gone_first = false;
    azm_spool_close_and_remove(s);
    ck_assert(calls.wal_gone_first);
    ck_assert_int_eq(file_size("q"), -1);
}
END_TEST

START_TEST(a_call_is_one_flush)
{
    struct azm_spool *s = open_spool();

    append(s, 1, 1, 10); /* the first one makes the WAL, and flushes its header */
    calls.flushes = 0;
    append(s, 2, 100, 1000);
    ck_assert_uint_eq(calls.flushes, 1);
    acknowledge(s, 1);
    ck_assert_uint_eq(calls.flushes, 2);
    acknowledge(s, 90); /* with a delete */
    ck_assert_uint_eq(calls.flushes, 3);
    azm_spool_free(s);
}
END_TEST

static void add_tests(Suite *s)
{
    add_test_in_dir(s, "killed_before_every_call", killed_before_every_call);
    add_test_in_dir(s, "killed_after_every_call", killed_after_every_call);
    add_test_in_dir(s, "killed_at_random_moments", killed_at_random_moments);
    add_test_in_dir(s, "every_call_failing", every_call_failing);
    add_test_in_dir(s, "every_call_failing_from_one_on", every_call_failing_from_one_on);
    add_test_in_dir(s, "ballast_is_given_up_for_an_acknowledgement", ballast_is_given_up_for_an_acknowledgement);
    add_test_in_dir(s, "killed_in_a_repair", killed_in_a_repair);
    add_test_in_dir(s, "every_call_failing_in_a_repair", every_call_failing_in_a_repair);
    add_test_in_dir(s, "a_repair_that_has_to_wait", a_repair_that_has_to_wait);
    add_test_in_dir(s, "the_wal_is_removed_before_the_file", the_wal_is_removed_before_the_file);
    add_test_in_dir(s, "a_call_is_one_flush", a_call_is_one_flush);
}

TEST_MAIN("spool_crash", add_tests)
