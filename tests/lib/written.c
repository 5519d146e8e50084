/* SPDX-License-Identifier: MIT */
#include <dlfcn.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

/* For LD_PRELOAD into programs that know nothing of a test: when a call that has written "order N step N" returns, a
 * line "PID order N step N" is appended to the file $WRITTEN. Who is killed between the two has written a line that is
 * not there, never the other way round. What libc writes from inside, as printf does, cannot be seen here. */

static const char *path;

/* Now, because PHP-FPM takes the environment from its workers. */
static void __attribute__((constructor)) remember(void)
{
    const char *value = getenv("WRITTEN");

    path = value ? strdup(value) : NULL;
}

static void note(const char *order, size_t len)
{
    char copy[64], line[96];
    int n, step, number, fd;

    if (!path || len < sizeof "order 1 step 1" - 1)
        return;
    snprintf(copy, sizeof copy, "%.*s", (int)(len < sizeof copy ? len : sizeof copy - 1), order);
    if (sscanf(copy, "order %d step %d", &number, &step) != 2)
        return;
    n = snprintf(line, sizeof line, "%d order %d step %d\n", getpid(), number, step);
    fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0666);
    if (fd < 0)
        abort();
    if (((ssize_t(*)(int, const void *, size_t))dlsym(RTLD_NEXT, "write"))(fd, line, (size_t)n) != n)
        abort();
    close(fd);
}

/* All in these bytes, but what stands right after `not_after`. */
static void find(const void *data, size_t len, char not_after)
{
    const char *at = data, *end = at + len;

    while (at < end && (at = memmem(at, (size_t)(end - at), "order ", 6))) {
        if (at == data || at[-1] != not_after)
            note(at, (size_t)(end - at));
        at += 6;
    }
}

#define REAL(name) ((__typeof__(&(name)))dlsym(RTLD_NEXT, #name))

ssize_t write(int fd, const void *data, size_t len)
{
    ssize_t n = REAL(write)(fd, data, len);

    if (n > 0)
        find(data, (size_t)n, '='); /* "MESSAGE=order ...": to `logger --journald`, which has yet to send it */
    return n;
}

ssize_t send(int fd, const void *data, size_t len, int flags)
{
    ssize_t n = REAL(send)(fd, data, len, flags);

    if (n > 0)
        find(data, (size_t)n, '\0');
    return n;
}

ssize_t sendto(int fd, const void *data, size_t len, int flags, const struct sockaddr *to, socklen_t to_len)
{
    ssize_t n = REAL(sendto)(fd, data, len, flags, to, to_len);

    if (n > 0)
        find(data, (size_t)n, '\0');
    return n;
}

ssize_t sendmsg(int fd, const struct msghdr *m, int flags)
{
    ssize_t n = REAL(sendmsg)(fd, m, flags);

    for (size_t i = 0; n > 0 && i < m->msg_iovlen; i++)
        find(m->msg_iov[i].iov_base, m->msg_iov[i].iov_len, '\0');
    return n;
}

static void log_it(int priority, const char *format, va_list ap)
{
    char text[256];
    void (*real)(int, const char *, ...) = (void (*)(int, const char *, ...))dlsym(RTLD_NEXT, "syslog");

    vsnprintf(text, sizeof text, format, ap);
    real(priority, "%s", text);
    find(text, strlen(text), '\0');
}

void syslog(int priority, const char *format, ...) __attribute__((format(printf, 2, 3)));
void syslog(int priority, const char *format, ...)
{
    va_list ap;

    va_start(ap, format);
    log_it(priority, format, ap);
    va_end(ap);
}

void __syslog_chk(int priority, int flag, const char *format, ...) __attribute__((format(printf, 3, 4)));
void __syslog_chk(int priority, int flag, const char *format, ...)
{
    va_list ap;

    (void)flag;
    va_start(ap, format);
    log_it(priority, format, ap);
    va_end(ap);
}
