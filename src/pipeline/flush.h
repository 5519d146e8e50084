/* SPDX-License-Identifier: MIT */
#pragma once

#include "source/source.h"

/* Flushes that are waited for: "tell me when everything that is in the journal now is acknowledged". Each goes through
 * four steps: the source marks its end; reading passes the mark; what is read is sealed; that is acknowledged. */

/* Who waits for one. */
struct azm_flush_waiter {
    /* Called once; `error`: NULL when all is acknowledged, else why that will not be. */
    void (*done)(void *userdata, const char *error);
    bool (*wanted)(void *userdata); /* does anybody still wait? */
    void *userdata;
};

struct azm_flush;

struct azm_flushes {
    struct azm_flush *first;
};

/* Adds one, which waits for `n` entries with this message (NULL: for none), and ends those that nobody wants any more:
 * 0 or -ENOMEM. */
int azm_flush_add(struct azm_flushes *f, const char *message, unsigned n, const struct azm_flush_waiter *waiter);

/* The source may have more entries: tries to mark for those that are not marked yet. 1 if it did, 0, -errno. */
int azm_flush_mark(struct azm_flushes *f, struct azm_source *source, struct azm_error *err);

/* Is one waiting for reading to pass its mark? */
bool azm_flush_reads(const struct azm_flushes *f);

/* Something was read. True if a flush waits for everything read so far to be sealed. */
bool azm_flush_wants_seal(struct azm_flushes *f, struct azm_source *source);

/* Everything read so far is in the first `submitted` batches. */
void azm_flush_sealed(struct azm_flushes *f, uint64_t submitted);

/* The first `acknowledged` batches are acknowledged: ends the flushes that waited for them. */
void azm_flush_acknowledged(struct azm_flushes *f, uint64_t acknowledged);

/* Ends all of them. */
void azm_flush_fail(struct azm_flushes *f, const char *error);
