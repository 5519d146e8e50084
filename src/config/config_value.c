/* SPDX-License-Identifier: MIT */
#include <ctype.h>
#include <curl/curl.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config/config_value.h"
#include "config/credential_path.h"
#include "config/filter_rule.h"
#include "config/listen_address.h"
#include "config/places.h"
#include "config/sample_ratio.h"
#include "config/stream_url.h"
#include "core/buf.h"
#include "core/clock.h"
#include "core/timespan.h"
#include "core/utf8.h"

int azm_parse_string(struct azm_config *c, void *field, const struct azm_assignment *a, struct azm_error *err)
{
    char *copy = strdup(a->value);

    (void)c;
    if (!copy)
        return azm_error_set(err, ENOMEM, "out of memory");
    free(*(char **)field);
    *(char **)field = copy;
    return 0;
}

int azm_parse_path(struct azm_config *c, void *field, const struct azm_assignment *a, struct azm_error *err)
{
    if (*a->value && *a->value != '/')
        return azm_error_set(err, EINVAL, "'%s' is not an absolute path", a->value);
    return azm_parse_string(c, field, a, err);
}

int azm_parse_listen(struct azm_config *c, void *field, const struct azm_assignment *a, struct azm_error *err)
{
    struct sockaddr_storage address;
    socklen_t len;

    if (*a->value && !HAVE_MICROHTTPD)
        return azm_error_set(err, ENOTSUP, "this azmonlog was built without libmicrohttpd; there is textfile=");
    if (*a->value && azm_listen_address(a->value, &address, &len, err) < 0)
        return -EINVAL;
    return azm_parse_string(c, field, a, err);
}

int azm_parse_textfile(struct azm_config *c, void *field, const struct azm_assignment *a, struct azm_error *err)
{
    size_t len = strlen(a->value), suffix = strlen(".prom");

    if (len > 0 && (len < suffix || strcmp(a->value + len - suffix, ".prom") != 0))
        return azm_error_set(err, EINVAL, "'%s' does not end in .prom, and node_exporter reads no other file",
                             a->value);
    return azm_parse_path(c, field, a, err);
}

/* A file that is needed at run time: better said at the start than held for ever. */
int azm_parse_file(struct azm_config *c, void *field, const struct azm_assignment *a, struct azm_error *err)
{
    struct azm_assignment there = *a;
    char path[PATH_MAX];
    int r;

    if (*a->value == '\0')
        return azm_parse_path(c, field, a, err);
    r = azm_credential_path(a->value, path, err);
    if (r < 0)
        return r;
    if (access(path, R_OK) < 0)
        return azm_error_set(err, errno, "cannot read %s: %m", path);
    there.value = path;
    return azm_parse_path(c, field, &there, err);
}

int azm_parse_places(struct azm_config *c, void *field, const struct azm_assignment *a, azm_config_parse_t parse,
                     struct azm_error *err)
{
    size_t n = azm_places_count(a->value);
    int r = 0;

    for (size_t i = 0; i < n && r >= 0; i++) {
        struct azm_text word = azm_places_get(a->value, i);
        _cleanup_free_ char *one = strndup(word.s, word.len);
        struct azm_assignment place = *a;

        if (!one)
            return azm_error_set(err, ENOMEM, "out of memory");
        for (size_t k = 0; k < i; k++)
            if (azm_text_equal(word, azm_places_get(a->value, k)))
                return azm_error_set(err, EINVAL, "numbers %zu and %zu of them are the same", k + 1, i + 1);
        place.value = one;
        r = parse(c, field, &place, err);
    }
    return r < 0 ? r : azm_parse_string(c, field, a, err);
}

static int parse_endpoint(struct azm_config *c, void *field, const struct azm_assignment *a, const char *signal,
                          struct azm_error *err)
{
    char *scheme = NULL, *path = NULL;
    int shown = (int)strcspn(a->value, "?#"), r; /* the query may hold a secret */
    CURLU *u;

