/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/utf8.h"
#include "encode/any_value.h"
#include "encode/properties.h"

#define MARK_KEY "azmonlog.truncated"
#define DROPPED_KEY "azmonlog.dropped_attributes_count"
#define MARKS_MAX 128 /* both marks as JSON */

#define SHRINK_VALUES_FROM ((size_t)4096)
#define SHRINK_VALUES_TO ((size_t)64) /* a uid or a time stays whole */

void azm_properties_clear(struct azm_properties *l)
{
    azm_arena_reset(&l->arena);
    l->n = 0;
    l->dropped = 0;
    l->truncated = false;
}

void azm_properties_free(struct azm_properties *l)
{
    azm_arena_free(&l->arena);
    azm_buf_free(&l->scratch);
    free(l->items);
    memset(l, 0, sizeof *l);
}

static bool starts_with(struct azm_text t, struct azm_text prefix)
{
    return t.len >= prefix.len && memcmp(t.s, prefix.s, prefix.len) == 0;
}

static bool is_dear(const struct azm_property *p)
{
    return p->of_resource || starts_with(p->whole_key, AZM_TEXT("azmonlog.")) ||
           azm_text_equal(p->whole_key, AZM_TEXT("log.record.uid"));
}

static const struct azm_property *find(const struct azm_properties *l, struct azm_text key)
{
    for (size_t i = 0; i < l->n; i++)
        if (azm_text_equal(l->items[i].key.text, key))
            return &l->items[i];
    return NULL;
}

static struct azm_property *find_whole(const struct azm_properties *l, struct azm_text key)
{
    for (size_t i = 0; i < l->n; i++)
        if (azm_text_equal(l->items[i].whole_key, key))
            return &l->items[i];
    return NULL;
}

bool azm_properties_get(const struct azm_properties *l, struct azm_text key, struct azm_text *ret_value)
{
    const struct azm_property *p = find_whole(l, key);

    if (p && ret_value)
        *ret_value = p->whole_value;
    return p != NULL;
}

static int add(struct azm_properties *l, const struct azm_property *p)
{
    /* Finding duplicates takes time that grows with the square: there is a bound for everything. */
    if (l->n >= (is_dear(p) ? 2 * AZM_PROPERTIES_MAX : AZM_PROPERTIES_MAX) || find(l, p->key.text)) {
        l->dropped++;
        return 0;
    }
    if (l->n == l->allocated) {
        size_t more = l->allocated ? 2 * l->allocated : 32;
        struct azm_property *items = reallocarray(l->items, more, sizeof *items);

        if (!items)
            return -ENOMEM;
        l->items = items;
        l->allocated = more;
    }
    l->items[l->n++] = *p;
    return 0;
}

int azm_properties_add(struct azm_properties *l, struct azm_text key, struct azm_text value)
{
    struct azm_property p = {
        .whole_value = value,
        .value = azm_json_fit(value, AZM_PROPERTY_VALUE_UNITS, SIZE_MAX),
    };

    if (azm_utf8_valid_prefix(key.s, key.len) < key.len) { /* two of these may become one */
        azm_buf_clear(&l->scratch);
        if (azm_utf8_append_clean(&l->scratch, key.s, key.len) < 0)
            return -ENOMEM;
        key = (struct azm_text){azm_arena_copy(&l->arena, l->scratch.data, l->scratch.len), l->scratch.len};
        if (!key.s)
            return -ENOMEM;
    }
    p.whole_key = key;
    p.key = azm_json_fit(key, AZM_PROPERTY_KEY_UNITS, SIZE_MAX);
    return add(l, &p);
}

int azm_properties_add_key_value(struct azm_properties *l, struct azm_text kv)
{
    struct azm_text key, value, text;
    int r = azm_key_value_read(kv, &key, &value);

    if (r < 0)
        return r;
    r = azm_any_value_text(value, &l->scratch, &l->arena, &text);
    if (r < 0)
        return r;
    if (azm_text_equal(key, AZM_TEXT(MARK_KEY))) {
        l->truncated = true;
        return 0;
    }
    if (azm_text_equal(key, AZM_TEXT(DROPPED_KEY))) { /* ours, which is written anyway */
        l->dropped++;
        return 0;
    }
    return azm_properties_add(l, key, text);
}

