/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "process/rules_internal.h"

/* The i-th of all rules of all kinds; NULL behind the last one. */
static struct azm_rule *rule_at(const struct azm_rules *r, size_t i)
{
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

int azm_rules_new(const struct azm_config *c, const struct azm_rules *before, struct azm_rules **ret,
                  struct azm_error *err)
{
    struct azm_rules *r = calloc(1, sizeof *r);
    int k;

    *ret = NULL;
    if (!r)
        return azm_error_set(err, ENOMEM, "out of memory");
    r->refs = 1;
    k = azm_redactions_new(c, &r->redactions, err);
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
