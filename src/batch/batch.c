/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

#include "batch/batch.h"
#include "encode/scope.h"
#include "encode/wire.h"

/* Field numbers, as in proto/otlp_logs.proto */
enum { REQUEST_RESOURCE_LOGS = 1 };
enum { RESOURCE_LOGS_RESOURCE = 1, RESOURCE_LOGS_SCOPE_LOGS = 2 };
enum { SCOPE_LOGS_SCOPE = 1, SCOPE_LOGS_LOG_RECORDS = 2 };
enum { SCOPE_NAME = 1, SCOPE_VERSION = 2 };

#define SCOPE_NAME_LEN (sizeof(AZM_SCOPE_NAME) - 1)
#define SCOPE_VERSION_LEN (sizeof(AZM_SCOPE_VERSION) - 1)
#define SCOPE_CONTENT (2 + SCOPE_NAME_LEN + 2 + SCOPE_VERSION_LEN) /* both are shorter than 128 */
#define SCOPE_FIELD (2 + SCOPE_CONTENT)

#define GROUPS_MAX 256 /* bounds memory, whatever names programs invent */
#define GROUP_SLOTS ((size_t)2 * GROUPS_MAX)

/* The records of one resource: they will be the fields `log_records` of its ScopeLogs, one after the other. */
struct group {
    uint64_t hash; /* of the resource */
    struct azm_buf resource;
    size_t bytes; /* of its records */
    uint32_t first, last;
    size_t new_records, told_bytes; /* for azm_batch_take_volume */
};

struct entry {
    size_t start; /* in b->run */
    uint32_t len; /* key and length included */
    uint32_t group;
    uint32_t next; /* of the group; meaningless in its last one */
};

struct azm_batch {
    struct azm_batch_limits limits;
    struct group *groups;
    size_t n_groups;
    uint16_t by_hash[GROUP_SLOTS]; /* number of the group, from 1; 0: none. There is always a free one. */
    struct azm_buf run;            /* the records as fields, in the order in which they came */
    struct entry *entries;
    size_t n_entries, cap_entries;
    size_t bytes;
    struct azm_buf position;
    uint64_t oldest_usec;
};

static size_t scope_logs_content(size_t run)
{
    return SCOPE_FIELD + run;
}

static size_t resource_logs_content(size_t resource, size_t run)
{
    return azm_field_len(resource) + azm_field_len(scope_logs_content(run));
}

/* Bytes that a group takes in the request; none while it has no records. */
static size_t group_len(size_t resource, size_t run)
{
    return run > 0 ? azm_field_len(resource_logs_content(resource, run)) : 0;
}

int azm_batch_new(const struct azm_batch_limits *limits, struct azm_batch **ret)
{
    struct azm_batch *b = calloc(1, sizeof *b);

    if (!b)
        return -ENOMEM;
    b->limits = *limits;
    *ret = b;
    return 0;
}

void azm_batch_clear(struct azm_batch *b)
{
    for (size_t i = 0; i < b->n_groups; i++)
        azm_buf_free(&b->groups[i].resource);
    memset(b->by_hash, 0, sizeof b->by_hash);
    b->n_groups = b->n_entries = b->bytes = 0;
    azm_buf_clear(&b->run);
    azm_buf_clear(&b->position);
}

struct azm_batch *azm_batch_free(struct azm_batch *b)
{
    if (!b)
        return NULL;
    azm_batch_clear(b);
    free(b->groups);
    azm_buf_free(&b->run);
    free(b->entries);
    azm_buf_free(&b->position);
    free(b);
    return NULL;
}

static struct azm_text resource_of(const struct group *g)
{
    return (struct azm_text){(const char *)g->resource.data, g->resource.len};
}

/* Resources differ in their first attributes or in the last ones: there is no need to look at all of it. */
static uint64_t hash_of(struct azm_text resource)
{
    size_t n = MIN(resource.len, (size_t)48);

    return XXH3_64bits(resource.s, n) + 3 * XXH3_64bits(resource.s + resource.len - n, n);
}

/* Where the group of this resource is found, or is to be noted: a place in b->by_hash. */
static uint16_t *find_group(struct azm_batch *b, struct azm_text resource, uint64_t hash)
{
    size_t i = hash % GROUP_SLOTS;

    while (b->by_hash[i] > 0) {
        const struct group *g = &b->groups[b->by_hash[i] - 1];

        if (g->hash == hash && azm_text_equal(resource_of(g), resource))
            break;
        i = (i + 1) % GROUP_SLOTS;
    }
    return &b->by_hash[i];
}

static struct group *add_group(struct azm_batch *b, struct azm_text resource, uint64_t hash, uint16_t *number)
{
    struct group *g, *groups = reallocarray(b->groups, b->n_groups + 1, sizeof *groups);

