/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <unistd.h>
#include <xxhash.h>

#include "core/clock.h"
#include "store/atomic_file.h"
#include "store/checkpoint.h"

#define HEADER "azmonlog-checkpoint 1\n"
#define CHECKSUM "checksum="
#define SIZE_MAX_BYTES ((size_t)16 * 1024 * 1024) /* far above any real one: a bound for a damaged file */

static int compose(const void *lines, size_t len, struct azm_buf *out)
{
    int r;

    r = azm_buf_append(out, HEADER, sizeof(HEADER) - 1);
    if (r < 0)
        return r;
    r = azm_buf_append(out, lines, len);
    if (r < 0)
        return r;
    return azm_buf_printf(out, CHECKSUM "%016" PRIx64 "\n", (uint64_t)XXH64(out->data, out->len, 0));
}

int azm_checkpoint_save(int dir_fd, const char *name, const void *lines, size_t len, struct azm_error *err)
{
    _cleanup_(azm_buf_free) struct azm_buf file = {0};
    int r;

    r = compose(lines, len, &file);
    if (r < 0)
        return azm_error_set(err, r, "cannot write %s: out of memory", name);
    return azm_atomic_file_replace(dir_fd, name, file.data, file.len, err);
}

static int read_all(int fd, struct azm_buf *out)
{
    azm_buf_clear(out);
    for (;;) {
        ssize_t n;
        int r = azm_buf_reserve(out, 4096);

        if (r < 0)
            return r;
        if (out->len > SIZE_MAX_BYTES)
            return -EFBIG;
        n = read(fd, out->data + out->len, out->cap - out->len - 1); /* room for a NUL */
        if (n < 0) {
            if (errno == EINTR)
                continue;
            return -errno;
        }
        if (n == 0)
            break;
        out->len += (size_t)n;
    }
    out->data[out->len] = '\0';
    return 0;
}

/* Takes the last line off, which must be a checksum that is right, or "none": 0 or -EBADMSG. */
static int check_checksum(struct azm_buf *file)
{
    const char *text = (const char *)file->data;
    size_t start = file->len - 1; /* of the last line; the file ends with a newline */
    char expected[40];

    while (start > 0 && text[start - 1] != '\n')
        start--;
    snprintf(expected, sizeof expected, CHECKSUM "%016" PRIx64 "\n", (uint64_t)XXH64(text, start, 0));
    if (strcmp(text + start, expected) != 0 && strcmp(text + start, CHECKSUM "none\n") != 0)
        return -EBADMSG;
    file->len = start;
    file->data[start] = '\0';
    return 0;
}

int azm_checkpoint_load(int dir_fd, const char *name, struct azm_buf *lines, struct azm_error *err)
{
    _cleanup_close_ int fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    const size_t header = sizeof(HEADER) - 1;
    int r;

    if (fd < 0) {
        if (errno == ENOENT)
            return 0;
        return azm_error_set(err, errno, "cannot open %s in the state directory: %m", name);
    }
    r = read_all(fd, lines);
    if (r == -EFBIG)
        return azm_error_set(err, EBADMSG, "%s is damaged: it is larger than any that azmonlog writes", name);
    if (r < 0)
        return azm_error_set(err, r, "cannot read %s in the state directory: %m", name);
    if (lines->len < header || memcmp(lines->data, HEADER, header) != 0)
        return azm_error_set(err, EBADMSG, "%s is damaged: it does not begin with \"azmonlog-checkpoint 1\"", name);
    if (lines->data[lines->len - 1] != '\n' || memchr(lines->data, '\0', lines->len))
        return azm_error_set(err, EBADMSG, "%s is damaged: it is cut off or not text", name);
    if (check_checksum(lines) < 0)
        return azm_error_set(err, EBADMSG,
                             "%s is damaged: its checksum is wrong (after editing by hand write checksum=none)", name);
    lines->len -= header;
    memmove(lines->data, lines->data + header, lines->len + 1);
    return 1;
}

int azm_checkpoint_set_aside(int dir_fd, const char *name, uint64_t now_usec, char ret_name[static 64],
                             struct azm_error *err)
{
    snprintf(ret_name, 64, "%.32s.corrupt-%" PRIu64, name, now_usec / AZM_USEC_PER_SEC);
    if (renameat(dir_fd, name, dir_fd, ret_name) < 0)
        return azm_error_set(err, errno, "cannot rename the damaged %s to %s: %m", name, ret_name);
    return 0;
}
