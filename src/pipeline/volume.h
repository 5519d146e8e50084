/* SPDX-License-Identifier: MIT */
#pragma once

#include "batch/batch.h"
#include "pipeline/trend.h"

/* How much each service logs, in a table of fixed size: who makes the volume, be there three services or a million
 * names that a program invents. It is counted by sealed batch, in which records are grouped by service already, so a
 * record costs nothing.
 *
 * When the table is full, a new service takes the place of the one with the least bytes, whose bytes it inherits as its
 * handicap (the space-saving algorithm: Metwally, Agrawal, El Abbadi 2005). So each service with more than 1/64 of all
 * bytes is in the table for sure. What is told of a service is only what was counted for it. */

#define AZM_VOLUMES_MAX 64
#define AZM_VOLUME_NAME_MAX 64 /* a longer name is cut */

struct azm_volume_count {
    uint64_t records, bytes; /* before compression */
};

struct azm_volume {
    char service[AZM_VOLUME_NAME_MAX];
    struct azm_volume_count now;                    /* since it is in the table */
    struct azm_volume_count then[AZM_RATE_SAMPLES]; /* as it was; the newest first */
    uint64_t handicap;
};

/* All zero is empty. */
struct azm_volumes {
    struct azm_volume items[AZM_VOLUMES_MAX]; /* in no order */
    size_t n;
    struct azm_volume_count others; /* of those that are not in the table any more */
};

void azm_volumes_add(struct azm_volumes *v, struct azm_text service, size_t records, size_t bytes);

/* What was added to the batch since the last call. */
void azm_volumes_add_batch(struct azm_volumes *v, struct azm_batch *batch);

/* To be called at even intervals: `then` moves on. */
void azm_volumes_sample(struct azm_volumes *v);
