/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "buf.h"
#include "emulator.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int emu_buf_reserve(struct emu_buf *buf, size_t more)
{
    if (buf->allocated - buf->length >= more)
        return 0;
    if (more > SIZE_MAX / 2 - buf->length)
        return -ENOMEM;

    size_t wanted = buf->allocated ? buf->allocated : 256;
    while (wanted < buf->length + more)
        wanted *= 2;
    char *data = realloc(buf->data, wanted);
    if (!data)
        return -ENOMEM;
    buf->data = data;
    buf->allocated = wanted;
    return 0;
}

int emu_buf_append(struct emu_buf *buf, const void *bytes, size_t length)
{
    if (length == 0)
        return 0;
    int r = emu_buf_reserve(buf, length);
    if (r < 0)
        return r;
    memcpy(buf->data + buf->length, bytes, length);
    buf->length += length;
    return 0;
}

int emu_buf_set_text(struct emu_buf *buf, const char *text, size_t length)
{
    buf->length = 0;
    int r = emu_buf_append(buf, text, length);
    if (r >= 0)
        r = emu_buf_append(buf, "", 1);
    if (r >= 0)
        buf->length = length;
    return r;
}

static void close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
}

int emu_buf_append_file(struct emu_buf *buf, const char *path)
{
    _cleanup_(close_fd) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0)
        return -errno;

    for (;;) {
        int r = emu_buf_reserve(buf, 4096);
        if (r < 0)
            return r;
        ssize_t n = read(fd, buf->data + buf->length, buf->allocated - buf->length);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        if (n == 0)
            return 0;
        buf->length += (size_t)n;
    }
}

void emu_buf_free(struct emu_buf *buf)
{
    free(buf->data);
    *buf = (struct emu_buf){0};
}
