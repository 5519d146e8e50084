/* SPDX-License-Identifier: MIT */
#pragma once

#include "config/config.h"
#include "core/buf.h"
#include "core/record.h"
#include "process/held_back.h"
#include "process/rule.h"

/* A rate limit per service: a token bucket that is filled with [filter] rate_limit= records a second and holds
 * rate_burst= of them. What finds it empty is held back, and counted: one record of azmonlog's own for each service and
 * interval says how many records of which severities, from when to when.
 *
 * The clock is that of the records: when journald (rsyslog) received them. A backlog that is read at full speed after
 * an outage is limited as it would have been at the time, and what was logged slowly is not cut to pieces because it is
 * read fast. So the same records give the same decisions, whenever they are read.
 *
 * The state goes into the checkpoint with the position: after a kill -9 the same records are held back again, and
 * counted once. Several threads may go by one limiter. */
struct azm_limiter;

/* What was held back of a service in one interval. */
struct azm_limit_interval {
    char service[256]; /* any bytes, so many: */
    size_t len;
    struct azm_held_back held_back;
};

/* `state`: among other lines, what azm_limiter_print printed, with which it goes on; NULL: it begins. *ret is NULL if
 * there is no limit, and nothing is left to tell of an earlier one. A line that is damaged is passed over, and told in
 * the log. 0 or -ENOMEM. `c` is not needed afterwards. */
int azm_limiter_new(const struct azm_config *c, const struct azm_buf *state, struct azm_limiter **ret);
struct azm_limiter *azm_limiter_free(struct azm_limiter *l);

/* Counts what is held back. */
struct azm_rule *azm_limiter_rule(struct azm_limiter *l);

/* May the record go? 1; 0: it is held back; -ENOMEM. */
int azm_limiter_admits(struct azm_limiter *l, const struct azm_record *rec);

/* Intervals end by the clock of the records; where no more come, by this one. UINT64_MAX: all end now. Returns when the
 * next one ends (realtime); UINT64_MAX: none runs. */
uint64_t azm_limiter_end_intervals(struct azm_limiter *l, uint64_t realtime_usec);

/* The first interval that has ended and was not taken: 1; 0: there is none. */
int azm_limiter_take(struct azm_limiter *l, struct azm_limit_interval *ret);

/* It could not be told: it is to be taken again. */
void azm_limiter_give_back(struct azm_limiter *l, const struct azm_limit_interval *interval);

/* What is to be told, for the words: records a second. */
uint64_t azm_limiter_rate(const struct azm_limiter *l);

/* Appends the state as lines for a checkpoint (limit_bucket=, limit_held=, limit_ended=): 0 or -ENOMEM. */
int azm_limiter_print(struct azm_limiter *l, struct azm_buf *out);

/* Goes on with such lines, as azm_limiter_new does. */
int azm_limiter_go_on(struct azm_limiter *l, const struct azm_buf *state);
