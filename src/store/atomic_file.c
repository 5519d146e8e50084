/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/atomic_file.h"

int azm_write_all(int fd, const void *data, size_t len)
{
    const char *p = data;

    while (len > 0) {
        ssize_t n = write(fd, p, len);

        if (n < 0) {
            if (errno == EINTR)
                continue;
            return -errno;
        }
        p += n;
        len -= (size_t)n;
    }
    return 0;
}

int azm_give_to_owner(int dir_fd, int fd)
{
    struct stat dir, file;

    if (geteuid() != 0)
        return 0;
    if (fstat(dir_fd, &dir) < 0)
        return -errno;
    if (dir.st_uid == 0)
        return 0;
    /* Whoever may write into the directory could have put another's file there, by a second name. */
    if (fstat(fd, &file) < 0)
        return -errno;
    if (!S_ISREG(file.st_mode) || file.st_nlink > 1)
        return -EPERM;
    return fchown(fd, dir.st_uid, dir.st_gid) < 0 ? -errno : 0;
}

int azm_atomic_file_replace(int dir_fd, const char *name, const void *data, size_t len, struct azm_error *err)
{
    _cleanup_close_ int fd = -1;
    char tmp[64];
    int r;

    snprintf(tmp, sizeof tmp, "%s.tmp", name);
    unlinkat(dir_fd, tmp, 0); /* what a crash has left; never written into, whoever else has a hand on it */
    fd = openat(dir_fd, tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0640);
    if (fd < 0)
        return azm_error_set(err, errno, "cannot create %s in the state directory: %m", tmp);
    r = azm_write_all(fd, data, len);
    if (r == 0)
        r = azm_give_to_owner(dir_fd, fd);
    if (r < 0)
        azm_error_set(err, r, "cannot write %s in the state directory: %m", tmp);
    else if (fsync(fd) < 0)
        r = azm_error_set(err, errno, "cannot flush %s in the state directory to disk: %m", tmp);
    else if (renameat(dir_fd, tmp, dir_fd, name) < 0)
        r = azm_error_set(err, errno, "cannot rename %s to %s in the state directory: %m", tmp, name);
    if (r < 0) {
        unlinkat(dir_fd, tmp, 0);
        return r;
    }
    if (fsync(dir_fd) < 0)
        return azm_error_set(err, errno, "cannot flush the state directory to disk: %m");
    return 0;
}
