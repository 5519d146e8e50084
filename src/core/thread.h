/* SPDX-License-Identifier: MIT */
#pragma once

#include <pthread.h>

/* A thread that takes no signals: these are the owner's. `stack_bytes` 0: the usual stack. 0 or -errno. */
int azm_thread_start(pthread_t *ret, size_t stack_bytes, void *(*main)(void *userdata), void *userdata);