    if (*a->value == '\0')
        return azm_parse_string(c, field, a, err);
    u = curl_url();
    if (!u)
        return azm_error_set(err, ENOMEM, "out of memory");
    /* A URL with a password must not get into an error, not even when it is wrong for another reason. */
    if (strchr(a->value, '@'))
        r = azm_error_set(err, EINVAL, "a URL with a user name or password shows up in logs; use header= for them");
    else if (curl_url_set(u, CURLUPART_URL, a->value, 0) != CURLUE_OK ||
             curl_url_get(u, CURLUPART_SCHEME, &scheme, 0) != CURLUE_OK ||
             curl_url_get(u, CURLUPART_PATH, &path, 0) != CURLUE_OK ||
             (strcasecmp(scheme, "http") != 0 && strcasecmp(scheme, "https") != 0))
        r = azm_error_set(err, EINVAL, "'%.*s' is not an http or https URL (scheme, host, port up to 65535, path)",
                          shown, a->value);
    else if (strcmp(path, "/") == 0 && a->value[strlen(a->value) - 1] != '/')
        r = azm_error_set(err, EINVAL, "'%.*s' has no path; OTLP/HTTP %s are usually taken at %.*s/v1/%s", shown,
                          a->value, signal, shown, a->value, signal);
    else
        r = azm_parse_string(c, field, a, err);
    curl_free(scheme);
    curl_free(path);
    curl_url_cleanup(u);
    return r;
}

/* The URL of a stream. */
int azm_parse_stream(struct azm_config *c, void *field, const struct azm_assignment *a, struct azm_error *err)
{
    struct azm_stream_url u = {0};

    if (*a->value) {
        int r = azm_stream_url_parse(a->value, &u, err);

        azm_stream_url_free(&u);
        if (r < 0)
            return r;
    }
    if (a->is_public && azm_stream_url_has_password(a->value))
        return azm_error_set(err, EPERM,
                             "there is a password in it, and everybody can read this; use password_file= instead");
    return azm_parse_string(c, field, a, err);
}

static int parse_logs_endpoint(struct azm_config *c, void *field, const struct azm_assignment *a, struct azm_error *err)
{
    if (azm_stream_engine_of(a->value) != AZM_STREAM_NONE)
        return azm_parse_stream(c, field, a, err);
    return parse_endpoint(c, field, a, "logs", err);
}

int azm_parse_endpoints(struct azm_config *c, void *field, const struct azm_assignment *a, struct azm_error *err)
{
    return azm_parse_places(c, field, a, parse_logs_endpoint, err);
}

int azm_parse_metrics_endpoint(struct azm_config *c, void *field, const struct azm_assignment *a, struct azm_error *err)
{
    return parse_endpoint(c, field, a, "metrics", err);
}

int azm_parse_duration(struct azm_config *c, void *field, const struct azm_assignment *a, struct azm_error *err)
{
    uint64_t usec;

    (void)c;
    if (azm_parse_timespan(a->value, AZM_USEC_PER_SEC, &usec) < 0)
        return azm_error_set(err, EINVAL, "'%s' is not a duration such as 500ms, 1s or 5min", a->value);
    if (usec < a->min || usec > a->max)
        return azm_error_set(err, ERANGE, "'%s' is not between %" PRIu64 "ms and %" PRIu64 "s", a->value,
                             a->min / AZM_USEC_PER_MSEC, a->max / AZM_USEC_PER_SEC);
    *(uint64_t *)field = usec;
    return 0;
}

int azm_parse_size(struct azm_config *c, void *field, const struct azm_assignment *a, struct azm_error *err)
{
    static const char suffixes[] = "KMG";
    unsigned long long n;
    const char *suffix;
    char *end;

    (void)c;
    errno = 0;
    n = strtoull(a->value, &end, 10);
    if (!isdigit((unsigned char)*a->value) || errno)
        return azm_error_set(err, EINVAL, "'%s' is not a number such as 8192 or 64K", a->value);
    suffix = *end ? strchr(suffixes, toupper((unsigned char)*end)) : NULL;
    if (*end && (!suffix || end[1]))
        return azm_error_set(err, EINVAL, "'%s' is not a number such as 8192 or 64K", a->value);
    if (suffix && __builtin_mul_overflow(n, 1ULL << (10 * (suffix - suffixes + 1)), &n))
        return azm_error_set(err, ERANGE, "'%s' is too large", a->value);
    if (n < a->min || n > a->max)
        return azm_error_set(err, ERANGE, "'%s' is not between %" PRIu64 " and %" PRIu64, a->value, a->min, a->max);
    *(size_t *)field = n;
    return 0;
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
    (void)c;
    if (strcmp(a->value, "minimal") == 0)
        *(enum azm_fields *)field = AZM_FIELDS_MINIMAL;
    else if (strcmp(a->value, "standard") == 0)
        *(enum azm_fields *)field = AZM_FIELDS_STANDARD;
    else if (strcmp(a->value, "full") == 0)
        *(enum azm_fields *)field = AZM_FIELDS_FULL;
    else
        return azm_error_set(err, EINVAL, "'%s' is none of minimal, standard, full", a->value);
    return 0;
}

