/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "config/filter_rule.h"
#include "core/severity.h"
#include "core/utf8.h"

#define AND " && "
#define FIELD_MAX_BYTES 256
#define CONDITIONS_MAX 16

static struct azm_text strip(struct azm_text t)
{
    while (t.len > 0 && (*t.s == ' ' || *t.s == '\t')) {
        t.s++;
        t.len--;
    }
    while (t.len > 0 && (t.s[t.len - 1] == ' ' || t.s[t.len - 1] == '\t'))
        t.len--;
    return t;
}

bool azm_filter_field_is_raw(struct azm_text name)
{
    static const char characters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_";
    bool letter = false;

    for (size_t i = 0; i < name.len; i++) {
        if (name.s[i] == '\0' || !strchr(characters, name.s[i]))
            return false;
        letter |= name.s[i] >= 'A' && name.s[i] <= 'Z';
    }
    return letter;
}

int azm_severity_word(struct azm_text word)
{
    const struct azm_severity *s;

    for (int i = 0; (s = azm_severity_of(i)); i++)
        if (azm_text_equal(s->text, word))
            return i;
    return -1;
}

void azm_filter_rule_free(struct azm_filter_rule *r)
{
    for (size_t i = 0; i < r->n; i++) {
        free(r->conditions[i].field);
        free(r->conditions[i].value);
        azm_pattern_free(r->conditions[i].pattern);
    }
    free(r->conditions);
    *r = (struct azm_filter_rule){0};
}

static bool can_be_severity(const struct azm_condition *c)
{
    const struct azm_severity *s;
    size_t len = strlen(c->value);

    for (int i = 0; (s = azm_severity_of(i)); i++)
        if (s->text.len >= len && memcmp(s->text.s, c->value, len) == 0 &&
            (c->kind == AZM_CONDITION_PREFIX || s->text.len == len))
            return true;
    return false;
}

/* One condition of `t` into `c`, which is empty: 0, -EINVAL, -ENOMEM. */
static int parse_condition(struct azm_text t, struct azm_condition *c, struct azm_error *err)
{
    struct azm_text field = strip(t), value;
    size_t n = 0;

    while (n < field.len && field.s[n] != '=' && field.s[n] != '~')
        n++;
    if (n == field.len)
        return azm_error_set(err, EINVAL, "'%.*s' is not FIELD=value, FIELD^=prefix or FIELD~pattern",
                             (int)MIN(field.len, (size_t)80), field.s);
    c->kind = field.s[n] == '~' ? AZM_CONDITION_PATTERN : AZM_CONDITION_EQUAL;
    value = strip((struct azm_text){field.s + n + 1, field.len - n - 1});
    if (c->kind == AZM_CONDITION_EQUAL && n > 0 && field.s[n - 1] == '^') {
        c->kind = AZM_CONDITION_PREFIX;
        n--;
    }
    field = strip((struct azm_text){field.s, n});
    if (field.len == 0 || field.len > FIELD_MAX_BYTES || azm_utf8_valid_prefix(field.s, field.len) < field.len)
        return azm_error_set(err, EINVAL, "the name of a field is UTF-8 text of 1 to %d bytes", FIELD_MAX_BYTES);
    c->field = strndup(field.s, field.len);
    c->value = strndup(value.s, value.len);
    if (!c->field || !c->value)
        return azm_error_set(err, ENOMEM, "out of memory");
    if (c->kind == AZM_CONDITION_PATTERN)
        return azm_pattern_new(c->value, &c->pattern, err);
    if (strcmp(c->field, "severity") == 0 && !can_be_severity(c))
        return azm_error_set(
            err, EINVAL, "'%.40s' is no severity (emerg, alert, crit, err, warning, notice, info, debug)", c->value);
    return 0;
}

int azm_filter_rule_parse(const char *words, struct azm_filter_rule *ret, struct azm_error *err)
{
    struct azm_filter_rule rule = {0};
    const char *end;
    int r = 0;

    for (const char *s = words; s && r >= 0; s = end ? end + strlen(AND) : NULL) {
        struct azm_condition *c;

        end = strstr(s, AND);
        if (rule.n == CONDITIONS_MAX) {
            r = azm_error_set(err, EINVAL, "a rule has at most %d conditions", CONDITIONS_MAX);
            break;
        }
        c = reallocarray(rule.conditions, rule.n + 1, sizeof *c);
        if (!c) {
            r = azm_error_set(err, ENOMEM, "out of memory");
            break;
        }
        rule.conditions = c;
        c[rule.n] = (struct azm_condition){0};
        r = parse_condition((struct azm_text){s, end ? (size_t)(end - s) : strlen(s)}, &c[rule.n++], err);
    }
    if (r < 0) {
        azm_filter_rule_free(&rule);
        return r;
    }
    *ret = rule;
    return 0;
}
