/* SPDX-License-Identifier: MIT */
/* The rate limit: so many requests in a window of time, and the window begins with the first request after the one
 * before. Shared by the threads of all connections. */
#pragma once

#include "emulator.h"

#include <stdbool.h>
#include <stdint.h>

struct emu_rate {
    uint64_t requests;
    unsigned window_msec; /* 0 = no limit */
};

/* "100/1s", or "none". */
bool emu_parse_rate(const char *text, struct emu_rate *ret);

struct emu_limit;

/* Starts without a limit. 0 or -ENOMEM. */
int emu_limit_new(struct emu_limit **ret);

/* Begins anew with this rate. */
void emu_limit_set(struct emu_limit *limit, struct emu_rate rate);

/* Begins anew with the same rate. */
void emu_limit_restart(struct emu_limit *limit);

/* Counts one request, at this time (CLOCK_MONOTONIC). 0 = it may pass; otherwise the milliseconds until the window
 * ends. */
unsigned emu_limit_take(struct emu_limit *limit, int64_t now_msec);

/* No thread may use it any more. NULL is allowed. */
void emu_limit_free(struct emu_limit *limit);
