/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/buf.h"

int azm_buf_grow(struct azm_buf *b, size_t extra)
{
    size_t need, cap;
    void *p;

    if (__builtin_add_overflow(b->len, extra, &need))
        return -ENOMEM;
    cap = MAX(b->cap, (size_t)256);
    while (cap < need)
        if (__builtin_mul_overflow(cap, (size_t)2, &cap))
            return -ENOMEM;
    p = realloc(b->data, cap);
    if (!p)
        return -ENOMEM;
    b->data = p;
    b->cap = cap;
    return 0;
}

int azm_buf_append(struct azm_buf *b, const void *data, size_t len)
{
    int r = azm_buf_reserve(b, len);

    if (r < 0)
        return r;
    if (len > 0)
        memcpy(b->data + b->len, data, len);
    b->len += len;
    return 0;
}

int azm_buf_printf(struct azm_buf *b, const char *format, ...)
{
    va_list ap;
    int n, r;

    /* There nearly always is room already, so that formatting once will do. */
    va_start(ap, format);
    n = vsnprintf((char *)b->data + b->len, b->cap - b->len, format, ap);
    va_end(ap);
    if (n < 0)
        return -EINVAL;
    if ((size_t)n >= b->cap - b->len) { /* the NUL, which is not counted, needs room too */
        r = azm_buf_reserve(b, (size_t)n + 1);
        if (r < 0)
            return r;
        va_start(ap, format);
        vsnprintf((char *)b->data + b->len, (size_t)n + 1, format, ap);
        va_end(ap);
    }
    b->len += (size_t)n;
    return 0;
}

void azm_buf_free(struct azm_buf *b)
{
    free(b->data);
    memset(b, 0, sizeof *b);
}
