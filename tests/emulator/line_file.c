/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "line_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int report(const struct emu_line_file *file, const char *what, int error)
{
    fprintf(stderr, "azmonlog-emulator: cannot %s %s: %s\n", what, file->name, strerror(error));
    return -error;
}

static int open_temporary(void)
{
    const char *folder = getenv("TMPDIR");
    char *path;

    if (asprintf(&path, "%s/azmonlog-emulator.XXXXXX", folder && folder[0] ? folder : "/tmp") < 0)
        return -ENOMEM;
    int fd = mkostemp(path, O_APPEND | O_CLOEXEC);
    int r = fd < 0 ? -errno : fd;
    if (fd >= 0)
        unlink(path);
    free(path);
    return r;
}

/* Where the last complete line ends. */
static size_t complete_lines(const struct emu_buf *text)
{
    const char *newline = text->length ? memrchr(text->data, '\n', text->length) : NULL;
    return newline ? (size_t)(newline + 1 - text->data) : 0;
}

static int load(struct emu_line_file *file, const char *path, struct emu_buf *content)
{
    int r = emu_buf_append_file(content, path);
    if (r < 0)
        return report(file, "read", -r);
    size_t keep = complete_lines(content);
    if (keep < content->length && ftruncate(file->fd, (off_t)keep) < 0)
        return report(file, "repair", errno);
    content->length = keep;
    file->size = keep;
    return 0;
}

int emu_line_file_open(struct emu_line_file *file, const char *path, struct emu_buf *content)
{
    struct emu_buf unwanted = {0};
    struct stat status;

    *file = (struct emu_line_file){.fd = -1, .name = path ? path : "a temporary file"};
    if (!path) {
        int fd = open_temporary();
        if (fd < 0)
            return report(file, "create", -fd);
        file->fd = fd;
        return 0;
    }
    file->fd = open(path, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0666);
    if (file->fd < 0)
        return report(file, "open", errno);
    if (fstat(file->fd, &status) < 0)
        return report(file, "look at", errno);
    if (!S_ISREG(status.st_mode)) { /* a failed write can only be taken back from a regular file */
        fprintf(stderr, "azmonlog-emulator: %s is not a regular file\n", path);
        return -EINVAL;
    }
    int r = load(file, path, content ? content : &unwanted);
    emu_buf_free(&unwanted);
    return r;
}

int emu_line_file_append(struct emu_line_file *file, const char *lines, size_t length)
{
    if (file->fd < 0)
        return 0;
    for (size_t done = 0; done < length;) {
        ssize_t n = write(file->fd, lines + done, length - done);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            int error = errno;
            report(file, "write", error);
            if (done > 0 && ftruncate(file->fd, (off_t)file->size) < 0)
                report(file, "take back half a line from", errno);
            return -error;
        }
        done += (size_t)n;
    }
    file->size += length;
    return 0;
}

int emu_line_file_clear(struct emu_line_file *file)
{
    if (file->fd < 0)
        return 0;
    if (ftruncate(file->fd, 0) < 0)
        return report(file, "empty", errno);
    file->size = 0;
    return 0;
}

void emu_line_file_close(struct emu_line_file *file)
{
    if (file->fd >= 0)
        close(file->fd);
    file->fd = -1;
}
