/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>

#include "auth/secret_file.h"
#include "config/credential_path.h"

int azm_secret_file_fill(struct azm_secret *s, int fd, size_t max)
{
    char piece[512];
    ssize_t n;
    int r = 0;

    while (r == 0 && (n = read(fd, piece, sizeof piece)) != 0) {
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            r = -errno;
        else if ((size_t)n > max - azm_secret_len(s))
            r = -EFBIG;
        else
            r = azm_secret_append(s, piece, (size_t)n);
    }
    explicit_bzero(piece, sizeof piece);
    if (r == 0) {
        size_t len = azm_secret_len(s);

        while (len > 0 && strchr("\r\n", azm_secret_text(s)[len - 1]) && azm_secret_text(s)[len - 1])
            len--;
        azm_secret_truncate(s, len);
    }
    return r;
}

int azm_secret_file_read(const char *name, size_t max, bool shared, struct azm_secret **ret, struct azm_error *err)
{
    _cleanup_(azm_secret_unrefp) struct azm_secret *s = NULL;
    _cleanup_close_ int fd = -1;
    char path[PATH_MAX];
    struct stat st;
    int r = azm_credential_path(name, path, err);

    if (r < 0)
        return r;
    fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK); /* a FIFO must not hold us up */
    if (fd < 0 || fstat(fd, &st) < 0)
        return azm_error_set(err, errno, "cannot read %s: %m", path);
    if (!S_ISREG(st.st_mode))
        return azm_error_set(err, EINVAL, "%s is not a file", path);
    if (!shared && st.st_mode & 0007)
        return azm_error_set(err, EPERM,
                             "everybody can read %s; secrets belong into a file of mode 0600 or 0640 (chmod o= %s)",
                             path, path);
    r = azm_secret_new(max, &s);
    if (r == 0)
        r = azm_secret_file_fill(s, fd, max);
    if (r == -EFBIG)
        return azm_error_set(err, EFBIG, "%s is larger than %zu bytes", path, max);
    if (r < 0)
        return azm_error_set(err, r, "cannot read %s: %m", path);
    if (azm_secret_len(s) == 0)
        return azm_error_set(err, EINVAL, "%s is empty", path);
    *ret = azm_secret_ref(s);
    return 0;
}
