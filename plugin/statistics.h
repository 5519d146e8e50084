/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>

#include "plugin/rsyslog_abi.h"

/* Counters of an action for impstats. rsyslog's interface for them is the one that changes; with a version that is not
 * known here there are none, and one notice. */

/* Looks for the interface, once, while the module is loaded. */
void statistics_init(rs_ret (*host)(unsigned char *name, rs_function *ret));

struct statistics_counter {
    const char *name;
    uint64_t *value; /* read by rsyslog's threads at any time: written with relaxed atomics */
    bool resettable; /* by impstats' resetCounters="on" */
};

/* A set of counters under this name: the object, or NULL if there are no statistics. */
void *statistics_new(const char *name, const struct statistics_counter *counters, size_t n);
void statistics_free(void *object);
