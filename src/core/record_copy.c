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

int azm_record_copy(const struct azm_record *r, size_t more, struct azm_record_copy *ret)
{
    size_t n_items = 0, n_attributes = r->n_attributes + more, bytes = r->resource.len + r->event_name.len;
    struct azm_attribute *attributes;
    struct azm_text *items;
    char *p;

    for (size_t i = 0; i < r->n_attributes; i++) {
        n_items += items_of(&r->attributes[i]);
        bytes += bytes_of(&r->attributes[i]);
    }
    bytes += n_attributes * sizeof *attributes + n_items * sizeof *items;
    attributes = malloc(bytes + 1); /* never 0 */
    if (!attributes)
        return -ENOMEM;
    items = (struct azm_text *)(attributes + n_attributes);
    p = (char *)(items + n_items);

    *ret = (struct azm_record_copy){.record = *r, .bytes = bytes, .memory = attributes};
    ret->record.body = (struct azm_text){0};
    ret->record.line = NULL;
    ret->record.resource = take(&p, r->resource);
    ret->record.event_name = take(&p, r->event_name);
    ret->record.attributes = attributes;
    for (size_t i = 0; i < r->n_attributes; i++) {
        const struct azm_attribute *a = &r->attributes[i];

        attributes[i] = *a;
        attributes[i].key = take(&p, a->key);
        if (a->type == AZM_VALUE_TEXT)
            attributes[i].text = take(&p, a->text);
        if (a->type != AZM_VALUE_TEXTS)
            continue;
        attributes[i].texts.items = items;
        for (size_t k = 0; k < a->texts.n; k++)
            *items++ = take(&p, a->texts.items[k]);
    }
    return 0;
}

void azm_record_copy_free(struct azm_record_copy *c)
{
    free(c->memory);
    *c = (struct azm_record_copy){0};
}
