/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "core/log.h"
#include "encode/otlp_request.h"
#include "source/spool_source.h"

struct spool_source {
    struct azm_source source;
    struct azm_spool_shared *spool;
    char *name;
    const struct azm_clock *clock;
    struct azm_spool_row row;     /* the one read last */
    struct azm_otlp_request rest; /* of its records, so many: */
    size_t left;
    uint64_t given;  /* the row that these are of; 0 before the first one */
    uint64_t done;   /* the last row of which all was given */
    uint64_t marked; /* for a flush */
    struct azm_losses losses;
};

static struct spool_source *upcast(struct azm_source *s)
{
    return (struct spool_source *)s;
}

/* A row of ours that cannot be read any more, by damage or another program's hand. */
static void tell_lost(struct spool_source *s, uint64_t rows)
{
    if (rows == 0)
        return;
    s->losses.unreadable += rows;
    azm_log(AZM_LOG_ERROR, "%" PRIu64 " row%s in the spool %s %s damaged and lost", rows, rows == 1 ? "" : "s", s->name,
            rows == 1 ? "is" : "are");
}

/* How many records are in it, or -EBADMSG. */
static ssize_t count_records(const struct azm_buf *request)
{
    struct azm_otlp_request q = azm_otlp_request_of(request->data, request->len);
    struct azm_text resource, record;
    ssize_t n = 0;
    int r;

    while ((r = azm_otlp_request_next(&q, &resource, &record)) > 0)
        n++;
    return r < 0 ? r : n;
}

/* Takes the next row: 1, without a record if it is none of ours; 0 if there is none; -errno. */
static int read_row(struct spool_source *s, struct azm_error *err)
{
    uint64_t lost = 0;
    ssize_t n;
    int r = azm_spool_shared_read(s->spool, s->done, &s->row, &lost, err);

    tell_lost(s, lost);
    if (r <= 0)
        return r;
    n = count_records(&s->row.data);
    if (n < 0)
        tell_lost(s, 1);
    s->given = s->row.id;
    s->left = (size_t)MAX(n, (ssize_t)0);
    s->rest = azm_otlp_request_of(s->row.data.data, s->row.data.len);
    return 1;
}

static int next(struct azm_source *source, struct azm_record *rec, struct azm_error *err)
{
    struct spool_source *s = upcast(source);

    while (s->left == 0) {
        int r;

        s->done = s->given; /* what was given last is not needed any more */
        r = read_row(s, err);
        if (r <= 0)
            return r;
    }
    *rec = (struct azm_record){0};
    azm_otlp_request_next(&s->rest, &rec->resource, &rec->encoded); /* it has so many */
    s->left--;
    return 1;
}

static int position(struct azm_source *source, struct azm_buf *out, struct azm_error *err)
{
    const struct spool_source *s = upcast(source);
    uint64_t row = s->left == 0 ? s->given : s->done;

    azm_buf_clear(out);
    if (row > 0 && azm_buf_printf(out, "%" PRIu64, row) < 0)
        return azm_error_set(err, ENOMEM, "out of memory");
    return 0;
}

static int next_notice(struct azm_source *source, struct azm_record *rec, struct azm_error *err)
{
    (void)source;
    (void)rec;
    (void)err;
    return 0;
}

static int acknowledge(struct azm_source *source, const struct azm_buf *p, struct azm_error *err)
{
    uint64_t row = 0;

    for (size_t i = 0; i < p->len; i++)
        row = row * 10 + (uint64_t)(p->data[i] - '0');
    return azm_spool_shared_acknowledge(upcast(source)->spool, row, err);
}

static int poll_spool(struct azm_source *source, int *ret_fd, int *ret_events, uint64_t *ret_timeout_usec,
                      struct azm_error *err)
{
    (void)err;
    *ret_fd = azm_spool_shared_fd(upcast(source)->spool);
    *ret_events = POLLIN;
    *ret_timeout_usec = AZM_USEC_INFINITY;
    return 0;
}

static int process(struct azm_source *source, struct azm_error *err)
{
    struct spool_source *s = upcast(source);
    struct azm_spool_status status;

    (void)err;
    azm_spool_shared_seen(s->spool);
    azm_spool_shared_get_status(s->spool, &status);
    return status.last_id > s->done;
}

static int mark(struct azm_source *source, const char *message, unsigned n, struct azm_error *err)
{
    struct spool_source *s = upcast(source);
    struct azm_spool_status status;

    (void)message; /* whoever appends has waited until it is on disk: nothing is still to come */
    (void)n;
    (void)err;
    azm_spool_shared_get_status(s->spool, &status);
    s->marked = status.last_id;
    return 1;
}

static bool passed(struct azm_source *source)
{
    const struct spool_source *s = upcast(source);

    return s->done >= s->marked || (s->given >= s->marked && s->left == 0);
}

static int get_status(struct azm_source *source, struct azm_source_status *ret, struct azm_error *err)
{
    struct spool_source *s = upcast(source);
    struct azm_spool_status status;
    uint64_t now = azm_realtime_usec(s->clock);

    (void)err;
    azm_spool_shared_get_status(s->spool, &status);
    *ret = (struct azm_source_status){.lag_known = true, .lag_records = status.records, .losses = s->losses};
    snprintf(ret->name, sizeof ret->name, "%s", s->name);
    if (status.acknowledged_id > 0)
        snprintf(ret->cursor, sizeof ret->cursor, "%" PRIu64, status.acknowledged_id);
    if (status.oldest_usec > 0 && status.oldest_usec < now)
        ret->lag_usec = now - status.oldest_usec;
    return 0;
}

static int configure(struct azm_source *source, const struct azm_config *config, struct azm_error *err)
{
    (void)source;
    (void)config;
    (void)err;
    return 0;
}

static struct azm_source *source_free(struct azm_source *source)
{
    struct spool_source *s = upcast(source);

    azm_spool_row_clear(&s->row);
    free(s->name);
    free(s);
    return NULL;
}

int azm_spool_source_new(struct azm_spool_shared *spool, const char *name, const struct azm_clock *clock,
                         struct azm_source **ret)
{
    static const struct azm_source_ops ops = {
        .next = next,
        .position = position,
        .next_notice = next_notice,
        .acknowledge = acknowledge,
        .poll = poll_spool,
        .process = process,
        .mark = mark,
        .passed = passed,
        .get_status = get_status,
        .configure = configure,
        .free = source_free,
    };
    struct spool_source *s = calloc(1, sizeof *s);
    struct azm_spool_status status;

    if (s)
        s->name = strdup(name);
    if (!s || !s->name) {
        free(s);
        return -ENOMEM;
    }
    azm_spool_shared_get_status(spool, &status);
    s->source.ops = &ops;
    s->spool = spool;
    s->clock = clock;
    s->given = s->done = status.acknowledged_id;
    *ret = &s->source;
    return 0;
}
