/* SPDX-License-Identifier: MIT */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "core/buf.h"

/* How far something has come of which the end is known: a line for people. All zero is a valid beginning. */

#define AZM_PROGRESS_SAMPLES 31
#define AZM_PROGRESS_SAMPLE_USEC UINT64_C(1000000)

struct azm_progress {
    uint64_t total, done; /* records */
    /* As it once was, for the rate: the newest first, a second or more apart. */
    struct azm_progress_sample {
        uint64_t usec, done; /* monotonic; 0: free */
    } samples[AZM_PROGRESS_SAMPLES];
};

/* So many are done now. More than there are count as all. */
void azm_progress_update(struct azm_progress *p, uint64_t now_usec, uint64_t done);

/* Replaces the content of `out` by "45 %  12345 of 27431 records  1234/s  12s left", with a bar in front that fills
 * `columns` (0: without one). The rate is that of about the last half minute. `trouble` (NULL: none) stands instead of
 * the time that is left, cut to the columns. 0 or -ENOMEM. */
int azm_progress_print(const struct azm_progress *p, uint64_t now_usec, const char *trouble, size_t columns,
                       struct azm_buf *out);
