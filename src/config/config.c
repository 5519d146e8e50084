/* SPDX-License-Identifier: MIT */
#include <ctype.h>
#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config/config.h"
#include "config/config_file.h"
#include "core/buf.h"
#include "core/clock.h"
#include "core/timespan.h"
#include "core/utf8.h"

/* One assignment on its way into a field of struct azm_config. */
struct assignment {
    const char *key, *value;
    bool is_public;
    uint64_t min, max; /* of a number: from the table */
};

typedef int (*parse_t)(struct azm_config *c, void *field, const struct assignment *a, struct azm_error *err);

static int parse_string(struct azm_config *c, void *field, const struct assignment *a, struct azm_error *err)
{
    char *copy = strdup(a->value);

    (void)c;
    if (!copy)
        return azm_error_set(err, ENOMEM, "out of memory");
    free(*(char **)field);
    *(char **)field = copy;
    return 0;
}

static int parse_path(struct azm_config *c, void *field, const struct assignment *a, struct azm_error *err)
{
    if (*a->value && *a->value != '/')
        return azm_error_set(err, EINVAL, "'%s' is not an absolute path", a->value);
    return parse_string(c, field, a, err);
}

/* A file that is needed at run time: better said at the start than held for ever. */
static int parse_file(struct azm_config *c, void *field, const struct assignment *a, struct azm_error *err)
{
    int r = parse_path(c, field, a, err);

    if (r == 0 && *a->value && access(a->value, R_OK) < 0)
        return azm_error_set(err, errno, "cannot read %s: %m", a->value);
    return r;
}

static int parse_endpoint(struct azm_config *c, void *field, const struct assignment *a, struct azm_error *err)
{
    char *scheme = NULL, *path = NULL;
    int shown = (int)strcspn(a->value, "?#"), r; /* the query may hold a secret */
    CURLU *u;

    if (*a->value == '\0')
        return parse_string(c, field, a, err);
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
        r = azm_error_set(err, EINVAL, "'%.*s' has no path; OTLP/HTTP logs are usually taken at %.*s/v1/logs", shown,
                          a->value, shown, a->value);
    else
        r = parse_string(c, field, a, err);
    curl_free(scheme);
    curl_free(path);
    curl_url_cleanup(u);
    return r;
}

static int parse_duration(struct azm_config *c, void *field, const struct assignment *a, struct azm_error *err)
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

static int parse_size(struct azm_config *c, void *field, const struct assignment *a, struct azm_error *err)
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

static int parse_bool(struct azm_config *c, void *field, const struct assignment *a, struct azm_error *err)
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

static int parse_compression(struct azm_config *c, void *field, const struct assignment *a, struct azm_error *err)
{
    (void)c;
    if (strcmp(a->value, "gzip") != 0 && strcmp(a->value, "none") != 0)
        return azm_error_set(err, EINVAL, "'%s' is neither gzip nor none", a->value);
    *(bool *)field = *a->value == 'g';
    return 0;
}

static int parse_fields(struct azm_config *c, void *field, const struct assignment *a, struct azm_error *err)
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

static int parse_start(struct azm_config *c, void *field, const struct assignment *a, struct azm_error *err)
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

static int parse_resource(struct azm_config *c, void *field, const struct assignment *a, struct azm_error *err)
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
        if ((unsigned char)*p < 0x20 && *p != '\t')
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

static int parse_header(struct azm_config *c, void *field, const struct assignment *a, struct azm_error *err)
{
    (void)c;
    return add_header(field, a->value, a->is_public, err);
}

static int parse_headers_file(struct azm_config *c, void *field, const struct assignment *a, struct azm_error *err)
{
    _cleanup_fclose_ FILE *f = NULL;
    _cleanup_free_ char *line = NULL;
    size_t cap = 0;
    struct stat st;
    ssize_t n;

    (void)c;
    if (*a->value != '/')
        return azm_error_set(err, EINVAL, "'%s' is not an absolute path", a->value);
    f = fopen(a->value, "re");
    if (!f || fstat(fileno(f), &st) < 0)
        return azm_error_set(err, errno, "cannot read %s: %m", a->value);
    if (!S_ISREG(st.st_mode))
        return azm_error_set(err, EINVAL, "%s is not a file", a->value);
    if (st.st_mode & 0007)
        return azm_error_set(err, EPERM, "everybody can read %s; secrets belong into a file of mode 0600 or 0640",
                             a->value);
    for (unsigned number = 1; (n = getline(&line, &cap, f)) >= 0; number++) {
        struct azm_error why;
        int r;

        if (memchr(line, '\0', (size_t)n))
            return azm_error_set(err, EINVAL, "%s:%u: this line is not text", a->value, number);
        while (n > 0 && strchr("\r\n", line[n - 1]))
            line[--n] = '\0';
        if (*line == '\0' || *line == '#')
            continue;
        r = add_header(field, line, false, &why);
        if (r < 0)
            return azm_error_set(err, r, "%s:%u: %s", a->value, number, why.words);
    }
    if (ferror(f))
        return azm_error_set(err, EIO, "cannot read %s", a->value);
    return 0;
}

