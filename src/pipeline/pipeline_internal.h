/* SPDX-License-Identifier: MIT */
#pragma once

#include "pipeline/pipeline.h"

/* What the files of the pipeline share; all of it belongs to the thread of the event loop:
 *
 *     pipeline.c            the loop: turns of reading, acknowledgements, flushes, the end
 *     pipeline_batch.c      records and notices into batches, batches into the outbox
 *     pipeline_position.c   what is safe is saved
 */

enum azm_pipeline_state {
    AZM_PIPELINE_RUNNING,
    AZM_PIPELINE_FINISHING, /* once: everything is read; waiting for acknowledgements */
    AZM_PIPELINE_STOPPING,  /* the same, but not longer than shutdown_timeout */
};

struct azm_pipeline {
    struct azm_pipeline_options o;
    enum azm_pipeline_state state;
    struct azm_otlp_encoder encoder;

    struct azm_batch *batch; /* being filled; NULL: none */
    bool due;                /* seal it as soon as there is room */
    bool first_batch;
    bool from_source; /* it has records of the source, not only notices */
    struct azm_volumes volumes;

    /* A notice that was given: it waits for the batch, is in it, or in the outbox's batch of this number. */
    struct azm_buf notice, notice_resource;
    bool notice_in_batch;
    uint64_t notice_number;

    /* The record that was read last, encoded; `pending` while it waits for a batch. */
    struct azm_text record, resource;
    struct azm_buf own_record, own_resource; /* where the source has none that lasts */
    bool pending;
    uint64_t received_usec; /* realtime; 0: not known */
    size_t largest_bytes;   /* of the latest records, fading */

    /* What is safe. */
    struct azm_buf acknowledged; /* the newest acknowledged position */
    bool unsaved, save_failed;
    uint64_t saved;           /* batches of the outbox that were acknowledged when it was saved last */
    uint64_t idle_saved_usec; /* monotonic: when a position was last looked for without a record */

    /* Reading. */
    bool reading; /* there may be more to read now */
    bool drained_before;
    uint64_t records_read;
    struct azm_flushes flushes;

    int error;
    struct azm_error words;

    sd_event_source *turn, *source_io, *source_timer, *own_timer, *batch_timer, *ack_io, *save_timer, *idle_timer,
        *outbox_timer, *shutdown_timer;
};

static inline bool azm_pipeline_has_records(const struct azm_pipeline *p)
{
    return p->batch && azm_batch_records(p->batch) > 0;
}

void azm_pipeline_arm(sd_event_source *timer, uint64_t delay_usec);
bool azm_pipeline_is_armed(sd_event_source *timer);

/* pipeline.c: ends the loop by this error, of which `words` tell. */
void azm_pipeline_fail(struct azm_pipeline *p, int error);

/* pipeline_batch.c. What can fail returns -errno, with words in the pipeline. */
int azm_pipeline_encode(struct azm_pipeline *p, const struct azm_record *rec); /* it is pending then */
int azm_pipeline_keep_pending(struct azm_pipeline *p); /* whatever becomes of what it borrows from: 0 or -ENOMEM */

/* Is there room for one record more without waiting for the exporter (1)? If not, it tries to make some. */
int azm_pipeline_make_room(struct azm_pipeline *p);

/* Hands the batch over: 1; 0 if the window is full (not asked with `force`); -errno. */
int azm_pipeline_seal(struct azm_pipeline *p, bool force);

/* Puts a notice that waits into the batch, beyond its limit of records: 1 also if there is none; 0 if it must wait for
 * room (not asked with `force`); -errno. */
int azm_pipeline_place_notice(struct azm_pipeline *p, bool force);

/* pipeline_position.c: the source's position, and what the rules have to know there. 0 or -errno. */
int azm_pipeline_get_position(struct azm_pipeline *p, struct azm_buf *out);

void azm_pipeline_save_now(struct azm_pipeline *p); /* if there is something to save; these, too: */
void azm_pipeline_save(struct azm_pipeline *p);     /* unless that has just failed */
void azm_pipeline_save_for_batch(struct azm_pipeline *p);

/* What is safe may have moved: saves it now or soon. */
void azm_pipeline_take_position(struct azm_pipeline *p);

/* Where nothing is on its way; `note`: if that was not just done, else later. 0 or -errno. */
int azm_pipeline_save_idle(struct azm_pipeline *p);
int azm_pipeline_note_idle(struct azm_pipeline *p);
