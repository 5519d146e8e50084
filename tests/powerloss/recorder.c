/* SPDX-License-Identifier: MIT */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

/* For LD_PRELOAD: writes down, in the order in which it happens, everything that a program does to the files of one
 * directory, so that replay.py can make of it what a power loss leaves on disk.
 *
 *   POWERLOSS_DIR      the directory, which exists
 *   POWERLOSS_LOG      where to; appended to, so that several processes, one after the other, make one log
 *   POWERLOSS_MARKS    a file elsewhere: what is written to it is written down as well (what the program has promised)
 *   POWERLOSS_OUTSIDE  a file elsewhere, which others write: its size at the time stands in each entry
 *
 * An entry is a struct entry, two names and the data. One mutex is held from the system call to the entry, so they have
 * the same order. A write into a memory map cannot be seen here; nobody maps these files (SQLite has no -shm file with
 * locking_mode=EXCLUSIVE, and what stands in one does not matter after a power loss). Nor can a write from inside of
 * libc, as dprintf's, of which there is one: the pid in a lock file. */

enum operation {
    OPENED = 1, /* names[0]; size: 1: and created, 2: and made empty */
    WRITTEN,    /* at, data */
    TRUNCATED,  /* size */
    EXTENDED,   /* size: at least so long, of zeros */
    SYNCED,
    DIR_SYNCED,
    RENAMED, /* from names[0] to names[1] */
    LINKED,  /* names[0] is now names[1] as well */
    UNLINKED,
    MARKED, /* data */
};

struct entry {
    uint32_t operation;
    uint32_t file; /* number of this opening in this process */
    uint32_t pid;
    uint32_t names_len[2];
    uint32_t data_len;
    uint64_t at, size, outside;
};

#define FDS 65536
#define A_DIRECTORY (-1)
#define THE_MARKS (-2)

static struct {
    pthread_mutex_t mutex;
    int log_fd;
    struct stat dir, marks;
    const char *marks_path, *outside_path;
    int files[FDS]; /* by descriptor: the number of the opening; 0: not one of ours */
    int opened;
} recorder = {.mutex = PTHREAD_MUTEX_INITIALIZER, .log_fd = -1};

static void die(const char *what)
{
    fprintf(stderr, "recorder: cannot %s: %s\n", what, strerror(errno));
    abort();
}

/* The function of this name that stands behind ours. */
static void *real(const char *name)
{
    void *f = dlsym(RTLD_NEXT, name);

    if (!f)
        die(name);
    return f;
}

