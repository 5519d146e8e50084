/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <strings.h>

#include "core/clock.h"
#include "core/rfc3339.h"
#include "core/utf8.h"
#include "parse/line.h"
#include "parse/logfmt.h"

enum role { MESSAGE, SEVERITY, TIME, ROLES };

/* What the logging libraries call it, the better name first. */
static const struct name {
    const char *name;
    enum role role;
} names[] = {
    {"message", MESSAGE},   {"msg", MESSAGE},       {"event", MESSAGE},      {"level", SEVERITY},
    {"severity", SEVERITY}, {"loglevel", SEVERITY}, {"log.level", SEVERITY}, {"levelname", SEVERITY},
    {"lvl", SEVERITY},      {"time", TIME},         {"timestamp", TIME},     {"@timestamp", TIME},
    {"ts", TIME},
};

static const struct word {
    const char *word;
    int severity; /* syslog's */
} words[] = {
    {"emerg", 0},  {"emergency", 0},   {"alert", 1}, {"fatal", 2},  {"critical", 2}, {"crit", 2}, {"panic", 2},
    {"dpanic", 2}, {"error", 3},       {"err", 3},   {"severe", 3}, {"warning", 4},  {"warn", 4}, {"notice", 5},
    {"info", 6},   {"information", 6}, {"debug", 7}, {"trace", 7},  {"verbose", 7},
};

/* Which member is used. */
struct taken {
    const struct name *name; /* NULL: none of this role yet */
    json_t *value;
};

void azm_line_parser_free(struct azm_line_parser *p)
{
    azm_json_attributes_free(&p->json);
    azm_attributes_free(&p->sent);
    free(p->attributes);
    *p = (struct azm_line_parser){0};
}

/* Words, or the numbers of bunyan and pino (10, 20, ... 60), and of syslog (0 to 7). */
static bool read_severity(const json_t *value, int *ret)
{
    static const int tens[] = {7, 7, 7, 6, 4, 3, 2}; /* from 10 on: trace, debug, info, warn, error, fatal */
    json_int_t n = json_integer_value(value);

    if (json_is_string(value)) {
        for (size_t i = 0; i < ELEMENTSOF(words); i++)
            if (strcasecmp(json_string_value(value), words[i].word) == 0) {
                *ret = words[i].severity;
                return true;
            }
        return false;
    }
    if (!json_is_integer(value) || n < 0 || n > 60 || (n > 7 && n % 10 != 0))
        return false;
    *ret = n <= 7 ? (int)n : tens[n / 10];
    return true;
}

/* RFC 3339, with a blank for its T as well; or seconds, milliseconds, microseconds or nanoseconds since 1970, by their
 * number: these are told apart from 2001 to 2286. */
static bool read_time(const json_t *value, uint64_t *ret_nsec)
{
    static const double first = 1e9, beyond = 1e10; /* seconds */
    char text[64];
    double unit = 1;
    size_t len = json_string_length(value);

    if (json_is_string(value)) {
        if (len <= 10 || len >= sizeof text)
            return false;
        memcpy(text, json_string_value(value), len);
        if (text[10] == ' ')
            text[10] = 'T';
        return azm_rfc3339_parse((struct azm_text){text, len}, ret_nsec);
    }
    if (!json_is_number(value))
        return false;
    while (json_number_value(value) / unit >= beyond && unit < 1e9)
        unit *= 1000;
    if (json_number_value(value) / unit < first || json_number_value(value) / unit >= beyond)
        return false;
    if (json_is_integer(value))
        *ret_nsec = (uint64_t)json_integer_value(value) * (uint64_t)(1e9 / unit);
    else /* a fraction of a second is exact to microseconds at most */
        *ret_nsec = (uint64_t)llround(json_real_value(value) / unit * 1e6) * AZM_NSEC_PER_USEC;
    return true;
}