    if (!groups)
        return NULL;
    b->groups = groups;
    g = &groups[b->n_groups];
    *g = (struct group){.hash = hash};
    if (azm_buf_append(&g->resource, resource.s, resource.len) < 0)
        return NULL;
    *number = (uint16_t)++b->n_groups;
    return g;
}

static int reserve_entry(struct azm_batch *b)
{
    size_t cap = MAX(b->cap_entries * 2, (size_t)64);
    struct entry *e;

    if (b->n_entries < b->cap_entries)
        return 0;
    e = reallocarray(b->entries, cap, sizeof *e);
    if (!e)
        return -ENOMEM;
    b->entries = e;
    b->cap_entries = cap;
    return 0;
}

/* Notes the record behind b->run as one of this group's. There is room for the entry. */
static void add_entry(struct azm_batch *b, struct group *g, size_t len)
{
    uint32_t i = (uint32_t)b->n_entries++;

    b->entries[i] = (struct entry){.start = b->run.len, .len = (uint32_t)len, .group = (uint32_t)(g - b->groups)};
    if (g->bytes > 0)
        b->entries[g->last].next = i;
    else
        g->first = i;
    g->last = i;
    g->bytes += len;
    g->new_records++;
    b->run.len += len;
}

static int add(struct azm_batch *b, struct azm_text resource, struct azm_text record,
               const struct azm_batch_limits *limits)
{
    uint64_t hash = hash_of(resource);
    uint16_t *number = find_group(b, resource, hash);
    struct group *g = *number > 0 ? &b->groups[*number - 1] : NULL;
    size_t run = g ? g->bytes : 0, field = azm_field_len(record.len);
    size_t bytes = b->bytes - group_len(resource.len, run) + group_len(resource.len, run + field);

    if (field > UINT32_MAX || b->n_entries == UINT32_MAX)
        return -ENOMEM;
    if (b->n_entries > 0 && (bytes > limits->bytes || b->n_entries >= limits->records))
        return 0;
    if (!g && b->n_groups == GROUPS_MAX)
        return 0;
    if (!g)
        g = add_group(b, resource, hash, number);
    if (!g || reserve_entry(b) < 0 || azm_buf_reserve(&b->run, field) < 0)
        return -ENOMEM;
    azm_put_bytes(b->run.data + b->run.len, SCOPE_LOGS_LOG_RECORDS, record.s, record.len);
    add_entry(b, g, field);
    b->bytes = bytes;
    return 1;
}

int azm_batch_add(struct azm_batch *b, struct azm_text resource, const struct azm_buf *record)
{
    return add(b, resource, (struct azm_text){(const char *)record->data, record->len}, &b->limits);
}

int azm_batch_add_beyond(struct azm_batch *b, struct azm_text resource, const struct azm_buf *record)
{
    const struct azm_batch_limits limits = {.records = SIZE_MAX, .bytes = b->limits.bytes};

    return add(b, resource, (struct azm_text){(const char *)record->data, record->len}, &limits);
}

int azm_batch_add_text(struct azm_batch *b, struct azm_text resource, struct azm_text record)
{
    static const struct azm_batch_limits no_limits = {.records = SIZE_MAX, .bytes = SIZE_MAX};
    int r = add(b, resource, record, &no_limits);

    return r == 0 ? -ENOMEM : r;
}

/* The records of one ResourceLogs. */
static int add_resource_logs(struct azm_batch *b, const uint8_t *p, size_t len)
{
    const uint8_t *end = p + len;
    struct azm_text resource = {"", 0};
    struct azm_wire_field f, g;
    int r;

    while ((r = azm_wire_next(&p, end, &f)) > 0) {
        const uint8_t *q = f.data, *q_end = f.data ? f.data + f.len : NULL;

        if (f.number == RESOURCE_LOGS_RESOURCE && f.type == AZM_WIRE_LEN)
            resource = (struct azm_text){(const char *)f.data, f.len};
        if (f.number != RESOURCE_LOGS_SCOPE_LOGS || f.type != AZM_WIRE_LEN)
            continue;
        while ((r = azm_wire_next(&q, q_end, &g)) > 0) {
            if (g.number != SCOPE_LOGS_LOG_RECORDS || g.type != AZM_WIRE_LEN)
                continue;
            r = azm_batch_add_text(b, resource, (struct azm_text){(const char *)g.data, g.len});
            if (r < 0)
                return r;
        }
        if (r < 0)
            return r;
    }
    return r;
}

