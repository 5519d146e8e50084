/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <string.h>

#include "pipeline/pipeline_internal.h"

/* Near to its limit a batch is full: when a record that does not fit any more has been read, its predecessor's position
 * can not be asked for. Near means: a record twice as large as the largest of late might not fit, but no more than an
 * eighth of a batch is left. A still larger one leaves the batch without a position, which costs duplicates after a
 * crash, never a record. */
#define NEAR_LIMIT_BYTES ((size_t)4 * 1024)

int azm_pipeline_encode(struct azm_pipeline *p, const struct azm_record *rec)
{
    p->record = rec->encoded;
    if (rec->encoded.len == 0) {
        int r = azm_otlp_encode_record(&p->encoder, rec, &p->own_record);

        if (r < 0)
            return azm_error_set(&p->words, r, "out of memory");
        p->record = azm_buf_text(&p->own_record);
    }
    p->resource = rec->resource;
    p->received_usec = rec->observed_time_unix_nano / AZM_NSEC_PER_USEC;
    p->pending = true;
    return 0;
}

/* What may be checkpointed when the batch as it is now is acknowledged. Notices that come up with it belong into the
 * same batch; where they do not fit any more the position is not known, and the next one covers it. */
static int note_position(struct azm_pipeline *p)
{
    const struct azm_source_ops *ops = p->o.source->ops;
    struct azm_record rec;
    bool noticed = false;
    int r, k = 1;

    r = azm_pipeline_get_position(p, azm_batch_position(p->batch));
    while (r >= 0 && k > 0 && (r = ops->next_notice(p->o.source, &rec, &p->words)) > 0) {
        noticed = true;
        r = azm_pipeline_encode(p, &rec);
        if (r < 0)
            return r;
        k = azm_batch_add_beyond(p->batch, p->resource, p->record);
        if (k < 0)
            return azm_error_set(&p->words, k, "out of memory");
        p->pending = k == 0;
    }
    return r == 0 && noticed && k > 0 ? azm_pipeline_get_position(p, azm_batch_position(p->batch)) : MIN(r, 0);
}

static bool is_full(const struct azm_pipeline *p)
{
    size_t near = MIN(MAX(2 * p->largest_bytes, NEAR_LIMIT_BYTES), p->o.batch.bytes / 8);

    return azm_batch_full(p->batch) || azm_batch_room(p->batch) < near;
}

int azm_pipeline_seal(struct azm_pipeline *p, bool force)
{
    int r;

    if (!azm_pipeline_has_records(p)) {
        p->due = false;
        return 1;
    }
    if (!force && !azm_outbox_has_room(p->o.outbox))
        return 0;
    /* Where the source is one record ahead, the batch has noted what it could. */
    if (p->from_source && !p->pending) {
        r = note_position(p);
        if (r < 0)
            return r;
    }
    azm_pipeline_save_for_batch(p);
    azm_volumes_add_batch(&p->volumes, p->batch);
    r = azm_outbox_put(p->o.outbox, p->batch, &p->words);
    if (r == 0) {
        p->due = true;
        azm_pipeline_arm(p->outbox_timer, AZM_OUTBOX_RETRY_USEC);
        return 0;
    }
    p->batch = NULL;
    if (r < 0)
        return r;
    if (p->notice_in_batch)
        p->notice_number = azm_outbox_submitted(p->o.outbox);
    p->notice_in_batch = p->from_source = p->due = false;
    sd_event_source_set_enabled(p->batch_timer, SD_EVENT_OFF);
    azm_pipeline_take_position(p);
    return 1;
}

