/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/time.h>

#include "cli/unix_socket.h"
#include "core/cleanup.h"
#include "core/clock.h"

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
        uint64_t now = azm_monotonic_usec(&azm_system_clock), left = deadline_usec > now ? deadline_usec - now : 1;
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
