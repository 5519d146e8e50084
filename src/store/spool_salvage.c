/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "store/spool_salvage.h"

#define PAGE AZM_SPOOL_PAGE_BYTES
#define LEAF 0x0d             /* first byte of a page with rows of a table */
#define LOCAL_MAX (PAGE - 35) /* a cell's bytes in its page */
#define LOCAL_MIN ((PAGE - 12) * 32 / 255 - 23)
#define COLUMNS_MAX 9
#define ROW_COLUMNS 6
#define META_COLUMNS 9

struct cell {
    uint64_t id, len;
    const uint8_t *local;
    size_t local_len;
    uint32_t overflow; /* page; 0: all of it is local */
};

struct record {
    unsigned n;
    uint64_t types[COLUMNS_MAX];
    uint64_t at[COLUMNS_MAX];
};

static uint64_t get(const uint8_t *p, size_t n)
{
    uint64_t v = 0;

    for (size_t i = 0; i < n; i++)
        v = v << 8 | p[i];
    return v;
}

/* 7 bits in each byte, most significant first; 8 in the ninth. Bytes used; 0: it is cut off. */
static size_t varint(const uint8_t *p, size_t len, uint64_t *ret)
{
    uint64_t v = 0;

    for (size_t i = 0; i < len && i < 9; i++) {
        if (i == 8) {
            *ret = v << 8 | p[i];
            return 9;
        }
        v = v << 7 | (p[i] & 0x7f);
        if (!(p[i] & 0x80)) {
            *ret = v;
            return i + 1;
        }
    }
    return 0;
}

static bool read_page(const struct azm_spool_salvage *s, uint32_t page, uint8_t ret[static PAGE])
{
    if (page <= s->wal.highest && s->wal.offsets && s->wal.offsets[page] > 0)
        return pread(s->wal.fd, ret, PAGE, s->wal.offsets[page]) == PAGE;
    if (page == 0 || page > s->pages)
        return false;
    return pread(s->fd, ret, PAGE, (off_t)(page - 1) * PAGE) == PAGE;
}

static bool parse_cell(const uint8_t page[static PAGE], size_t at, struct cell *ret)
{
    uint64_t local;
    size_t n;

    n = varint(page + at, PAGE - at, &ret->len);
    if (n == 0)
        return false;
    at += n;
    n = varint(page + at, PAGE - at, &ret->id);
    if (n == 0 || ret->id == 0 || ret->id >= INT64_MAX)
        return false;
    at += n;
    local = ret->len;
    if (local > LOCAL_MAX) {
        local = LOCAL_MIN + (ret->len - LOCAL_MIN) % (PAGE - 4);
        if (local > LOCAL_MAX)
            local = LOCAL_MIN;
    }
    if (local > PAGE - at || (local < ret->len && local + 4 > PAGE - at))
        return false;
    ret->local = page + at;
    ret->local_len = (size_t)local;
    ret->overflow = local < ret->len ? (uint32_t)get(page + at + local, 4) : 0;
    return true;
}

static uint64_t length_of(uint64_t type)
{
    static const uint8_t fixed[12] = {0, 1, 2, 3, 4, 6, 8, 8, 0, 0, 0, 0};

    return type < ELEMENTSOF(fixed) ? fixed[type] : (type - 12) / 2;
}

/* The record's header, which lies in the local part. */
static bool parse_record(const struct cell *c, struct record *ret)
{
    uint64_t header, at;
    size_t used = varint(c->local, c->local_len, &header);

    if (used == 0 || header > c->local_len)
        return false;
    ret->n = 0;
    at = header;
    while (used < header) {
        uint64_t type;
        size_t n = varint(c->local + used, (size_t)header - used, &type);

        if (n == 0 || ret->n == COLUMNS_MAX || length_of(type) > c->len - at)
            return false;
        ret->types[ret->n] = type;
        ret->at[ret->n++] = at;
        at += length_of(type);
        used += n;
    }
    return at == c->len;
}

/* A column that holds a number, which lies in the first `len` bytes. */
static bool number(const struct record *rec, unsigned column, const uint8_t *data, size_t len, uint64_t *ret)
{
    uint64_t type = rec->types[column], n = length_of(type), v;

    if (type == 8 || type == 9) {
        *ret = type - 8;
        return true;
    }
    if (type < 1 || type > 6 || rec->at[column] + n > len)
        return false;
    v = get(data + rec->at[column], (size_t)n);
    if (n < 8 && v >> (n * 8 - 1)) /* negative */
        v |= UINT64_MAX << (n * 8);
    *ret = v;
    return true;
}

static void take_meta(struct azm_spool_salvage *s, const struct cell *c, const struct record *rec)
{
    struct azm_spool_meta m = {0};
    uint64_t version, checksum;

    if (c->overflow > 0 || length_of(rec->types[2]) != sizeof m.spool_id)
        return;
    memcpy(m.spool_id, c->local + rec->at[2], sizeof m.spool_id);
    if (!number(rec, 1, c->local, c->local_len, &version) || !number(rec, 3, c->local, c->local_len, &m.acknowledged) ||
        !number(rec, 4, c->local, c->local_len, &m.acknowledged_total) ||
        !number(rec, 5, c->local, c->local_len, &m.last_id) || !number(rec, 6, c->local, c->local_len, &m.last_total) ||
        !number(rec, 8, c->local, c->local_len, &checksum) || azm_spool_db_meta_checksum(version, &m) != checksum)
        return;
    if (s->has_meta &&
        (m.last_id < s->meta.last_id || (m.last_id == s->meta.last_id && m.acknowledged <= s->meta.acknowledged)))
        return;
    s->meta = m;
    s->has_meta = true;
}

