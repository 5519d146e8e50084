/* SPDX-License-Identifier: MIT */
#pragma once

#include "batch/batch.h"
#include "core/clock.h"
#include "core/error.h"
#include "export/http.h"

/* The exporter: takes sealed batches, delivers each until it is acknowledged, and hands the positions
 * back in order.
 *
 * Threads: the exporter runs a thread of its own. It alone touches libcurl, gzip and the batches from
 * submit to acknowledgement. Everything declared here is called by one other thread, the owner; what both share
 * (inbox, acknowledged position, status) is behind one mutex in exporter.c. The owner waits on
 * azm_exporter_fd.
 *
 * Several requests are in flight at once, and answers may come in any order; a batch counts as
 * acknowledged only when every batch before it is. While the destination fails there is one request at a time
 * after a backoff with full jitter; once it answers, the window opens step by step. */

struct azm_exporter_options {
    struct azm_http_options http;
    const char *destination;       /* how log lines name it: no secrets */
    const struct azm_clock *clock; /* must outlive the exporter */
    uint64_t retry_initial_delay_usec, retry_max_delay_usec;
    uint64_t hold_max_delay_usec;
};

enum azm_exporter_state {
    AZM_EXPORTER_DELIVERING, /* or idle */
    AZM_EXPORTER_RETRYING,   /* the last answer was a failure that may pass */
    AZM_EXPORTER_HELD,       /* the last answer needs a person */
};

struct azm_exporter_status {
    enum azm_exporter_state state;
    char reason[192];            /* the last failure's; "" while delivering */
    const char *remedy;          /* what a person can do about it; NULL: nothing known; never freed */
    uint64_t failing_since_usec; /* monotonic; 0 while delivering */
    uint64_t failing_since_realtime_usec;
    size_t outstanding;      /* batches submitted whose acknowledgement was not collected */
    uint64_t records, bytes; /* acknowledged, and sent on the wire, since the start */
    uint64_t requests, failures;
};

struct azm_exporter;

/* Starts the thread: 0 or -errno. The options are copied. */
int azm_exporter_new(const struct azm_exporter_options *o, struct azm_exporter **ret, struct azm_error *err);

/* From now on requests go by these options (the clock stays). What is in flight, or begins at this very moment, ends as
 * it was begun, and if it is acknowledged that counts; every other batch goes out by the new options, at once: whatever
 * delay or hold the old ones had run into is over, and the state is DELIVERING. azm_exporter_fd becomes readable, for
 * there may be room now. 0; -ENOMEM or -EINVAL, and then nothing has changed. */
int azm_exporter_configure(struct azm_exporter *x, const struct azm_exporter_options *o, struct azm_error *err);

/* Ends transfers, forgets batches that are not acknowledged, ends the thread. */
struct azm_exporter *azm_exporter_free(struct azm_exporter *x);

/* True while another batch is taken: fewer than http.connections outstanding. */
bool azm_exporter_has_room(struct azm_exporter *x);

/* Hands a sealed batch over: 0 (the batch then belongs to the exporter) or -ENOMEM. It must not be empty. It is also
 * taken when there is no room, for the last one of a shutdown. */
int azm_exporter_submit(struct azm_exporter *x, struct azm_batch *b);

/* Readable (level-triggered) when there is something to collect. */
int azm_exporter_fd(const struct azm_exporter *x);

/* Collects what was acknowledged since the last call: returns the number of records (0: none). If the newest known
 * position moved, *position is replaced by it, else it is left as it is; returns -EIO if the thread has failed for
 * good. */
int64_t azm_exporter_collect(struct azm_exporter *x, struct azm_buf *position);

size_t azm_exporter_outstanding(struct azm_exporter *x);
void azm_exporter_get_status(struct azm_exporter *x, struct azm_exporter_status *ret);

/* For a watchdog: asks the thread for a sign of life and returns whether it answered the one before. */
bool azm_exporter_alive(struct azm_exporter *x);
