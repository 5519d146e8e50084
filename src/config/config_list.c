/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config/config_list.h"
#include "config/config_word.h"
#include "config/filter_rule.h"
#include "config/sample_ratio.h"
#include "core/utf8.h"

int azm_list_add(void *list, const char *item, struct azm_error *err)
{
    return azm_key_values_set(list, item, "") < 0 ? azm_error_set(err, ENOMEM, "out of memory") : 0;
}

int azm_for_each_word(void *list, const char *value, int (*add)(void *list, const char *word, struct azm_error *err),
                      struct azm_error *err)
{
    _cleanup_free_ char *words = strdup(value);
    char *save = NULL;
    int r = words ? 0 : azm_error_set(err, ENOMEM, "out of memory");

    for (char *w = words ? strtok_r(words, ", \t", &save) : NULL; w && r == 0; w = strtok_r(NULL, ", \t", &save))
        r = add(list, w, err);
    return r;
}

int azm_parse_words(struct azm_config *c, void *field, const struct azm_assignment *a, struct azm_error *err)
{
    (void)c;
    return azm_for_each_word(field, a->value, azm_list_add, err);
}

static int add_facility(void *list, const char *word, struct azm_error *err)
{
    static const char *const facilities[] = {"kern",   "user",     "mail",    "daemon",       "auth",     "syslog",
                                             "lpr",    "news",     "uucp",    "cron",         "authpriv", "ftp",
                                             "ntp",    "security", "console", "solaris-cron", "local0",   "local1",
                                             "local2", "local3",   "local4",  "local5",       "local6",   "local7"};
    int n = azm_word_or_number(word, facilities, ELEMENTSOF(facilities));
    char number[16];

    if (n < 0)
        return azm_error_set(err, EINVAL,
                             "'%s' is not a syslog facility (kern, user, daemon, auth, local0, ..., 0 to 23)", word);
    snprintf(number, sizeof number, "%d", n);
    return azm_list_add(list, number, err);
}

int azm_parse_facilities(struct azm_config *c, void *field, const struct azm_assignment *a, struct azm_error *err)
{
    (void)c;
    return azm_for_each_word(field, a->value, add_facility, err);
}

int azm_parse_match(struct azm_config *c, void *field, const struct azm_assignment *a, struct azm_error *err)
{
    size_t n = strspn(a->value, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_");

    (void)c;
    if (n == 0 || n > 64 || a->value[n] != '=')
        return azm_error_set(err, EINVAL, "'%s' is not FIELD=value with the name of a journal field (_UID=0)",
                             a->value);
    return azm_list_add(field, a->value, err);
}

int azm_parse_journal_file(struct azm_config *c, void *field, const struct azm_assignment *a, struct azm_error *err)
{
    (void)c;
    if (*a->value != '/')
        return azm_error_set(err, EINVAL, "'%s' is not an absolute path", a->value);
    if (access(a->value, R_OK) < 0)
        return azm_error_set(err, errno, "cannot read %s: %m", a->value);
    return azm_list_add(field, a->value, err);
}

int azm_parse_filter_rule(struct azm_config *c, void *field, const struct azm_assignment *a, struct azm_error *err)
{
    struct azm_filter_rule rule;
    int r = azm_filter_rule_parse(a->value, &rule, err);

    (void)c;
    if (r < 0)
        return r;
    azm_filter_rule_free(&rule);
    return azm_list_add(field, a->value, err);
}

static int set_ratio(struct azm_key_values *list, const char *severity, const char *ratio, struct azm_error *err)
{
    if (azm_severity_word(azm_text_of(severity)) < 0)
        return azm_error_set(err, EINVAL, "'%s' is no severity (emerg, alert, crit, err, warning, notice, info, debug)",
                             severity);
    return azm_key_values_set(list, severity, ratio) < 0 ? azm_error_set(err, ENOMEM, "out of memory") : 0;
}

/* "debug,info 10%": a ratio behind severities, of which it replaces an earlier one. */
int azm_parse_sample(struct azm_config *c, void *field, const struct azm_assignment *a, struct azm_error *err)
{
    const char *ratio = strrchr(a->value, ' ');
    _cleanup_free_ char *words = ratio ? strndup(a->value, (size_t)(ratio - a->value)) : NULL;
    char *save = NULL;
    uint64_t threshold;
    int r = 0;

    (void)c;
    if (!ratio || azm_sample_ratio_parse(ratio + 1, &threshold) < 0)
        r = azm_error_set(err, EINVAL, "'%s' is not severities and a ratio from 0 to 1 (debug,info 0.1 or debug 10%%)",
                          a->value);
    else if (!words)
        r = azm_error_set(err, ENOMEM, "out of memory");
    for (char *w = r == 0 ? strtok_r(words, ", \t", &save) : NULL; w && r == 0; w = strtok_r(NULL, ", \t", &save))
        r = set_ratio(field, w, ratio + 1, err);
    return r;
}

int azm_parse_resource(struct azm_config *c, void *field, const struct azm_assignment *a, struct azm_error *err)
{
    (void)c;
    if (!*a->key || azm_utf8_valid_prefix(a->key, strlen(a->key)) < strlen(a->key))
        return azm_error_set(err, EINVAL, "the name of a resource attribute is UTF-8 text and not empty");
    if (strlen(a->key) > 256 || strlen(a->value) > 4096)
        return azm_error_set(err, EINVAL, "a resource attribute has at most 256 bytes of key and 4096 of value");
    if (azm_key_values_set(field, a->key, a->value) < 0)
        return azm_error_set(err, ENOMEM, "out of memory");
    return 0;
}
