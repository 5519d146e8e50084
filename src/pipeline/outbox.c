/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "core/log.h"
#include "encode/gzip.h"
#include "encode/otlp_request.h"
#include "pipeline/outbox.h"

#define WAITING_MAX 256 /* finished batches that wait for an older one: bounds what a crash sends twice */
#define ROW_MAX_BYTES ((size_t)256 * 1024 * 1024)
#define BALLAST_BYTES ((size_t)16 * 1024 * 1024)

/* A batch that the exporter has, or had, in order. */
struct item {
    struct item *next;
    struct azm_batch *batch; /* the exporter's; NULL: finished */
    struct azm_buf position; /* empty: not known, or safe already */
    uint64_t row;            /* the last one in the spool that it is made of; 0: it is not there */
    uint64_t puts;           /* batches that were put in, of which it is made */
    uint64_t oldest_usec;    /* realtime: when its first record was received; 0: not known */
};

struct azm_outbox {
    struct azm_outbox_options o;
    char *spool_path;
    struct item *first, **end;
    size_t items;
    uint64_t submitted, acknowledged;
    struct azm_buf position;
    bool moved;

    struct azm_spool *spool; /* NULL: direct */
    uint64_t since_usec;     /* realtime */
    uint64_t fed;            /* row: up to here the exporter has it */
    uint64_t appended;       /* row: the last one */
    bool full;               /* nothing can be appended now */
    bool unreadable;         /* nothing can be read now */
    uint64_t retry_usec;     /* monotonic: when a spool is to be tried again; 0: no need */
    uint64_t lost_rows;
    uint64_t repairs; /* of the spool, that were told */
    struct azm_gzip *gzip;
    struct azm_buf raw;

    /* The row behind `fed`, unpacked, if it has been read: there was no room for it in the batch before it. */
    struct azm_buf next;
    uint64_t next_row;
    size_t next_records;
};

static uint64_t now_usec(const struct azm_outbox *b)
{
    return azm_monotonic_usec(b->o.clock);
}

/* --- what the exporter has --- */

static int push(struct azm_outbox *b, struct azm_batch *batch, uint64_t row, uint64_t puts)
{
    struct item *i = calloc(1, sizeof *i);

    if (!i || azm_exporter_submit(b->o.exporter, batch) < 0) {
        free(i);
        return -ENOMEM;
    }
    i->batch = batch;
    i->row = row;
    i->puts = puts;
    i->oldest_usec = *azm_batch_oldest_usec(batch);
    if (row == 0)
        i->position = azm_buf_take(azm_batch_position(batch));
    *b->end = i;
    b->end = &i->next;
    b->items++;
    return 0;
}

static void set_position(struct azm_outbox *b, struct azm_buf *position)
{
    if (position->len == 0)
        return;
    azm_buf_free(&b->position);
    b->position = azm_buf_take(position);
    b->moved = true;
}

/* Takes the finished ones off the old end. Returns the last row among them, 0 if none. */
static uint64_t pop_finished(struct azm_outbox *b)
{
    uint64_t row = 0;

    while (b->first && !b->first->batch) {
        struct item *i = b->first;

        b->first = i->next;
        if (!b->first)
            b->end = &b->first;
        b->items--;
        b->acknowledged += i->puts;
        row = MAX(row, i->row);
        set_position(b, &i->position);
        azm_buf_free(&i->position);
        free(i);
    }
    return row;
}

static int collect(struct azm_outbox *b, struct azm_error *err)
{
    struct azm_batch *batch;
    int r;

    while ((r = azm_exporter_collect(b->o.exporter, &batch)) > 0) {
        struct item *i = b->first;

        while (i->batch != batch)
            i = i->next;
        i->batch = azm_batch_free(batch);
    }
    return r < 0 ? azm_error_set(err, r, "the exporter has failed") : 0;
}

/* --- the spool --- */

static int pack(struct azm_outbox *b, const struct azm_batch *batch, struct azm_spool_row *row)
{
    int r = azm_batch_serialize(batch, 0, azm_batch_records(batch), &b->raw);

    row->records = azm_batch_records(batch);
    return r < 0 ? r : azm_gzip_compress(b->gzip, b->raw.data, b->raw.len, &row->data);
}

static void tell_damage(const struct azm_spool_damage *d)
{
    azm_log(AZM_LOG_ERROR,
            "the spool was damaged; it is kept as %s. %" PRIu64 " batches could be read and go on, %" PRIu64
            " are lost",
            d->set_aside, d->recovered, d->lost_rows);
}

