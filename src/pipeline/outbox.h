/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>

#include "batch/batch.h"
#include "core/clock.h"
#include "core/error.h"
#include "export/exporter.h"
#include "store/spool.h"

/* Sealed batches go in, and a position comes out: that of the end of the unbroken run of batches that are safe.
 *
 * Direct, a batch goes to the exporter at once, and is safe when it is acknowledged (or in quarantine). When delivery
 * has been failing or held for `spool_after_usec`, what is outstanding and every later batch goes into a spool on disk,
 * and is safe when it is there; the exporter is then fed from the spool, in order, until the spool is empty, and after
 * that batches go directly again. A spool that an earlier process has left is emptied first.
 *
 * One thread owns it, the one that owns the exporter. */

struct azm_outbox_options {
    struct azm_exporter *exporter; /* stays the caller's */
    const struct azm_clock *clock; /* must outlive it */
    const char *spool_path;        /* copied; a spool that is there is emptied in any case */
    bool spool;                    /* begin one when it is needed */
    uint64_t spool_after_usec;
    uint64_t spool_max_bytes;
    unsigned spool_min_free_percent;
    struct azm_batch_limits batch; /* of batches that come out of the spool */
};

struct azm_outbox;

/* Opens the spool that is there, if any: 0 or -errno. */
int azm_outbox_new(const struct azm_outbox_options *o, struct azm_outbox **ret, struct azm_error *err);

/* Batches that are not safe are given up; the next start reads them again. */
struct azm_outbox *azm_outbox_free(struct azm_outbox *b);

/* From now on goes by these options, but for exporter, clock and path; a spool that is in use keeps its limits. */
void azm_outbox_configure(struct azm_outbox *b, const struct azm_outbox_options *o);

/* True while another batch is taken. */
bool azm_outbox_has_room(struct azm_outbox *b);

#define AZM_OUTBOX_RETRY_USEC (5 * AZM_USEC_PER_SEC) /* how often a spool that cannot be written is tried again */

/* Hands a sealed batch over, with or without room: 1, and it belongs to the outbox; 0 if the spool is full now (then it
 * stays the caller's, who tries again after AZM_OUTBOX_RETRY_USEC, or when something was acknowledged); -errno, and it
 * is gone: the next start reads it again. */
int azm_outbox_put(struct azm_outbox *b, struct azm_batch *batch, struct azm_error *err);

/* To be called when azm_exporter_fd is readable, and at *ret_next_usec (monotonic; AZM_USEC_INFINITY: no need):
 * collects what is finished, begins, feeds from and ends the spool. 0 or -errno. */
int azm_outbox_work(struct azm_outbox *b, uint64_t *ret_next_usec, struct azm_error *err);

/* The newest safe position, if it has moved since the last call: true, and it replaces the content of `position`. */
bool azm_outbox_take_position(struct azm_outbox *b, struct azm_buf *position);

/* Batches since the start: put in (those count that an earlier process has left in the spool), and of these
 * acknowledged, in order. */
uint64_t azm_outbox_submitted(const struct azm_outbox *b);
uint64_t azm_outbox_acknowledged(const struct azm_outbox *b);

static inline uint64_t azm_outbox_outstanding(const struct azm_outbox *b)
{
    return azm_outbox_submitted(b) - azm_outbox_acknowledged(b);
}

struct azm_outbox_status {
    bool spooling;
    uint64_t since_usec;           /* realtime; 0: not spooling */
    struct azm_spool_status spool; /* while spooling */
    uint64_t lost_rows;            /* of the spool, which could not be read */
};

/* When the first of what is not acknowledged was received, or was put into the spool (realtime). 0: there is nothing,
 * or it is not known. */
uint64_t azm_outbox_oldest_usec(struct azm_outbox *b);

void azm_outbox_get_status(struct azm_outbox *b, struct azm_outbox_status *ret);
