/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "process/rules_internal.h"

/* The i-th of all rules of all kinds; NULL behind the last one. */
static struct azm_rule *rule_at(const struct azm_rules *r, size_t i)
{
    struct azm_rule *rule;

    for (size_t k = 0; (rule = azm_filter_at(&r->filter, k)); k++)
        if (i-- == 0)
            return rule;
    for (size_t k = 0; (rule = azm_sampler_at(&r->sampler, k)); k++)
        if (i-- == 0)
            return rule;
    if (r->limiter && i-- == 0)
        return azm_limiter_rule(r->limiter);
    return azm_redactions_rule(&r->redactions, i);
}

/* A rule that was there before goes on counting. */
static void go_on_counting(struct azm_rules *r, const struct azm_rules *before)
{
    struct azm_rule *rule, *old;

    for (size_t i = 0; (rule = rule_at(r, i)); i++)
        for (size_t k = 0; before && (old = rule_at(before, k)); k++)
            if (strcmp(rule->kind, old->kind) == 0 && strcmp(rule->name, old->name) == 0) {
                rule->times = __atomic_load_n(&old->times, __ATOMIC_RELAXED);
                rule->overflows = __atomic_load_n(&old->overflows, __ATOMIC_RELAXED);
            }
}

static int make_rules(struct azm_rules *r, const struct azm_config *c, const struct azm_buf *state,
                      struct azm_error *err)
{
    int k = azm_filter_init(&r->filter, c, err);

    if (k < 0)
        return k;
    k = azm_sampler_init(&r->sampler, c);
    if (k >= 0)
        k = azm_limiter_new(c, state, &r->limiter);
    return k < 0 ? azm_error_set(err, k, "out of memory") : azm_redactions_new(c, &r->redactions, err);
}

int azm_rules_new(const struct azm_config *c, const struct azm_rules *before, const struct azm_buf *state,
                  struct azm_rules **ret, struct azm_error *err)
{
    _cleanup_(azm_buf_free) struct azm_buf printed = {0};
    struct azm_rules *r = calloc(1, sizeof *r);
    int k;

    *ret = NULL;
    if (!r)
        return azm_error_set(err, ENOMEM, "out of memory");
    r->refs = 1;
    k = azm_rules_print_state(before, &printed);
    if (k < 0)
        azm_error_set(err, k, "out of memory");
    else
        k = make_rules(r, c, before ? &printed : state, err);
    if (k < 0 || !rule_at(r, 0)) {
        azm_rules_unref(r);
        return k;
    }
    go_on_counting(r, before);
    *ret = r;
    return 0;
}

struct azm_rules *azm_rules_ref(struct azm_rules *r)
{
    if (r)
        __atomic_fetch_add(&r->refs, 1, __ATOMIC_RELAXED);
    return r;
}

struct azm_rules *azm_rules_unref(struct azm_rules *r)
{
    if (!r || __atomic_sub_fetch(&r->refs, 1, __ATOMIC_ACQ_REL) > 0)
        return NULL;
    azm_filter_free(&r->filter);
    azm_sampler_free(&r->sampler);
    azm_limiter_free(r->limiter);
    azm_redactions_free(&r->redactions);
    free(r);
    return NULL;
}

bool azm_rules_get_count(const struct azm_rules *r, size_t i, struct azm_rule_count *ret)
{
    struct azm_rule *rule = r ? rule_at(r, i) : NULL;

    if (!rule)
        return false;
    *ret = (struct azm_rule_count){
        .kind = rule->kind,
        .name = rule->name,
        .times = __atomic_load_n(&rule->times, __ATOMIC_RELAXED),
        .overflows = __atomic_load_n(&rule->overflows, __ATOMIC_RELAXED),
    };
    return true;
}

int azm_rules_print_state(const struct azm_rules *r, struct azm_buf *out)
{
    return r && r->limiter ? azm_limiter_print(r->limiter, out) : 0;
}

bool azm_rules_have_state(const struct azm_rules *r)
{
    return r && r->limiter;
}

int azm_rules_go_on(struct azm_rules *r, const struct azm_buf *state)
{
    return r && r->limiter ? azm_limiter_go_on(r->limiter, state) : 0;
}

uint64_t azm_rules_left_out(const struct azm_rules *r, const char *kind)
{
    static const char *const kinds[] = {AZM_EXCLUDE, AZM_INCLUDE, AZM_SAMPLE, AZM_RATE_LIMIT};
    struct azm_rule_count c;
    uint64_t n = 0;

    for (size_t i = 0; azm_rules_get_count(r, i, &c); i++)
        for (size_t k = 0; k < ELEMENTSOF(kinds); k++)
            if (strcmp(c.kind, kinds[k]) == 0 && (!kind || strcmp(kind, c.kind) == 0))
                n += c.times;
    return n;
}
