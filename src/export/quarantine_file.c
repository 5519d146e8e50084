/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "core/log.h"
#include "export/quarantine_file.h"
#include "store/atomic_file.h"

#define LOCK_NAME "quarantine.lock"
#define LOCK_RETRY_MSEC 10
#define LOCK_TRIES (10 * 1000 / LOCK_RETRY_MSEC)

int azm_quarantine_lock_open(int dir_fd, int *ret_lock_fd, struct azm_error *err)
{
    _cleanup_close_ int fd = openat(dir_fd, LOCK_NAME, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0640);
    int r;

    if (fd < 0)
        return azm_error_set(err, errno, "cannot open " LOCK_NAME " in the state directory: %m");
    r = azm_give_to_owner(dir_fd, fd);
    if (r < 0)
        return azm_error_set(err, r, "cannot give " LOCK_NAME " to the owner of the state directory: %m");
    *ret_lock_fd = fd;
    fd = -1;
    return 0;
}

static int set_lock(int lock_fd, enum azm_quarantine_lock which, short type)
{
    struct flock lock = {.l_type = type, .l_whence = SEEK_SET, .l_start = which, .l_len = 1};

    return fcntl(lock_fd, F_OFD_SETLK, &lock) < 0 ? -errno : 0;
}

/* Tries rather than waits without end: the exporter's thread has more to do than this. */
int azm_quarantine_lock(int lock_fd, enum azm_quarantine_lock which, struct azm_error *err)
{
    static const struct timespec pause = {.tv_nsec = LOCK_RETRY_MSEC * 1000000L};
    int tries = which == AZM_QUARANTINE_LOCK_FILE ? LOCK_TRIES : 1, r;

    do {
        r = set_lock(lock_fd, which, F_WRLCK);
        if (r == 0)
            return 0;
        if (r != -EAGAIN && r != -EACCES)
            return azm_error_set(err, r, "cannot lock " LOCK_NAME " in the state directory: %m");
        if (--tries > 0)
            nanosleep(&pause, NULL);
    } while (tries > 0);
    if (which == AZM_QUARANTINE_LOCK_EDITOR)
        return azm_error_set(err, EBUSY, "another azmonlog quarantine resend or purge is running; wait for its end");
    return azm_error_set(err, EBUSY, "another process keeps " LOCK_NAME " in the state directory locked");
}

void azm_quarantine_unlock(int lock_fd, enum azm_quarantine_lock which)
{
    (void)set_lock(lock_fd, which, F_UNLCK);
}

/* Where the last whole line ends: 0 or -errno. */
static int find_end(int fd, uint64_t size, uint64_t *ret)
{
    char piece[4096];

    while (size > 0) {
        size_t len = (size_t)MIN(size, (uint64_t)sizeof piece);
        ssize_t n = pread(fd, piece, len, (off_t)(size - len));
        const char *newline;

        if (n < 0 && errno == EINTR)
            continue;
        if (n != (ssize_t)len)
            return n < 0 ? -errno : -EIO;
        newline = memrchr(piece, '\n', len);
        if (newline) {
            *ret = size - len + (uint64_t)(newline - piece) + 1;
            return 0;
        }
        size -= len;
    }
    *ret = 0;
    return 0;
}

int azm_quarantine_file_open(int dir_fd, int *ret_fd, uint64_t *ret_bytes, struct azm_error *err)
{
    _cleanup_close_ int fd = openat(dir_fd, AZM_QUARANTINE_FILE, O_RDWR | O_APPEND | O_CLOEXEC | O_NOFOLLOW);
    uint64_t end = 0;
    struct stat st;
    int r;

    if (fd < 0 && errno == ENOENT)
        return 0;
    if (fd < 0)
        return azm_error_set(err, errno, "cannot open " AZM_QUARANTINE_FILE " in the state directory: %m");
    r = azm_give_to_owner(dir_fd, fd);
    if (r == 0)
        r = fstat(fd, &st) < 0 ? -errno : find_end(fd, (uint64_t)st.st_size, &end);
    if (r == 0 && end < (uint64_t)st.st_size) {
        r = ftruncate(fd, (off_t)end) < 0 ? -errno : 0;
        if (r == 0)
            azm_log(AZM_LOG_WARNING,
                    "the last line of " AZM_QUARANTINE_FILE " was cut by a crash; its %" PRIu64 " bytes are taken off",
                    (uint64_t)st.st_size - end);
    }
    if (r < 0)
        return azm_error_set(err, r, "cannot look at " AZM_QUARANTINE_FILE " in the state directory: %m");
    *ret_fd = fd;
    *ret_bytes = end;
    fd = -1;
    return 1;
}
