/* SPDX-License-Identifier: MIT */
/* Forked workers log by syslog(3), which journald receives, or rsyslog. usage: syslog [ORDERS]
 *
 *     cc -o syslog syslog.c */
#include <stdlib.h>
#include <sys/wait.h>
#include <syslog.h>
#include <unistd.h>

static void pack(int order)
{
    for (int step = 1; step <= 20; step++) {
        syslog(LOG_INFO, "order %d step %d", order, step);
        usleep(5000);
    }
}

int main(int argc, char *argv[])
{
    int orders = argc > 1 ? atoi(argv[1]) : 20;

    openlog("shop-syslog", LOG_PID, LOG_USER);
    for (int worker = 1; worker <= 4; worker++)
        if (fork() == 0) {
            for (int order = worker; order <= orders; order += 4)
                pack(order);
            _exit(0);
        }
    while (wait(NULL) > 0)
        ;
    return 0;
}
