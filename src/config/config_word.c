/* SPDX-License-Identifier: MIT */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "config/config_word.h"

/* Which of the words it is, or -EINVAL. */
static int index_of(const char *word, const char *const words[], size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(word, words[i]) == 0)
            return (int)i;
    return -EINVAL;
}

int azm_parse_bool(struct azm_config *c, void *field, const struct azm_assignment *a, struct azm_error *err)
{
    static const char *const yes[] = {"yes", "true", "on", "1"}, *const no[] = {"no", "false", "off", "0"};

    (void)c;
    for (size_t i = 0; i < ELEMENTSOF(yes); i++) {
        if (strcasecmp(a->value, yes[i]) == 0) {
            *(bool *)field = true;
            return 0;
        }
        if (strcasecmp(a->value, no[i]) == 0) {
            *(bool *)field = false;
            return 0;
        }
    }
    return azm_error_set(err, EINVAL, "'%s' is neither yes nor no", a->value);
}

int azm_parse_compression(struct azm_config *c, void *field, const struct azm_assignment *a, struct azm_error *err)
{
    (void)c;
    if (strcmp(a->value, "gzip") != 0 && strcmp(a->value, "none") != 0)
        return azm_error_set(err, EINVAL, "'%s' is neither gzip nor none", a->value);
    *(bool *)field = *a->value == 'g';
    return 0;
}

int azm_parse_sasl_mechanism(struct azm_config *c, void *field, const struct azm_assignment *a, struct azm_error *err)
{
    static const char *const words[] = {"PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"};

    if (index_of(a->value, words, ELEMENTSOF(words)) < 0)
        return azm_error_set(err, EINVAL, "'%s' is none of PLAIN, SCRAM-SHA-256, SCRAM-SHA-512", a->value);
    return azm_parse_string(c, field, a, err);
}

int azm_parse_spool(struct azm_config *c, void *field, const struct azm_assignment *a, struct azm_error *err)
{
    (void)c;
    if (strcmp(a->value, "auto") != 0 && strcmp(a->value, "no") != 0)
        return azm_error_set(err, EINVAL, "'%s' is neither auto nor no", a->value);
    *(bool *)field = *a->value == 'a';
    return 0;
}

int azm_parse_fields(struct azm_config *c, void *field, const struct azm_assignment *a, struct azm_error *err)
{
    static const char *const words[] = {"minimal", "standard", "full"};
    static const enum azm_fields fields[] = {AZM_FIELDS_MINIMAL, AZM_FIELDS_STANDARD, AZM_FIELDS_FULL};
    int i = index_of(a->value, words, ELEMENTSOF(words));

    (void)c;
    if (i < 0)
        return azm_error_set(err, EINVAL, "'%s' is none of minimal, standard, full", a->value);
    *(enum azm_fields *)field = fields[i];
    return 0;
}

int azm_line_format_of(const char *word)
{
    static const char *const words[] = {
        [AZM_LINE_PLAIN] = "plain", [AZM_LINE_JSON] = "json", [AZM_LINE_LOGFMT] = "logfmt", [AZM_LINE_AUTO] = "auto"};

    return index_of(word, words, ELEMENTSOF(words));
}

int azm_parse_line_format(struct azm_config *c, void *field, const struct azm_assignment *a, struct azm_error *err)
{
    int format = azm_line_format_of(a->value);

    (void)c;
    if (format < 0)
        return azm_error_set(err, EINVAL, "'%s' is none of plain, json, logfmt, auto", a->value);
    *(enum azm_line_format *)field = (enum azm_line_format)format;
    return 0;
}

int azm_multiline_of(const char *word)
{
    static const char *const words[] = {
        [AZM_MULTILINE_NO] = "no",         [AZM_MULTILINE_PIECES] = "pieces", [AZM_MULTILINE_INDENT] = "indent",
        [AZM_MULTILINE_GO] = "go",         [AZM_MULTILINE_JAVA] = "java",     [AZM_MULTILINE_PHP] = "php",
        [AZM_MULTILINE_PYTHON] = "python", [AZM_MULTILINE_RUBY] = "ruby",     [AZM_MULTILINE_AUTO] = "auto"};

    return index_of(word, words, ELEMENTSOF(words));
}

int azm_parse_multiline(struct azm_config *c, void *field, const struct azm_assignment *a, struct azm_error *err)
{
    int kind = azm_multiline_of(a->value);

    (void)c;
    if (kind < 0)
        return azm_error_set(err, EINVAL, "'%s' is none of no, pieces, indent, go, java, php, python, ruby, auto",
                             a->value);
    *(enum azm_multiline *)field = (enum azm_multiline)kind;
    return 0;
}

int azm_parse_scope(struct azm_config *c, void *field, const struct azm_assignment *a, struct azm_error *err)
{
    static const char *const words[] = {
        [AZM_SCOPE_ALL] = "all", [AZM_SCOPE_SYSTEM] = "system", [AZM_SCOPE_USER] = "user"};
    int scope = index_of(a->value, words, ELEMENTSOF(words));

    (void)c;
    if (scope < 0)
        return azm_error_set(err, EINVAL, "'%s' is none of all, system, user", a->value);
    *(enum azm_scope *)field = (enum azm_scope)scope;
    return 0;
}

int azm_word_or_number(const char *s, const char *const words[], size_t n_words)
{
    char *end;
    unsigned long n = strtoul(s, &end, 10);

    if (isdigit((unsigned char)*s) && *end == '\0' && n < n_words)
        return (int)n;
    for (size_t i = 0; i < n_words; i++)
        if (strcasecmp(s, words[i]) == 0)
            return (int)i;
    return -EINVAL;
}

static int severity_of(const char *s)
{
    static const char *const words[] = {"emerg", "alert", "crit", "err", "warning", "notice", "info", "debug"};

    return azm_word_or_number(s, words, ELEMENTSOF(words));
}

int azm_parse_priority(struct azm_config *c, void *field, const struct azm_assignment *a, struct azm_error *err)
{
    int n = severity_of(a->value);

    (void)c;
    if (strcmp(a->value, "any") == 0)
        n = -1;
    else if (n < 0)
        return azm_error_set(err, EINVAL,
                             "'%s' is none of emerg, alert, crit, err, warning, notice, info, debug, 0 to 7, or any",
                             a->value);
    *(int *)field = n;
    return 0;
}

int azm_parse_exempt(struct azm_config *c, void *field, const struct azm_assignment *a, struct azm_error *err)
{
    struct azm_assignment any = *a;

    if (strcmp(a->value, "any") == 0)
        return azm_error_set(err, EINVAL, "'any' is no priority; rate_limit=0 limits nothing");
    if (strcmp(a->value, "none") == 0)
        any.value = "any";
    return azm_parse_priority(c, field, &any, err);
}