#define REAL(name)                                                                                                     \
    ({                                                                                                                 \
        static __typeof__(&(name)) real_;                                                                              \
                                                                                                                       \
        if (!real_)                                                                                                    \
            real_ = (__typeof__(&(name)))real(#name);                                                                  \
        real_;                                                                                                         \
    })

__attribute__((constructor)) static void start(void)
{
    const char *dir = getenv("POWERLOSS_DIR"), *log = getenv("POWERLOSS_LOG");

    if (!dir || !log)
        return;
    recorder.marks_path = getenv("POWERLOSS_MARKS");
    recorder.outside_path = getenv("POWERLOSS_OUTSIDE");
    if (stat(dir, &recorder.dir) < 0)
        die("look at POWERLOSS_DIR");
    recorder.log_fd = REAL(open)(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (recorder.log_fd < 0)
        die("open POWERLOSS_LOG");
}

static bool lock(void)
{
    if (recorder.log_fd < 0)
        return false;
    pthread_mutex_lock(&recorder.mutex);
    return true;
}

static void unlock(bool locked)
{
    int error = errno;

    if (locked)
        pthread_mutex_unlock(&recorder.mutex);
    errno = error;
}

/* One write, so that an entry is whole or not there when the program is killed. */
static void note(struct entry e, const char *name, const char *other_name, const void *data, size_t len)
{
    struct stat st;
    struct iovec parts[4];
    int error = errno;

    e.pid = (uint32_t)getpid();
    e.names_len[0] = name ? (uint32_t)strlen(name) : 0;
    e.names_len[1] = other_name ? (uint32_t)strlen(other_name) : 0;
    e.data_len = (uint32_t)len;
    if (recorder.outside_path && stat(recorder.outside_path, &st) == 0)
        e.outside = (uint64_t)st.st_size;
    parts[0] = (struct iovec){&e, sizeof e};
    parts[1] = (struct iovec){(void *)name, e.names_len[0]};
    parts[2] = (struct iovec){(void *)other_name, e.names_len[1]};
    parts[3] = (struct iovec){(void *)data, len};
    if (REAL(writev)(recorder.log_fd, parts, 4) != (ssize_t)(sizeof e + e.names_len[0] + e.names_len[1] + len))
        die("write to POWERLOSS_LOG");
    errno = error;
}

static int file_of(int fd)
{
    return fd >= 0 && fd < FDS ? recorder.files[fd] : 0;
}

static bool is_the_directory(const struct stat *st)
{
    return st->st_dev == recorder.dir.st_dev && st->st_ino == recorder.dir.st_ino;
}

/* The name, if it is one in the directory; else NULL. */
static const char *name_in_dir(int dir_fd, const char *path)
{
    const char *slash = strrchr(path, '/');
    char parent[4096];
    struct stat st;

    if (!slash)
        return (dir_fd == AT_FDCWD ? stat(".", &st) : fstat(dir_fd, &st)) == 0 && is_the_directory(&st) ? path : NULL;
    if ((size_t)(slash - path) >= sizeof parent)
        return NULL;
    snprintf(parent, sizeof parent, "%.*s", (int)(slash - path + 1), path);
    return fstatat(dir_fd, parent, &st, 0) == 0 && is_the_directory(&st) ? slash + 1 : NULL;
}

static bool exists(int dir_fd, const char *path)
{
    struct stat st;

    return fstatat(dir_fd, path, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

static void note_open(int fd, const char *name, int flags, bool existed)
{
    struct stat st, marks;

    if (fd >= FDS)
        die("count so many descriptors");
    recorder.files[fd] = 0;
    if (fstat(fd, &st) < 0)
        return;
    if (is_the_directory(&st)) {
        recorder.files[fd] = A_DIRECTORY;
    } else if (name && S_ISREG(st.st_mode)) {
        recorder.files[fd] = ++recorder.opened;
        note((struct entry){.operation = OPENED,
                            .file = (uint32_t)recorder.opened,
                            .size = !existed          ? 1
                                    : flags & O_TRUNC ? 2
                                                      : 0},
             name, NULL, NULL, 0);
    } else if (recorder.marks_path && stat(recorder.marks_path, &marks) == 0 && marks.st_ino == st.st_ino &&
               marks.st_dev == st.st_dev) {
        recorder.files[fd] = THE_MARKS;
    }
}

#define OPEN(call, dir_fd, path, flags)                                                                                \
    ({                                                                                                                 \
        bool locked_ = lock();                                                                                         \
        const char *name_ = locked_ ? name_in_dir(dir_fd, path) : NULL;                                                \
        bool existed_ = name_ && exists(dir_fd, path);                                                                 \
        int fd_ = (call);                                                                                              \
                                                                                                                       \
        if (locked_ && fd_ >= 0)                                                                                       \
            note_open(fd_, name_, flags, existed_);                                                                    \
        unlock(locked_);                                                                                               \
        fd_;                                                                                                           \
    })

#define MODE(flags)                                                                                                    \
    ({                                                                                                                 \
        mode_t mode_ = 0;                                                                                              \
        va_list ap_;                                                                                                   \
                                                                                                                       \
        if ((flags) & (O_CREAT | __O_TMPFILE)) {                                                                       \
            va_start(ap_, flags);                                                                                      \
            mode_ = va_arg(ap_, mode_t);                                                                               \
            va_end(ap_);                                                                                               \
        }                                                                                                              \
        mode_;                                                                                                         \
    })

#define PUBLIC __attribute__((visibility("default")))

/* Both names of a call are one here: off_t has 64 bits on the systems that this is for. */
#undef open
#undef openat
PUBLIC int open(const char *path, int flags, ...)
{
    mode_t mode = MODE(flags);

    return OPEN(REAL(open)(path, flags, mode), AT_FDCWD, path, flags);
}

PUBLIC int open64(const char *path, int flags, ...)
{
    mode_t mode = MODE(flags);

    return OPEN(REAL(open64)(path, flags, mode), AT_FDCWD, path, flags);
}

PUBLIC int openat(int dir_fd, const char *path, int flags, ...)
{
    mode_t mode = MODE(flags);

    return OPEN(REAL(openat)(dir_fd, path, flags, mode), dir_fd, path, flags);
}

PUBLIC int openat64(int dir_fd, const char *path, int flags, ...)
{
    mode_t mode = MODE(flags);

    return OPEN(REAL(openat64)(dir_fd, path, flags, mode), dir_fd, path, flags);
}

/* What fortified programs call when there is no mode. */
int __open_2(const char *path, int flags);
int __open64_2(const char *path, int flags);
int __openat_2(int dir_fd, const char *path, int flags);
int __openat64_2(int dir_fd, const char *path, int flags);

PUBLIC int __open_2(const char *path, int flags)
{
    return open(path, flags, 0);
}

PUBLIC int __open64_2(const char *path, int flags)
{
    return open64(path, flags, 0);
}

PUBLIC int __openat_2(int dir_fd, const char *path, int flags)
{
    return openat(dir_fd, path, flags, 0);
}

PUBLIC int __openat64_2(int dir_fd, const char *path, int flags)
{
    return openat64(dir_fd, path, flags, 0);
}

PUBLIC int close(int fd)
{
    bool locked = lock();
    int r;

    if (fd >= 0 && fd < FDS)
        recorder.files[fd] = 0;
    r = REAL(close)(fd);
    unlock(locked);
    return r;
}

static void note_written(int fd, off_t at, const void *data, ssize_t n)
{
    int file = file_of(fd);

    if (n <= 0 || file == 0 || file == A_DIRECTORY)
        return;
    if (file == THE_MARKS)
        note((struct entry){.operation = MARKED}, NULL, NULL, data, (size_t)n);
    else
        note((struct entry){.operation = WRITTEN, .file = (uint32_t)file, .at = (uint64_t)at}, NULL, NULL, data,
             (size_t)n);
}

PUBLIC ssize_t write(int fd, const void *data, size_t len)
{
    bool locked = file_of(fd) != 0 && lock();
    ssize_t n = REAL(write)(fd, data, len);

    if (locked)
        note_written(fd, lseek(fd, 0, SEEK_CUR) - n, data, n); /* right for O_APPEND, too */
    unlock(locked);
    return n;
}

#define PWRITE(call, fd, at, data)                                                                                     \
    ({                                                                                                                 \
        bool locked_ = file_of(fd) != 0 && lock();                                                                     \
        ssize_t n_ = (call);                                                                                           \
                                                                                                                       \
        if (locked_)                                                                                                   \
            note_written(fd, at, data, n_);                                                                            \
        unlock(locked_);                                                                                               \
        n_;                                                                                                            \
    })

PUBLIC ssize_t pwrite(int fd, const void *data, size_t len, off_t at)
{
    return PWRITE(REAL(pwrite)(fd, data, len, at), fd, at, data);
}

PUBLIC ssize_t pwrite64(int fd, const void *data, size_t len, off64_t at)
{
    return PWRITE(REAL(pwrite64)(fd, data, len, at), fd, at, data);
}

/* One by one: nobody here has several parts. */
PUBLIC ssize_t writev(int fd, const struct iovec *parts, int n)
{
    if (file_of(fd) == 0)
        return REAL(writev)(fd, parts, n);
    return write(fd, parts[0].iov_base, parts[0].iov_len);
}

/* Another way to write, which nothing of ours uses: it would be missed without a word. */
#define UNEXPECTED(type, name, arguments, ...)                                                                         \
    PUBLIC type name arguments                                                                                         \
    {                                                                                                                  \
        if (file_of(fd) != 0)                                                                                          \
            die("write down a call of " #name);                                                                        \
        return REAL(name)(__VA_ARGS__);                                                                                \
    }
UNEXPECTED(ssize_t, pwritev, (int fd, const struct iovec *parts, int n, off_t at), fd, parts, n, at)
UNEXPECTED(ssize_t, pwritev64, (int fd, const struct iovec *parts, int n, off64_t at), fd, parts, n, at)
UNEXPECTED(int, fallocate, (int fd, int mode, off_t at, off_t len), fd, mode, at, len)
UNEXPECTED(int, fallocate64, (int fd, int mode, off64_t at, off64_t len), fd, mode, at, len)
UNEXPECTED(int, dup, (int fd), fd)

#define SIZE_CHANGE(call, fd, what, len)                                                                               \
    ({                                                                                                                 \
        bool locked_ = file_of(fd) > 0 && lock();                                                                      \
        int r_ = (call);                                                                                               \
                                                                                                                       \
        if (locked_ && r_ == 0)                                                                                        \
            note((struct entry){.operation = what, .file = (uint32_t)file_of(fd), .size = (uint64_t)(len)}, NULL,      \
                 NULL, NULL, 0);                                                                                       \
        unlock(locked_);                                                                                               \
        r_;                                                                                                            \
    })

PUBLIC int ftruncate(int fd, off_t len)
{
    return SIZE_CHANGE(REAL(ftruncate)(fd, len), fd, TRUNCATED, len);
}

PUBLIC int ftruncate64(int fd, off64_t len)
{
    return SIZE_CHANGE(REAL(ftruncate64)(fd, len), fd, TRUNCATED, len);
}

PUBLIC int posix_fallocate(int fd, off_t at, off_t len)
{
    return SIZE_CHANGE(REAL(posix_fallocate)(fd, at, len), fd, EXTENDED, at + len);
}

PUBLIC int posix_fallocate64(int fd, off64_t at, off64_t len)
{
    return SIZE_CHANGE(REAL(posix_fallocate64)(fd, at, len), fd, EXTENDED, at + len);
}

#define SYNC(call, fd)                                                                                                 \
    ({                                                                                                                 \
        bool locked_ = file_of(fd) != 0 && lock();                                                                     \
        int r_ = (call), file_ = file_of(fd);                                                                          \
                                                                                                                       \
        if (locked_ && r_ == 0 && file_ != THE_MARKS)                                                                  \
            note((struct entry){.operation = file_ == A_DIRECTORY ? DIR_SYNCED : SYNCED,                               \
                                .file = file_ > 0 ? (uint32_t)file_ : 0},                                              \
                 NULL, NULL, NULL, 0);                                                                                 \
        unlock(locked_);                                                                                               \
        r_;                                                                                                            \
    })

PUBLIC int fsync(int fd)
{
    return SYNC(REAL(fsync)(fd), fd);
}

PUBLIC int fdatasync(int fd)
{
    return SYNC(REAL(fdatasync)(fd), fd);
}

/* `other`: an expression, which is evaluated under the mutex. */
#define NAMES(call, what, dir_fd, path, other)                                                                         \
    ({                                                                                                                 \
        bool locked_ = lock();                                                                                         \
        const char *name_ = locked_ ? name_in_dir(dir_fd, path) : NULL, *other_ = name_ ? (other) : NULL;              \
        int r_ = (call);                                                                                               \
                                                                                                                       \
        if (name_ && r_ == 0)                                                                                          \
            note((struct entry){.operation = what}, name_, other_, NULL, 0);                                           \
        unlock(locked_);                                                                                               \
        r_;                                                                                                            \
    })

PUBLIC int rename(const char *from, const char *to)
{
    return NAMES(REAL(rename)(from, to), RENAMED, AT_FDCWD, from, name_in_dir(AT_FDCWD, to));
}

PUBLIC int renameat(int from_fd, const char *from, int to_fd, const char *to)
{
    return NAMES(REAL(renameat)(from_fd, from, to_fd, to), RENAMED, from_fd, from, name_in_dir(to_fd, to));
}

PUBLIC int linkat(int from_fd, const char *from, int to_fd, const char *to, int flags)
{
    return NAMES(REAL(linkat)(from_fd, from, to_fd, to, flags), LINKED, from_fd, from, name_in_dir(to_fd, to));
}

PUBLIC int unlink(const char *path)
{
    return NAMES(REAL(unlink)(path), UNLINKED, AT_FDCWD, path, NULL);
}

PUBLIC int unlinkat(int dir_fd, const char *path, int flags)
{
    return NAMES(REAL(unlinkat)(dir_fd, path, flags), UNLINKED, dir_fd, path, NULL);
}
