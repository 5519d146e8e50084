/* SPDX-License-Identifier: MIT */
#pragma once

#include <jansson.h>

#include "core/clock.h"

/* The counters as they were over the last hour, one sample each ten seconds: for rates, and for whoever begins to look
 * when something is wrong already. */

#define AZM_TREND_INTERVAL_USEC (10 * AZM_USEC_PER_SEC)
#define AZM_TREND_SAMPLES 361

/* A rate is taken over about a minute. */
#define AZM_RATE_SAMPLES 6

struct azm_trend_sample {
    uint64_t usec;            /* monotonic */
    uint64_t read, delivered; /* records */
    uint64_t requests, failures;
    uint64_t answers, answers_usec; /* how many, and how long all of them took together */
    uint64_t behind_usec;           /* how far behind just then */
};

/* All zero is empty. */
struct azm_trend {
    struct azm_trend_sample samples[AZM_TREND_SAMPLES]; /* a ring */
    size_t n, newest;
};

void azm_trend_add(struct azm_trend *t, const struct azm_trend_sample *sample);

/* The sample that is `age` samples old (0: the newest), or the oldest one; NULL if there is none. */
const struct azm_trend_sample *azm_trend_get(const struct azm_trend *t, size_t age);

/* The latest `max` intervals and the one that runs until `now`, the oldest first: {"interval": 10.0, "read": [...],
 * ...} as docs/status.md has it. NULL when memory is out. */
json_t *azm_trend_json(const struct azm_trend *t, const struct azm_trend_sample *now, size_t max);
