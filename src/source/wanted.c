/* SPDX-License-Identifier: MIT */
#include "source/wanted.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "config/filter_rule.h"

/* Names of the resource, and where they come from: docs/mapping.md. */
static struct azm_text source_of(struct azm_text name)
{
    static const struct {
        struct azm_text name, field;
    } names[] = {
        {AZM_TEXT("host.name"), AZM_TEXT("_HOSTNAME")},
        {AZM_TEXT("host.id"), AZM_TEXT("_MACHINE_ID")},
        {AZM_TEXT("systemd.unit"), AZM_TEXT("_SYSTEMD_UNIT")},
        {AZM_TEXT("systemd.user_unit"), AZM_TEXT("_SYSTEMD_USER_UNIT")},
        {AZM_TEXT("syslog.identifier"), AZM_TEXT("SYSLOG_IDENTIFIER")},
        {AZM_TEXT("process.executable.name"), AZM_TEXT("_COMM")},
    };

    for (size_t i = 0; i < ELEMENTSOF(names); i++)
        if (azm_text_equal(names[i].name, name))
            return names[i].field;
    return azm_filter_field_is_raw(name) ? name : (struct azm_text){0};
}

static int want(struct azm_wanted *w, struct azm_text name)
{
    struct azm_text field = source_of(name);
    struct azm_wanted_field *fields;
    char *copy;

    for (size_t i = 0; i < w->n_fields; i++)
        if (azm_text_equal(w->fields[i].name, name))
            return 0;
    if (!field.s)
        return 0;
    fields = reallocarray(w->fields, w->n_fields + 1, sizeof *fields);
    if (!fields)
        return -ENOMEM;
    w->fields = fields;
    copy = strndup(name.s, name.len);
    if (!copy)
        return -ENOMEM;
    fields[w->n_fields++] = (struct azm_wanted_field){
        .name = {copy, name.len},
        .field = field.s == name.s ? (struct azm_text){copy, name.len} : field,
    };
    return 0;
}

static int want_all_of(struct azm_wanted *w, const struct azm_key_values *rules)
{
    int r = 0;

    for (size_t i = 0; i < rules->n && r >= 0; i++) {
        struct azm_filter_rule rule;

        if (azm_filter_rule_parse(rules->items[i].key, &rule, NULL) < 0)
            continue; /* it does not count in the filter, either */
        for (size_t k = 0; k < rule.n && r >= 0; k++)
            r = want(w, azm_text_of(rule.conditions[k].field));
        azm_filter_rule_free(&rule);
    }
    return r;
}

int azm_wanted_init(struct azm_wanted *w, const struct azm_config *config)
{
    int r;

    *w = (struct azm_wanted){0};
    r = want_all_of(w, &config->filter_exclude);
    return r < 0 ? r : want_all_of(w, &config->filter_include);
}

void azm_wanted_free(struct azm_wanted *w)
{
    for (size_t i = 0; i < w->n_fields; i++)
        free((char *)w->fields[i].name.s);
    free(w->fields);
    free(w->found);
}

static int reserve(struct azm_wanted *w)
{
    size_t cap = MAX(w->cap_found * 2, (size_t)8);
    struct azm_attribute *found;

    if (w->n_found < w->cap_found)
        return 0;
    found = reallocarray(w->found, cap, sizeof *found);
    if (!found)
        return -ENOMEM;
    w->found = found;
    w->cap_found = cap;
    return 0;
}

int azm_wanted_add(struct azm_wanted *w, struct azm_text field, struct azm_text value, size_t keep_bytes,
                   struct azm_arena *arena)
{
    value.len = MIN(value.len, keep_bytes);
    for (size_t i = 0; i < w->n_fields; i++) {
        const char *copy;

        if (!azm_text_equal(w->fields[i].field, field))
            continue;
        copy = azm_arena_copy(arena, value.s, value.len);
        if (!copy || reserve(w) < 0)
            return -ENOMEM;
        w->found[w->n_found++] = (struct azm_attribute){
            .key = w->fields[i].name,
            .type = AZM_VALUE_TEXT,
            .text = {copy, value.len},
        };
    }
    return 0;
}
