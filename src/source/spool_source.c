/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "core/log.h"
#include "source/requests.h"
#include "source/spool_source.h"

struct spool_source {
    struct azm_source source;
    struct azm_spool_shared *spool;
    char *name;
    const struct azm_clock *clock;
    struct azm_spool_row row;     /* the one read last */
    struct azm_requests requests; /* ... and what was given of the rows */
    uint64_t marked;              /* for a flush */
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

/* Takes the next row: 1, without a record if it is none of ours; 0 if there is none; -errno. */
static int read_row(struct spool_source *s, struct azm_error *err)
{
    uint64_t lost = 0;
    int r = azm_spool_shared_read(s->spool, s->requests.done, &s->row, &lost, err);

    tell_lost(s, lost);
    if (r <= 0)
        return r;
    if (azm_requests_open(&s->requests, s->row.id, azm_buf_text(&s->row.data)) < 0)
        tell_lost(s, 1);
    return 1;
}

static int next(struct azm_source *source, struct azm_record *rec, struct azm_error *err)
{
    struct spool_source *s = upcast(source);

    while (!azm_requests_next(&s->requests, rec)) {
        int r = read_row(s, err);

        if (r <= 0)
            return r;
    }
    return 1;
}

static int position(struct azm_source *source, struct azm_buf *out, struct azm_error *err)
{
    return azm_requests_position(&upcast(source)->requests, out, err);
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
    return azm_spool_shared_acknowledge(upcast(source)->spool, azm_requests_number(p), err);
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
    return status.last_id > s->requests.done;
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

    return azm_requests_passed(&s->requests, s->marked);
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
    s->requests.given = s->requests.done = status.acknowledged_id;
    *ret = &s->source;
    return 0;
}
