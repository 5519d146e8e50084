/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdlib.h>

#include "core/clock.h"
#include "process/processor.h"
#include "process/rules_internal.h"

struct azm_processor {
    struct azm_rules *rules;
    struct azm_matcher *matcher;
    struct azm_listener listener;
    struct azm_redactor redactor;
    struct azm_limit_interval told; /* in the record of our own, whose texts these have: */
    struct azm_arena arena;
    struct azm_attribute attributes[AZM_HELD_BACK_ATTRIBUTES];
};

int azm_processor_new(struct azm_rules *rules, struct azm_processor **ret)
{
    struct azm_processor *p;

    *ret = NULL;
    if (!rules)
        return 0;
    p = calloc(1, sizeof *p);
    if (!p)
        return -ENOMEM;
    p->rules = azm_rules_ref(rules);
    if (azm_matcher_new(&p->matcher) < 0 || azm_redactor_init(&p->redactor, &rules->redactions, p->matcher) < 0) {
        azm_processor_free(p);
        return -ENOMEM;
    }
    *ret = p;
    return 0;
}

int azm_processor_configured(const struct azm_config *c, const struct azm_rules *before, const struct azm_buf *state,
                             struct azm_processor **ret, struct azm_error *err)
{
    struct azm_rules *rules;
    int r = azm_rules_new(c, before, state, &rules, err);

    *ret = NULL;
    if (r < 0)
        return r;
    r = azm_processor_new(rules, ret);
    azm_rules_unref(rules);
    return r < 0 ? azm_error_set(err, r, "out of memory") : 0;
}

struct azm_processor *azm_processor_free(struct azm_processor *p)
{
    if (!p)
        return NULL;
    azm_redactor_free(&p->redactor);
    azm_matcher_free(p->matcher);
    azm_rules_unref(p->rules);
    azm_arena_free(&p->arena);
    free(p);
    return NULL;
}

struct azm_rules *azm_processor_rules(const struct azm_processor *p)
{
    return p ? p->rules : NULL;
}

void azm_processor_explain(struct azm_processor *p, struct azm_listener listener)
{
    p->listener = p->redactor.listener = listener;
}

/* Tells what a rule did to the record as a whole. */
static void tell(const struct azm_processor *p, const struct azm_rule *rule, bool overflow)
{
    const struct azm_effect e = {.kind = rule->kind, .rule = rule->name, .times = 1, .overflow = overflow};

    if (p->listener.tell)
        p->listener.tell(p->listener.userdata, &e);
}

/* 1: it stays; 0; -ENOMEM. */
static int select_record(struct azm_processor *p, const struct azm_record *rec)
{
    struct azm_filter_verdict v;
    int r = azm_filter_judge(&p->rules->filter, rec, p->matcher, &v);

    if (r < 0)
        return r;
    if (v.undecided)
        tell(p, v.undecided, true);
    if (!v.by)
        v.by = azm_sampler_judge(&p->rules->sampler, rec);
    if (!v.by && p->rules->limiter) {
        r = azm_limiter_admits(p->rules->limiter, rec);
        if (r < 0)
            return r;
        if (r == 0)
            v.by = azm_limiter_rule(p->rules->limiter);
    }
    if (v.by)
        tell(p, v.by, false);
    return !v.by;
}

int azm_processor_process(struct azm_processor *p, struct azm_record *rec)
{
    int r;

    if (rec->own || rec->encoded.len > 0)
        return 1;
    r = select_record(p, rec);
    if (r > 0 && p->rules->redactions.n > 0 && azm_redactor_run(&p->redactor, rec) < 0)
        return -ENOMEM;
    return r;
}

int azm_processor_take(struct azm_processor *p, const struct azm_buf *resource, struct azm_record *rec)
{
    struct azm_limiter *l = p->rules->limiter;
    int r;

    if (!l || azm_limiter_take(l, &p->told) == 0)
        return 0;
    azm_arena_reset(&p->arena);
    r = azm_held_back_record(&p->told.held_back, (struct azm_text){p->told.service, p->told.len}, azm_limiter_rate(l),
                             &p->arena, p->attributes, rec);
    if (r < 0) {
        azm_processor_give_back(p);
        return r;
    }
    rec->resource = azm_buf_text(resource);
    return 1;
}

void azm_processor_give_back(struct azm_processor *p)
{
    azm_limiter_give_back(p->rules->limiter, &p->told);
}

uint64_t azm_processor_rest(struct azm_processor *p, uint64_t realtime_usec)
{
    return p && p->rules->limiter ? azm_limiter_end_intervals(p->rules->limiter, realtime_usec) : AZM_USEC_INFINITY;
}
