/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "wait.h"

#include <errno.h>
#include <poll.h>
#include <time.h>

int64_t emu_now_msec(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

bool emu_sleep(int stop_fd, int fd, unsigned msec)
{
    const int64_t end = emu_now_msec() + msec;
    for (int64_t left = msec; left > 0; left = end - emu_now_msec()) {
        struct pollfd events[] = {
            {.fd = stop_fd, .events = POLLIN}, {.fd = fd, .events = POLLRDHUP}, /* poll ignores an entry with -1 */
        };
        if (poll(events, 2, (int)left) > 0)
            return false;
    }
    return true;
}

void emu_wait_readable(int stop_fd, int fd, unsigned msec)
{
    struct pollfd events[] = {
        {.fd = stop_fd, .events = POLLIN},
        {.fd = fd, .events = POLLIN},
    };
    poll(events, 2, (int)msec);
}

bool emu_wait_writable(int stop_fd, int fd)
{
    struct pollfd events[] = {
        {.fd = stop_fd, .events = POLLIN},
        {.fd = fd, .events = POLLOUT | POLLRDHUP},
    };
    int n;
    do
        n = poll(events, 2, -1);
    while (n < 0 && errno == EINTR);
    return events[0].revents == 0 && events[1].revents == POLLOUT;
}
