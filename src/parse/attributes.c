/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/cleanup.h"
#include "parse/attributes.h"

void azm_attributes_begin(struct azm_attributes *a)
{
    azm_arena_reset(&a->arena);
    a->n_own = 0;
    azm_attributes_forget_sent(a);
}

void azm_attributes_free(struct azm_attributes *a)
{
    azm_arena_free(&a->arena);
}

void azm_attributes_forget_sent(struct azm_attributes *a)
{
    a->n = a->n_own;
    a->n_sent_values = 0;
    a->sent_bytes = 0;
    a->n_dropped = 0;
}

/* Room for one more at the end of the own ones; NULL if the caller has more than he said. */
static struct azm_attribute *next_own(struct azm_attributes *a, const char *key)
{
    struct azm_attribute *next = &a->items[a->n_own];

    if (a->n_own == AZM_OWN_ATTRIBUTES_MAX)
        return NULL;
    memmove(next + 1, next, (a->n - a->n_own) * sizeof *next);
    a->n_own++;
    a->n++;
    *next = (struct azm_attribute){.key = azm_text_of(key)};
    return next;
}

void azm_attributes_own_text(struct azm_attributes *a, const char *key, struct azm_text value)
{
    struct azm_attribute *next = next_own(a, key);

    if (next)
        next->text = value;
}

void azm_attributes_own_int(struct azm_attributes *a, const char *key, int64_t value)
{
    struct azm_attribute *next = next_own(a, key);

    if (!next)
        return;
    next->type = AZM_VALUE_INT;
    next->integer = value;
}

static bool is_reserved(struct azm_text key)
{
    static const char prefix[] = "azmonlog."; /* the encoder's; client.address and syslog.input are rsyslog's */

    return azm_text_equal(key, AZM_TEXT("log.record.uid")) || azm_text_equal(key, AZM_TEXT("syslog.malformed")) ||
           azm_text_equal(key, AZM_TEXT("syslog.dropped_attributes")) ||
           azm_text_equal(key, AZM_TEXT("client.address")) || azm_text_equal(key, AZM_TEXT("syslog.input")) ||
           (key.len >= sizeof(prefix) - 1 && memcmp(key.s, prefix, sizeof(prefix) - 1) == 0);
}

/* The attribute of this name, the place for a new one, or NULL if it is to be left out, which is then counted. */
static struct azm_attribute *find_place(struct azm_attributes *a, struct azm_text key, size_t n_values,
                                        size_t value_bytes)
{
    size_t i = 0;

    if (key.len == 0 || key.len > AZM_SENT_KEY_MAX || n_values > AZM_SENT_VALUES_MAX - a->n_sent_values ||
        value_bytes + key.len > AZM_SENT_BYTES_MAX - a->sent_bytes || is_reserved(key))
        goto drop;
    a->n_sent_values += n_values; /* also if it is left out in the end: looking for it has been work */
    while (i < a->n && !azm_text_equal(a->items[i].key, key))
        i++;
    if (i < a->n_own || i == a->n_own + AZM_SENT_ATTRIBUTES_MAX)
        goto drop;
    a->sent_bytes += value_bytes + key.len;
    return &a->items[i];

drop:
    a->n_dropped++;
    return NULL;
}

/* An integer as text, in the arena. */
static int print_int(struct azm_attributes *a, int64_t value, struct azm_text *ret)
{
    char digits[24];

    ret->len = (size_t)snprintf(digits, sizeof digits, "%lld", (long long)value);
    ret->s = azm_arena_copy(&a->arena, digits, ret->len);
    return ret->s ? 0 : -ENOMEM;
}

/* Arrays have room for a power of two, so that many equal names cost no more than their number. */
static size_t room_for(size_t n)
{
    size_t room = 4;

    while (room < n)
        room *= 2;
    return n == 0 ? 0 : room;
}

/* Makes `at` an array of what it has and n more. */
static int append(struct azm_attributes *a, struct azm_attribute *at, const struct azm_text *more, size_t n)
{
    struct azm_text first = {0}, *items = NULL;
    const struct azm_text *old = &first;
    size_t n_old = 1;

    if (at->type == AZM_VALUE_TEXTS) {
        old = at->texts.items;
        n_old = at->texts.n;
        if (room_for(n_old) == room_for(n_old + n))
            items = (struct azm_text *)old;
    } else if (at->type == AZM_VALUE_TEXT)
        first = at->text;
    else if (print_int(a, at->integer, &first) < 0)
        return -ENOMEM;
    if (!items) {
        items = azm_arena_alloc(&a->arena, room_for(n_old + n) * sizeof *items);
        if (!items)
            return -ENOMEM;
        if (n_old > 0)
            memcpy(items, old, n_old * sizeof *items);
    }
    if (n > 0)
        memcpy(items + n_old, more, n * sizeof *items);
    at->type = AZM_VALUE_TEXTS;
    at->texts.items = items;
    at->texts.n = n_old + n;
    return 0;
}

int azm_attributes_add_text(struct azm_attributes *a, struct azm_text key, struct azm_text value)
{
    struct azm_attribute *at = find_place(a, key, 1, value.len);

    if (!at)
        return 0;
    if (at < &a->items[a->n])
        return append(a, at, &value, 1);
    *at = (struct azm_attribute){.key = key, .type = AZM_VALUE_TEXT, .text = value};
    a->n++;
    return 0;
}

int azm_attributes_add_int(struct azm_attributes *a, struct azm_text key, int64_t value)
{
    struct azm_attribute *at = find_place(a, key, 1, sizeof value);
    struct azm_text text;

    if (!at)
        return 0;
    if (at < &a->items[a->n]) {
        if (print_int(a, value, &text) < 0)
            return -ENOMEM;
        return append(a, at, &text, 1);
    }
    *at = (struct azm_attribute){.key = key, .type = AZM_VALUE_INT, .integer = value};
    a->n++;
    return 0;
}

int azm_attributes_add_texts(struct azm_attributes *a, struct azm_text key, const struct azm_text *items, size_t n)
{
    struct azm_attribute *at;
    size_t bytes = 0;

    for (size_t i = 0; i < n; i++)
        bytes += items[i].len;
    at = find_place(a, key, MAX(n, (size_t)1), bytes);
    if (!at)
        return 0;
    if (at == &a->items[a->n]) {
        *at = (struct azm_attribute){.key = key, .type = AZM_VALUE_TEXTS};
        a->n++;
    }
    return append(a, at, items, n);
}
