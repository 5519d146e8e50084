/* SPDX-License-Identifier: MIT */
#pragma once

#include "source/journal_internal.h"

/* A stretch of the journal, from the account's place to where reading is now: which numbers are missing in it? It is
 * walked once more by a handle of its own. Where there are several counters that is not enough: what is missing may lie
 * across several stretches, and a handle that goes to a place in one file may lose its way in another one that is
 * damaged. Then the reader notes what it gives, and how far each counter came is kept (lasts, in history.h). For
 * journal_gaps.c. */

struct stretch {
    struct azm_place
        *places; /* n_known that were read before it, of other counters; then those of it, in reading order */
    size_t n, cap, n_known;
    sd_id128_t *counters;                  /* of each of them */
    const struct azm_journal_files *files; /* all of them */
    struct azm_journal_files looked;       /* ... if those known to the journal are not */
    struct hole *holes;
    size_t n_holes;
    struct azm_place absurd; /* the entry before one whose number is beyond belief */
    bool is_absurd;
    bool gone; /* the account's own entry is, and the stretch begins with what is left after it */
};

void azm_stretch_free(struct stretch *w);

/* Walks the stretch up to `now`, with a handle that has gone nowhere yet; `way` to its beginning (see journal_way.h),
 * or NULL. 1, 0 if it did not meet `now`, -errno (-ENOMEM: not the journal's). */
int azm_stretch_walk(struct azm_journal *s, sd_journal *j, const struct azm_place *way, const struct azm_place *now,
                     struct stretch *w);

/* Takes what the reader has noted as the stretch: 0, -errno. */
int azm_stretch_take_read(struct azm_journal *s, struct stretch *w);

/* Takes these places, of which the first n_known were read before the others: 0 or -ENOMEM. */
int azm_stretch_take_places(struct azm_journal *s, const struct azm_place *places, size_t n, size_t n_known,
                            struct stretch *w);

/* Finds the holes in what was walked: 0 or -ENOMEM. */
int azm_stretch_find_holes(struct azm_journal *s, sd_journal *j, struct stretch *w);

/* The first entry that was walked, and how many were. */
static inline const struct azm_place *azm_stretch_first(const struct stretch *w)
{
    return &w->places[w->n_known];
}

static inline size_t azm_stretch_walked(const struct stretch *w)
{
    return w->n - w->n_known;
}

/* How far was this counter read? Of its seqnum ids those of which nothing was read tell least. NULL: nobody knows. */
const struct azm_place *azm_stretch_last(const struct azm_journal *s, const struct stretch *w, sd_id128_t counter);

/* Are these two numbered by one counter? Whether their numbers have one order is another matter: after a power loss a
 * boot of the machine may use numbers again. */
bool azm_stretch_share_counter(const struct azm_journal *s, const struct stretch *w, const struct azm_place *a,
                               const struct azm_place *b);

/* Can so many entries be missing between these two? */
bool azm_stretch_is_plausible(const struct azm_place *from, const struct azm_place *to, uint64_t entries);

/* Goes to this entry, and back to the one before it with the same seqnum id: true, and *ret is that. */
bool azm_stretch_find_predecessor(sd_journal *j, const struct azm_place *p, struct azm_place *ret);

/* Between two boots numbers tell how many are missing only if the first one ended well. After a power loss journald
 * goes on with the last number that is on disk: what was there before and what came after may have had the same
 * numbers. And it goes by the system's file, so the last numbers of users' files may be used again in any case. */
static inline bool azm_stretch_is_about(const struct azm_place *from, const struct azm_place *to)
{
    return !sd_id128_equal(from->boot, to->boot);
}
