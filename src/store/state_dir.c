/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/atomic_file.h"
#include "store/state_dir.h"

static int take_lock(int fd, const char *path, struct azm_error *err)
{
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    char pid[32] = "";
    ssize_t n;

    if (fcntl(fd, F_OFD_SETLK, &lock) >= 0)
        return 0;
    if (errno != EAGAIN && errno != EACCES)
        return azm_error_set(err, errno, "cannot lock %s/lock: %m", path);
    n = pread(fd, pid, sizeof pid - 1, 0);
    pid[n > 0 ? n : 0] = '\0';
    pid[strcspn(pid, "\n")] = '\0';
    return azm_error_set(err, EBUSY,
                         "the state directory %s is in use by another azmonlog (pid %s); stop it first, or give this "
                         "one a state directory of its own ([state] directory=)",
                         path, *pid ? pid : "unknown");
}

int azm_state_dir_check(int dir_fd, const char *path, struct azm_error *err)
{
    struct stat dir, parent;

    if (fstat(dir_fd, &dir) < 0 || fstatat(dir_fd, "..", &parent, 0) < 0)
        return azm_error_set(err, errno, "cannot look at the state directory %s: %m", path);
    if (dir.st_mode & S_IWOTH)
        return azm_error_set(err, EPERM, "everybody may write into the state directory %s (chmod o-w %s)", path, path);
    if (dir.st_uid == geteuid() || dir.st_uid == 0 || (geteuid() == 0 && !(parent.st_mode & S_IWOTH)))
        return 0;
    return azm_error_set(err, EPERM,
                         "the state directory %s belongs to another user (uid %lu), who could change what is in it; "
                         "another place: [state] directory=, --state-directory",
                         path, (unsigned long)dir.st_uid);
}

static int make_and_open(const char *path, int *ret, struct azm_error *err)
{
    int fd;

    if (mkdir(path, 0750) < 0 && errno != EEXIST)
        return azm_error_set(err, errno,
                             "cannot create the state directory %s: %m (its parent must exist and be writable; another "
                             "place: [state] directory=, --state-directory)",
                             path);
    fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return azm_error_set(err, errno, "cannot open the state directory %s: %m", path);
    *ret = fd;
    return 0;
}

/* Makes sure that the directory may be used, and locks it: 0, and it belongs to the caller; -errno. */
static int take(int dir, const char *path, int *ret_lock_fd, struct azm_error *err)
{
    _cleanup_close_ int lock = -1;
    int r = azm_state_dir_check(dir, path, err);

    if (r < 0)
        return r;
    lock = openat(dir, "lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0640);
    if (lock < 0)
        return azm_error_set(err, errno, "cannot open %s/lock: %m", path);
    r = take_lock(lock, path, err);
    if (r < 0)
        return r;
    r = azm_give_to_owner(dir, lock);
    if (r < 0)
        return azm_error_set(err, r, "%s/lock is not for this process alone: %m", path);
    if (ftruncate(lock, 0) < 0 || dprintf(lock, "%ld\n", (long)getpid()) < 0)
        return azm_error_set(err, errno, "cannot write %s/lock: %m", path);
    *ret_lock_fd = lock;
    lock = -1;
    return 0;
}

int azm_state_dir_open(const char *path, int *ret_dir_fd, int *ret_lock_fd, struct azm_error *err)
{
    _cleanup_close_ int dir = -1;
    int r = make_and_open(path, &dir, err);

    if (r >= 0)
        r = take(dir, path, ret_lock_fd, err);
    if (r < 0)
        return r;
    *ret_dir_fd = dir;
    dir = -1;
    return 0;
}

/* Goes one step down, and makes it. Who may write into the directory above must not lead root elsewhere: no link is
 * followed, and a new directory is given away by its descriptor. */
static int descend(int above, const char *name, int *ret)
{
    _cleanup_close_ int dir = -1;
    struct stat st;
    bool made = mkdirat(above, name, 0750) >= 0;

    if (!made && errno != EEXIST)
        return -errno;
    dir = openat(above, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (dir < 0)
        return -errno;
    if (made && geteuid() == 0 && (fstat(above, &st) < 0 || fchown(dir, st.st_uid, st.st_gid) < 0))
        return -errno;
    *ret = dir;
    dir = -1;
    return 0;
}

int azm_state_dir_open_below(const char *path, const char *group, const char *name, int *ret_dir_fd, int *ret_lock_fd,
                             struct azm_error *err)
{
    _cleanup_close_ int above = -1, between = -1, dir = -1;
    _cleanup_free_ char *whole = NULL;
    int r;

    if (asprintf(&whole, "%s/%s/%s", path, group, name) < 0) {
        whole = NULL;
        return azm_error_set(err, ENOMEM, "out of memory");
    }
    r = make_and_open(path, &above, err);
    if (r >= 0)
        r = azm_state_dir_check(above, path, err);
    if (r < 0)
        return r;
    r = descend(above, group, &between);
    if (r >= 0)
        r = descend(between, name, &dir);
    if (r < 0)
        return azm_error_set(err, r, "cannot create the state directory %s: %m", whole);
    r = take(dir, whole, ret_lock_fd, err);
    if (r < 0)
        return r;
    *ret_dir_fd = dir;
    dir = -1;
    return 0;
}
