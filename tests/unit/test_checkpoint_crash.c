/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <sys/wait.h>

#include "tests/unit/checkpoint_help.h"

/* A checkpoint is always whole: whatever system call fails, and wherever the process dies, the old one is loaded
 * afterwards or the new one. The linker takes over the system calls of azm_checkpoint_save for that:
 * --wrap=openat,openat64,write,fsync,renameat,close. Armed, they are counted and written down, and the n-th one fails,
 * is interrupted or is the end. */

enum mode { PASS, FAIL, INTERRUPT, DIE_BEFORE, DIE_AFTER };

static struct {
    bool armed, short_writes;
    enum mode mode;
    unsigned at, n;
    int dir_fd;
    char trace[64]; /* o openat, w write, f fsync of the file, r renameat, F fsync of the directory, c close */
} calls;

static void arm(enum mode mode, unsigned at, bool short_writes, int dir_fd)
{
    memset(&calls, 0, sizeof calls);
    calls.mode = mode;
    calls.at = at;
    calls.short_writes = short_writes; /* only a part is written each time, as on a disk that fills up */
    calls.dir_fd = dir_fd;
    calls.armed = true;
}

static void disarm(void)
{
    calls.armed = false;
}

/* Writes the call down. What shall become of it? */
static enum mode called(char letter)
{
    if (!calls.armed)
        return PASS;
    ck_assert_uint_lt(calls.n, sizeof calls.trace - 1);
    calls.trace[calls.n] = letter;
    if (++calls.n != calls.at)
        return PASS;
    if (calls.mode == DIE_BEFORE)
        raise(SIGKILL);
    if (calls.mode == FAIL || calls.mode == INTERRUPT)
        errno = calls.mode == INTERRUPT ? EINTR : letter == 'w' ? ENOSPC : EIO;
    return calls.mode;
}

#define WRAPPED(letter, call)                                                                                          \
    ({                                                                                                                 \
        enum mode mode_ = called(letter);                                                                              \
        __typeof__(call) result_ = mode_ == FAIL || mode_ == INTERRUPT ? -1 : (call);                                  \
                                                                                                                       \
        if (mode_ == DIE_AFTER)                                                                                        \
            raise(SIGKILL);                                                                                            \
        result_;                                                                                                       \
    })

#define DECLARE(type, name, ...)                                                                                       \
    type __real_##name(__VA_ARGS__);                                                                                   \
    type __wrap_##name(__VA_ARGS__)

DECLARE(int, openat, int dir_fd, const char *path, int flags, ...);
DECLARE(int, openat64, int dir_fd, const char *path, int flags, ...); /* its name with _FILE_OFFSET_BITS=64 */
DECLARE(ssize_t, write, int fd, const void *data, size_t len);
DECLARE(int, fsync, int fd);
DECLARE(int, renameat, int old_dir_fd, const char *old_path, int new_dir_fd, const char *new_path);
DECLARE(int, close, int fd);

int __wrap_openat(int dir_fd, const char *path, int flags, ...)
{
    mode_t permissions;
    va_list ap;

    va_start(ap, flags);
    permissions = flags & O_CREAT ? va_arg(ap, mode_t) : 0;
    va_end(ap);
    return WRAPPED('o', __real_openat(dir_fd, path, flags, permissions));
}

int __wrap_openat64(int dir_fd, const char *path, int flags, ...)
{
    mode_t permissions;
    va_list ap;

    va_start(ap, flags);
    permissions = flags & O_CREAT ? va_arg(ap, mode_t) : 0;
    va_end(ap);
    return WRAPPED('o', __real_openat64(dir_fd, path, flags, permissions));
}

ssize_t __wrap_write(int fd, const void *data, size_t len)
{
    if (calls.armed && calls.short_writes && len > 1)
        len /= 2;
    return WRAPPED('w', __real_write(fd, data, len));
}

int __wrap_fsync(int fd)
{
    return WRAPPED(fd == calls.dir_fd ? 'F' : 'f', __real_fsync(fd));
}

int __wrap_renameat(int old_dir_fd, const char *old_path, int new_dir_fd, const char *new_path)
{
    return WRAPPED('r', __real_renameat(old_dir_fd, old_path, new_dir_fd, new_path));
}

int __wrap_close(int fd)
{
    return WRAPPED('c', __real_close(fd));
}