#define FIELD(name) offsetof(struct azm_config, name)
#define ANY_KEY "*"
#define MSEC AZM_USEC_PER_MSEC
#define HOUR (3600 * AZM_USEC_PER_SEC)
#define KIB ((uint64_t)1024)

/* Every key, its default, how it is read, and the bounds of a number. This table is what azmonlog.conf(5) documents. */
static const struct key {
    const char *section, *key;
    parse_t parse;
    size_t offset;
    const char *preset;
    uint64_t min, max;
} keys[] = {
    {"destination", "endpoint", parse_endpoint, FIELD(endpoint), "", 0, 0},
    {"destination", "header", parse_header, FIELD(headers), NULL, 0, 0},
    {"destination", "headers_file", parse_headers_file, FIELD(headers), NULL, 0, 0},
    {"destination", "tls_ca_file", parse_file, FIELD(tls_ca_file), "", 0, 0},
    {"destination", "tls_cert_file", parse_file, FIELD(tls_cert_file), "", 0, 0},
    {"destination", "tls_key_file", parse_file, FIELD(tls_key_file), "", 0, 0},
    {"batch", "schedule_delay", parse_duration, FIELD(schedule_delay_usec), "1s", 0, HOUR},
    {"batch", "max_export_batch_size", parse_size, FIELD(max_export_batch_size), "8192", 1, KIB *KIB},
    {"batch", "max_request_bytes", parse_size, FIELD(max_request_bytes), "1000000", 64 * KIB, 64 * KIB *KIB},
    {"export", "compression", parse_compression, FIELD(gzip), "gzip", 0, 0},
    {"export", "concurrency", parse_size, FIELD(concurrency), "4", 1, 64},
    {"export", "timeout", parse_duration, FIELD(timeout_usec), "10s", 100 * MSEC, HOUR},
    {"export", "retry_initial_delay", parse_duration, FIELD(retry_initial_delay_usec), "1s", MSEC, HOUR},
    {"export", "retry_max_delay", parse_duration, FIELD(retry_max_delay_usec), "30s", MSEC, HOUR},
    {"export", "hold_max_delay", parse_duration, FIELD(hold_max_delay_usec), "5min", MSEC, HOUR},
    {"export", "shutdown_timeout", parse_duration, FIELD(shutdown_timeout_usec), "5s", 0, HOUR},
    {"journal", "start", parse_start, FIELD(start), "boot", 0, 0},
    {"journal", "directory", parse_path, FIELD(journal_directory), "", 0, 0},
    {"journal", "fields", parse_fields, FIELD(fields), "standard", 0, 0},
    {"journal", "max_body_bytes", parse_size, FIELD(max_body_bytes), "64K", KIB, 16 * KIB *KIB},
    {"journal", "service_name_field", parse_bool, FIELD(service_name_field), "yes", 0, 0},
    {"resource", ANY_KEY, parse_resource, FIELD(resource), NULL, 0, 0},
    {"state", "directory", parse_path, FIELD(state_directory), AZM_DEFAULT_STATE_DIRECTORY, 0, 0},
    {"state", "control", parse_path, FIELD(control), "", 0, 0},
};

static const struct key *find_key(const char *section, const char *key)
{
    for (size_t i = 0; i < ELEMENTSOF(keys); i++)
        if (strcmp(keys[i].section, section) == 0 &&
            (strcmp(keys[i].key, ANY_KEY) == 0 || strcmp(keys[i].key, key) == 0))
            return &keys[i];
    return NULL;
}

