/* SPDX-License-Identifier: MIT */
#pragma once

/* Scope-bound clean-up in systemd's manner: `_cleanup_(azm_buf_free) struct azm_buf b = {0};`
 * runs azm_buf_free(&b) when `b` goes out of scope, on every path. */

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define _cleanup_(f) __attribute__((cleanup(f)))
#define _printf_(a, b) __attribute__((format(printf, a, b)))
#define _unused_ __attribute__((unused))

#define ELEMENTSOF(x) (sizeof(x) / sizeof((x)[0]))

/* Each argument is evaluated once. */
#define MIN(a, b)                                                                                                      \
    ({                                                                                                                 \
        __typeof__(a) min_a = (a);                                                                                     \
        __typeof__(b) min_b = (b);                                                                                     \
        min_a < min_b ? min_a : min_b;                                                                                 \
    })
#define MAX(a, b)                                                                                                      \
    ({                                                                                                                 \
        __typeof__(a) max_a = (a);                                                                                     \
        __typeof__(b) max_b = (b);                                                                                     \
        max_a > max_b ? max_a : max_b;                                                                                 \
    })

static inline void azm_freep(void *p)
{
    free(*(void **)p);
}

static inline void azm_closep(const int *fd)
{
    if (*fd >= 0)
        close(*fd);
}

static inline void azm_fclosep(FILE **f)
{
    if (*f)
        fclose(*f);
}

#define _cleanup_free_ _cleanup_(azm_freep)
#define _cleanup_close_ _cleanup_(azm_closep)
#define _cleanup_fclose_ _cleanup_(azm_fclosep)
