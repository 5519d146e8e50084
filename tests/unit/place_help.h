/* SPDX-License-Identifier: MIT */
#pragma once

#include "source/place.h"
#include "tests/unit/prng.h"

/* Places for tests that need no journal. */

static inline sd_id128_t some_id(uint8_t n)
{
    return (sd_id128_t){.bytes = {0xA0, [15] = n}};
}

/* An entry of history `s` and boot `b`; its times follow its number, one second each. */
static inline struct azm_place place_of(uint8_t s, uint8_t b, uint64_t seqnum)
{
    return (struct azm_place){.seqnum_id = some_id(s),
                              .boot = some_id(b),
                              .seqnum = seqnum,
                              .monotonic_usec = seqnum * 1000000,
                              .realtime_usec = (1700000000 + seqnum) * 1000000,
                              .hash = seqnum * 7};
}

/* Numbers of all lengths. */
static inline uint64_t random_number(struct prng *p)
{
    return prng_next(p) >> prng_below(p, 64);
}

static inline struct azm_place random_place(struct prng *p)
{
    struct azm_place ret = {.seqnum = random_number(p),
                            .monotonic_usec = random_number(p),
                            .realtime_usec = random_number(p),
                            .hash = random_number(p)};

    prng_bytes(p, &ret.seqnum_id, sizeof ret.seqnum_id);
    prng_bytes(p, &ret.boot, sizeof ret.boot);
    return ret;
}
