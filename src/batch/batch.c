/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

#include "batch/batch.h"
#include "encode/otlp_request.h"
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

#define RUN_MAX ((size_t)4 * 1024 * 1024) /* more than any destination takes in one request */

/* The records of one resource: they will be the fields `log_records` of its ScopeLogs, one after the other. */
struct group {
    uint64_t hash;        /* of the resource */
    size_t start, len;    /* the resource, in b->resources */
    size_t bytes;         /* of its records */
    size_t request_bytes; /* that it takes in the request */
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
    struct group *groups; /* as many as names that programs invent: what bounds them is the bytes that each takes */
    size_t n_groups, cap_groups;
    size_t last_group; /* in which a record was put last: a source often has several of a resource in a row */
    uint32_t *by_hash; /* 2 * cap_groups numbers of groups, from 1; 0: none. There is always a free one. */
    struct azm_buf resources;
    struct azm_buf run; /* the records as fields, in the order in which they came */
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

/* Bytes that a group takes in the request. */
static size_t group_len(size_t resource, size_t run)
{
    return azm_field_len(resource_logs_content(resource, run));
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
    if (b->n_groups > 0)
        memset(b->by_hash, 0, 2 * b->cap_groups * sizeof *b->by_hash);
    b->n_groups = b->n_entries = b->bytes = 0;
    azm_buf_clear(&b->resources);
    azm_buf_clear(&b->run);
    azm_buf_clear(&b->position);
}

struct azm_batch *azm_batch_free(struct azm_batch *b)
{
    if (!b)
        return NULL;
    free(b->groups);
    free(b->by_hash);
    azm_buf_free(&b->resources);
    azm_buf_free(&b->run);
    free(b->entries);
    azm_buf_free(&b->position);
    free(b);
    return NULL;
}

static struct azm_text resource_of(const struct azm_batch *b, const struct group *g)
{
    return (struct azm_text){(const char *)b->resources.data + g->start, g->len};
}

/* Resources differ in service and host, which come first, or in the last attributes: there is no need to look at all of
 * it. */
static uint64_t hash_of(struct azm_text resource)
{
    size_t first = MIN(resource.len, (size_t)128), last = MIN(resource.len, (size_t)48);

    return XXH3_64bits(resource.s, first) + 3 * XXH3_64bits(resource.s + resource.len - last, last);
}

static bool is_last(const struct azm_batch *b, struct azm_text resource)
{
    return b->n_groups > 0 && azm_text_equal(resource_of(b, &b->groups[b->last_group]), resource);
}

/* The group of this resource, or NULL. */
static struct group *find_group(const struct azm_batch *b, struct azm_text resource, uint64_t hash)
{
    size_t mask = 2 * b->cap_groups - 1;

    if (b->n_groups == 0)
        return NULL;
    for (size_t i = hash & mask; b->by_hash[i] > 0; i = (i + 1) & mask) {
        struct group *g = &b->groups[b->by_hash[i] - 1];

        if (g->hash == hash && azm_text_equal(resource_of(b, g), resource))
            return g;
    }
    return NULL;
}

/* So that find_group finds the group. */
static void note_group(struct azm_batch *b, size_t number)
{
    size_t mask = 2 * b->cap_groups - 1, i = b->groups[number].hash & mask;

    while (b->by_hash[i] > 0)
        i = (i + 1) & mask;
    b->by_hash[i] = (uint32_t)number + 1;
}

static int reserve_group(struct azm_batch *b)
{
    size_t cap = MAX(b->cap_groups * 2, (size_t)32);
    struct group *groups;
    uint32_t *by_hash;

    if (b->n_groups < b->cap_groups)
        return 0;
    groups = reallocarray(b->groups, cap, sizeof *groups);
    if (!groups)
        return -ENOMEM;
    b->groups = groups;
    by_hash = calloc(2 * cap, sizeof *by_hash);
    if (!by_hash)
        return -ENOMEM;
    free(b->by_hash);
    b->by_hash = by_hash;
    b->cap_groups = cap;
    for (size_t i = 0; i < b->n_groups; i++)
        note_group(b, i);
    return 0;
}

static struct group *add_group(struct azm_batch *b, struct azm_text resource, uint64_t hash)
{
    struct group g = {.hash = hash, .start = b->resources.len, .len = resource.len};