int azm_batch_add_request(struct azm_batch *b, const void *data, size_t len)
{
    const uint8_t *p = data, *end = p + len;
    struct azm_wire_field f;
    int r;

    while ((r = azm_wire_next(&p, end, &f)) > 0)
        if (f.number == REQUEST_RESOURCE_LOGS && f.type == AZM_WIRE_LEN) {
            r = add_resource_logs(b, f.data, f.len);
            if (r < 0)
                return r;
        }
    return r;
}

size_t azm_batch_half(const struct azm_batch *b, size_t first, size_t n)
{
    size_t all = 0, half = 0, i;

    for (i = first; i < first + n; i++)
        all += b->entries[i].len;
    for (i = first; i < first + n - 1 && half < all / 2; i++)
        half += b->entries[i].len;
    return MAX(i - first, (size_t)1);
}

void azm_batch_get(const struct azm_batch *b, size_t i, struct azm_text *ret_resource, struct azm_text *ret_record)
{
    const struct entry *e = &b->entries[i];
    const uint8_t *p = b->run.data + e->start, *end = p + e->len;
    struct azm_wire_field f = {0};

    azm_wire_next(&p, end, &f); /* it was written by `add` */
    *ret_resource = resource_of(&b->groups[e->group]);
    *ret_record = (struct azm_text){(const char *)f.data, f.len};
}

size_t azm_batch_records(const struct azm_batch *b)
{
    return b->n_entries;
}

size_t azm_batch_bytes(const struct azm_batch *b)
{
    return b->bytes;
}

bool azm_batch_full(const struct azm_batch *b)
{
    return b->n_entries >= b->limits.records;
}

size_t azm_batch_room(const struct azm_batch *b)
{
    if (b->n_groups == GROUPS_MAX) /* the next record may not fit, however small */
        return 0;
    return b->bytes < b->limits.bytes ? b->limits.bytes - b->bytes : 0;
}

struct azm_buf *azm_batch_position(struct azm_batch *b)
{
    return &b->position;
}

/* Appends a group with those of its records that are among first .. end - 1; they take `len` bytes. */
static int put_group(const struct azm_batch *b, const struct group *g, size_t first, size_t end, size_t len,
                     struct azm_buf *out)
{
    size_t scope_logs = scope_logs_content(len);
    size_t content = resource_logs_content(g->resource.len, len);
    uint8_t *p;

    if (azm_buf_reserve(out, azm_field_len(content)) < 0)
        return -ENOMEM;
    p = azm_put_len_key(out->data + out->len, REQUEST_RESOURCE_LOGS, content);
    p = azm_put_bytes(p, RESOURCE_LOGS_RESOURCE, g->resource.data, g->resource.len);
    p = azm_put_len_key(p, RESOURCE_LOGS_SCOPE_LOGS, scope_logs);
    p = azm_put_len_key(p, SCOPE_LOGS_SCOPE, SCOPE_CONTENT);
    p = azm_put_bytes(p, SCOPE_NAME, AZM_SCOPE_NAME, SCOPE_NAME_LEN);
    p = azm_put_bytes(p, SCOPE_VERSION, AZM_SCOPE_VERSION, SCOPE_VERSION_LEN);
    out->len = (size_t)(p - out->data) + len;
    for (size_t i = g->first; len > 0; i = b->entries[i].next) {
        const struct entry *e = &b->entries[i];

        if (i < first || i >= end)
            continue;
        p = mempcpy(p, b->run.data + e->start, e->len);
        len -= e->len;
    }
    return 0;
}

int azm_batch_serialize(const struct azm_batch *b, size_t first, size_t n, struct azm_buf *out)
{
    size_t bytes[GROUPS_MAX] = {0}; /* of each group's records among these */

    for (size_t i = first; i < first + n; i++)
        bytes[b->entries[i].group] += b->entries[i].len;

    azm_buf_clear(out);
    for (size_t k = 0; k < b->n_groups; k++)
        if (bytes[k] > 0) {
            int r = put_group(b, &b->groups[k], first, first + n, bytes[k], out);

            if (r < 0)
                return r;
        }
    return 0;
}

uint64_t *azm_batch_oldest_usec(struct azm_batch *b)
{
    return &b->oldest_usec;
}

size_t azm_batch_resources(const struct azm_batch *b)
{
    return b->n_groups;
}

void azm_batch_take_volume(struct azm_batch *b, size_t i, struct azm_text *ret_resource, size_t *ret_records,
                           size_t *ret_bytes)
{
    struct group *g = &b->groups[i];

    *ret_resource = (struct azm_text){(const char *)g->resource.data, g->resource.len};
    *ret_records = g->new_records;
    *ret_bytes = g->bytes - g->told_bytes;
    g->new_records = 0;
    g->told_bytes = g->bytes;
}
