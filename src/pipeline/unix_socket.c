/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/time.h>

#include "core/clock.h"
#include "pipeline/unix_socket.h"

#define RECEIVE_MAX ((size_t)1 << 20)
#define RECEIVE_STEP 4096

static uint64_t time_left(uint64_t deadline_usec)
{
    uint64_t now = azm_monotonic_usec(&azm_system_clock);

    return deadline_usec > now ? deadline_usec - now : 0;
}

int azm_unix_address(const char *path, struct sockaddr_un *ret, int *ret_dir_fd)
{
    const char *slash = strrchr(path, '/');
    _cleanup_free_ char *dir = NULL;
    _cleanup_close_ int fd = -1;

    *ret = (struct sockaddr_un){.sun_family = AF_UNIX};
    *ret_dir_fd = -1;
    if (strlen(path) < sizeof ret->sun_path) {
        memcpy(ret->sun_path, path, strlen(path));
        return 0;
    }
    if (!slash)
        return -ENAMETOOLONG;
    dir = strndup(path, (size_t)(slash - path) + 1);
    if (!dir)
        return -ENOMEM;
    fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    if ((size_t)snprintf(ret->sun_path, sizeof ret->sun_path, "/proc/self/fd/%d%s", fd, slash) >= sizeof ret->sun_path)
        return -ENAMETOOLONG;
    *ret_dir_fd = fd;
    fd = -1;
    return 0;
}

int azm_unix_connect(const char *path, int type, uint64_t deadline_usec)
{
    _cleanup_close_ int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0), dir = -1;
    struct sockaddr_un address;
    int r;

    if (fd < 0)
        return -errno;
    r = azm_unix_address(path, &address, &dir);
    while (r == 0) {
        uint64_t left = MAX(time_left(deadline_usec), UINT64_C(1)); /* 0 would mean no limit */
        struct timeval limit = {.tv_sec = (time_t)(left / AZM_USEC_PER_SEC),
                                .tv_usec = (suseconds_t)(left % AZM_USEC_PER_SEC)};

        /* connect(2) waits for room in the listener's queue, which poll(2) cannot; unix(7) knows only this limit */
        if (setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit) < 0)
            return -errno;
        if (connect(fd, (struct sockaddr *)&address, sizeof address) >= 0)
            break;
        if (errno != EINTR)
            return errno == EAGAIN && !(type & SOCK_NONBLOCK) ? -ETIMEDOUT : -errno;
    }
    if (r < 0)
        return r;
    r = fd;
    fd = -1;
    return r;
}

static int wait_for(int fd, short events, uint64_t deadline_usec)
{
    uint64_t left = time_left(deadline_usec);
    int r;

    if (left == 0)
        return -ETIMEDOUT;
    r = poll(&(struct pollfd){.fd = fd, .events = events}, 1,
             (int)MIN(left / AZM_USEC_PER_MSEC + 1, (uint64_t)INT_MAX));
    return r < 0 && errno != EINTR ? -errno : 0;
}

int azm_unix_send(int fd, const void *data, size_t len, uint64_t deadline_usec)
{
    for (size_t sent = 0; sent < len;) {
        ssize_t n = send(fd, (const char *)data + sent, len - sent, MSG_DONTWAIT | MSG_NOSIGNAL);
        int r = 0;

        if (n >= 0)
            sent += (size_t)n;
        else if (errno == EAGAIN)
            r = wait_for(fd, POLLOUT, deadline_usec);
        else if (errno != EINTR)
            r = -errno;
        if (r < 0)
            return r;
    }
    return 0;
}

int azm_unix_receive(int fd, char end, uint64_t deadline_usec, struct azm_buf *ret)
{
    azm_buf_clear(ret);
    while (ret->len < RECEIVE_MAX) {
        const void *found;
        ssize_t n;
        int r;

        r = azm_buf_reserve(ret, RECEIVE_STEP);
        if (r < 0)
            return r;
        n = recv(fd, ret->data + ret->len, RECEIVE_STEP, MSG_DONTWAIT);
        if (n == 0)
            return -ECONNRESET;
        if (n < 0) {
            r = errno == EAGAIN ? wait_for(fd, POLLIN, deadline_usec) : errno == EINTR ? 0 : -errno;
            if (r < 0)
                return r;
            continue;
        }
        found = memchr(ret->data + ret->len, end, (size_t)n);
        if (found) {
            ret->len = (size_t)((const uint8_t *)found - ret->data);
            return 0;
        }
        ret->len += (size_t)n;
    }
    return -EMSGSIZE;
}