static int open_batch(struct azm_pipeline *p)
{
    uint64_t delay = MAX(p->o.schedule_delay_usec, azm_exporter_batch_delay_usec(p->o.exporter));
    int r = azm_batch_new(&p->o.batch, &p->batch);

    if (r < 0)
        return azm_error_set(&p->words, r, "out of memory");
    p->largest_bytes = MIN(p->largest_bytes, p->o.batch.bytes / 8) / 2; /* forget a giant with time */
    if (p->first_batch) /* a random phase, so that the hosts of a fleet do not send in step */
        delay = azm_random_up_to(p->o.clock, delay);
    p->first_batch = false;
    azm_pipeline_arm(p->batch_timer, delay);
    return 0;
}

/* Puts the pending record into a batch: 1; 0 if it must wait for room; -errno. */
static int place(struct azm_pipeline *p)
{
    int r;

    if (!p->batch) {
        r = open_batch(p);
        if (r < 0)
            return r;
    }
    r = azm_batch_add(p->batch, p->resource, p->record);
    if (r == 0) {
        p->due = true;
        r = azm_pipeline_seal(p, false);
        if (r <= 0)
            return r;
        return place(p); /* an empty batch takes every record */
    }
    if (r < 0)
        return azm_error_set(&p->words, r, "out of memory");
    if (!p->from_source)
        *azm_batch_oldest_usec(p->batch) = p->received_usec;
    p->from_source = true;
    p->pending = false;
    p->largest_bytes = MAX(p->largest_bytes, p->record.len);
    if (is_full(p)) {
        p->due = true;
        return azm_pipeline_seal(p, false);
    }
    return 1;
}

int azm_pipeline_make_room(struct azm_pipeline *p)
{
    while (p->pending) { /* once more if a notice came up */
        int r = place(p);

        if (r <= 0)
            return r;
    }
    if (azm_pipeline_has_records(p) && is_full(p))
        return azm_pipeline_seal(p, false);
    return 1;
}

/* --- the record that waits --- */

/* Makes `t` a copy in `own`: 0 or -ENOMEM. */
static int keep(struct azm_text *t, struct azm_buf *own)
{
    if (t->s == (const char *)own->data)
        return 0;
    azm_buf_clear(own);
    if (azm_buf_append(own, t->s, t->len) < 0)
        return -ENOMEM;
    *t = azm_buf_text(own);
    return 0;
}

int azm_pipeline_keep_pending(struct azm_pipeline *p)
{
    if (p->pending && (keep(&p->record, &p->own_record) < 0 || keep(&p->resource, &p->own_resource) < 0))
        return -ENOMEM;
    return 0;
}

/* --- notices --- */

bool azm_pipeline_notice_waits(const struct azm_pipeline *p)
{
    return p->notice.len > 0 || p->notice_in_batch || azm_outbox_acknowledged(p->o.outbox) < p->notice_number;
}

int azm_pipeline_place_notice(struct azm_pipeline *p, bool force)
{
    int r = p->batch || p->notice.len == 0 ? 0 : open_batch(p);

    if (r < 0 || p->notice.len == 0)
        return r < 0 ? r : 1;
    r = azm_batch_add_beyond(p->batch, azm_buf_text(&p->notice_resource), azm_buf_text(&p->notice));
    if (r < 0)
        return azm_error_set(&p->words, r, "out of memory");
    if (r == 0) {
        p->due = true;
        r = azm_pipeline_seal(p, force);
        return r <= 0 ? r : azm_pipeline_place_notice(p, force); /* an empty batch takes every record */
    }
    azm_buf_clear(&p->notice);
    p->notice_in_batch = true;
    return 1;
}

void azm_pipeline_give_notice(struct azm_pipeline *p, struct azm_text resource, const struct azm_record *rec)
{
    int r;

    azm_buf_clear(&p->notice_resource);
    r = azm_buf_append(&p->notice_resource, resource.s, resource.len);
    if (r >= 0)
        r = azm_otlp_encode_record(&p->encoder, rec, &p->notice);
    if (r < 0)
        azm_error_set(&p->words, r, "out of memory");
    else
        r = azm_pipeline_place_notice(p, false);
    if (r < 0)
        azm_pipeline_fail(p, r);
}
