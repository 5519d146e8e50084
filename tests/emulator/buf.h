/* SPDX-License-Identifier: MIT */
/* A growing run of bytes. Zero-initialise it; free it with emu_buf_free. */
#pragma once

#include <stddef.h>

struct emu_buf {
    char *data;
    size_t length;
    size_t allocated;
};

/* Makes room for `more` bytes behind the present ones. 0 or -ENOMEM. */
int emu_buf_reserve(struct emu_buf *buf, size_t more);

/* Appends a copy of the bytes. 0 or -ENOMEM, and then the buffer is as before. */
int emu_buf_append(struct emu_buf *buf, const void *bytes, size_t length);

/* Replaces what is there by a copy of the text, with a NUL behind it that does not count. 0 or -ENOMEM. */
int emu_buf_set_text(struct emu_buf *buf, const char *text, size_t length);

/* Appends the whole content of a file. 0 or -errno. */
int emu_buf_append_file(struct emu_buf *buf, const char *path);

void emu_buf_free(struct emu_buf *buf);
