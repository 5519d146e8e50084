/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdlib.h>
#include <sys/types.h>

#include "core/clock.h"
#include "core/rfc3339.h"
#include "parse/json_attributes.h"
#include "plugin/structured_data.h"
#include "plugin/syslog5424.h"
#include "plugin/syslog_meta.h"

#define PRI_MAX 191     /* 23 * 8 + 7 */
#define PRI_TEXT_MAX 16 /* what may stand between < and > when it is no PRI */

struct azm_syslog_reader {
    struct azm_attributes attributes;
    struct azm_json_attributes json;
};

/* A line in parts. */
struct header {
    struct azm_text pri, time, host, app, procid, msgid; /* len 0: none, or "-" */
    struct azm_text rest;                                /* from STRUCTURED-DATA on */
};

int azm_syslog_reader_new(struct azm_syslog_reader **ret)
{
    *ret = calloc(1, sizeof **ret);
    return *ret ? 0 : -ENOMEM;
}

struct azm_syslog_reader *azm_syslog_reader_free(struct azm_syslog_reader *s)
{
    if (!s)
        return NULL;
    azm_attributes_free(&s->attributes);
    azm_json_attributes_free(&s->json);
    free(s);
    return NULL;
}

static void skip(struct azm_text *t, size_t n)
{
    t->s += n;
    t->len -= n;
}

