/* SPDX-License-Identifier: MIT */
#pragma once

#include "config/config.h"
#include "core/record.h"
#include "process/rule.h"

/* Sampling: of the severities that [filter] sample= names, a part of the records leaves.
 *
 * It is decided as OpenTelemetry's consistent probability sampling has it ("TraceState: Probability Sampling",
 * "Rejection threshold"): the last 56 bits of the trace id, as a number, against (1 - ratio) * 2^56; what is below does
 * not leave. So the records of one trace stay together, on every host and with every retry, and those of a trace that
 * is kept at 1 % are also kept at 10 %. A record without a trace id is decided by log.record.uid, which is as random,
 * and the same whenever the record is read again. A record without a severity is kept. */

struct azm_sampler_item {
    struct azm_rule rule; /* without a name: the severity is not sampled */
    uint64_t threshold;   /* 0: all are kept; 2^56: none */
};

/* All zero: all records are kept. */
struct azm_sampler {
    struct azm_sampler_item *items; /* by syslog severity, of which there are 8; NULL: none is sampled */
};

/* 0 or -ENOMEM. Needs azm_sampler_free in any case. */
int azm_sampler_init(struct azm_sampler *s, const struct azm_config *c);
void azm_sampler_free(struct azm_sampler *s);

/* The i-th rule; NULL behind the last one. */
struct azm_rule *azm_sampler_at(const struct azm_sampler *s, size_t i);

/* The rule that leaves the record out, where it is counted; NULL: it stays. */
struct azm_rule *azm_sampler_judge(const struct azm_sampler *s, const struct azm_record *rec);
