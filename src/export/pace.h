/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>

#include "core/clock.h"

/* When the next request may go out, and how many at once. A failure of the destination concerns
 * every request, so there is one pace for all of them: after a failure one probe at a time, each after a
 * backoff with full jitter (uniform in 0 .. min(max, initial * 2^n)); a success opens the window twofold until it is as
 * wide as configured. So an outage ends without a storm of retries. */
struct azm_pace {
    unsigned window_max;
    uint64_t initial_usec, retry_max_usec, hold_max_usec;

    unsigned window;                       /* requests allowed in flight */
    unsigned failures;                     /* in a row */
    uint64_t not_before_usec, failed_usec; /* monotonic */
};

void azm_pace_init(struct azm_pace *p, unsigned window, uint64_t initial_usec, uint64_t retry_max_usec,
                   uint64_t hold_max_usec);

/* A request that began at sent_usec was acknowledged. One that began before the last failure proves nothing. */
void azm_pace_success(struct azm_pace *p, uint64_t sent_usec);

/* A request that began at sent_usec has failed. `hold`: only a person can mend it, so go up to the slower limit.
 * Requests that were already under way at the last failure do not lengthen the backoff again, but a longer
 * Retry-After counts always: no request goes out before it has passed. */
void azm_pace_failure(struct azm_pace *p, const struct azm_clock *clock, uint64_t sent_usec, uint64_t now_usec,
                      bool hold, uint64_t retry_after_usec);

/* Microseconds until a request may go out; 0: now. */
uint64_t azm_pace_wait_usec(const struct azm_pace *p, uint64_t now_usec);
