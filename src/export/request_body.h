/* SPDX-License-Identifier: MIT */
#pragma once

#include "batch/batch.h"
#include "encode/appinsights.h"
#include "export/delivery.h"

/* Makes the body of a request, before compression, out of the OTLP bytes of a batch: as the destination wants them. One
 * thread at a time owns a maker. */
struct azm_body_maker {
    enum azm_profile profile;
    char *ikey; /* owned; the instrumentation key, for APPINSIGHTS */
    struct azm_appinsights insights;
    struct azm_buf record; /* scratch */
};

/* 0 or -ENOMEM. `ikey` is copied; "" where there is none. */
int azm_body_maker_init(struct azm_body_maker *m, enum azm_profile profile, const char *ikey);
void azm_body_maker_free(struct azm_body_maker *m);

/* The Content-Type of such a body. */
const char *azm_body_content_type(enum azm_profile profile);

/* Will Azure put another time into the place of this record's? Then its own goes along in azmonlog.original_time. */
bool azm_body_is_old(struct azm_text record, uint64_t now_realtime_usec);

/* Replaces the content of `out` by the body for records first .. first + n - 1: 0, -ENOMEM, or -EBADMSG if one is no
 * OTLP (which no batch of ours has).
 *
 * AZURE: a record from more than 47 hours ago gets the attribute azmonlog.original_time, because Azure puts the time of
 * arrival into the place of one older than 48 hours. That is looked at anew for each request, for a record grows old in
 * the spool. APPINSIGHTS: one line of JSON for each record, in their order. */
int azm_body_make(struct azm_body_maker *m, const struct azm_batch *batch, size_t first, size_t n,
                  uint64_t now_realtime_usec, struct azm_buf *out);
