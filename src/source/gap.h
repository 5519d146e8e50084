/* SPDX-License-Identifier: MIT */
#pragma once

#include "core/arena.h"
#include "core/record.h"
#include "source/losses.h"
#include "source/place.h"

/* A gap: entries that the journal lost before they could be read. Each is logged once, counted, and exported as one
 * record of severity warning, so that whoever reads the logs at the far end knows that some are missing. */

enum azm_gap_reason {
    AZM_GAP_VACUUMED,    /* deleted by rotation or vacuum before they were read */
    AZM_GAP_ROLLED_BACK, /* the journal lost its end (power loss, files put back) or was recreated */
    AZM_GAP_MISSING,     /* sequence numbers are missing: a file was damaged, truncated or deleted */
    AZM_GAP_UNREADABLE,  /* single entries that libsystemd could not give */
    AZM_GAP_FILE,        /* a file that libsystemd cannot read at all, or that gives no entry */
};

struct azm_gap {
    enum azm_gap_reason reason;
    bool counted; /* `entries` is known */
    bool about;   /* ... is not exact: numbers may have been used twice, by files of users or by another boot */
    bool up_to;   /* `entries` is an upper bound */
    uint64_t entries;
    struct azm_place from, to; /* the entries around it; all zero: none */
    char *file;                /* for AZM_GAP_FILE; owned */
};

/* Writes the log line. */
void azm_gap_log(const struct azm_gap *g);

/* The gap as a record of this resource; texts are put into the arena. The uid depends on the gap alone, so the same gap
 * found again (after a crash) has the same one. 1 or -ENOMEM. `attributes` has room for AZM_GAP_ATTRIBUTES. */
#define AZM_GAP_ATTRIBUTES 7
int azm_gap_record(const struct azm_gap *g, struct azm_text resource, uint64_t now_usec, struct azm_arena *arena,
                   struct azm_attribute *attributes, struct azm_record *ret);

/* Gaps that have been found and wait for their turn to be exported. */
struct azm_gaps {
    struct azm_gap *items;
    size_t n, next;
};

/* Logs, counts and queues a gap; takes over g->file in any case. 0 or -ENOMEM. */
int azm_gaps_add(struct azm_gaps *gaps, struct azm_losses *losses, struct azm_gap *g);

/* The next one that waits, or NULL. Stays valid until the next call. */
const struct azm_gap *azm_gaps_take(struct azm_gaps *gaps);
void azm_gaps_free(struct azm_gaps *gaps);
