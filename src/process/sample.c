/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "config/filter_rule.h"
#include "config/sample_ratio.h"
#include "process/rules.h"
#include "process/sample.h"

#define SEVERITIES 8

int azm_sampler_init(struct azm_sampler *s, const struct azm_config *c)
{
    *s = (struct azm_sampler){0};
    if (c->filter_sample.n == 0)
        return 0;
    s->items = calloc(SEVERITIES, sizeof *s->items);
    if (!s->items)
        return -ENOMEM;
    for (size_t i = 0; i < c->filter_sample.n; i++) {
        const struct azm_key_value *kv = &c->filter_sample.items[i];
        int severity = azm_severity_word(azm_text_of(kv->key));
        struct azm_sampler_item *item = &s->items[MAX(severity, 0)];

        if (severity < 0 || azm_sample_ratio_parse(kv->value, &item->threshold) < 0 || item->threshold == 0)
            continue;
        item->rule.kind = AZM_SAMPLE;
        if (asprintf(&item->rule.name, "%s %s", kv->key, kv->value) < 0) {
            item->rule.name = NULL;
            return -ENOMEM;
        }
    }
    return 0;
}

void azm_sampler_free(struct azm_sampler *s)
{
    for (size_t i = 0; s->items && i < SEVERITIES; i++)
        free(s->items[i].rule.name);
    free(s->items);
    *s = (struct azm_sampler){0};
}

struct azm_rule *azm_sampler_at(const struct azm_sampler *s, size_t i)
{
    for (size_t k = 0; s->items && k < SEVERITIES; k++)
        if (s->items[k].rule.name && i-- == 0)
            return &s->items[k].rule;
    return NULL;
}

/* The last 56 bits of 16 bytes. */
static uint64_t randomness_of(const uint8_t id[static 16])
{
    uint64_t r = 0;

    for (size_t i = 9; i < 16; i++)
        r = r << 8 | id[i];
    return r;
}

struct azm_rule *azm_sampler_judge(const struct azm_sampler *s, const struct azm_record *rec)
{
    struct azm_sampler_item *item;

    if (!s->items || rec->severity < 0 || rec->severity >= SEVERITIES)
        return NULL;
    item = &s->items[rec->severity];
    if (item->threshold == 0 || randomness_of(rec->has_trace_id ? rec->trace_id : rec->uid) >= item->threshold)
        return NULL;
    azm_rule_count(&item->rule.times, 1);
    return &item->rule;
}
