/* SPDX-License-Identifier: MIT */
#include <signal.h>

#include "core/thread.h"

int azm_thread_start(pthread_t *ret, size_t stack_bytes, void *(*main)(void *userdata), void *userdata)
{
    sigset_t all, before;
    pthread_attr_t attr;
    int r = pthread_attr_init(&attr);

    if (r != 0)
        return -r;
    if (stack_bytes > 0)
        pthread_attr_setstacksize(&attr, stack_bytes);
    /* A thread inherits the mask it is created under. */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    r = pthread_create(ret, &attr, main, userdata);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attr);
    return -r;
}
