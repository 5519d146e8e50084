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
    size_t last;                     /* > 0: start with the last so many entries, whatever is configured */
};

/* Opens the journal and goes to where reading has to begin: after the checkpoint, or where [journal] start= says. The
 * starting point is checkpointed at once, so that it holds although nothing has been acknowledged yet. A damaged
 * checkpoint is set aside, with a log line. Returns 0 or -errno; -EACCES: the journal is there and must not be read. */
int azm_journal_open(const struct azm_journal_options *o, struct azm_source **ret, struct azm_error *err);
