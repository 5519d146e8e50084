/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>

#include "core/error.h"

int azm_error_set(struct azm_error *err, int error, const char *format, ...)
{
    error = abs(error);
    if (err) {
        va_list ap;
        int saved = errno;

        errno = error; /* for %m */
        va_start(ap, format);
        vsnprintf(err->words, sizeof err->words, format, ap);
        va_end(ap);
        errno = saved;
    }
    return -error;
}
