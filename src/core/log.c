/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/log.h"
#include "core/utf8.h"

static enum azm_log_level max_level = AZM_LOG_INFO;
static bool to_journal;
static void (*sink)(enum azm_log_level level, const char *name, const char *line);
static _Thread_local const char *thread_name = "";

/* systemd tells its services in $JOURNAL_STREAM ("device:inode", systemd.exec(5)); for others, as under systemd-cat,
 * the other end of the socket tells. */
static bool stderr_is_journal(void)
{
    const char *e = getenv("JOURNAL_STREAM");
    struct sockaddr_un peer = {0};
    socklen_t len = sizeof peer;
    uintmax_t dev, ino;
    struct stat st;

    if (e && sscanf(e, "%ju:%ju", &dev, &ino) == 2 && fstat(STDERR_FILENO, &st) >= 0 && st.st_dev == dev &&
        st.st_ino == ino)
        return true;
    return getpeername(STDERR_FILENO, (struct sockaddr *)&peer, &len) >= 0 && peer.sun_family == AF_UNIX &&
           strncmp(peer.sun_path, "/run/systemd/journal", strlen("/run/systemd/journal")) == 0;
}

void azm_log_init(enum azm_log_level level)
{
    max_level = level;
    to_journal = stderr_is_journal();
}

void azm_log_to(void (*s)(enum azm_log_level level, const char *name, const char *line))
{
    sink = s;
}

void azm_log_as(const char *name)
{
    thread_name = name;
}

const char *azm_log_name(void)
{
    return thread_name;
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
    if (sink)
        n = 0;
    else if (to_journal)
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
        azm_utf8_blank_controls(line + used, (size_t)n); /* one message is one line, whatever words it was given */
        used += (size_t)n;
    }
    line[used] = sink ? '\0' : '\n';
    used++;
    if (sink)
        sink(level, thread_name, line);
    else if (write(STDERR_FILENO, line, used) < 0) {
        /* Nobody is left to tell. */
    }
    errno = saved;
}
