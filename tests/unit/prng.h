/* SPDX-License-Identifier: MIT */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* Pseudo-random numbers for property tests (splitmix64). Always seeded with a constant: a test that fails
 * fails again. */
struct prng {
    uint64_t state;
};

static inline uint64_t prng_next(struct prng *p)
{
    uint64_t z = p->state += UINT64_C(0x9E3779B97F4A7C15);

    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return z ^ (z >> 31);
}

/* Uniform enough in 0 .. n - 1. */
static inline size_t prng_below(struct prng *p, size_t n)
{
    return (size_t)(prng_next(p) % n);
}

static inline void prng_bytes(struct prng *p, void *ret, size_t n)
{
    for (size_t i = 0; i < n; i++)
        ((uint8_t *)ret)[i] = (uint8_t)prng_next(p);
}