static int open_spool(struct azm_outbox *b, struct azm_error *err)
{
    const struct azm_spool_options o = {
        .path = b->spool_path,
        .max_bytes = b->o.spool_max_bytes,
        .min_free_percent = b->o.spool_min_free_percent,
        .ballast_bytes = BALLAST_BYTES,
        .clock = b->o.clock,
    };
    struct azm_spool_damage damage = {0};
    int r = azm_spool_open(&o, &b->spool, &damage, err);

    if (damage.found)
        tell_damage(&damage);
    b->lost_rows += damage.lost_rows;
    b->repairs = damage.found;
    return r;
}

static void close_spool(struct azm_outbox *b)
{
    b->spool = azm_spool_close_and_remove(b->spool);
    azm_buf_free(&b->next);
    b->fed = b->appended = b->next_row = b->since_usec = 0;
    b->full = b->unreadable = false;
}

/* Appends copies of all that is outstanding, as one: 0 or -errno. */
static int append_outstanding(struct azm_outbox *b, struct azm_error *err)
{
    struct azm_spool_row *rows = calloc(b->items + 1, sizeof *rows);
    size_t n = 0;
    int r = rows ? 0 : -ENOMEM;

    for (struct item *i = b->first; i && r >= 0; i = i->next)
        if (i->batch)
            r = pack(b, i->batch, &rows[n++]);
    if (r < 0)
        azm_error_set(err, r, "out of memory");
    else if (n > 0)
        r = azm_spool_append(b->spool, rows, n, err);
    if (r >= 0) {
        n = 0;
        for (struct item *i = b->first; i; i = i->next) {
            if (i->batch)
                b->appended = b->fed = i->row = rows[n++].id;
            set_position(b, &i->position); /* in order: the last one stays */
        }
    }
    for (size_t k = 0; rows && k < b->items + 1; k++)
        azm_buf_free(&rows[k].data);
    free(rows);
    return r;
}

/* Delivery fails for long: from now on batches are safe on disk. */
static void begin_spooling(struct azm_outbox *b)
{
    struct azm_error err;
    int r = open_spool(b, &err);

    if (r >= 0) {
        r = append_outstanding(b, &err);
        if (r < 0)
            close_spool(b);
    }
    if (r < 0) {
        if (!b->full)
            azm_log(AZM_LOG_ERROR, "%s; until it works, reading stops when the window is full", err.words);
        b->full = true;
        b->retry_usec = now_usec(b) + AZM_OUTBOX_RETRY_USEC;
        return;
    }
    b->full = false;
    b->retry_usec = 0;
    b->since_usec = azm_realtime_usec(b->o.clock);
    azm_log(AZM_LOG_NOTICE, "delivery has been failing for %" PRIu64 " s; records are kept in the spool %s meanwhile",
            b->o.spool_after_usec / AZM_USEC_PER_SEC, b->spool_path);
}

/* Damage that was met while the spool is in use. */
static void look_for_repairs(struct azm_outbox *b)
{
    struct azm_spool_status s;

    azm_spool_get_status(b->spool, &s);
    if (s.repairs > b->repairs)
        tell_damage(&s.last_damage);
    b->repairs = s.repairs;
}

/* How many records are in it; 0 also if it is no request. */
static size_t count_records(const struct azm_buf *request)
{
    return (size_t)MAX(azm_otlp_request_count(request->data, request->len), (ssize_t)0);
}

static void count_lost(struct azm_outbox *b, uint64_t rows)
{
    if (rows == 0)
        return;
    azm_log(AZM_LOG_ERROR, "%" PRIu64 " batches in the spool %s are damaged and lost", rows, b->spool_path);
    b->lost_rows += rows;
    b->acknowledged += rows;
}

/* Sees to it that b->next is the row behind `fed`: 1, 0 if there is none, -errno. */
static int read_row(struct azm_outbox *b, struct azm_error *err)
{
    _cleanup_(azm_spool_row_clear) struct azm_spool_row row = {0};

    while (b->next_row <= b->fed) {
        uint64_t lost = 0;
        int r = azm_spool_read(b->spool, b->fed, &row, &lost, err);

        look_for_repairs(b);
        count_lost(b, lost);
        if (r <= 0)
            return r;
        r = azm_gunzip(row.data.data, row.data.len, ROW_MAX_BYTES, &b->next);
        if (r == -ENOMEM)
            return azm_error_set(err, r, "out of memory");
        b->next_row = row.id;
        b->next_records = r < 0 ? 0 : count_records(&b->next);
        if (b->next_records == 0) { /* the checksum was right, so this needs another program's hand */
            b->fed = row.id;
            count_lost(b, 1);
        }
    }
    return 1;
}