    if (reserve_group(b) < 0 || azm_buf_append(&b->resources, resource.s, resource.len) < 0)
        return NULL;
    b->groups[b->n_groups] = g;
    note_group(b, b->n_groups);
    return &b->groups[b->n_groups++];
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

/* A batch that may become large has room for all of it from the start: memory that is not written to costs nothing, and
 * growing would leave holes of half its size. */
static int reserve_run(struct azm_batch *b, size_t bytes)
{
    return azm_buf_reserve(&b->run, b->run.cap > 0 || b->limits.bytes > RUN_MAX ? bytes : MAX(bytes, b->limits.bytes));
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
    bool same = is_last(b, resource);
    uint64_t hash = same ? 0 : hash_of(resource);
    struct group *g = same ? &b->groups[b->last_group] : find_group(b, resource, hash);
    size_t field = azm_field_len(record.len), request_bytes = group_len(resource.len, (g ? g->bytes : 0) + field);
    size_t bytes = b->bytes - (g ? g->request_bytes : 0) + request_bytes;

    if (field > UINT32_MAX || b->n_entries == UINT32_MAX)
        return -ENOMEM;
    if (b->n_entries > 0 && (bytes > limits->bytes || b->n_entries >= limits->records))
        return 0;
    if (!g)
        g = add_group(b, resource, hash);
    if (!g || reserve_entry(b) < 0 || reserve_run(b, field) < 0)
        return -ENOMEM;
    azm_put_bytes(b->run.data + b->run.len, SCOPE_LOGS_LOG_RECORDS, record.s, record.len);
    add_entry(b, g, field);
    g->request_bytes = request_bytes;
    b->last_group = (size_t)(g - b->groups);
    b->bytes = bytes;
    return 1;
}

int azm_batch_add(struct azm_batch *b, struct azm_text resource, struct azm_text record)
{
    return add(b, resource, record, &b->limits);
}

int azm_batch_add_beyond(struct azm_batch *b, struct azm_text resource, struct azm_text record)
{
    const struct azm_batch_limits limits = {.records = SIZE_MAX, .bytes = b->limits.bytes};

    return add(b, resource, record, &limits);
}

int azm_batch_add_anyway(struct azm_batch *b, struct azm_text resource, struct azm_text record)
{
    static const struct azm_batch_limits no_limits = {.records = SIZE_MAX, .bytes = SIZE_MAX};

    return add(b, resource, record, &no_limits);
}

int azm_batch_add_request(struct azm_batch *b, const void *data, size_t len)
{
    struct azm_otlp_request q = azm_otlp_request_of(data, len);
    struct azm_text resource, record;
    int r;

    while ((r = azm_otlp_request_next(&q, &resource, &record)) > 0) {
        r = azm_batch_add_anyway(b, resource, record);
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
    *ret_resource = resource_of(b, &b->groups[e->group]);
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
    return b->bytes < b->limits.bytes ? b->limits.bytes - b->bytes : 0;
}

struct azm_buf *azm_batch_position(struct azm_batch *b)
{
    return &b->position;
}

/* What of a group is in a stretch of records. */
struct part {
    size_t bytes;
    uint32_t first;
};

static int put_group(const struct azm_batch *b, const struct group *g, const struct part *part, struct azm_buf *out)
{
    struct azm_text resource = resource_of(b, g);
    size_t content = resource_logs_content(resource.len, part->bytes), left = part->bytes;
    uint8_t *p;

    if (azm_buf_reserve(out, azm_field_len(content)) < 0)
        return -ENOMEM;
    p = azm_put_len_key(out->data + out->len, REQUEST_RESOURCE_LOGS, content);
    p = azm_put_bytes(p, RESOURCE_LOGS_RESOURCE, resource.s, resource.len);
    p = azm_put_len_key(p, RESOURCE_LOGS_SCOPE_LOGS, scope_logs_content(part->bytes));
    p = azm_put_len_key(p, SCOPE_LOGS_SCOPE, SCOPE_CONTENT);
    p = azm_put_bytes(p, SCOPE_NAME, AZM_SCOPE_NAME, SCOPE_NAME_LEN);
    p = azm_put_bytes(p, SCOPE_VERSION, AZM_SCOPE_VERSION, SCOPE_VERSION_LEN);
    for (size_t i = part->first; left > 0; i = b->entries[i].next) {
        const struct entry *e = &b->entries[i];

        p = mempcpy(p, b->run.data + e->start, e->len);
        left -= e->len;
    }
    out->len = (size_t)(p - out->data);
    return 0;
}

int azm_batch_serialize(const struct azm_batch *b, size_t first, size_t n, struct azm_buf *out)
{
    _cleanup_free_ struct part *parts = calloc(MAX(b->n_groups, (size_t)1), sizeof *parts);
    int r = 0;

    azm_buf_clear(out);
    if (!parts)
        return -ENOMEM;
    for (size_t i = first; i < first + n; i++) {
        struct part *part = &parts[b->entries[i].group];

        if (part->bytes == 0)
            part->first = (uint32_t)i;
        part->bytes += b->entries[i].len;
    }
    for (size_t k = 0; k < b->n_groups && r == 0; k++)
        if (parts[k].bytes > 0)
            r = put_group(b, &b->groups[k], &parts[k], out);
    return r;
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

    *ret_resource = resource_of(b, g);
    *ret_records = g->new_records;
    *ret_bytes = g->bytes - g->told_bytes;
    g->new_records = 0;
    g->told_bytes = g->bytes;
}
