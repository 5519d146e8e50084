/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <systemd/sd-event.h>

#include "batch/batch.h"
#include "encode/otlp.h"
#include "pipeline/flush.h"
#include "pipeline/outbox.h"
#include "pipeline/volume.h"
#include "process/processor.h"
#include "source/source.h"

/* Source -> batch -> outbox -> safe position, in one event loop. A batch is sealed when its timer (from its first
 * record), its record limit or its byte limit says so; a full window stops the reader and nothing else; the position up
 * to which all is acknowledged, or in the spool, is checkpointed.
 *
 * One thread owns the event loop, the source and the pipeline; the exporter has its own (export/exporter.h). */

struct azm_pipeline_options {
    sd_event *event;
    struct azm_source *source;          /* stays the caller's, as do event, outbox and exporter */
    struct azm_processor *processor;    /* the same; NULL: records go as they are */
    const struct azm_buf *own_resource; /* encoded, of records about those that were left out; the caller's, too */
    struct azm_outbox *outbox;
    struct azm_exporter *exporter;
    const struct azm_clock *clock;
    struct azm_batch_limits batch;
    struct azm_otlp_limits record;
    uint64_t concurrency; /* batches that may be on their way: a position waits for no more */
    uint64_t schedule_delay_usec;
    uint64_t shutdown_timeout_usec;
    bool once;                         /* end when all that is there now is acknowledged */
    void (*on_change)(void *userdata); /* something that a status shows has changed; may be NULL */
    void *userdata;
};

struct azm_pipeline;

/* Begins to work when the event loop runs: 0 or -errno. */
int azm_pipeline_new(const struct azm_pipeline_options *o, struct azm_pipeline **ret, struct azm_error *err);
struct azm_pipeline *azm_pipeline_free(struct azm_pipeline *p);

/* Ends in good order: reads no more, sends what is read, waits for acknowledgements until shutdown_timeout, then ends
 * the event loop. Calling it again ends the waiting. */
void azm_pipeline_stop(struct azm_pipeline *p);

/* After the event loop has ended: 0: everything read is acknowledged and checkpointed; 1: something is not, the
 * next start delivers it; -errno: it ended because of this error. */
int azm_pipeline_result(struct azm_pipeline *p, struct azm_error *err);

/* Tells the waiter, perhaps at once, when everything that is in the journal now, and the `n` entries with just this
 * message (NULL: none) that are still to come, is acknowledged, or when the pipeline ends: 0 or -errno, and it is not
 * told.
 */
int azm_pipeline_flush(struct azm_pipeline *p, const char *message, unsigned n, const struct azm_flush_waiter *waiter,
                       struct azm_error *err);

/* From now on goes by the limits, delays, timeouts and the processor of these options; everything else in them is
 * ignored. To be called before the source is configured anew. 0 or -ENOMEM, and all is as before. */
int azm_pipeline_configure(struct azm_pipeline *p, const struct azm_pipeline_options *o);

/* Sends a record of azmonlog's own along with the others, or alone when there are none. It is none of the source's: it
 * is not counted as read, and it neither has a position nor moves one. It is given up when the pipeline ends before it
 * is acknowledged. One that is in no batch yet is replaced. Both are copied. */
void azm_pipeline_give_notice(struct azm_pipeline *p, struct azm_text resource, const struct azm_record *rec);

/* Was one given that is not acknowledged? */
bool azm_pipeline_notice_waits(const struct azm_pipeline *p);

uint64_t azm_pipeline_records_read(const struct azm_pipeline *p);

/* When the first record that was read and is not acknowledged was received (realtime). 0: there is none, or, where
 * records come encoded already, it is not known. */
uint64_t azm_pipeline_oldest_usec(const struct azm_pipeline *p);

/* Who logs how much; the pipeline's. */
struct azm_volumes *azm_pipeline_volumes(struct azm_pipeline *p);
