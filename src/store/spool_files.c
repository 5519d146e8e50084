/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "store/spool_files.h"

#define SUFFIX_MAX 32 /* the longest is ".corrupt-" and seconds */

const char *azm_spool_file_name(const struct azm_spool_files *f, const char *suffix,
                                char ret[static AZM_SPOOL_NAME_MAX])
{
    int n = snprintf(ret, AZM_SPOOL_NAME_MAX, "%s%s", f->name, suffix);

    return n >= 0 && n < AZM_SPOOL_NAME_MAX ? ret : "";
}

char *azm_spool_file_path(const struct azm_spool_files *f, const char *suffix)
{
    char *path;

    return asprintf(&path, "%s%s", f->path, suffix) < 0 ? NULL : path;
}

/* The lock file may be removed by the one who holds it: then it is not the one that others find. */
static int take_lock(struct azm_spool_files *f, const char *name, struct azm_error *err)
{
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    struct stat mine, found;

    for (;;) {
        f->lock_fd = openat(f->dir_fd, name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
        if (f->lock_fd < 0)
            return azm_error_set(err, errno, "cannot open %s-lock: %m", f->path);
        if (fcntl(f->lock_fd, F_OFD_SETLK, &lock) < 0) {
            if (errno == EAGAIN || errno == EACCES)
                return azm_error_set(err, EBUSY, "the spool %s is in use by another process", f->path);
            return azm_error_set(err, errno, "cannot lock %s-lock: %m", f->path);
        }
        if (fstat(f->lock_fd, &mine) == 0 && fstatat(f->dir_fd, name, &found, AT_SYMLINK_NOFOLLOW) == 0 &&
            mine.st_ino == found.st_ino && mine.st_dev == found.st_dev)
            break;
        close(f->lock_fd);
    }
    if (fchmod(f->lock_fd, 0600) < 0)
        return azm_error_set(err, errno, "cannot set the mode of %s-lock: %m", f->path);
    return 0;
}

int azm_spool_files_open(struct azm_spool_files *f, const char *path, size_t ballast_bytes, struct azm_error *err)
{
    const char *slash = strrchr(path, '/');
    _cleanup_free_ char *dir = NULL;
    char name[AZM_SPOOL_NAME_MAX];

    *f = (struct azm_spool_files){.dir_fd = -1, .lock_fd = -1, .ballast_bytes = ballast_bytes};
    if (asprintf(&f->path, "%s%s", slash ? "" : "./", path) < 0) {
        f->path = NULL;
        return azm_error_set(err, ENOMEM, "cannot open the spool %s: out of memory", path);
    }
    f->name = strrchr(f->path, '/') + 1;
    if (!*f->name || strlen(f->name) + SUFFIX_MAX > AZM_SPOOL_NAME_MAX)
        return azm_error_set(err, ENAMETOOLONG, "cannot open the spool %s: the file name is empty or too long", path);
    dir = strndup(f->path, (size_t)(f->name - f->path));
    if (!dir)
        return azm_error_set(err, ENOMEM, "cannot open the spool %s: out of memory", path);
    f->dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (f->dir_fd < 0)
        return azm_error_set(err, errno, "cannot open the directory of the spool %s: %m", path);
    return take_lock(f, azm_spool_file_name(f, "-lock", name), err);
}

void azm_spool_files_free(struct azm_spool_files *f)
{
    azm_closep(&f->lock_fd);
    azm_closep(&f->dir_fd);
    free(f->path);
    *f = (struct azm_spool_files){.dir_fd = -1, .lock_fd = -1};
}

int64_t azm_spool_file_size(const struct azm_spool_files *f, const char *suffix)
{
    char name[AZM_SPOOL_NAME_MAX];
    struct stat st;

    if (fstatat(f->dir_fd, azm_spool_file_name(f, suffix, name), &st, AT_SYMLINK_NOFOLLOW) < 0)
        return errno == ENOENT ? 0 : -errno;
    if (S_ISLNK(st.st_mode))
        return -ELOOP;
    return S_ISREG(st.st_mode) ? st.st_size : -EINVAL;
}

int azm_spool_file_make(const struct azm_spool_files *f, const char *suffix, struct azm_error *err)
{
    char name[AZM_SPOOL_NAME_MAX];
    _cleanup_close_ int fd = -1;

    azm_spool_file_remove(f, suffix);
    fd = openat(f->dir_fd, azm_spool_file_name(f, suffix, name), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW,
                0600);
    if (fd < 0 || fchmod(fd, 0600) < 0)
        return azm_error_set(err, errno, "cannot create %s%s: %m", f->path, suffix);
    return 0;
}

void azm_spool_file_remove(const struct azm_spool_files *f, const char *suffix)
{
    char name[AZM_SPOOL_NAME_MAX];

    unlinkat(f->dir_fd, azm_spool_file_name(f, suffix, name), 0);
}

static int move(const struct azm_spool_files *f, const char *from, const char *to, struct azm_error *err)
{
    char a[AZM_SPOOL_NAME_MAX], b[AZM_SPOOL_NAME_MAX];

    if (renameat(f->dir_fd, azm_spool_file_name(f, from, a), f->dir_fd, azm_spool_file_name(f, to, b)) < 0)
        return azm_error_set(err, errno, "cannot rename %s%s to %s%s: %m", f->path, from, f->path, to);
    if (fsync(f->dir_fd) < 0)
        return azm_error_set(err, errno, "cannot flush the directory of %s to disk: %m", f->path);
    return 0;
}

/* "-repaired" says that it is complete, and that the old WAL must go before it comes to its place: SQLite would take
 * the one for the other's. */
int azm_spool_files_swap(const struct azm_spool_files *f, struct azm_error *err)
{
    int r = 0;

    if (azm_spool_file_size(f, "-repaired") <= 0)
        r = move(f, "-new", "-repaired", err);
    if (r < 0)
        return r;
    azm_spool_file_remove(f, "-wal");
    if (fsync(f->dir_fd) < 0)
        return azm_error_set(err, errno, "cannot flush the directory of %s to disk: %m", f->path);
    return move(f, "-repaired", "", err);
}

int azm_spool_files_tidy(const struct azm_spool_files *f, struct azm_error *err)
{
    static const char *const leftovers[] = {"-new", "-new-wal"};

    for (size_t i = 0; i < ELEMENTSOF(leftovers); i++)
        azm_spool_file_remove(f, leftovers[i]);
    return azm_spool_file_size(f, "-repaired") > 0 ? azm_spool_files_swap(f, err) : 0;
}

void azm_spool_ballast_take(struct azm_spool_files *f)
{
    char name[AZM_SPOOL_NAME_MAX];
    _cleanup_close_ int fd = -1;

    if (f->has_ballast || f->ballast_bytes == 0)
        return;
    fd = openat(f->dir_fd, azm_spool_file_name(f, "-ballast", name),
                O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
    f->has_ballast = fd >= 0 && fchmod(fd, 0600) == 0 && ftruncate(fd, (off_t)f->ballast_bytes) == 0 &&
                     posix_fallocate(fd, 0, (off_t)f->ballast_bytes) == 0;
    if (!f->has_ballast)
        azm_spool_file_remove(f, "-ballast"); /* a part of it may be there */
}

bool azm_spool_ballast_drop(struct azm_spool_files *f)
{
    bool had = f->has_ballast;

    azm_spool_file_remove(f, "-ballast");
    f->has_ballast = false;
    return had;
}