static int add_entry(struct azm_spool_salvage *s, struct azm_spool_salvage_entry e)
{
    if (s->n == s->allocated) {
        size_t n = s->allocated ? s->allocated * 2 : 256;
        struct azm_spool_salvage_entry *p = reallocarray(s->entries, n, sizeof *p);

        if (!p)
            return -ENOMEM;
        s->entries = p;
        s->allocated = n;
    }
    s->entries[s->n++] = e;
    return 0;
}

static int search_page(struct azm_spool_salvage *s, uint32_t number_of_page)
{
    uint8_t page[PAGE];
    size_t n;
    int r = 0;

    if (!read_page(s, number_of_page, page) || page[0] != LEAF)
        return 0;
    n = MIN((size_t)get(page + 3, 2), (PAGE - 8) / sizeof(uint16_t));
    for (size_t i = 0; r >= 0 && i < n; i++) {
        size_t at = (size_t)get(page + 8 + i * 2, 2);
        struct record rec;
        struct cell c;

        if (at < 8 || at >= PAGE || !parse_cell(page, at, &c) || !parse_record(&c, &rec) || rec.types[0] != 0)
            continue;
        if (rec.n == META_COLUMNS)
            take_meta(s, &c, &rec);
        else if (rec.n == ROW_COLUMNS)
            r = add_entry(s, (struct azm_spool_salvage_entry){c.id, number_of_page, (uint32_t)at});
    }
    return r;
}

static int by_id(const void *a, const void *b)
{
    const struct azm_spool_salvage_entry *x = a, *y = b;

    return x->id < y->id ? -1 : x->id > y->id;
}

int azm_spool_salvage_open(struct azm_spool_salvage *s, const struct azm_spool_files *f, struct azm_error *err)
{
    char name[AZM_SPOOL_NAME_MAX];
    int64_t size = azm_spool_file_size(f, "");
    int r;

    *s = (struct azm_spool_salvage){.fd = -1, .wal.fd = -1};
    if (size < 0)
        return azm_error_set(err, (int)size, "cannot read the damaged spool %s: %m", f->path);
    s->pages = (uint32_t)MIN(size / PAGE, (int64_t)UINT32_MAX);
    s->fd = openat(f->dir_fd, azm_spool_file_name(f, "", name), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (s->fd < 0 && errno != ENOENT)
        return azm_error_set(err, errno, "cannot read the damaged spool %s: %m", f->path);
    r = azm_spool_wal_pages(f->dir_fd, azm_spool_file_name(f, "-wal", name), &s->wal, err);
    if (r < 0)
        return r;
    for (uint64_t page = 1; r >= 0 && page <= MAX(s->pages, s->wal.highest); page++)
        r = search_page(s, (uint32_t)page);
    if (r < 0)
        return azm_error_set(err, r, "cannot read the damaged spool %s: %m", f->path);
    if (s->n > 0)
        qsort(s->entries, s->n, sizeof *s->entries, by_id);
    return 0;
}

void azm_spool_salvage_close(struct azm_spool_salvage *s)
{
    azm_closep(&s->fd);
    azm_spool_wal_pages_free(&s->wal);
    azm_buf_free(&s->payload);
    free(s->entries);
    *s = (struct azm_spool_salvage){.fd = -1, .wal.fd = -1};
}

/* The whole record: what lies in the page, and the chain of overflow pages. 1, 0: it is not whole, -ENOMEM. */
static int collect(struct azm_spool_salvage *s, const struct cell *c)
{
    uint32_t page = c->overflow;
    uint64_t left = c->len - c->local_len;
    uint8_t bytes[PAGE];

    azm_buf_clear(&s->payload);
    if (left / PAGE > (uint64_t)s->pages + s->wal.highest)
        return 0;
    if (azm_buf_append(&s->payload, c->local, c->local_len) < 0)
        return -ENOMEM;
    while (left > 0) {
        size_t n = (size_t)MIN(left, (uint64_t)(PAGE - 4));

        if (!read_page(s, page, bytes))
            return 0;
        if (azm_buf_append(&s->payload, bytes + 4, n) < 0)
            return -ENOMEM;
        page = (uint32_t)get(bytes, 4);
        left -= n;
    }
    return 1;
}

int azm_spool_salvage_read(struct azm_spool_salvage *s, size_t i, struct azm_spool_row *row, uint64_t *ret_total,
                           bool *ret_lost)
{
    uint8_t page[PAGE];
    struct record rec;
    struct cell c;
    uint64_t checksum, type;
    const uint8_t *data;
    size_t len;
    int r;

    if (!read_page(s, s->entries[i].page, page) || !parse_cell(page, s->entries[i].at, &c) || !parse_record(&c, &rec))
        return 0;
    r = collect(s, &c);
    if (r <= 0)
        return r;
    data = s->payload.data;
    len = s->payload.len;
    type = rec.types[5];
    row->id = c.id;
    if (!number(&rec, 1, data, len, &row->time_usec) || !number(&rec, 2, data, len, &row->records) ||
        !number(&rec, 3, data, len, ret_total) || !number(&rec, 4, data, len, &checksum) ||
        (type != 0 && (type < 12 || type % 2 == 1)))
        return 0;
    *ret_lost = type == 0;
    len = (size_t)length_of(type);
    if (azm_spool_db_row_checksum(row, *ret_total, len > 0 ? data + rec.at[5] : (const void *)"", len) != checksum)
        return 0;
    azm_buf_clear(&row->data);
    return azm_buf_append(&row->data, data + rec.at[5], len) < 0 ? -ENOMEM : 1;
}
