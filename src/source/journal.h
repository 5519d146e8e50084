/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>

#include "config/config.h"
#include "source/source.h"

/* The journal as a source. */

#define AZM_JOURNAL_CHECKPOINT "cursor" /* the checkpoint's name in the state directory */

struct azm_journal_options {
    const struct azm_config *config; /* must outlive the source */
    int state_dir_fd;                /* where the checkpoint is; -1: none, always start as configured */
    struct azm_buf *rest;            /* appended: lines of the checkpoint that others have put there; may be NULL */
    size_t last;                     /* > 0: start with the last so many entries, whatever is configured */
    /* until_usec > 0: only a stretch of the past, what journald received (realtime) from since_usec on and before
     * until_usec, whatever is configured. Such a source comes to an end: then `process` has nothing more either. The
     * checkpoint is that of this stretch. */
    uint64_t since_usec, until_usec;
};

/* Opens the journal and goes to where reading has to begin: after the checkpoint, or where [journal] start= says. The
 * starting point is checkpointed at once, so that it holds although nothing has been acknowledged yet. A damaged
 * checkpoint is set aside, with a log line. Returns 0 or -errno; -EACCES: the journal is there and must not be read. */
int azm_journal_open(const struct azm_journal_options *o, struct azm_source **ret, struct azm_error *err);

/* Of a stretch: how many of its entries have been read, and how many it had when reading began, those that
 * [journal] exclude_... leaves out with them. */
void azm_journal_get_progress(struct azm_source *source, uint64_t *ret_read, uint64_t *ret_total);