int azm_line_format_of(const char *word)
{
    static const char *const words[] = {
        [AZM_LINE_PLAIN] = "plain", [AZM_LINE_JSON] = "json", [AZM_LINE_LOGFMT] = "logfmt", [AZM_LINE_AUTO] = "auto"};

    for (size_t i = 0; i < ELEMENTSOF(words); i++)
        if (strcmp(word, words[i]) == 0)
            return (int)i;
    return -EINVAL;
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

static const char *const multiline_words[] = {
    [AZM_MULTILINE_NO] = "no",         [AZM_MULTILINE_PIECES] = "pieces", [AZM_MULTILINE_INDENT] = "indent",
    [AZM_MULTILINE_GO] = "go",         [AZM_MULTILINE_JAVA] = "java",     [AZM_MULTILINE_PHP] = "php",
    [AZM_MULTILINE_PYTHON] = "python", [AZM_MULTILINE_RUBY] = "ruby",     [AZM_MULTILINE_AUTO] = "auto"};

int azm_multiline_of(const char *word)
{
    for (size_t i = 0; i < ELEMENTSOF(multiline_words); i++)
        if (strcmp(word, multiline_words[i]) == 0)
            return (int)i;
    return -EINVAL;
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

int azm_parse_start(struct azm_config *c, void *field, const struct azm_assignment *a, struct azm_error *err)
{
    enum azm_start *start = field;

    if (strcmp(a->value, "boot") == 0)
        *start = AZM_START_BOOT;
    else if (strcmp(a->value, "now") == 0)
        *start = AZM_START_NOW;
    else if (strcmp(a->value, "oldest") == 0)
        *start = AZM_START_OLDEST;
    else if (azm_parse_time(a->value, azm_realtime_usec(&azm_system_clock), &c->start_usec) == 0)
        *start = AZM_START_TIME;
    else
        return azm_error_set(err, EINVAL,
                             "'%s' is none of boot, now, oldest, nor a time such as -1h, yesterday or "
                             "2026-01-31T12:00:00Z",
                             a->value);
    return 0;
}

int azm_parse_scope(struct azm_config *c, void *field, const struct azm_assignment *a, struct azm_error *err)
{
    static const char *const names[] = {
        [AZM_SCOPE_ALL] = "all", [AZM_SCOPE_SYSTEM] = "system", [AZM_SCOPE_USER] = "user"};

    (void)c;
    for (size_t i = 0; i < ELEMENTSOF(names); i++)
        if (strcmp(a->value, names[i]) == 0) {
            *(enum azm_scope *)field = (enum azm_scope)i;
            return 0;
        }
    return azm_error_set(err, EINVAL, "'%s' is none of all, system, user", a->value);
}

int azm_parse_namespace(struct azm_config *c, void *field, const struct azm_assignment *a, struct azm_error *err)
{
    if (strlen(a->value) > NAME_MAX / 2 || strchr(a->value, '/') || *a->value == '.' || strpbrk(a->value, "*+"))
        return azm_error_set(err, EINVAL,
                             "'%s' is not the name of one journal namespace (LogNamespace= of a unit); for several run "
                             "one azmonlog each, with a state directory of its own",
                             a->value);
    return azm_parse_string(c, field, a, err);
}

static const char *const severities[] = {"emerg", "alert", "crit", "err", "warning", "notice", "info", "debug"};
static const char *const facilities[] = {"kern",   "user",     "mail",    "daemon",       "auth",     "syslog",
                                         "lpr",    "news",     "uucp",    "cron",         "authpriv", "ftp",
                                         "ntp",    "security", "console", "solaris-cron", "local0",   "local1",
                                         "local2", "local3",   "local4",  "local5",       "local6",   "local7"};

/* "debug" or 7: the number, or -EINVAL. */
static int parse_word_or_number(const char *s, const char *const words[], size_t n_words)
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

int azm_parse_priority(struct azm_config *c, void *field, const struct azm_assignment *a, struct azm_error *err)
{
    int n = parse_word_or_number(a->value, severities, ELEMENTSOF(severities));

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

static int add_to_list(void *list, const char *item, struct azm_error *err)
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

/* Completed as systemctl and journalctl do. */
static int complete_unit(const char *word, char *ret, size_t size, struct azm_error *err)
{
    static const char *const suffixes[] = {".service", ".socket", ".device", ".mount", ".automount", ".swap",
                                           ".target",  ".path",   ".timer",  ".slice", ".scope"};
    size_t len = strlen(word);
    bool complete = false;

    if (len > 240)
        return azm_error_set(err, EINVAL, "'%.40s...' is too long for the name of a unit", word);
    for (size_t i = 0; i < ELEMENTSOF(suffixes); i++) {
        size_t n = strlen(suffixes[i]);

        complete |= len > n && strcmp(word + len - n, suffixes[i]) == 0;
    }
    snprintf(ret, size, "%s%s", word, complete ? "" : ".service");
    return 0;
}

static int add_unit(void *list, const char *word, struct azm_error *err)
{
    char name[NAME_MAX + 1];
    int r;

    if (strpbrk(word, "*?["))
        return azm_error_set(err, EINVAL, "'%s' is a pattern; the journal finds units by their whole name only", word);
    r = complete_unit(word, name, sizeof name, err);
    return r < 0 ? r : add_to_list(list, name, err);
}

int azm_parse_units(struct azm_config *c, void *field, const struct azm_assignment *a, struct azm_error *err)
{
    (void)c;
    return azm_for_each_word(field, a->value, add_unit, err);
}

static void remove_from_list(struct azm_key_values *list, const char *key)
{
    for (size_t i = 0; i < list->n; i++)
        if (strcmp(list->items[i].key, key) == 0) {
            free(list->items[i].key);
            free(list->items[i].value);
            list->n--;
            memmove(&list->items[i], &list->items[i + 1], (list->n - i) * sizeof *list->items);
            return;
        }
}

/* A word that has been checked, for the unit in whose section it stands: set again it stands last, as it does in the
 * configuration. */
static int set_of_unit(void *list, const struct azm_assignment *a, struct azm_error *err)
{
    char unit[NAME_MAX + 1];
    int r = complete_unit(a->key, unit, sizeof unit, err);

    if (r < 0)
        return r;
    remove_from_list(list, unit);
    if (*a->value && azm_key_values_set(list, unit, a->value) < 0)
        return azm_error_set(err, ENOMEM, "out of memory");
    return 0;
}

int azm_parse_unit_line_format(struct azm_config *c, void *field, const struct azm_assignment *a, struct azm_error *err)
{
    enum azm_line_format format;
    int r = *a->value ? azm_parse_line_format(c, &format, a, err) : 0;

    return r < 0 ? r : set_of_unit(field, a, err);
}

int azm_parse_unit_multiline(struct azm_config *c, void *field, const struct azm_assignment *a, struct azm_error *err)
{
    enum azm_multiline kind;
    int r = *a->value ? azm_parse_multiline(c, &kind, a, err) : 0;

    return r < 0 ? r : set_of_unit(field, a, err);
}

int azm_parse_words(struct azm_config *c, void *field, const struct azm_assignment *a, struct azm_error *err)
{
    (void)c;
    return azm_for_each_word(field, a->value, add_to_list, err);
}

static int add_facility(void *list, const char *word, struct azm_error *err)
{
    int n = parse_word_or_number(word, facilities, ELEMENTSOF(facilities));
    char number[16];

    if (n < 0)
        return azm_error_set(err, EINVAL,
                             "'%s' is not a syslog facility (kern, user, daemon, auth, local0, ..., 0 to 23)", word);
    snprintf(number, sizeof number, "%d", n);
    return add_to_list(list, number, err);
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
    return add_to_list(field, a->value, err);
}

int azm_parse_journal_file(struct azm_config *c, void *field, const struct azm_assignment *a, struct azm_error *err)
{
    (void)c;
    if (*a->value != '/')
        return azm_error_set(err, EINVAL, "'%s' is not an absolute path", a->value);
    if (access(a->value, R_OK) < 0)
        return azm_error_set(err, errno, "cannot read %s: %m", a->value);
    return add_to_list(field, a->value, err);
}

int azm_parse_filter_rule(struct azm_config *c, void *field, const struct azm_assignment *a, struct azm_error *err)
{
    struct azm_filter_rule rule;
    int r = azm_filter_rule_parse(a->value, &rule, err);

    (void)c;
    if (r < 0)
        return r;
    azm_filter_rule_free(&rule);
    return add_to_list(field, a->value, err);
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

/* Does a word of the name, between hyphens, sound like a secret? */
static bool header_is_secret(const char *name)
{
    static const char *const words[] = {"auth",  "authorization", "cookie", "key",
                                        "token", "apikey",        "secret", "password"};

    for (size_t len; *name; name += len + (name[len] == '-')) {
        len = strcspn(name, "-");
        for (size_t i = 0; i < ELEMENTSOF(words); i++)
            if (strlen(words[i]) == len && strncasecmp(words[i], name, len) == 0)
                return true;
    }
    return false;
}

/* "Name: value" into the list. Errors never show the value: it may be a secret. */
static int add_header(struct azm_key_values *headers, const char *line, bool is_public, struct azm_error *err)
{
    static const char reserved[] = " content-type content-length content-encoding transfer-encoding expect host ";
    _cleanup_free_ char *name = NULL;
    size_t len = strspn(line, "!#$%&'*+-.^_`|~0123456789"
                              "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz");
    const char *value = line + len;
    char padded[64];

    if (len == 0 || *value != ':')
        return azm_error_set(err, EINVAL, "a header is written as Name: value");
    for (value++; *value == ' ' || *value == '\t';)
        value++;
    for (const char *p = value; *p; p++)
        if (((unsigned char)*p < 0x20 && *p != '\t') || *p == 0x7f)
            return azm_error_set(err, EINVAL, "a header value has no control characters");
    name = strndup(line, len);
    if (!name)
        return azm_error_set(err, ENOMEM, "out of memory");
    snprintf(padded, sizeof padded, " %s ", name);
    if (strcasestr(reserved, padded))
        return azm_error_set(err, EINVAL, "the header %s is set by azmonlog itself", name);
    if (is_public && header_is_secret(name))
        return azm_error_set(err, EPERM,
                             "the header %s looks like a secret and everybody can read this file; "
                             "take read permission from others (chmod o-r) or use headers_file=",
                             name);
    /* Names of headers have no case: a later one replaces an earlier one however it is written. */
    for (size_t i = 0; i < headers->n; i++)
        if (strcasecmp(headers->items[i].key, name) == 0)
            memcpy(name, headers->items[i].key, len);
    if (azm_key_values_set(headers, name, value) < 0)
        return azm_error_set(err, ENOMEM, "out of memory");
    return 0;
}

int azm_parse_header(struct azm_config *c, void *field, const struct azm_assignment *a, struct azm_error *err)
{
    (void)c;
    return add_header(field, a->value, a->is_public, err);
}

int azm_parse_headers_file(struct azm_config *c, void *field, const struct azm_assignment *a, struct azm_error *err)
{
    _cleanup_fclose_ FILE *f = NULL;
    _cleanup_free_ char *line = NULL;
    char path[PATH_MAX];
    size_t cap = 0;
    struct stat st;
    ssize_t n;
    int r;

    c->headers_from_file |= field == &c->headers;
    r = azm_credential_path(a->value, path, err);
    if (r < 0)
        return r;
    f = fopen(path, "re");
    if (!f || fstat(fileno(f), &st) < 0)
        return azm_error_set(err, errno, "cannot read %s: %m", path);
    if (!S_ISREG(st.st_mode))
        return azm_error_set(err, EINVAL, "%s is not a file", path);
    if (st.st_mode & 0007)
        return azm_error_set(err, EPERM, "everybody can read %s; secrets belong into a file of mode 0600 or 0640",
                             path);
    for (unsigned number = 1; (n = getline(&line, &cap, f)) >= 0; number++) {
        struct azm_error why;

        if (memchr(line, '\0', (size_t)n))
            return azm_error_set(err, EINVAL, "%s:%u: this line is not text", path, number);
        while (n > 0 && strchr("\r\n", line[n - 1]))
            line[--n] = '\0';
        if (*line == '\0' || *line == '#')
            continue;
        r = add_header(field, line, false, &why);
        if (r < 0)
            return azm_error_set(err, r, "%s:%u: %s", path, number, why.words);
    }
    if (ferror(f))
        return azm_error_set(err, EIO, "cannot read %s", path);
    return 0;
}