/* After power loss the name leads to the old file or to a whole new one only if the calls come in this order. */
START_TEST(written_flushed_renamed_flushed_in_this_order)
{
    _cleanup_close_ int dir = open_dir();
    char *p;

    arm(PASS, 0, false, dir);
    assert_saved(dir, NEW);
    disarm();
    p = strchr(calls.trace, 'c'); /* closing may come anywhere */
    ck_assert_ptr_nonnull(p);
    memmove(p, p + 1, strlen(p));
    ck_assert_str_eq(calls.trace, "owfrF");
}
END_TEST

static void fail_each_call(bool short_writes, unsigned at_least)
{
    _cleanup_close_ int dir = open_dir();
    struct azm_error err;
    unsigned n;
    int r;

    for (n = 1;; n++) {
        char failed;

        assert_saved(dir, OLD);
        arm(FAIL, n, short_writes, dir);
        r = azm_checkpoint_save(dir, "cp", NEW, strlen(NEW), &err);
        disarm();
        if (calls.n < n)
            break; /* there is no n-th call */
        failed = calls.trace[n - 1];
        ck_assert_msg(r == (failed == 'c' ? 0 : failed == 'w' ? -ENOSPC : -EIO), "'%c' failed: %d", failed, r);
        if (r < 0)
            ck_assert_ptr_nonnull(strstr(err.words, failed == 'w' ? "No space left" : "Input/output error"));
        assert_loads(dir, r == 0 || failed == 'F' ? NEW : OLD); /* F: it is there, but might not outlive power loss */
        ck_assert_int_eq(access(temp_path("cp.tmp"), F_OK), -1);
    }
    ck_assert_int_eq(r, 0);
    ck_assert_uint_gt(n, at_least);
}

START_TEST(every_system_call_failing)
{
    fail_each_call(false, 6);
    fail_each_call(true, 10);
}
END_TEST

/* Saves NEW in a process that dies at its n-th system call; false if it has no n-th call. */
static bool save_and_die(int dir, enum mode mode, unsigned n, bool short_writes)
{
    int status;
    pid_t pid = fork();

    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        arm(mode, n, short_writes, dir);
        _exit(azm_checkpoint_save(dir, "cp", NEW, strlen(NEW), NULL) == 0 ? 0 : 1);
    }
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert(WIFSIGNALED(status) || WEXITSTATUS(status) == 0);
    return WIFSIGNALED(status);
}

START_TEST(killed_before_and_after_every_system_call)
{
    _cleanup_close_ int dir = open_dir();

    for (int i = 0; i < 4; i++) {
        enum mode mode = i & 1 ? DIE_AFTER : DIE_BEFORE;
        unsigned n = 1, old = 0;

        assert_saved(dir, OLD);
        while (save_and_die(dir, mode, n, i & 2)) {
            bool is_new = strstr(read_text("cp"), NEW) != NULL;

            ck_assert_msg(is_new || old == n - 1, "the old one came back at call %u", n);
            old += !is_new;
            assert_loads(dir, is_new ? NEW : OLD);
            assert_saved(dir, OLD); /* whatever was left lying there is in nobody's way */
            assert_loads(dir, OLD);
            n++;
        }
        ck_assert_uint_gt(n, i & 2 ? 10 : 6);
        ck_assert_uint_ge(old, mode == DIE_BEFORE ? 4 : 3); /* the rename is the fourth call or a later one */
        assert_loads(dir, NEW);
    }
}
END_TEST

START_TEST(short_and_interrupted_writes_are_continued)
{
    _cleanup_close_ int dir = open_dir();

    arm(PASS, 0, true, dir);
    assert_saved(dir, NEW);
    disarm();
    ck_assert_msg(strncmp(calls.trace, "owwwww", 6) == 0, "%s", calls.trace);
    assert_loads(dir, NEW);

    arm(INTERRUPT, 2, false, dir);
    assert_saved(dir, OLD);
    disarm();
    ck_assert_msg(strncmp(calls.trace, "owwf", 4) == 0, "%s", calls.trace);
    assert_loads(dir, OLD);
}
END_TEST

static void add_tests(Suite *s)
{
    add_test_in_dir(s, "written_flushed_renamed_flushed_in_this_order", written_flushed_renamed_flushed_in_this_order);
    add_test_in_dir(s, "every_system_call_failing", every_system_call_failing);
    add_test_in_dir(s, "killed_before_and_after_every_system_call", killed_before_and_after_every_system_call);
    add_test_in_dir(s, "short_and_interrupted_writes_are_continued", short_and_interrupted_writes_are_continued);
}

TEST_MAIN("checkpoint_crash", add_tests)
