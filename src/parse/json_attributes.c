/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/utf8.h"
#include "parse/json_attributes.h"
#include "parse/trace_names.h"

struct reader {
    struct azm_json_attributes *j;
    struct azm_attributes *attributes;
    struct azm_record *record;
};

static int add_member(struct reader *p, struct azm_text key, json_t *value);

void azm_json_attributes_free(struct azm_json_attributes *j)
{
    json_decref(j->root);
    azm_buf_free(&j->clean);
    azm_buf_free(&j->key);
    *j = (struct azm_json_attributes){0};
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static struct azm_text trim(struct azm_text t)
{
    while (t.len > 0 && is_blank(*t.s))
        t.s++, t.len--;
    while (t.len > 0 && is_blank(t.s[t.len - 1]))
        t.len--;
    return t;
}

/* jansson follows the brackets by recursion, in a thread of rsyslog's. In damaged JSON the count may be of what are no
 * brackets at all; then it does not matter. */
static bool is_deep(struct azm_text t)
{
    bool in_text = false;
    size_t depth = 0;

    for (size_t i = 0; i < t.len; i++) {
        char c = t.s[i];

        if (in_text && c == '\\')
            i++;
        else if (c == '"')
            in_text = !in_text;
        else if (!in_text && (c == '{' || c == '[')) {
            if (++depth > AZM_JSON_DEPTH_MAX)
                return true;
        } else if (!in_text && (c == '}' || c == ']') && depth > 0)
            depth--;
    }
    return false;
}

static int copy_text(struct azm_attributes *a, struct azm_text *t)
{
    t->s = azm_arena_copy(&a->arena, t->s, t->len);
    return t->s ? 0 : -ENOMEM;
}

/* The shortest text that is this number again, whatever the daemon's locale has for a point. */
static struct azm_text print_real(double value, char *out, size_t size)
{
    int len = 0;

    for (int precision = 15; precision <= 17; precision++) {
        len = snprintf(out, size, "%.*g", precision, value);
        if (strtod(out, NULL) == value)
            break;
    }
    for (char *c = out; *c; c++)
        if (!strchr("0123456789+-e", *c))
            *c = '.';
    return (struct azm_text){out, (size_t)len};
}

/* A value as text: 0 or -ENOMEM. */
static int to_text(struct reader *p, const json_t *value, struct azm_text *ret)
{
    char digits[40], *dumped;
    int k;

    switch (json_typeof(value)) {
    case JSON_STRING:
        *ret = (struct azm_text){json_string_value(value), json_string_length(value)};
        return 0;
    case JSON_TRUE:
        *ret = AZM_TEXT("true");
        return 0;
    case JSON_FALSE:
        *ret = AZM_TEXT("false");
        return 0;
    case JSON_NULL:
        *ret = AZM_TEXT("null");
        return 0;
    case JSON_REAL:
        *ret = print_real(json_real_value(value), digits, sizeof digits);
        return copy_text(p->attributes, ret);
    case JSON_INTEGER:
        *ret = (struct azm_text){digits,
                                 (size_t)snprintf(digits, sizeof digits, "%lld", (long long)json_integer_value(value))};
        return copy_text(p->attributes, ret);
    case JSON_ARRAY:
    case JSON_OBJECT:
        break;
    }
    dumped = json_dumps(value, JSON_COMPACT);
    if (!dumped)
        return -ENOMEM;
    *ret = azm_text_of(dumped);
    k = copy_text(p->attributes, ret);
    free(dumped);
    return k;
}

static int add_array(struct reader *p, struct azm_text key, const json_t *array)
{
    size_t n = json_array_size(array);
    struct azm_text *items;

    if (n > AZM_SENT_VALUES_MAX) { /* not worth the work: it will not be taken */
        p->attributes->n_dropped++;
        return 0;
    }
    items = azm_arena_alloc(&p->attributes->arena, n * sizeof *items);
    if (!items)
        return -ENOMEM;
    for (size_t i = 0; i < n; i++)
        if (to_text(p, json_array_get(array, i), &items[i]) < 0)
            return -ENOMEM;
    return azm_attributes_add_texts(p->attributes, key, items, n);
}

/* The members of an object within another one; `key` has its name, which they get in front of theirs. */
static int add_members(struct reader *p, json_t *object)
{
    struct azm_buf *key = &p->j->key;
    size_t len = key->len;
    const char *name;
    json_t *value;
    int k;

    json_object_foreach(object, name, value)
    {
        size_t name_len = strlen(name);

        if (len + 1 + name_len > AZM_SENT_KEY_MAX) { /* also bounds what nested long names cost */
            p->attributes->n_dropped++;
            continue;
        }
        key->len = len;
        if (azm_buf_append(key, ".", 1) < 0 || azm_buf_append(key, name, name_len) < 0)
            return -ENOMEM;
        if (json_is_object(value))
            k = add_members(p, value);
        else {
            struct azm_text whole = {(const char *)key->data, key->len};

            if (copy_text(p->attributes, &whole) < 0)
                return -ENOMEM;
            k = add_member(p, whole, value);
        }
        if (k < 0)
            return k;
    }
    return 0;
}

static int add_member(struct reader *p, struct azm_text key, json_t *value)
{
    struct azm_text text;

    if (json_is_null(value))
        return 0;
    if (azm_attributes_full(p->attributes)) {
        p->attributes->n_dropped++;
        return 0;
    }
    switch (json_typeof(value)) {
    case JSON_OBJECT:
        azm_buf_clear(&p->j->key);
        if (key.len > AZM_SENT_KEY_MAX) {
            p->attributes->n_dropped++;
            return 0;
        }
        if (azm_buf_append(&p->j->key, key.s, key.len) < 0)
            return -ENOMEM;
        return add_members(p, value);
    case JSON_ARRAY:
        return add_array(p, key, value);
    case JSON_INTEGER:
        return azm_attributes_add_int(p->attributes, key, json_integer_value(value));
    default:
        if (to_text(p, value, &text) < 0)
            return -ENOMEM;
        return azm_attributes_add_text(p->attributes, key, text);
    }
}

static bool is_trace(struct reader *p, struct azm_text name, const json_t *value)
{
    char flags[3];

    if (json_is_string(value))
        return azm_trace_take(p->record, name, (struct azm_text){json_string_value(value), json_string_length(value)});
    if (!json_is_integer(value) || json_integer_value(value) < 0 || json_integer_value(value) > 0xFF)
        return false;
    snprintf(flags, sizeof flags, "%02x", (unsigned)json_integer_value(value)); /* as a number it can only be flags */
    return azm_trace_take(p->record, name, azm_text_of(flags));
}

int azm_json_attributes_add(struct azm_json_attributes *j, const char *name, json_t *value, struct azm_attributes *a,
                            struct azm_record *r)
{
    struct reader p = {.j = j, .attributes = a, .record = r};
    struct azm_text key = azm_text_of(name);

    return is_trace(&p, key, value) ? 0 : add_member(&p, key, value);
}

int azm_json_attributes_parse(struct azm_json_attributes *j, struct azm_text text)
{
    json_decref(j->root);
    j->root = NULL;
    text = trim(text);
    if (text.len == 0 || *text.s != '{' || text.len > AZM_JSON_BYTES_MAX || is_deep(text))
        return 0;
    if (azm_utf8_valid_prefix(text.s, text.len) < text.len) {
        azm_buf_clear(&j->clean);
        if (azm_utf8_append_clean(&j->clean, text.s, text.len) < 0)
            return -ENOMEM;
        text = azm_buf_text(&j->clean);
    }
    j->root = json_loadb(text.s, text.len, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, NULL);
    return j->root != NULL;
}

int azm_json_attributes_read(struct azm_json_attributes *j, struct azm_text text, struct azm_attributes *a,
                             struct azm_record *r)
{
    const char *name;
    json_t *value;
    int k = azm_json_attributes_parse(j, text);

    if (k < 0)
        return k;
    text = trim(text);
    if (k == 0)
        return text.len == 0 ? 0 : azm_attributes_add_text(a, AZM_TEXT("syslog.attributes"), text);
    json_object_foreach(j->root, name, value)
    {
        k = azm_json_attributes_add(j, name, value, a, r);
        if (k < 0)
            return k;
    }
    return 0;
}
