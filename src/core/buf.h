/* SPDX-License-Identifier: MIT */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "core/cleanup.h"
#include "core/record.h"

/* A growing run of bytes. All zero is a valid empty buffer; azm_buf_free makes it so again. */
struct azm_buf {
    uint8_t *data;
    size_t len; /* bytes used */
    size_t cap; /* bytes allocated */
};

/* The same as azm_buf_reserve, when there is no room. */
int azm_buf_grow(struct azm_buf *b, size_t extra);

/* Makes room for `extra` more bytes: 0 or -ENOMEM. Growth doubles, so appending is amortised O(1). */
static inline int azm_buf_reserve(struct azm_buf *b, size_t extra)
{
    return extra <= b->cap - b->len ? 0 : azm_buf_grow(b, extra);
}

/* Appends: 0 or -ENOMEM (the buffer is then unchanged). */
int azm_buf_append(struct azm_buf *b, const void *data, size_t len);
int azm_buf_printf(struct azm_buf *b, const char *format, ...) _printf_(2, 3);

/* Frees the memory and leaves an empty buffer. */
void azm_buf_free(struct azm_buf *b);

/* Forgets the content and keeps the memory for the next use. */
static inline void azm_buf_clear(struct azm_buf *b)
{
    b->len = 0;
}

/* The content; it belongs to the buffer. */
static inline struct azm_text azm_buf_text(const struct azm_buf *b)
{
    return (struct azm_text){(const char *)b->data, b->len};
}

/* Gives the content to the returned buffer and leaves `b` empty. */
static inline struct azm_buf azm_buf_take(struct azm_buf *b)
{
    struct azm_buf taken = *b;

    memset(b, 0, sizeof *b);
    return taken;
}
