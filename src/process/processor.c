/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdlib.h>

#include "process/processor.h"
#include "process/rules_internal.h"

struct azm_processor {
    struct azm_rules *rules;
    struct azm_matcher *matcher;
    struct azm_redactor redactor;
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

int azm_processor_configured(const struct azm_config *c, const struct azm_rules *before, struct azm_processor **ret,
                             struct azm_error *err)
{
    struct azm_rules *rules;
    int r = azm_rules_new(c, before, &rules, err);

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
    free(p);
    return NULL;
}

struct azm_rules *azm_processor_rules(const struct azm_processor *p)
{
    return p ? p->rules : NULL;
}

void azm_processor_explain(struct azm_processor *p, struct azm_listener listener)
{
    p->redactor.listener = listener;
}

int azm_processor_process(struct azm_processor *p, struct azm_record *rec)
{
    int r = p->rules->redactions.n > 0 ? azm_redactor_run(&p->redactor, rec) : 0;

    return r < 0 ? r : 1;
}