int azm_properties_add_resource(struct azm_properties *l, const struct azm_properties *resource)
{
    l->dropped += resource->dropped;
    l->truncated |= resource->truncated;
    for (size_t i = 0; i < resource->n; i++) {
        struct azm_property p = resource->items[i], *same = find_whole(l, p.whole_key);

        p.of_resource = true;
        if (same) {
            l->dropped += !azm_text_equal(same->whole_value, p.whole_value);
            *same = p;
        } else if (add(l, &p) < 0)
            return -ENOMEM;
    }
    return 0;
}

bool azm_properties_take(struct azm_properties *l, struct azm_text key, struct azm_text *ret_value)
{
    struct azm_property *p = find_whole(l, key);

    if (!p)
        return false;
    *ret_value = p->whole_value;
    l->n--;
    memmove(p, p + 1, (size_t)(l->items + l->n - p) * sizeof *p);
    return true;
}

static size_t json_bytes(const struct azm_property *p)
{
    return p->key.json_bytes + p->value.json_bytes + (sizeof "\"\":\"\"," - 1);
}

/* The marks, each with a comma after it. */
static int print_marks(const struct azm_properties *l, char ret[static MARKS_MAX])
{
    bool truncated = l->truncated || l->dropped > 0;
    int n = 0;

    for (size_t i = 0; i < l->n && !truncated; i++)
        truncated = l->items[i].key.cut || l->items[i].value.cut;
    *ret = '\0';
    if (l->dropped > 0)
        n = snprintf(ret, MARKS_MAX, "\"" DROPPED_KEY "\":\"%" PRIu64 "\",", l->dropped);
    if (truncated)
        n += snprintf(ret + n, MARKS_MAX - (size_t)n, "\"" MARK_KEY "\":\"true\",");
    return n;
}

size_t azm_properties_json_bytes(const struct azm_properties *l)
{
    char marks[MARKS_MAX];
    size_t sum = (size_t)print_marks(l, marks);

    for (size_t i = 0; i < l->n; i++)
        sum += json_bytes(&l->items[i]);
    return sum > 0 ? sum - 1 : 0; /* no comma after the last one */
}

static void cut_values(struct azm_properties *l, size_t max_bytes)
{
    for (size_t i = 0; i < l->n; i++) {
        struct azm_json_text *v = &l->items[i].value;

        if (v->json_bytes > max_bytes)
            *v = azm_json_fit(v->text, SIZE_MAX, max_bytes);
    }
}

/* Leaves out some from the end, so that the list becomes about `excess` bytes smaller; the dear ones only if `all`. */
static void drop(struct azm_properties *l, size_t excess, bool all)
{
    size_t gone = 0, first = l->n, kept;

    while (first > 0 && gone < excess) {
        first--;
        if (all || !is_dear(&l->items[first]))
            gone += json_bytes(&l->items[first]);
    }
    kept = first;
    for (size_t i = first; i < l->n; i++)
        if (!all && is_dear(&l->items[i]))
            l->items[kept++] = l->items[i];
    l->dropped += l->n - kept;
    l->n = kept;
}

void azm_properties_shrink(struct azm_properties *l, size_t max_bytes)
{
    size_t bytes;

    for (size_t max = SHRINK_VALUES_FROM; azm_properties_json_bytes(l) > max_bytes && max >= SHRINK_VALUES_TO; max /= 2)
        cut_values(l, max);
    bytes = azm_properties_json_bytes(l);
    if (bytes <= max_bytes)
        return;
    /* The marks grow while others go. */
    drop(l, bytes - max_bytes + MARKS_MAX, false);
    bytes = azm_properties_json_bytes(l);
    if (bytes > max_bytes)
        drop(l, bytes - max_bytes + MARKS_MAX, true);
}

int azm_properties_append(const struct azm_properties *l, struct azm_buf *out)
{
    size_t start = out->len;
    char marks[MARKS_MAX];

    for (size_t i = 0; i < l->n; i++)
        if (azm_buf_append(out, "\"", 1) < 0 || azm_json_append(out, l->items[i].key.text) < 0 ||
            azm_buf_append(out, "\":\"", 3) < 0 || azm_json_append(out, l->items[i].value.text) < 0 ||
            azm_buf_append(out, "\",", 2) < 0)
            return -ENOMEM;
    if (azm_buf_append(out, marks, (size_t)print_marks(l, marks)) < 0)
        return -ENOMEM;
    if (out->len > start)
        out->len--; /* no comma after the last one */
    return 0;
}
