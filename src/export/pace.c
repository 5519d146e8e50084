/* SPDX-License-Identifier: MIT */
#include "export/pace.h"
#include "core/cleanup.h"

#define BUCKET_USEC (AZM_PACE_MINUTE_USEC / AZM_PACE_BUCKETS)
#define BATCH_DELAY_FIRST_USEC (2 * AZM_USEC_PER_SEC)
#define BATCH_DELAY_MAX_USEC (10 * AZM_USEC_PER_SEC)
/* A limit that counts by the minute tells all hosts of a fleet to come back at the minute's end, and 2,000 of them
 * within a second are a new flood (tests/fleet-sim). */
#define RETRY_AFTER_JITTER_USEC (10 * AZM_USEC_PER_SEC)
#define PER_MINUTE_MIN 12   /* so that half of it is one request in 10 s, which is one batch then */
#define PER_MINUTE_MAX 6000 /* faster than this is as good as no interval */

void azm_pace_init(struct azm_pace *p, unsigned window, uint64_t initial_usec, uint64_t retry_max_usec,
                   uint64_t hold_max_usec)
{
    *p = (struct azm_pace){
        .window_max = window,
        .initial_usec = initial_usec,
        .retry_max_usec = retry_max_usec,
        .hold_max_usec = hold_max_usec,
        .window = window,
        .window_limit = window,
    };
}

void azm_pace_sent(struct azm_pace *p, uint64_t now_usec)
{
    p->sent_usec = now_usec;
}

/* --- what passes --- */

/* Empties the buckets of the time since the last call. */
static void turn_buckets(struct azm_pace *p, uint64_t now_usec)
{
    uint64_t now = now_usec / BUCKET_USEC;

    for (unsigned i = 0; p->bucket < now && i < AZM_PACE_BUCKETS; i++)
        p->passed[++p->bucket % AZM_PACE_BUCKETS] = 0;
    p->bucket = MAX(p->bucket, now);
}

static uint64_t passed_last_minute(struct azm_pace *p, uint64_t now_usec)
{
    uint64_t n = 0;

    turn_buckets(p, now_usec);
    for (unsigned i = 0; i < AZM_PACE_BUCKETS; i++)
        n += p->passed[i];
    return n;
}

/* Half the rate that passed; and half of what it was, for that was too much. */
static void slow_down(struct azm_pace *p, uint64_t now_usec)
{
    uint64_t rate = passed_last_minute(p, now_usec);

    if (p->interval_usec > 0)
        rate = rate > 0 ? MIN(rate, AZM_PACE_MINUTE_USEC / p->interval_usec) : AZM_PACE_MINUTE_USEC / p->interval_usec;
    if (rate == 0)
        return; /* nothing is known but that it was too much just now: the backoff has to do */
    p->passed_per_min = MAX(rate, (uint64_t)PER_MINUTE_MIN);
    p->interval_usec = AZM_PACE_MINUTE_USEC / (p->passed_per_min / 2);
}

/* A minute without a 429 has passed. */
static void ease(struct azm_pace *p)
{
    p->window_limit = MIN(p->window_limit + 1, p->window_max);
    p->batch_delay_usec = p->batch_delay_usec > BATCH_DELAY_FIRST_USEC ? p->batch_delay_usec / 2 : 0;
    if (p->interval_usec > 0) {
        uint64_t rate = AZM_PACE_MINUTE_USEC / p->interval_usec;

        rate = rate < p->passed_per_min ? rate + MAX(p->passed_per_min / 10, UINT64_C(1)) : rate * 2;
        p->interval_usec = rate < PER_MINUTE_MAX ? AZM_PACE_MINUTE_USEC / rate : 0;
    }
}

void azm_pace_success(struct azm_pace *p, uint64_t sent_usec, uint64_t now_usec)
{
    turn_buckets(p, now_usec);
    p->passed[p->bucket % AZM_PACE_BUCKETS]++;
    if (p->failures > 0) {
        if (sent_usec < p->failed_usec)
            return;
        p->failures = 0; /* not_before stays: a Retry-After that came meanwhile counts */
    } else
        p->window = MIN(p->window * 2, p->window_limit);
    for (; p->ease_usec > 0 && now_usec >= p->ease_usec; p->ease_usec += AZM_PACE_MINUTE_USEC) {
        ease(p);
        if (p->window_limit == p->window_max && p->interval_usec == 0 && p->batch_delay_usec == 0) {
            p->ease_usec = 0; /* nothing is left of it */
            break;
        }
    }
}

/* --- what does not --- */

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
    if (retry_after_usec > 0)
        p->not_before_usec =
            MAX(p->not_before_usec,
                now_usec + retry_after_usec + azm_random_up_to(clock, MIN(retry_after_usec, RETRY_AFTER_JITTER_USEC)));
}

void azm_pace_throttled(struct azm_pace *p, const struct azm_clock *clock, uint64_t sent_usec, uint64_t now_usec,
                        uint64_t retry_after_usec)
{
    if (p->slowed_usec == 0 || now_usec >= p->slowed_usec + AZM_PACE_MINUTE_USEC) {
        p->slowed_usec = now_usec;
        p->window_limit = MAX(p->window_limit / 2, 1U);
        slow_down(p, now_usec);
        p->batch_delay_usec =
            p->batch_delay_usec > 0 ? MIN(p->batch_delay_usec * 2, BATCH_DELAY_MAX_USEC) : BATCH_DELAY_FIRST_USEC;
    }
    azm_pace_failure(p, clock, sent_usec, now_usec, false, retry_after_usec);
    p->ease_usec = MAX(now_usec, p->not_before_usec) + AZM_PACE_MINUTE_USEC; /* a minute without requests is no proof */
}

uint64_t azm_pace_wait_usec(const struct azm_pace *p, uint64_t now_usec)
{
    uint64_t next =
        p->interval_usec > 0 ? MAX(p->not_before_usec, p->sent_usec + p->interval_usec) : p->not_before_usec;

    return next > now_usec ? next - now_usec : 0;
}
