/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>

#include "core/clock.h"

/* When the next request may go out, and how many at once. A failure of the destination concerns every request, so there
 * is one pace for all of them.
 *
 * After a failure: one probe at a time, each after a backoff with full jitter (uniform in 0 .. min(max, initial *
 * 2^n)); a success opens the window twofold. So an outage ends without a storm of retries.
 *
 * After a 429: the window's limit is halved, requests keep an interval (half the rate of the last minute, in which
 * ingestion limits are counted: facts/azure.md 1.4; none if nothing passed), and batches become larger and fewer; all
 * this once a minute, for in a minute that is used up every request is answered so, whatever the rate. Each minute
 * without another 429, from when requests may go out again, takes some of that back: the limit grows by one, the
 * rate by a tenth of what was known to pass until it is there, then twofold. */
#define AZM_PACE_MINUTE_USEC (60 * AZM_USEC_PER_SEC)
#define AZM_PACE_BUCKETS 12 /* of 5 s */

struct azm_pace {
    unsigned window_max;
    uint64_t initial_usec, retry_max_usec, hold_max_usec;

    unsigned window;                       /* requests allowed in flight */
    unsigned failures;                     /* in a row */
    uint64_t not_before_usec, failed_usec; /* monotonic */

    /* Throttling. */
    unsigned window_limit;                     /* the window opens so far */
    uint64_t interval_usec;                    /* from one request to the next; 0: none */
    uint64_t passed_per_min;                   /* requests that passed in the minute before the last 429 */
    uint64_t batch_delay_usec;                 /* batches should wait so long for more records; 0: as configured */
    uint64_t slowed_usec;                      /* monotonic: the last 429 that counted; 0: never */
    uint64_t ease_usec;                        /* when some of it is taken back */
    uint64_t sent_usec;                        /* the last request */
    uint64_t passed[AZM_PACE_BUCKETS], bucket; /* acknowledged, by time; the newest bucket's number */
};

void azm_pace_init(struct azm_pace *p, unsigned window, uint64_t initial_usec, uint64_t retry_max_usec,
                   uint64_t hold_max_usec);

void azm_pace_sent(struct azm_pace *p, uint64_t now_usec);

/* A request that began at sent_usec was acknowledged. One that began before the last failure proves nothing. */
void azm_pace_success(struct azm_pace *p, uint64_t sent_usec, uint64_t now_usec);

/* A request that began at sent_usec has failed. `hold`: only a person can mend it, so go up to the slower limit.
 * Requests that were already under way at the last failure do not lengthen the backoff again, but a longer
 * Retry-After counts always: no request goes out before it has passed. */
void azm_pace_failure(struct azm_pace *p, const struct azm_clock *clock, uint64_t sent_usec, uint64_t now_usec,
                      bool hold, uint64_t retry_after_usec);

/* The same for a 429. */
void azm_pace_throttled(struct azm_pace *p, const struct azm_clock *clock, uint64_t sent_usec, uint64_t now_usec,
                        uint64_t retry_after_usec);

/* Microseconds until a request may go out; 0: now. */
uint64_t azm_pace_wait_usec(const struct azm_pace *p, uint64_t now_usec);
