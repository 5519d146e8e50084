/* SPDX-License-Identifier: MIT */
#pragma once

#include "core/record.h"
#include "process/effect.h"
#include "process/rules.h"

/* Between a source and the encoder: does to each record what the rules say. One for each thread. */
struct azm_processor;

/* Holds a reference to the rules. 0, and *ret is NULL if `rules` is: nothing is to be done then; or -ENOMEM. */
int azm_processor_new(struct azm_rules *rules, struct azm_processor **ret);
struct azm_processor *azm_processor_free(struct azm_processor *p);

/* With rules of its own, made as azm_rules_new does: 0 or -errno. */
int azm_processor_configured(const struct azm_config *c, const struct azm_rules *before, const struct azm_buf *state,
                             struct azm_processor **ret, struct azm_error *err);

/* NULL if `p` is. */
struct azm_rules *azm_processor_rules(const struct azm_processor *p);

/* From now on `listener` is told of every effect, within azm_processor_run. */
void azm_processor_explain(struct azm_processor *p, struct azm_listener listener);

int azm_processor_process(struct azm_processor *p, struct azm_record *rec);
int azm_processor_take(struct azm_processor *p, const struct azm_buf *resource, struct azm_record *rec);

/* 1: the record is to be kept; it may have got other texts, which belong to the processor until the next call. 0: it is
 * to be left out. -ENOMEM. Costs nothing where there is no processor. */
static inline int azm_processor_run(struct azm_processor *p, struct azm_record *rec)
{
    return p ? azm_processor_process(p, rec) : 1;
}

/* A record of azmonlog's own, with this encoded resource, about those that were left out; valid until the next call. It
 * goes before the source's next one; until it is given, azm_rules_print_state prints what it is about. 1; 0: there is
 * none; -ENOMEM. */
static inline int azm_processor_next_own(struct azm_processor *p, const struct azm_buf *resource,
                                         struct azm_record *rec)
{
    return p ? azm_processor_take(p, resource, rec) : 0;
}

/* The last one could not be kept: it is to be given again. */
void azm_processor_give_back(struct azm_processor *p);

/* No record is there at this time (AZM_USEC_INFINITY: none will be any more): azm_processor_next_own gives what is to
 * be told by now. Returns when there will be more to tell (realtime); AZM_USEC_INFINITY: never. `p` may be NULL. */
uint64_t azm_processor_rest(struct azm_processor *p, uint64_t realtime_usec);