/* False if it says nothing that can be used. */
static bool take(enum role role, const json_t *value, struct azm_record *r)
{
    switch (role) {
    case MESSAGE:
        if (!json_is_string(value))
            return false;
        r->body = (struct azm_text){json_string_value(value), json_string_length(value)};
        return true;
    case SEVERITY:
        return read_severity(value, &r->severity);
    default:
        return read_time(value, &r->time_unix_nano);
    }
}

/* The member with the best name for each role goes to the record. */
static void take_roles(json_t *object, struct taken taken[static ROLES], struct azm_record *r)
{
    const char *key;
    json_t *value;

    json_object_foreach(object, key, value) for (const struct name *n = names; n < &names[ELEMENTSOF(names)]; n++)
    {
        struct taken *t = &taken[n->role];

        if (strcasecmp(key, n->name) == 0 && (!t->name || n < t->name) && take(n->role, value, r))
            *t = (struct taken){n, value};
    }
}

static int add_others(struct azm_line_parser *p, const struct taken taken[static ROLES], struct azm_record *r)
{
    const char *key;
    json_t *value;

    azm_attributes_begin(&p->sent);
    json_object_foreach(p->json.root, key, value)
    {
        bool is_taken = false;

        for (size_t i = 0; i < ROLES; i++)
            is_taken |= value == taken[i].value;
        if (!is_taken && azm_json_attributes_add(&p->json, key, value, &p->sent, r) < 0)
            return -ENOMEM;
    }
    return 0;
}

static bool has(const struct azm_record *r, struct azm_text key)
{
    for (size_t i = 0; i < r->n_attributes; i++)
        if (azm_text_equal(r->attributes[i].key, key))
            return true;
    return false;
}

/* The record's attributes become its own and those of the line. */
static int join_attributes(struct azm_line_parser *p, struct azm_record *r)
{
    size_t n = r->n_attributes, most = n + p->sent.n;

    if (most > p->cap_attributes) {
        struct azm_attribute *a = reallocarray(p->attributes, most * 2, sizeof *a);

        if (!a)
            return -ENOMEM;
        p->attributes = a;
        p->cap_attributes = most * 2;
    }
    if (n > 0)
        memcpy(p->attributes, r->attributes, n * sizeof *p->attributes);
    r->n_dropped += (uint32_t)p->sent.n_dropped;
    for (size_t i = 0; i < p->sent.n; i++) {
        if (has(r, p->sent.items[i].key))
            r->n_dropped++;
        else
            p->attributes[n++] = p->sent.items[i];
    }
    r->attributes = p->attributes;
    r->n_attributes = n;
    return 0;
}

/* Makes json.root of the line: 1, 0 or -ENOMEM. */
static int read_line(struct azm_line_parser *p, enum azm_line_format format, struct azm_text line)
{
    bool is_json = line.len > 0 && *line.s == '{';

    if (is_json || format == AZM_LINE_JSON)
        return format == AZM_LINE_LOGFMT ? 0 : azm_json_attributes_parse(&p->json, line);
    json_decref(p->json.root);
    p->json.root = NULL;
    if (line.len > AZM_JSON_BYTES_MAX || azm_utf8_valid_prefix(line.s, line.len) < line.len)
        return 0;
    return azm_logfmt_parse(line, &p->json.root);
}

int azm_line_parse(struct azm_line_parser *p, enum azm_line_format format, struct azm_record *r)
{
    struct taken taken[ROLES] = {{0}};
    struct azm_record parsed = *r;
    int k;

    if (format == AZM_LINE_PLAIN)
        return 0;
    k = read_line(p, format, r->body);
    if (k <= 0)
        return k;
    take_roles(p->json.root, taken, &parsed);
    if (!taken[MESSAGE].name)
        return 0;
    if (add_others(p, taken, &parsed) < 0 || join_attributes(p, &parsed) < 0)
        return -ENOMEM;
    *r = parsed;
    return 1;
}
