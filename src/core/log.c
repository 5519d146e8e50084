/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/log.h"

static enum azm_log_level max_level = AZM_LOG_INFO;
static bool to_journal;

static bool stderr_is_journal(void)
{
    const char *e = getenv("JOURNAL_STREAM"); /* "device:inode", systemd.exec(5) */
    uintmax_t dev, ino;
    struct stat st;

    return e && sscanf(e, "%ju:%ju", &dev, &ino) == 2 && fstat(STDERR_FILENO, &st) >= 0 && st.st_dev == dev &&
           st.st_ino == ino;
}

void azm_log_init(enum azm_log_level level)
{
    max_level = level;
    to_journal = stderr_is_journal();
}

void azm_log(enum azm_log_level level, const char *format, ...)
{
    char line[1280];
    int saved = errno;
    size_t used;
    va_list ap;
    int n;

    if (level > max_level)
        return;
    if (to_journal)
        n = snprintf(line, sizeof line, "<%d>", level);
    else
        n = snprintf(line, sizeof line, "azmonlog: ");
    used = (size_t)n;
    va_start(ap, format);
    errno = saved; /* for %m */
    n = vsnprintf(line + used, sizeof line - used - 1, format, ap);
    va_end(ap);
    if (n > 0) {
        n = (int)MIN((size_t)n, sizeof line - used - 2);
        for (char *p = line + used; p < line + used + n; p++)
            if (*p == '\n') /* one message is one line, whatever words it was given */
                *p = ' ';
        used += (size_t)n;
    }
    line[used++] = '\n';
    if (write(STDERR_FILENO, line, used) < 0) {
        /* Nobody is left to tell. */
    }
    errno = saved;
}
