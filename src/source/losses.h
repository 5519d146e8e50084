/* SPDX-License-Identifier: MIT */
#pragma once

#include "core/buf.h"

/* What was lost before it could be read, in numbers: counted up to the position they are checkpointed with, so that a
 * restart neither forgets nor counts twice. */
struct azm_losses {
    uint64_t gaps;          /* how many (source/gap.h) */
    uint64_t gap_entries;   /* entries in those whose size is known */
    uint64_t suppressed;    /* journald's rate limit: the sum of N_DROPPED */
    uint64_t missed_kernel; /* kernel messages that journald missed */
    uint64_t unreadable;    /* entries that libsystemd could not give */
    uint64_t damaged_files;
};

/* Appends the checkpoint line (losses=): 0 or -ENOMEM. */
int azm_losses_print(const struct azm_losses *l, struct azm_buf *out);

/* Takes over one checkpoint line, key and value: 1; 0 if the key is not ours; -EBADMSG. */
int azm_losses_parse(struct azm_losses *l, const char *key, const char *value);