static bool is_room_for_row(const struct azm_outbox *b, const struct azm_batch *batch)
{
    size_t n = azm_batch_records(batch);

    return n == 0 || (n + b->next_records <= b->o.batch.records &&
                      azm_batch_bytes(batch) + b->next.len <= b->o.batch.bytes); /* together they are not larger */
}

/* The next batch of the spool, made of as many rows as it holds: 1, 0 if there is none, -errno. While nothing was
 * delivered there was a row for each schedule_delay, however few records came; in an hour without a destination that
 * are thousands, and if each were a request the hosts of a fleet would use up for hours what Azure takes in a minute.
 */
static int read_batch(struct azm_outbox *b, struct azm_batch **ret, uint64_t *ret_rows, struct azm_error *err)
{
    struct azm_batch *batch;
    int r = azm_batch_new(&b->o.batch, &batch);

    if (r < 0)
        return azm_error_set(err, r, "out of memory");
    *ret_rows = 0;
    while ((r = read_row(b, err)) > 0 && is_room_for_row(b, batch)) {
        r = azm_batch_add_request(batch, b->next.data, b->next.len);
        if (r < 0) {
            azm_batch_free(batch);
            return azm_error_set(err, r, "out of memory");
        }
        b->fed = b->next_row;
        ++*ret_rows;
    }
    if (*ret_rows == 0) {
        azm_batch_free(batch);
        return r;
    }
    *ret = batch; /* whatever was behind it comes up again */
    return 1;
}

static int feed(struct azm_outbox *b, struct azm_error *err)
{
    while (b->fed < b->appended && b->items < WAITING_MAX && azm_exporter_has_room(b->o.exporter)) {
        struct azm_batch *batch = NULL;
        uint64_t rows = 0;
        int r = read_batch(b, &batch, &rows, err);

        if (r < 0 && r != -ENOMEM) { /* a disk that cannot be read just now, or a repair that has to wait */
            if (!b->unreadable)
                azm_log(AZM_LOG_ERROR, "%s; trying again", err->words);
            b->unreadable = true;
            b->retry_usec = now_usec(b) + AZM_OUTBOX_RETRY_USEC;
            return 0;
        }
        b->unreadable = false;
        if (r < 0)
            return r;
        if (r == 0) { /* what is behind it cannot be read */
            b->fed = b->appended;
            break;
        }
        if (push(b, batch, b->fed, rows) < 0) {
            azm_batch_free(batch);
            return azm_error_set(err, ENOMEM, "out of memory");
        }
    }
    return 0;
}

static int work_on_spool(struct azm_outbox *b, uint64_t acknowledged_row, struct azm_error *err)
{
    int r;

    if (acknowledged_row > 0) {
        r = azm_spool_acknowledge(b->spool, acknowledged_row, err);
        if (r < 0 && b->retry_usec == 0)
            azm_log(AZM_LOG_ERROR, "%s; delivery goes on, but after a crash records would be sent again", err->words);
        b->full = false; /* perhaps: the next batch will show */
    }
    r = feed(b, err);
    if (r < 0)
        return r;
    if (b->first || b->fed < b->appended)
        return 0;
    b->acknowledged = b->submitted; /* whatever became of rows that could not be read */
    azm_log(AZM_LOG_NOTICE, "the spool is empty; records are delivered directly again");
    close_spool(b);
    return 0;
}

/* --- what the pipeline calls --- */

int azm_outbox_new(const struct azm_outbox_options *o, struct azm_outbox **ret, struct azm_error *err)
{
    struct azm_outbox *b = calloc(1, sizeof *b);
    int r = 0;

    if (b) {
        b->o = *o;
        b->end = &b->first;
        b->spool_path = strdup(o->spool_path);
    }
    if (!b || !b->spool_path || azm_gzip_new(&b->gzip) < 0) {
        azm_outbox_free(b);
        return azm_error_set(err, ENOMEM, "out of memory");
    }
    if (azm_spool_exists(b->spool_path))
        r = open_spool(b, err);
    if (b->spool) {
        struct azm_spool_status s;

        azm_spool_get_status(b->spool, &s);
        b->submitted = s.rows;
        b->appended = s.last_id;
        b->fed = s.acknowledged_id;
        b->since_usec = s.oldest_usec;
        if (s.rows > 0)
            azm_log(AZM_LOG_NOTICE, "%" PRIu64 " records are in the spool from before; they go first", s.records);
        else
            close_spool(b);
    }
    if (r < 0) {
        azm_outbox_free(b);
        return r;
    }
    *ret = b;
    return 0;
}

