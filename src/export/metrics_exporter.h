/* SPDX-License-Identifier: MIT */
#pragma once

#include "export/exporter.h"

/* Sends metrics by OTLP: whole requests, made by the owner, one at a time. It keeps the newest one and nothing else:
 * what could not be sent until the next one comes is given up, which costs a point of each metric and no count, for
 * sums are cumulative. Failures are tried again at the pace of logs (export/pace.h), answers mean what they mean for
 * logs (export/delivery.h); data that is refused is not sent again.
 *
 * Threads: it runs a thread of its own, which alone touches libcurl and gzip, and shares none of this with the exporter
 * of logs. The tokens are its own, too: an
 * endpoint that refuses one must not take it from the logs. Everything declared here is called by one other thread, the
 * owner; what both share (the newest request, the status) is behind one mutex, under which nothing is waited for.
 * Memory: two requests, one that is being sent and one that waits. */

struct azm_metrics_exporter;

struct azm_metrics_exporter_status {
    const char *destination; /* how log lines name it; the exporter's */
    enum azm_exporter_state state;
    char reason[256];            /* the last failure's; "" while all is well */
    char remedy[AZM_REMEDY_MAX]; /* what a person can do about it; "": nothing known */
    uint64_t failing_since_realtime_usec;
    uint64_t taken_realtime_usec; /* when metrics were last taken; 0: never */
    uint64_t requests, failures;  /* since the start */
    uint64_t rejected;            /* data points that a partial success has rejected */
};

/* Starts the thread: 0 or -errno. Of the options, which are copied, it needs those about requests, the destination,
 * tokens (nobody else may be notified of these), clock and delays. */
int azm_metrics_exporter_new(const struct azm_exporter_options *o, struct azm_metrics_exporter **ret,
                             struct azm_error *err);

/* What is there is still sent, if that takes no longer than `patience_usec` and nothing fails; ends the thread. */
struct azm_metrics_exporter *azm_metrics_exporter_free(struct azm_metrics_exporter *x, uint64_t patience_usec);

/* Sends this request, which has so many data points, instead of one that waits; takes the content of the buffer. */
void azm_metrics_exporter_give(struct azm_metrics_exporter *x, struct azm_buf *request, size_t points);

void azm_metrics_exporter_get_status(struct azm_metrics_exporter *x, struct azm_metrics_exporter_status *ret);
