/* SPDX-License-Identifier: MIT */
#pragma once

#include "config/config.h"
#include "config/filter_rule.h"
#include "process/rule.h"

/* exclude= and include= of [filter]: what does not leave. A record that a rule of exclude= matches is left out; so is
 * one that none of include= matches, if there are any: exclude= wins. A field that a record does not have matches
 * nothing; of one with several values, one has to match. docs/filtering.md says how fields are named.
 *
 * Several threads may go by one filter at once. */

struct azm_filter_item {
    struct azm_rule rule; /* of include=: only its name and what it could not tell */
    struct azm_filter_rule conditions;
};

/* All zero: no rules. */
struct azm_filter {
    struct azm_filter_item *exclude, *include;
    size_t n_exclude, n_include;
    struct azm_rule *not_included; /* NULL where there is no include= */
};

/* 0 or -ENOMEM; -EINVAL for a rule that azm_config_set would not have taken. Needs azm_filter_free in any case. */
int azm_filter_init(struct azm_filter *f, const struct azm_config *c, struct azm_error *err);
void azm_filter_free(struct azm_filter *f);

/* The i-th rule that leaves records out; NULL behind the last one. */
struct azm_rule *azm_filter_at(const struct azm_filter *f, size_t i);

struct azm_filter_verdict {
    struct azm_rule *by;        /* leaves the record out; NULL: it stays */
    struct azm_rule *undecided; /* what it says of the record would take too much to find out, so it does not count */
};

/* Does the record stay? 0 or -ENOMEM. What is left out is counted. */
int azm_filter_judge(struct azm_filter *f, const struct azm_record *rec, struct azm_matcher *m,
                     struct azm_filter_verdict *ret);
