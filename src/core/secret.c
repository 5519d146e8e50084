/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "core/secret.h"

struct azm_secret {
    atomic_uint references;
    size_t len, max;
    size_t mapped_bytes;
    char text[];
};

int azm_secret_new(size_t max, struct azm_secret **ret)
{
    size_t bytes = sizeof(struct azm_secret) + max + 1;
    struct azm_secret *s = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (s == MAP_FAILED)
        return -ENOMEM;
    madvise(s, bytes, MADV_DONTDUMP); /* a kernel without it dumps, which is no reason to do nothing */
    atomic_init(&s->references, 1);
    s->max = max;
    s->mapped_bytes = bytes;
    *ret = s;
    return 0;
}

struct azm_secret *azm_secret_ref(struct azm_secret *s)
{
    atomic_fetch_add_explicit(&s->references, 1, memory_order_relaxed);
    return s;
}

struct azm_secret *azm_secret_unref(struct azm_secret *s)
{
    if (s && atomic_fetch_sub_explicit(&s->references, 1, memory_order_acq_rel) == 1) {
        explicit_bzero(s->text, s->max + 1);
        munmap(s, s->mapped_bytes);
    }
    return NULL;
}

int azm_secret_append(struct azm_secret *s, const void *data, size_t len)
{
    if (len > s->max - s->len)
        return -E2BIG;
    if (len > 0)
        memcpy(s->text + s->len, data, len);
    s->len += len;
    s->text[s->len] = '\0';
    return 0;
}

int azm_secret_printf(struct azm_secret *s, const char *format, ...)
{
    size_t room = s->max - s->len;
    va_list ap;
    int n;

    va_start(ap, format);
    n = vsnprintf(s->text + s->len, room + 1, format, ap);
    va_end(ap);
    if (n < 0 || (size_t)n > room) {
        azm_secret_truncate(s, s->len);
        return -E2BIG;
    }
    s->len += (size_t)n;
    return 0;
}

void azm_secret_truncate(struct azm_secret *s, size_t len)
{
    explicit_bzero(s->text + len, s->max + 1 - len);
    s->len = len;
}

void azm_secret_clear(struct azm_secret *s)
{
    azm_secret_truncate(s, 0);
}

const char *azm_secret_text(const struct azm_secret *s)
{
    return s->text;
}

size_t azm_secret_len(const struct azm_secret *s)
{
    return s->len;
}
