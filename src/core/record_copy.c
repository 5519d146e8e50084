/* SPDX-License-Identifier: MIT */
#include "core/record_copy.h"

#include <errno.h>
#include <stdlib.h>

static size_t items_of(const struct azm_attribute *a)
{
    return a->type == AZM_VALUE_TEXTS ? a->texts.n : 0;
}

/* What a text takes, beside its struct. */
static size_t bytes_of(const struct azm_attribute *a)
{
    size_t bytes = a->key.len;

    if (a->type == AZM_VALUE_TEXT)
        bytes += a->text.len;
    for (size_t i = 0; i < items_of(a); i++)
        bytes += a->texts.items[i].len;
    return bytes;
}

/* Copies the text to *p, which moves on. */
static struct azm_text take(char **p, struct azm_text t)
{
    struct azm_text copy = {*p, t.len};

    if (t.len > 0)
        memcpy(*p, t.s, t.len);
    *p += t.len;
    return copy;
}

/* What `n` of them take, with their texts. */
static size_t bytes_of_all(const struct azm_attribute *a, size_t n)
{
    size_t bytes = n * sizeof *a;

    for (size_t i = 0; i < n; i++)
        bytes += items_of(&a[i]) * sizeof *a[i].texts.items + bytes_of(&a[i]);
    return bytes;
}

/* Copies `n` of them to `to`; their items go to *items and their texts to *p, which both move on. */
static void take_all(const struct azm_attribute *a, size_t n, struct azm_attribute *to, struct azm_text **items,
                     char **p)
{
    for (size_t i = 0; i < n; i++) {
        to[i] = a[i];
        to[i].key = take(p, a[i].key);
        if (a[i].type == AZM_VALUE_TEXT)
            to[i].text = take(p, a[i].text);
        if (a[i].type != AZM_VALUE_TEXTS)
            continue;
        to[i].texts.items = *items;
        for (size_t k = 0; k < a[i].texts.n; k++)
            *(*items)++ = take(p, a[i].texts.items[k]);
    }
}

static size_t items_of_all(const struct azm_attribute *a, size_t n)
{
    size_t items = 0;

    for (size_t i = 0; i < n; i++)
        items += items_of(&a[i]);
    return items;
}

int azm_record_copy(const struct azm_record *r, size_t more, struct azm_record_copy *ret)
{
    size_t n_items = items_of_all(r->attributes, r->n_attributes) + items_of_all(r->fields, r->n_fields);
    size_t bytes = more * sizeof(struct azm_attribute) + bytes_of_all(r->attributes, r->n_attributes) +
                   bytes_of_all(r->fields, r->n_fields) + r->resource.len + r->event_name.len + r->service.len;
    struct azm_attribute *attributes, *fields;
    struct azm_text *items;
    char *p;

    attributes = malloc(bytes + 1); /* never 0 */
    if (!attributes)
        return -ENOMEM;
    fields = attributes + r->n_attributes + more;
    items = (struct azm_text *)(fields + r->n_fields);
    p = (char *)(items + n_items);

    *ret = (struct azm_record_copy){.record = *r, .bytes = bytes, .memory = attributes};
    ret->record.body = (struct azm_text){0};
    ret->record.line = NULL;
    ret->record.resource = take(&p, r->resource);
    ret->record.event_name = take(&p, r->event_name);
    ret->record.service = take(&p, r->service);
    ret->record.attributes = attributes;
    ret->record.fields = fields;
    take_all(r->attributes, r->n_attributes, attributes, &items, &p);
    take_all(r->fields, r->n_fields, fields, &items, &p);
    return 0;
}

void azm_record_copy_free(struct azm_record_copy *c)
{
    free(c->memory);
    *c = (struct azm_record_copy){0};
}
