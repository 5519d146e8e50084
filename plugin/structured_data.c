/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "parse/trace_names.h"
#include "plugin/structured_data.h"

struct reader {
    const char *at, *end;
    struct azm_attributes *attributes;
    struct azm_record *record;
};

/* SD-NAME: visible ASCII but for = ] and quotes. Of any length: longer ones than the RFC's 32 are in use. */
static bool read_name(struct reader *p, struct azm_text *ret)
{
    ret->s = p->at;
    while (p->at<p->end && * p->at> ' ' && *p->at < 0x7F && *p->at != '=' && *p->at != ']' && *p->at != '"')
        p->at++;
    ret->len = (size_t)(p->at - ret->s);
    return ret->len > 0;
}

/* What stands between quotes; escapes are still in it. */
static bool read_value(struct reader *p, struct azm_text *ret, bool *ret_escapes)
{
    *ret_escapes = false;
    if (p->end - p->at < 2 || p->at[0] != '=' || p->at[1] != '"')
        return false;
    p->at += 2;
    ret->s = p->at;
    while (p->at < p->end && *p->at != '"') {
        if (*p->at == '\\') {
            *ret_escapes = true;
            p->at++; /* whatever comes next is not the end */
            if (p->at == p->end)
                return false;
        }
        p->at++;
    }
    if (p->at == p->end)
        return false;
    ret->len = (size_t)(p->at - ret->s);
    p->at++;
    return true;
}

/* A backslash before anything but " \ ] is an ordinary one (section 6.3.3). */
static int undo_escapes(struct reader *p, struct azm_text *value)
{
    char *out = azm_arena_alloc(&p->attributes->arena, value->len);
    size_t n = 0;

    if (!out)
        return -ENOMEM;
    for (size_t i = 0; i < value->len; i++) {
        if (value->s[i] == '\\' && i + 1 < value->len && memchr("\"\\]", value->s[i + 1], 3))
            i++;
        out[n++] = value->s[i];
    }
    *value = (struct azm_text){out, n};
    return 0;
}

static int make_key(struct reader *p, struct azm_text id, struct azm_text name, struct azm_text *ret)
{
    static const char prefix[] = "syslog.";
    size_t prefix_len = sizeof(prefix) - 1, len = prefix_len + id.len + (name.len > 0) + name.len;
    char *key = azm_arena_alloc(&p->attributes->arena, len);

    if (!key)
        return -ENOMEM;
    memcpy(key, prefix, prefix_len);
    memcpy(key + prefix_len, id.s, id.len);
    if (name.len > 0) {
        key[prefix_len + id.len] = '.';
        memcpy(key + len - name.len, name.s, name.len);
    }
    *ret = (struct azm_text){key, len};
    return 0;
}

static int add(struct reader *p, struct azm_text id, struct azm_text name, struct azm_text value)
{
    struct azm_text key;

    /* Of what will be left out not even the name is made: this is where a flood of parameters ends. */
    if (azm_attributes_full(p->attributes) || id.len + name.len > AZM_SENT_KEY_MAX) {
        p->attributes->n_dropped++;
        return 0;
    }
    if (make_key(p, id, name, &key) < 0)
        return -ENOMEM;
    return azm_attributes_add_text(p->attributes, key, value);
}

/* 1, 0 if it is none, or -ENOMEM */
static int read_parameter(struct reader *p, struct azm_text id)
{
    struct azm_text name, value;
    bool escapes;

    if (!read_name(p, &name) || !read_value(p, &value, &escapes))
        return 0;
    if (escapes && !azm_attributes_full(p->attributes) && undo_escapes(p, &value) < 0)
        return -ENOMEM;
    if (azm_text_equal(id, AZM_TEXT("opentelemetry")) && azm_trace_take(p->record, name, value))
        return 1;
    return add(p, id, name, value) < 0 ? -ENOMEM : 1;
}

static bool skip_blanks(struct reader *p)
{
    const char *start = p->at;

    while (p->at < p->end && *p->at == ' ')
        p->at++;
    return p->at > start;
}

/* The same */
static int read_element(struct reader *p)
{
    bool any = false;
    struct azm_text id;
    int k;

    p->at++; /* the bracket */
    if (!read_name(p, &id))
        return 0;
    for (;;) {
        bool blanks = skip_blanks(p);

        if (p->at == p->end)
            return 0;
        if (*p->at == ']')
            break;
        if (!blanks)
            return 0;
        k = read_parameter(p, id);
        if (k <= 0)
            return k;
        any = true;
    }
    p->at++;
    if (!any && add(p, id, (struct azm_text){0}, AZM_TEXT("")) < 0)
        return -ENOMEM;
    return 1;
}

ssize_t azm_structured_data_read(struct azm_text t, struct azm_attributes *a, struct azm_record *r)
{
    struct reader p = {.at = t.s, .end = t.s + t.len, .attributes = a, .record = r};

    if (t.len > 0 && *t.s == '-')
        return 1;
    while (p.at < p.end && *p.at == '[') {
        int k = read_element(&p);

        if (k <= 0)
            return k;
    }
    return p.at - t.s;
}
