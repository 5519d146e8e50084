/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "config/config.h"
#include "core/buf.h"
#include "core/error.h"
#include "core/record.h"
#include "export/remedy.h"
#include "source/losses.h"
#include "stream/stream.h"

/* Where records come from. A source reads one record at a time, can say where it stands, and is told how far
 * everything has been acknowledged. One thread owns it. */
struct azm_source;

#define AZM_CURSOR_MAX 256

struct azm_source_status {
    char name[256];                 /* which journal */
    char cursor[AZM_CURSOR_MAX];    /* acknowledged; "": nothing yet */
    uint64_t acknowledged_usec;     /* realtime at which that entry was received; 0: not known */
    bool lag_known, lag_up_to;      /* the number of records behind it is known; it is an upper bound */
    uint64_t lag_records, lag_usec; /* how many records, and how old the first of them is */
    struct azm_losses losses;
    uint64_t joined_messages, joined_entries; /* so many messages were made of so many entries, since the start */
    bool is_stream; /* then the journal is none, lag_usec is about the first message that is not acknowledged, and: */
    struct azm_stream_status stream;
    bool held;                                /* it fails, and needs a person */
    char reason[256], remedy[AZM_REMEDY_MAX]; /* why it fails; "": it does not; and what to do */
};

struct azm_source_ops {
    /* The next record: 1; 0 if there is none now, or if it takes long to come to one and others are to have their turn
     * (then `process` gives 1); -errno. `rec` borrows from the source until the next call. */
    int (*next)(struct azm_source *s, struct azm_record *rec, struct azm_error *err);

    /* Replaces the content of `out` by the position after the last record that `next` gave, or by an earlier one, after
     * which `next` goes on then; empty if it is not known just now. 0 or -errno. */
    int (*position)(struct azm_source *s, struct azm_buf *out, struct azm_error *err);

    /* The next record that the source has to give besides those that it reads: what `position` found out about them
     * (a gap). Until it is given, no position is known. As `next`. */
    int (*next_notice)(struct azm_source *s, struct azm_record *rec, struct azm_error *err);

    /* Everything up to this position is acknowledged: makes that durable. 0 or -errno. */
    int (*acknowledge)(struct azm_source *s, const struct azm_buf *position, struct azm_error *err);

    /* What to wait for (poll events on the fd, a monotonic time or AZM_USEC_INFINITY) until there may be more. */
    int (*poll)(struct azm_source *s, int *ret_fd, int *ret_events, uint64_t *ret_timeout_usec, struct azm_error *err);

    /* To be called when that has happened, and at least every AZM_SOURCE_RECORDS_PER_TURN records: 1 if `next` may have
     * more to give now, for which there will be no event; 0; -errno. */
    int (*process)(struct azm_source *s, struct azm_error *err);

    /* Remembers the end of what is there now, if it holds `n` entries with just this message (NULL: whatever it holds):
     * 1; 0 if they are not there yet; -errno. */
    int (*mark)(struct azm_source *s, const char *message, unsigned n, struct azm_error *err);

    /* Has everything up to the mark been given? (Also when `next` has returned 0 since.) */
    bool (*passed)(struct azm_source *s);

    /* Waits no more for what may belong to records that it holds back: `next` gives these before all others. Returns
     * how many that are. NULL: it never holds any back. */
    size_t (*release)(struct azm_source *s);

    int (*get_status)(struct azm_source *s, struct azm_source_status *ret, struct azm_error *err);

    /* From now on goes by this configuration, which must outlive the source; where the journal is cannot be changed.
     * 0, or -errno and all is as before. */
    int (*configure)(struct azm_source *s, const struct azm_config *config, struct azm_error *err);

    struct azm_source *(*free)(struct azm_source *s);
};

struct azm_source {
    const struct azm_source_ops *ops;
};

static inline size_t azm_source_release(struct azm_source *s)
{
    return s->ops->release ? s->ops->release(s) : 0;
}

/* libsystemd must look for new journal files that often while a backlog is drained: a file that appears
 * meanwhile would be skipped otherwise, with all its entries. */
#define AZM_SOURCE_RECORDS_PER_TURN 1000
