/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "config/config_list.h"
#include "config/config_redact.h"
#include "core/buf.h"
#include "core/pattern.h"

#define ALL "all"

const char *const azm_ready_rule_names[AZM_READY_RULES] = {
    [AZM_READY_PRIVATE_KEY] = "private_key",
    [AZM_READY_AUTHORIZATION] = "authorization",
    [AZM_READY_JWT] = "jwt",
    [AZM_READY_CONNECTION_STRING] = "connection_string",
    [AZM_READY_PASSWORD] = "password",
    [AZM_READY_CLOUD_KEY] = "cloud_key",
    [AZM_READY_CARD] = "card",
    [AZM_READY_MAIL] = "mail",
};

static bool is_ready_rule(const char *name)
{
    for (size_t i = 0; i < AZM_READY_RULES; i++)
        if (strcmp(name, azm_ready_rule_names[i]) == 0)
            return true;
    return false;
}

static int no_such_rule(const char *name, struct azm_error *err)
{
    _cleanup_(azm_buf_free) struct azm_buf known = {0};

    for (size_t i = 0; i < AZM_READY_RULES; i++)
        azm_buf_printf(&known, ", %s", azm_ready_rule_names[i]);
    return azm_error_set(err, EINVAL, "there is no rule '%.40s'; known are: " ALL "%.*s; pattern= makes others", name,
                         (int)known.len, (const char *)known.data);
}

static int add_rule(void *list, const char *name, struct azm_error *err)
{
    bool all = strcmp(name, ALL) == 0;
    int r = 0;

    if (!all && !is_ready_rule(name))
        return no_such_rule(name, err);
    for (size_t i = 0; i < AZM_READY_RULES && r >= 0; i++)
        if (all || strcmp(name, azm_ready_rule_names[i]) == 0)
            r = azm_key_values_set(list, azm_ready_rule_names[i], "");
    return r < 0 ? azm_error_set(err, ENOMEM, "out of memory") : 0;
}

int azm_parse_redact_rules(struct azm_config *c, void *field, const struct azm_assignment *a, struct azm_error *err)
{
    (void)c;
    return azm_for_each_word(field, a->value, add_rule, err);
}

int azm_parse_redact_pattern(struct azm_config *c, void *field, const struct azm_assignment *a, struct azm_error *err)
{
    size_t len = strspn(a->value, "abcdefghijklmnopqrstuvwxyz0123456789_-");
    const char *words = a->value + len + 1;
    char name[AZM_REDACTION_NAME_MAX + 1];
    struct azm_key_values *patterns = field;
    struct azm_pattern *p;
    struct azm_error why;
    int r;

    (void)c;
    if (len == 0 || len > AZM_REDACTION_NAME_MAX || a->value[len] != ':')
        return azm_error_set(
            err, EINVAL,
            "a pattern is written as NAME: PATTERN, with a name of 1 to %d lower-case letters, digits, "
            "'_' and '-'",
            AZM_REDACTION_NAME_MAX);
    snprintf(name, sizeof name, "%.*s", (int)len, a->value);
    if (is_ready_rule(name) || strcmp(name, ALL) == 0)
        return azm_error_set(err, EINVAL, "%s is a ready rule, which rules= switches on; give the pattern another name",
                             name);
    if (patterns->n == AZM_OWN_REDACTIONS_MAX && !azm_key_values_get(patterns, name))
        return azm_error_set(err, EINVAL, "there are %d patterns already; join some with |", AZM_OWN_REDACTIONS_MAX);
    words += strspn(words, " \t");
    r = azm_pattern_new(words, &p, &why);
    if (r < 0)
        return azm_error_set(err, r, "%s: %s", name, why.words);
    azm_pattern_free(p);
    return azm_key_values_set(patterns, name, words) < 0 ? azm_error_set(err, ENOMEM, "out of memory") : 0;
}
