/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>

#include "batch/batch.h"
#include "export/transport.h"

/* The batches that the exporter's thread has, each in parts: at first one part with all records; a part that is refused
 * or fails for itself is split, until what is wrong stands alone. The exporter's thread owns all of it.
 *
 * Time is counted in steps here, one for each request sent and each failure, so that "sent after that failure" is exact
 * whatever the clock does. */

enum azm_part_state {
    AZM_PART_READY,   /* to be sent as soon as the pace allows */
    AZM_PART_SENDING, /* the request runs */
    AZM_PART_KEEPING, /* its records have to go into the quarantine, which has no room */
};

struct azm_part {
    struct azm_part *next; /* the records behind it in the same batch */
    struct azm_transit *transit;
    struct azm_batch *batch; /* where its records are: the transit's, or copies that were gathered from there */
    size_t first, n;         /* records of it */
    enum azm_part_state state;

    uint64_t sent, failed; /* steps: the last request, its last failure of any kind; 0: none */
    uint64_t refused;      /* step: when these records were first refused, be it among others; 0: never */
    uint64_t sent_usec;    /* monotonic */
    uint64_t made_usec;    /* monotonic: when the body was made */
    uint64_t token_number; /* of the token that went along; 0: none */
    unsigned failures;     /* see struct azm_attempt */
    unsigned tries;        /* that failed in a way that counts there, whether others passed or not */
    bool suspect;          /* goes outside the window, one at a time */
    bool outside;          /* its request that runs does */
    unsigned redirects;
    char *redirect_url; /* where the next request goes; NULL: home */
    bool keep_credentials;
    struct azm_batch *truncated; /* the record as it is sent now; NULL: as it is in the batch */

    struct azm_request *request;
    struct azm_buf body; /* as it goes onto the wire: made for this request, which says whether it is compressed */
    struct azm_part_note *note; /* KEEPING: what is to be written; the exporter's */
};

struct azm_transit {
    struct azm_transit *next; /* younger */
    struct azm_batch *batch;
    struct azm_part *parts;
    struct azm_batch **gathered; /* copies of some of its records */
    size_t n_gathered;
};

/* All zero is empty. */
struct azm_transits {
    struct azm_transit *oldest, *youngest;
    uint64_t step;  /* the last one */
    uint64_t proof; /* the latest step at which a request was sent that was acknowledged; 0: none */

    /* One record that was acknowledged before, in a batch of its own, or NULL. It is sent again, as a probe, where
     * there is doubt whether the destination takes anything, and nothing else is there to tell: on a quiet host, at the
     * end of a journal. That makes a duplicate, which has the uid of the first copy. It is not on the list. */
    struct azm_transit *probe;
};

/* A batch as one part; NULL when memory is out. Else the batch belongs to it. */
struct azm_transit *azm_transit_new(struct azm_batch *batch);

/* Frees it and gives the batch back. */
struct azm_batch *azm_transit_free(struct azm_transit *t);

/* Adds one as the youngest; takes the oldest off, or NULL. */
void azm_transits_append(struct azm_transits *ts, struct azm_transit *t);
struct azm_transit *azm_transits_take(struct azm_transits *ts);

/* Makes the first record of an acknowledged part the probe, if that is not under way: 0 or -ENOMEM. */
int azm_transits_set_probe(struct azm_transits *ts, const struct azm_part *p);

static inline bool azm_part_is_probe(const struct azm_transits *ts, const struct azm_part *p)
{
    return p->transit == ts->probe;
}

/* Frees all of it, batches too. */
void azm_transits_clear(struct azm_transits *ts);

enum azm_probing {
    AZM_PROBE_NOT,
    AZM_PROBE_AFTER_UNTRIED, /* they may end the doubt without a duplicate */
    AZM_PROBE_FIRST,         /* enough was tried */
};

/* The part to be sent next, or NULL: among the suspects or among the others. Of one batch there is one request at a
 * time, so that its records arrive in order when they are split. First what there is no doubt about, in order; then
 * what was not tried yet since it was split, in order; then the probe, if that can end a doubt (or earlier, or not at
 * all, as `probing` says); then what failed longest ago, so that one part that always fails does not keep the others
 * from being tried. */
struct azm_part *azm_transits_next(const struct azm_transits *ts, bool suspects, enum azm_probing probing);

/* Is there a part, not suspect, that was not tried yet since it was split? */
bool azm_transits_have_untried(const struct azm_transits *ts);

/* Has it failed often enough to be split although nothing else has passed? While there is no probe nobody can tell an
 * outage from a window in which every batch has a record that breaks the server. So the oldest batch, and no other one,
 * is split with each failure, until a piece of it passes. */
bool azm_part_is_scout(const struct azm_transits *ts, const struct azm_part *p);

/* Notes that it was sent, or has failed; `refused`: for its data. */
void azm_part_sent(struct azm_transits *ts, struct azm_part *p, uint64_t now_usec);
void azm_part_failed(struct azm_transits *ts, struct azm_part *p, bool refused);

/* Has the destination taken other records since these were refused (or failed)? See struct azm_attempt. */
bool azm_part_is_proven(const struct azm_transits *ts, const struct azm_part *p);
bool azm_part_others_passed(const struct azm_transits *ts, const struct azm_part *p);

/* Splits a part of two or more records, by bytes or by records: 0 or -ENOMEM. Both are READY. */
int azm_part_split(struct azm_part *p, bool by_bytes);

/* The same behind its first `n` records, 1 to one less than it has. */
int azm_part_cut(struct azm_part *p, size_t n);

/* A part with copies of those of its records for which `wanted` (p->n of them) is true, right behind it: what is to be
 * sent again and lies apart goes in one request. The originals are then to be done with. NULL when memory is out. */
struct azm_part *azm_part_gather(struct azm_part *p, const bool *wanted);

/* The next request goes to the configured place again. */
void azm_part_go_home(struct azm_part *p);

/* Forgets the request and the body, and where it was redirected to. */
void azm_part_reset(struct azm_part *p);

/* It was acknowledged: others are proven by that. To be followed by azm_part_done. */
void azm_part_acknowledged(struct azm_transits *ts, const struct azm_part *p);

/* The part is through. If it was the batch's last one, the batch is taken off the list and returned, else NULL. */
struct azm_transit *azm_part_done(struct azm_transits *ts, struct azm_part *p);

/* The destination is another one now: forgets doubt and proof. (The probe stays: that the new one takes it proves as
 * much.) */
void azm_transits_forget(struct azm_transits *ts);

/* How many batches are under suspicion: have a suspect, or a part that has failed again although others were taken. */
size_t azm_transits_suspects(const struct azm_transits *ts);