static int unknown_key(const char *section, const char *key, const char *where, struct azm_error *err)
{
    _cleanup_(azm_buf_free) struct azm_buf known = {0};
    bool section_known = false;

    for (size_t i = 0; i < ELEMENTSOF(keys); i++)
        section_known |= strcmp(keys[i].section, section) == 0;
    for (size_t i = 0; i < ELEMENTSOF(keys); i++)
        if (section_known ? strcmp(keys[i].section, section) == 0
                          : i == 0 || strcmp(keys[i - 1].section, keys[i].section) != 0)
            azm_buf_printf(&known, "%s%s", known.len ? ", " : "", section_known ? keys[i].key : keys[i].section);
    if (section_known)
        return azm_error_set(err, EINVAL, "%s: unknown key '%s' in [%s]; known there: %.*s", where, key, section,
                             (int)known.len, (const char *)known.data);
    return azm_error_set(err, EINVAL, "%s: unknown section [%s]; known are: %.*s", where, section, (int)known.len,
                         (const char *)known.data);
}

static void key_values_clear(struct azm_key_values *kv)
{
    for (size_t i = 0; i < kv->n; i++) {
        free(kv->items[i].key);
        free(kv->items[i].value);
    }
    free(kv->items);
    *kv = (struct azm_key_values){0};
}

int azm_config_set(struct azm_config *c, const char *section, const char *key, const char *value, const char *where,
                   bool is_public, struct azm_error *err)
{
    const struct key *k = find_key(section, key);
    struct azm_error why = {0};
    struct assignment a;
    int r;

    if (!k)
        return unknown_key(section, key, where, err);
    if (*value == '\0' && k->preset)
        value = k->preset;
    else if (*value == '\0' && strcmp(k->key, ANY_KEY) != 0) { /* an empty assignment empties a list */
        key_values_clear((struct azm_key_values *)((char *)c + k->offset));
        return 0;
    }
    a = (struct assignment){.key = key, .value = value, .is_public = is_public, .min = k->min, .max = k->max};
    r = k->parse(c, (char *)c + k->offset, &a, &why);
    if (r < 0)
        return azm_error_set(err, r, "%s: %s: %s", where, key, why.words);
    return 0;
}

int azm_config_init(struct azm_config *c)
{
    *c = (struct azm_config){0};
    for (size_t i = 0; i < ELEMENTSOF(keys); i++)
        if (keys[i].preset) {
            int r = azm_config_set(c, keys[i].section, keys[i].key, keys[i].preset, "default", false, NULL);

            if (r < 0)
                return r;
        }
    return 0;
}

void azm_config_free(struct azm_config *c)
{
    free(c->endpoint);
    free(c->tls_ca_file);
    free(c->tls_cert_file);
    free(c->tls_key_file);
    free(c->journal_directory);
    free(c->state_directory);
    free(c->control);
    key_values_clear(&c->headers);
    key_values_clear(&c->resource);
    *c = (struct azm_config){0};
}

static int set_from_file(void *userdata, const char *section, const char *key, const char *value, const char *where,
                         bool is_public, struct azm_error *err)
{
    return azm_config_set(userdata, section, key, value, where, is_public, err);
}

int azm_config_read(struct azm_config *c, const char *path, bool optional, struct azm_error *err)
{
    return azm_config_file_read(path, optional, set_from_file, c, err);
}

int azm_config_check(const struct azm_config *c, struct azm_error *err)
{
    if (*c->tls_key_file && !*c->tls_cert_file)
        return azm_error_set(err, EINVAL, "[destination] tls_key_file= needs tls_cert_file=");
    return 0;
}

const char *azm_key_values_get(const struct azm_key_values *kv, const char *key)
{
    for (size_t i = 0; i < kv->n; i++)
        if (strcmp(kv->items[i].key, key) == 0)
            return kv->items[i].value;
    return NULL;
}

int azm_key_values_set(struct azm_key_values *kv, const char *key, const char *value)
{
    _cleanup_free_ char *k = strdup(key), *v = strdup(value);
    struct azm_key_value *items;

    if (!k || !v)
        return -ENOMEM;
    for (size_t i = 0; i < kv->n; i++)
        if (strcmp(kv->items[i].key, key) == 0) {
            free(kv->items[i].value);
            kv->items[i].value = v;
            v = NULL;
            return 0;
        }
    items = reallocarray(kv->items, kv->n + 1, sizeof *items);
    if (!items)
        return -ENOMEM;
    kv->items = items;
    items[kv->n++] = (struct azm_key_value){k, v};
    k = v = NULL;
    return 0;
}
