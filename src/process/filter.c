/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/log.h"
#include "core/severity.h"
#include "process/filter.h"
#include "process/rules.h"

/* --- one condition --- */

/* 1, 0, -EOVERFLOW, -ENOMEM */
static int text_matches(const struct azm_condition *c, struct azm_text t, struct azm_matcher *m)
{
    size_t len;

    if (c->kind == AZM_CONDITION_PATTERN)
        return azm_pattern_match(c->pattern, m, t, 0, NULL, NULL);
    len = strlen(c->value);
    if (c->kind == AZM_CONDITION_EQUAL ? t.len != len : t.len < len)
        return 0;
    return len == 0 || memcmp(t.s, c->value, len) == 0;
}

static int attribute_matches(const struct azm_condition *c, const struct azm_attribute *a, struct azm_matcher *m)
{
    char digits[24];
    int n, r = 0;

    switch (a->type) {
    case AZM_VALUE_TEXT:
        return text_matches(c, a->text, m);
    case AZM_VALUE_INT:
        n = snprintf(digits, sizeof digits, "%" PRId64, a->integer);
        return text_matches(c, (struct azm_text){digits, (size_t)n}, m);
    case AZM_VALUE_TEXTS:
        for (size_t i = 0; i < a->texts.n && r != 1; i++) {
            int k = text_matches(c, a->texts.items[i], m);

            r = k != 0 ? k : r;
        }
    }
    return r;
}

/* A name may be there several times: fields of the journal are as they came. */
static int any_matches(const struct azm_condition *c, const struct azm_attribute *a, size_t n, struct azm_matcher *m)
{
    const struct azm_text name = azm_text_of(c->field);
    int r = 0;

    for (size_t i = 0; i < n && r != 1; i++)
        if (azm_text_equal(a[i].key, name)) {
            int k = attribute_matches(c, &a[i], m);

            r = k != 0 ? k : r;
        }
    return r;
}

static int severity_matches(const struct azm_condition *c, const struct azm_record *rec, struct azm_matcher *m)
{
    const struct azm_severity *s = azm_severity_of(rec->severity);

    return s ? text_matches(c, s->text, m) : 0;
}

static int matches(const struct azm_condition *c, const struct azm_record *rec, struct azm_matcher *m)
{
    int r;

    if (strcmp(c->field, "body") == 0)
        return rec->has_body ? text_matches(c, rec->body, m) : 0;
    if (strcmp(c->field, "severity") == 0)
        return severity_matches(c, rec, m);
    if (strcmp(c->field, "service.name") == 0)
        return text_matches(c, rec->service, m);
    r = any_matches(c, rec->fields, rec->n_fields, m);
    return r == 1 ? r : r < 0 ? r : any_matches(c, rec->attributes, rec->n_attributes, m);
}

/* --- rules --- */

/* Do all of its conditions hold? 1, 0, -EOVERFLOW: that is not known; -ENOMEM. */
static int rule_matches(const struct azm_filter_item *item, const struct azm_record *rec, struct azm_matcher *m)
{
    int r = 1;

    for (size_t i = 0; i < item->conditions.n && r != 0 && r != -ENOMEM; i++) {
        int k = matches(&item->conditions.conditions[i], rec, m);

        r = k != 1 ? k : r;
    }
    return r;
}

static void note_undecided(struct azm_rule *rule, struct azm_rule *told, struct azm_filter_verdict *v)
{
    v->undecided = told;
    azm_rule_count(&told->overflows, 1);
    if (!__atomic_exchange_n(&rule->told, true, __ATOMIC_RELAXED))
        azm_log(AZM_LOG_WARNING,
                "[filter] %s=%s: the pattern takes too much work for some records; they are not left out because of it",
                rule->kind, rule->name);
}

int azm_filter_judge(struct azm_filter *f, const struct azm_record *rec, struct azm_matcher *m,
                     struct azm_filter_verdict *ret)
{
    bool included = f->n_include == 0;

    *ret = (struct azm_filter_verdict){0};
    for (size_t i = 0; i < f->n_exclude && !ret->by; i++) {
        struct azm_rule *rule = &f->exclude[i].rule;
        int r = rule_matches(&f->exclude[i], rec, m);

        if (r == -ENOMEM)
            return r;
        if (r < 0)
            note_undecided(rule, rule, ret);
        if (r > 0)
            ret->by = rule;
    }
    for (size_t i = 0; i < f->n_include && !ret->by && !included; i++) {
        int r = rule_matches(&f->include[i], rec, m);

        if (r == -ENOMEM)
            return r;
        if (r < 0)
            note_undecided(&f->include[i].rule, f->not_included, ret);
        included = r != 0;
    }
    if (!ret->by && !included)
        ret->by = f->not_included;
    if (ret->by)
        azm_rule_count(&ret->by->times, 1);
    return 0;
}

struct azm_rule *azm_filter_at(const struct azm_filter *f, size_t i)
{
    if (i < f->n_exclude)
        return &f->exclude[i].rule;
    return i == f->n_exclude ? f->not_included : NULL;
}

/* --- life --- */

static void free_items(struct azm_filter_item *items, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        azm_filter_rule_free(&items[i].conditions);
        free(items[i].rule.name);
    }
    free(items);
}

void azm_filter_free(struct azm_filter *f)
{
    free_items(f->exclude, f->n_exclude);
    free_items(f->include, f->n_include);
    if (f->not_included)
        free(f->not_included->name);
    free(f->not_included);
    *f = (struct azm_filter){0};
}

static int add_items(const struct azm_key_values *from, const char *kind, struct azm_filter_item **items, size_t *n,
                     struct azm_error *err)
{
    int r = 0;

    if (from->n == 0)
        return 0;
    *items = calloc(from->n, sizeof **items);
    if (!*items)
        return azm_error_set(err, ENOMEM, "out of memory");
    for (; *n < from->n && r >= 0; ++*n) {
        struct azm_filter_item *item = &(*items)[*n];

        item->rule.kind = kind;
        item->rule.name = strdup(from->items[*n].key);
        r = item->rule.name ? azm_filter_rule_parse(item->rule.name, &item->conditions, err)
                            : azm_error_set(err, ENOMEM, "out of memory");
    }
    return r;
}

int azm_filter_init(struct azm_filter *f, const struct azm_config *c, struct azm_error *err)
{
    int r;

    *f = (struct azm_filter){0};
    r = add_items(&c->filter_exclude, AZM_EXCLUDE, &f->exclude, &f->n_exclude, err);
    if (r >= 0)
        r = add_items(&c->filter_include, AZM_INCLUDE, &f->include, &f->n_include, err);
    if (r < 0 || f->n_include == 0)
        return r;
    f->not_included = calloc(1, sizeof *f->not_included);
    if (!f->not_included)
        return azm_error_set(err, ENOMEM, "out of memory");
    f->not_included->kind = AZM_INCLUDE;
    f->not_included->name = strdup("(none matches)");
    return f->not_included->name ? 0 : azm_error_set(err, ENOMEM, "out of memory");
}
