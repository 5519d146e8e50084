/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdint.h>

#define AZM_USEC_PER_SEC UINT64_C(1000000)
#define AZM_USEC_PER_MSEC UINT64_C(1000)
#define AZM_NSEC_PER_USEC UINT64_C(1000)
#define AZM_USEC_INFINITY UINT64_MAX

/* Time and randomness come in through here, so that a test can own them. The functions may be
 * called from any thread. */
struct azm_clock {
    uint64_t (*monotonic_usec)(void *userdata); /* for timers: never steps */
    uint64_t (*realtime_usec)(void *userdata);  /* for people and protocols */
    uint64_t (*random)(void *userdata);         /* 64 random bits, for jitter only */
    void *userdata;
};

/* The system's clocks and getrandom(2). */
extern const struct azm_clock azm_system_clock;

static inline uint64_t azm_monotonic_usec(const struct azm_clock *c)
{
    return c->monotonic_usec(c->userdata);
}

static inline uint64_t azm_realtime_usec(const struct azm_clock *c)
{
    return c->realtime_usec(c->userdata);
}

/* Uniform in [0, limit]. */
static inline uint64_t azm_random_up_to(const struct azm_clock *c, uint64_t limit)
{
    uint64_t r = c->random(c->userdata);

    return limit == UINT64_MAX ? r : r % (limit + 1);
}

#define AZM_TIME_TEXT_MAX 32

/* Microseconds since 1970 in RFC 3339's form, UTC ("2026-01-31T12:00:00.000000Z"); "" for 0. */
void azm_time_print(uint64_t realtime_usec, char ret[static AZM_TIME_TEXT_MAX]);
