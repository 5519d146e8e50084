/* SPDX-License-Identifier: MIT */
#pragma once

#include <jansson.h>

/* How one exporter is: "well", "behind", "throttled" or "held", as it says itself (pipeline/health.h), or "down". Each
 * NULL if it is not known; all is the status's. */
struct status_health {
    const char *condition, *since, *reason, *remedy;
};

/* Of one that is older than this program, and says less, it is guessed. */
struct status_health status_health(const json_t *status);

/* The exit code that goes with it, for whoever watches machines: 0 well, 1 behind or throttled, 2 held, 3 down. */
int status_exit_code(const json_t *status);

/* Of several, the one that is worst, the first of equals; NULL if there are none. */
const json_t *status_worst(const json_t *statuses);