struct azm_outbox *azm_outbox_free(struct azm_outbox *b)
{
    if (!b)
        return NULL;
    while (b->first) {
        struct item *i = b->first;

        b->first = i->next;
        azm_buf_free(&i->position);
        free(i); /* the exporter frees what it has */
    }
    azm_spool_free(b->spool);
    azm_gzip_free(b->gzip);
    azm_buf_free(&b->raw);
    azm_buf_free(&b->next);
    azm_buf_free(&b->position);
    free(b->spool_path);
    free(b);
    return NULL;
}

void azm_outbox_configure(struct azm_outbox *b, const struct azm_outbox_options *o)
{
    b->o.spool = o->spool;
    b->o.spool_after_usec = o->spool_after_usec;
    b->o.spool_max_bytes = o->spool_max_bytes;
    b->o.spool_min_free_percent = o->spool_min_free_percent;
    b->o.batch = o->batch;
}

bool azm_outbox_has_room(struct azm_outbox *b)
{
    if (b->spool)
        return !b->full;
    return b->items < WAITING_MAX && azm_exporter_has_room(b->o.exporter);
}

int azm_outbox_put(struct azm_outbox *b, struct azm_batch *batch, struct azm_error *err)
{
    _cleanup_(azm_spool_row_clear) struct azm_spool_row row = {0};
    int r;

    r = b->spool ? pack(b, batch, &row) : push(b, batch, 0, 1);
    if (r < 0) {
        azm_batch_free(batch);
        return azm_error_set(err, r, "out of memory");
    }
    if (!b->spool) {
        b->submitted++;
        return 1;
    }
    r = azm_spool_append(b->spool, &row, 1, err);
    if (r < 0) { /* nothing is lost: the journal has it, and reading stops */
        if (!b->full)
            azm_log(AZM_LOG_ERROR, "%s; reading stops until there is room", err->words);
        b->full = true;
        b->retry_usec = now_usec(b) + AZM_OUTBOX_RETRY_USEC;
        return 0;
    }
    b->full = false;
    b->retry_usec = 0;
    b->appended = row.id;
    b->submitted++;
    set_position(b, azm_batch_position(batch));
    azm_batch_free(batch);
    r = feed(b, err);
    return r < 0 ? r : 1;
}

/* When spooling is to begin: AZM_USEC_INFINITY while all is well. */
static uint64_t spooling_due(struct azm_outbox *b)
{
    struct azm_exporter_status s;

    if (!b->o.spool || !b->first)
        return AZM_USEC_INFINITY;
    azm_exporter_get_status(b->o.exporter, &s);
    if (!s.failing_since_usec)
        return AZM_USEC_INFINITY;
    return MAX(s.failing_since_usec + b->o.spool_after_usec, b->retry_usec);
}

int azm_outbox_work(struct azm_outbox *b, uint64_t *ret_next_usec, struct azm_error *err)
{
    uint64_t row, due;
    int r = collect(b, err);

    row = pop_finished(b);
    if (r < 0)
        return r;
    *ret_next_usec = AZM_USEC_INFINITY;
    if (!b->spool) {
        due = spooling_due(b);
        if (due <= now_usec(b))
            begin_spooling(b);
        else
            *ret_next_usec = due;
    }
    if (b->spool) {
        r = work_on_spool(b, row, err);
        if (r < 0)
            return r;
    }
    if (b->full) {
        if (now_usec(b) >= b->retry_usec) { /* let the caller try */
            b->full = false;
            b->retry_usec = now_usec(b) + AZM_OUTBOX_RETRY_USEC;
        }
        *ret_next_usec = MIN(*ret_next_usec, b->retry_usec);
    }
    if (b->unreadable)
        *ret_next_usec = MIN(*ret_next_usec, b->retry_usec);
    return 0;
}

bool azm_outbox_take_position(struct azm_outbox *b, struct azm_buf *position)
{
    if (!b->moved)
        return false;
    azm_buf_free(position);
    *position = azm_buf_take(&b->position);
    b->moved = false;
    return true;
}

uint64_t azm_outbox_submitted(const struct azm_outbox *b)
{
    return b->submitted;
}

uint64_t azm_outbox_acknowledged(const struct azm_outbox *b)
{
    return b->acknowledged;
}

uint64_t azm_outbox_oldest_usec(struct azm_outbox *b)
{
    struct azm_spool_status s;

    if (b->first && b->first->oldest_usec > 0)
        return b->first->oldest_usec;
    if (!b->spool)
        return 0;
    azm_spool_get_status(b->spool, &s);
    return s.oldest_usec;
}

void azm_outbox_get_status(struct azm_outbox *b, struct azm_outbox_status *ret)
{
    *ret = (struct azm_outbox_status){
        .spooling = b->spool != NULL, .since_usec = b->since_usec, .lost_rows = b->lost_rows};
    if (b->spool)
        azm_spool_get_status(b->spool, &ret->spool);
}
