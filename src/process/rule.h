/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* What all rules have, whatever they do: for src/process only. The counters are written by several threads. */
struct azm_rule {
    const char *kind;
    char *name;
    uint64_t times, overflows;
    bool told; /* that it came to an overflow */
};

static inline void azm_rule_count(uint64_t *counter, uint64_t n)
{
    __atomic_fetch_add(counter, n, __ATOMIC_RELAXED);
}
