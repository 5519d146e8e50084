/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "source/journal_resume.h"

#define LOOK_MAX 100000 /* entries */

/* May `e` simply be what follows `c` when the entries between them are gone? */
static bool follows(const struct azm_place *e, const struct azm_place *c, const struct azm_history *h)
{
    if (e->realtime_usec >= c->realtime_usec)
        for (size_t i = h->n_pairs; i-- > 0;) /* the latest of this seqnum id */
            if (sd_id128_equal(e->seqnum_id, h->pairs[i].seqnum_id) && !sd_id128_equal(e->boot, c->boot))
                return e->seqnum > h->pairs[i].seqnum && e->seqnum > c->seqnum;
    if (sd_id128_equal(e->seqnum_id, c->seqnum_id))
        return e->seqnum > c->seqnum && e->realtime_usec >= c->realtime_usec;
    /* Files of users have seqnum ids of their own. */
    return sd_id128_equal(e->boot, c->boot) && e->monotonic_usec >= c->monotonic_usec &&
           e->realtime_usec >= c->realtime_usec;
}

/* The same entry under another number? */
static bool is_copy(const struct azm_place *a, const struct azm_place *b)
{
    return azm_place_is_alike(a, b) && !sd_id128_equal(a->seqnum_id, b->seqnum_id);
}

/* Is there a copy of `c` among the entries of the same time, of which `p` is the current one? The journal moves. */
static int meet_copy(sd_journal *j, struct azm_place p, const struct azm_place *c)
{
    int r = 1;

    while (r > 0 && sd_id128_equal(p.boot, c->boot) && p.monotonic_usec == c->monotonic_usec) {
        if (is_copy(&p, c))
            return true;
        r = sd_journal_next(j);
        if (r > 0)
            r = azm_place_current(j, &p) < 0 ? -EBADMSG : 1;
    }
    return MIN(r, 0);
}

/* Goes to the first entry that is left after the cursor's: 1 or -errno. */
static int land(sd_journal *j, const char *cursor)
{
    int r = sd_journal_seek_cursor(j, cursor);

    if (r >= 0)
        r = sd_journal_next(j);
    return r == 0 ? -EAGAIN : r;
}

static bool is_known(const struct azm_history *h, sd_id128_t seqnum_id)
{
    for (size_t i = 0; i < h->n_pairs; i++)
        if (sd_id128_equal(h->pairs[i].seqnum_id, seqnum_id))
            return true;
    return azm_history_has_seen(h, seqnum_id);
}

/* The first entry that is left is of an unknown seqnum id: of a user whose file is new, or of a journal that has
 * nothing to do with the one before? The journal moves. */
static int find_known(sd_journal *j, const struct azm_history *h)
{
    struct azm_place p;
    int r = 1;

    for (unsigned i = 0; i < LOOK_MAX && r > 0; i++) {
        r = azm_place_current(j, &p);
        if (r >= 0 && is_known(h, p.seqnum_id))
            return true;
        if (r >= 0)
            r = sd_journal_next(j);
    }
    return MIN(r, 0);
}

/* The journal stands on an entry that is not the cursor's. Is it simply the next one of the same history? On success
 * the journal stands there again. */
static int is_plain_gap(sd_journal *j, const char *cursor, const struct azm_place *c, const struct azm_history *h,
                        struct azm_place *ret_landed, bool *ret_goes_on)
{
    struct azm_place before;
    int r;

    r = azm_place_current(j, ret_landed);
    if (r < 0)
        return r;
    if (!follows(ret_landed, c, h))
        return false;
    r = sd_journal_previous(j);
    if (r < 0)
        return r;
    if (r > 0) {
        r = azm_place_current(j, &before);
        if (r < 0)
            return r;
        if (!azm_history_delivered(h, &before))
            return false;
    }
    r = land(j, cursor);
    *ret_goes_on = sd_id128_equal(ret_landed->seqnum_id, c->seqnum_id);
    if (r < 0 || *ret_goes_on)
        return r;
    r = meet_copy(j, *ret_landed, c);
    if (r != 0)
        return r < 0 ? r : false;
    r = land(j, cursor);
    if (r > 0)
        r = find_known(j, h);
    *ret_goes_on = r > 0;
    return r < 0 ? r : land(j, cursor);
}

/* Walks back from the end to the last entry that was certainly delivered, or to before the first entry, and notes that
 * entry and the one after it as the ends of the gap: 1 if a copy of the cursor's entry was met on the way, 0, -errno.
 */
static int walk_back(sd_journal *j, const struct azm_place *c, const struct azm_history *h, struct azm_gap *gap)
{
    bool copy = false;
    int r = sd_journal_seek_tail(j);

    if (r < 0)
        return r;
    while ((r = sd_journal_previous(j)) > 0) {
        struct azm_place p;

        r = azm_place_current(j, &p);
        if (r < 0)
            return r;
        copy |= is_copy(&p, c);
        if (azm_history_delivered(h, &p)) {
            gap->from = p;
            return copy;
        }
        gap->to = p;
    }
    gap->from = (struct azm_place){0};
    if (r >= 0)
        r = sd_journal_seek_head(j);
    return r < 0 ? r : copy;
}

int azm_journal_resume(sd_journal *j, const char *cursor, const struct azm_history *h, struct azm_gap *ret_gap)
{
    struct azm_gap gap = {0};
    struct azm_place landed;
    bool goes_on;
    int r;

    *ret_gap = gap;
    if (!azm_place_parse(cursor, &gap.from))
        return AZM_RESUME_BAD_CURSOR;
    r = sd_journal_seek_cursor(j, cursor);
    if (r == -EINVAL)
        return AZM_RESUME_BAD_CURSOR;
    if (r < 0)
        return r;
    r = sd_journal_next(j);
    if (r < 0)
        return r;
    if (r > 0 && sd_journal_test_cursor(j, cursor) > 0)
        return AZM_RESUME_EXACT;
    if (r > 0) {
        r = is_plain_gap(j, cursor, &gap.from, h, &landed, &goes_on);
        if (r < 0)
            return r;
        if (r > 0) {
            gap.reason = goes_on ? AZM_GAP_VACUUMED : AZM_GAP_ROLLED_BACK;
            gap.to = landed;
            gap.counted = sd_id128_equal(landed.seqnum_id, gap.from.seqnum_id);
            gap.entries = gap.counted ? landed.seqnum - gap.from.seqnum - 1 : 0;
            *ret_gap = gap;
            return AZM_RESUME_VACUUMED;
        }
    }
    gap.reason = AZM_GAP_ROLLED_BACK;
    landed = gap.from; /* the cursor's */
    r = walk_back(j, &landed, h, &gap);
    if (r != 0)
        return r < 0 ? r : AZM_RESUME_MOVED;
    *ret_gap = gap;
    return AZM_RESUME_ROLLBACK;
}
