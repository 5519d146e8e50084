/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdlib.h>

#include "process/processor.h"
#include "process/rules_internal.h"

struct azm_processor {
    struct azm_rules *rules;
    void (*tell)(void *userdata, const struct azm_effect *e); /* NULL: nobody wants to know */
    void *userdata;
};

int azm_processor_new(struct azm_rules *rules, struct azm_processor **ret)
{
    *ret = NULL;
    if (!rules)
        return 0;
    *ret = calloc(1, sizeof **ret);
    if (!*ret)
        return -ENOMEM;
    (*ret)->rules = azm_rules_ref(rules);
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
    if (p)
        azm_rules_unref(p->rules);
    free(p);
    return NULL;
}

struct azm_rules *azm_processor_rules(const struct azm_processor *p)
{
    return p ? p->rules : NULL;
}

void azm_processor_explain(struct azm_processor *p, void (*tell)(void *userdata, const struct azm_effect *e),
                           void *userdata)
{
    p->tell = tell;
    p->userdata = userdata;
}

int azm_processor_process(struct azm_processor *p, struct azm_record *rec)
{
    (void)p;
    (void)rec;
    return 1;
}