static bool skip_text(struct azm_text *t, struct azm_text expected)
{
    if (t->len < expected.len || memcmp(t->s, expected.s, expected.len) != 0)
        return false;
    skip(t, expected.len);
    return true;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Up to the next blank, which must be there; fields may be empty, so it is one blank each. */
static bool take_field(struct azm_text *t, struct azm_text *ret)
{
    const char *blank = t->len > 0 ? memchr(t->s, ' ', t->len) : NULL;

    if (!blank)
        return false;
    *ret = (struct azm_text){t->s, (size_t)(blank - t->s)};
    skip(t, ret->len + 1);
    if (ret->len == 1 && *ret->s == '-')
        ret->len = 0;
    return true;
}

/* How long the zone at the end of a time is; 0: there is none. */
static size_t zone_len(struct azm_text t)
{
    const char *end = t.s + t.len;

    if (t.len > 0 && (end[-1] == 'Z' || end[-1] == 'z'))
        return 1;
    return t.len >= 6 && (end[-6] == '+' || end[-6] == '-') && end[-3] == ':' ? 6 : 0;
}

enum { SECONDS_LEN = 19 }; /* of 2003-10-11T22:14:15 */

/* The byte that rsyslog writes instead of a digit may be a blank: what follows is then at most two digits and the zone,
 * and no host. */
static void mend_time(struct azm_text *t, struct azm_text *time)
{
    struct azm_text rest = *t, more;
    size_t digits = 0;

    if (time->len != SECONDS_LEN + 1 || time->s[SECONDS_LEN] != '.' || !take_field(&rest, &more))
        return;
    while (digits < 2 && digits < more.len && is_digit(more.s[digits]))
        digits++;
    if (more.len > digits && zone_len(more) == more.len - digits) {
        time->len += 1 + more.len;
        *t = rest;
    }
}

static bool split(struct azm_text line, struct header *ret)
{
    const char *end;

    *ret = (struct header){0};
    if (!skip_text(&line, AZM_TEXT("<")))
        return false;
    end = memchr(line.s, '>', line.len < PRI_TEXT_MAX + 1 ? line.len : PRI_TEXT_MAX + 1);
    if (!end)
        return false;
    ret->pri = (struct azm_text){line.s, (size_t)(end - line.s)};
    skip(&line, ret->pri.len + 1);
    if (!skip_text(&line, AZM_TEXT("1 ")) || !take_field(&line, &ret->time))
        return false;
    mend_time(&line, &ret->time);
    if (!take_field(&line, &ret->host) || !take_field(&line, &ret->app) || !take_field(&line, &ret->procid) ||
        !take_field(&line, &ret->msgid))
        return false;
    ret->rest = line;
    return true;
}

/* 0 to 191, or -1 */
static int parse_pri(struct azm_text t)
{
    int pri = 0;

    if (t.len == 0 || t.len > 3)
        return -1;
    for (size_t i = 0; i < t.len; i++) {
        if (!is_digit(t.s[i]))
            return -1;
        pri = pri * 10 + (t.s[i] - '0');
    }
    return pri <= PRI_MAX ? pri : -1;
}

/* A time whose fraction rsyslog has broken is still right to the second. */
static bool parse_time(struct azm_text t, uint64_t *ret_nsec)
{
    char seconds[SECONDS_LEN + 6];
    size_t zone = zone_len(t);

    if (!azm_rfc3339_parse(t, ret_nsec)) {
        if (zone == 0 || t.len < SECONDS_LEN + 1 + zone || t.s[SECONDS_LEN] != '.')
            return false;
        memcpy(seconds, t.s, SECONDS_LEN);
        memcpy(seconds + SECONDS_LEN, t.s + t.len - zone, zone);
        if (!azm_rfc3339_parse((struct azm_text){seconds, SECONDS_LEN + zone}, ret_nsec))
            return false;
    }
    return *ret_nsec != 0; /* which means "unknown" to OTLP */
}

/* A process id: a plain number, which no system has of more than 18 digits. */
static bool parse_pid(struct azm_text t, int64_t *ret)
{
    int64_t pid = 0;

    if (t.len == 0 || t.len > 18)
        return false;
    for (size_t i = 0; i < t.len; i++) {
        if (!is_digit(t.s[i]))
            return false;
        pid = pid * 10 + (t.s[i] - '0');
    }
    *ret = pid;
    return true;
}

/* True if PRI is one. */
static bool take_header(struct azm_attributes *a, const struct header *h, struct azm_record *r)
{
    int pri = parse_pri(h->pri);
    int64_t pid;

    if (pri >= 0) {
        r->severity = pri & 7;
        azm_attributes_own_int(a, "syslog.facility", pri >> 3);
    } else
        azm_attributes_own_text(a, "syslog.pri", h->pri);
    if (!parse_time(h->time, &r->time_unix_nano)) {
        r->time_unix_nano = r->observed_time_unix_nano;
        if (h->time.len > 0)
            azm_attributes_own_text(a, "syslog.timestamp", h->time);
    }
    if (parse_pid(h->procid, &pid))
        azm_attributes_own_int(a, "process.pid", pid);
    if (h->procid.len > 0)
        azm_attributes_own_text(a, "syslog.procid", h->procid);
    if (h->msgid.len > 0)
        azm_attributes_own_text(a, "syslog.msgid", h->msgid);
    return pri >= 0;
}

static void take_meta(struct azm_attributes *a, const struct azm_syslog_meta *meta)
{
    if (meta->client.len > 0)
        azm_attributes_own_text(a, "client.address", meta->client);
    if (meta->input.len > 0)
        azm_attributes_own_text(a, "syslog.input", meta->input);
}

/* Takes structured data from the front of `rest`: 1; 0 if there is none that can be read, nothing is then taken; or
 * -ENOMEM. */
static int take_structured_data(struct azm_attributes *a, struct azm_text *rest, struct azm_record *r)
{
    struct azm_record with = *r;
    ssize_t n = azm_structured_data_read(*rest, a, &with);

    if (n < 0)
        return (int)n;
    if (n == 0 || ((size_t)n < rest->len && rest->s[n] != ' ')) {
        azm_attributes_forget_sent(a);
        return 0;
    }
    skip(rest, (size_t)n);
    *r = with;
    return 1;
}

/* The message proper of what follows structured data. The first blank is the format's, the second one that of an RFC
 * 3164 message, which stands between tag and text (journald leaves it out as well). */
static struct azm_text message(struct azm_text rest)
{
    skip_text(&rest, AZM_TEXT(" "));
    skip_text(&rest, AZM_TEXT(" "));
    skip_text(&rest, AZM_TEXT("\xEF\xBB\xBF"));
    return rest;
}

int azm_syslog_read(struct azm_syslog_reader *s, const struct azm_syslog_input *in, struct azm_syslog_message *ret)
{
    struct azm_attributes *a = &s->attributes;
    struct azm_syslog_message m = {.record.severity = -1};
    struct azm_record *r = &m.record;
    struct azm_text line = in->line;
    struct azm_syslog_meta meta;
    struct header header;
    bool well_formed = false;
    int k;

    if (line.len > 0 && line.s[line.len - 1] == '\n')
        line.len--;
    azm_attributes_begin(a);
    azm_syslog_meta_read(in->meta, &meta);
    r->observed_time_unix_nano = meta.received_usec ? meta.received_usec * AZM_NSEC_PER_USEC : in->now_unix_nano;
    r->time_unix_nano = r->observed_time_unix_nano;
    r->body = line;
    if (split(line, &header)) {
        well_formed = take_header(a, &header, r);
        m.host = header.host;
        m.app = header.app;
    }
    take_meta(a, &meta);
    if (header.rest.s) {
        k = take_structured_data(a, &header.rest, r);
        if (k < 0)
            return k;
        r->body = k > 0 ? message(header.rest) : header.rest;
        well_formed &= k > 0;
    }
    r->has_body = r->body.len > 0;

    k = azm_json_attributes_read(&s->json, in->attributes, a, r);
    if (k < 0)
        return k;
    if (!well_formed)
        azm_attributes_own_text(a, "syslog.malformed", AZM_TEXT("true"));
    if (a->n_dropped > 0)
        azm_attributes_own_int(a, "syslog.dropped_attributes", a->n_dropped);
    r->attributes = a->items;
    r->n_attributes = a->n;
    *ret = m;
    return 0;
}
