/* SPDX-License-Identifier: MIT */
/* A file of lines that only grows by whole lines. */
#pragma once

#include "buf.h"

#include <stddef.h>
#include <stdint.h>

struct emu_line_file {
    int fd; /* -1 = there is none, and appending does nothing */
    const char *name;
    uint64_t size;
};

/* Opens or creates the file (NULL: a nameless temporary one), cuts off an incomplete last line, and appends the text
 * that is left to `content` (unless that is NULL). 0, or -errno with an error printed. */
int emu_line_file_open(struct emu_line_file *file, const char *path, struct emu_buf *content);

/* Writes the lines to the operating system. 0; or -errno with an error printed, and then the file is as before. */
int emu_line_file_append(struct emu_line_file *file, const char *lines, size_t length);

/* Empties the file. 0 or -errno with an error printed. */
int emu_line_file_clear(struct emu_line_file *file);

void emu_line_file_close(struct emu_line_file *file);
