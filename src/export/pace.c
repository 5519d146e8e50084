/* SPDX-License-Identifier: MIT */
#include "export/pace.h"
#include "core/cleanup.h"

void azm_pace_init(struct azm_pace *p, unsigned window, uint64_t initial_usec, uint64_t retry_max_usec,
                   uint64_t hold_max_usec)
{
    *p = (struct azm_pace){
        .window_max = window,
        .initial_usec = initial_usec,
        .retry_max_usec = retry_max_usec,
        .hold_max_usec = hold_max_usec,
        .window = window,
    };
}

void azm_pace_success(struct azm_pace *p, uint64_t sent_usec)
{
    if (p->failures > 0) {
        if (sent_usec < p->failed_usec)
            return;
        p->failures = 0; /* not_before stays: a Retry-After that came meanwhile counts */
    } else
        p->window = MIN(p->window * 2, p->window_max);
}

static uint64_t backoff_limit(const struct azm_pace *p, bool hold)
{
    uint64_t max = hold ? p->hold_max_usec : p->retry_max_usec, limit = p->initial_usec;

    for (unsigned i = 1; i < p->failures && limit < max; i++)
        limit *= 2;
    return MIN(limit, max);
}

void azm_pace_failure(struct azm_pace *p, const struct azm_clock *clock, uint64_t sent_usec, uint64_t now_usec,
                      bool hold, uint64_t retry_after_usec)
{
    if (p->failures == 0 || sent_usec >= p->failed_usec) {
        p->failures++;
        p->failed_usec = now_usec;
        p->window = 1;
        p->not_before_usec = MAX(p->not_before_usec, now_usec + azm_random_up_to(clock, backoff_limit(p, hold)));
    }
    if (retry_after_usec > 0) /* jitter on top, so that a fleet does not come back in one instant */
        p->not_before_usec =
            MAX(p->not_before_usec,
                now_usec + retry_after_usec + azm_random_up_to(clock, MIN(retry_after_usec, AZM_USEC_PER_SEC)));
}

uint64_t azm_pace_wait_usec(const struct azm_pace *p, uint64_t now_usec)
{
    return p->not_before_usec > now_usec ? p->not_before_usec - now_usec : 0;
}
