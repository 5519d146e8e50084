/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "core/cleanup.h"
#include "source/journal_resume.h"

/* What a cursor says of its entry (sd_journal_get_cursor(3) calls it opaque; its form has been the same since
 * systemd 183, and there is no other way to the sequence number before 254). */
struct place {
    char seqnum_id[33], boot[33];
    uint64_t seqnum, monotonic, realtime;
};

static bool parse_cursor(const char *cursor, struct place *p)
{
    return sscanf(cursor, "s=%32[0-9a-f];i=%" SCNx64 ";b=%32[0-9a-f];m=%" SCNx64 ";t=%" SCNx64, p->seqnum_id,
                  &p->seqnum, p->boot, &p->monotonic, &p->realtime) == 5;
}

/* The place of the current entry: 0 or -errno. */
static int current_place(sd_journal *j, struct place *p)
{
    _cleanup_free_ char *cursor = NULL;
    int r = sd_journal_get_cursor(j, &cursor);

    if (r < 0)
        return r;
    return parse_cursor(cursor, p) ? 0 : -EBADMSG;
}

static bool same_boot(const struct place *a, const struct place *b)
{
    return strcmp(a->boot, b->boot) == 0;
}

/* Was `e` certainly delivered when the checkpoint was at `c`? The sequence number alone does not prove it: after a
 * power loss journald uses numbers again. Nor does the clock, which may lie behind then; so the monotonic time decides
 * within one boot, and of other boots only those count that are known to come before the checkpoint's. Within one boot
 * the monotonic time also does for another seqnum id, which a volatile journal gets when it is flushed to disk. */
static bool delivered(const struct place *e, const struct place *c, bool earlier_boot)
{
    bool same_numbers = strcmp(e->seqnum_id, c->seqnum_id) == 0;

    if (e->realtime > c->realtime || (same_numbers && e->seqnum > c->seqnum))
        return false;
    if (!same_boot(e, c))
        return same_numbers && earlier_boot;
    return same_numbers ? e->monotonic <= c->monotonic : e->monotonic < c->monotonic;
}

/* The journal stands on an entry that is not the cursor's. Is it simply the next one of the same history? On success
 * the journal stands there again. */
static int is_plain_gap(sd_journal *j, const char *cursor, const struct place *c, uint64_t *ret_lost)
{
    struct place landed, before;
    int r;

    r = current_place(j, &landed);
    if (r < 0)
        return r;
    if (strcmp(landed.seqnum_id, c->seqnum_id) != 0 || landed.seqnum <= c->seqnum || landed.realtime < c->realtime)
        return false;
    r = sd_journal_previous(j);
    if (r < 0)
        return r;
    if (r > 0) {
        r = current_place(j, &before);
        if (r < 0)
            return r;
        if (!delivered(&before, c, false))
            return false;
    }
    r = sd_journal_seek_cursor(j, cursor);
    if (r < 0)
        return r;
    r = sd_journal_next(j);
    if (r <= 0)
        return r < 0 ? r : -EAGAIN;
    *ret_lost = landed.seqnum - c->seqnum - 1;
    return true;
}

/* Walks back from the end to the last entry that was certainly delivered, or to before the first entry. */
static int walk_back(sd_journal *j, const struct place *c)
{
    bool met_boot = false; /* what lies before an entry of the checkpoint's boot is not of a later boot */
    int r = sd_journal_seek_tail(j);

    if (r < 0)
        return r;
    while ((r = sd_journal_previous(j)) > 0) {
        struct place p;

        r = current_place(j, &p);
        if (r < 0)
            return r;
        met_boot |= same_boot(&p, c);
        if (delivered(&p, c, met_boot))
            return 0;
    }
    return r < 0 ? r : sd_journal_seek_head(j);
}

int azm_journal_resume(sd_journal *j, const char *cursor, uint64_t *ret_lost)
{
    struct place c;
    int r;

    *ret_lost = 0;
    if (!parse_cursor(cursor, &c))
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
        r = is_plain_gap(j, cursor, &c, ret_lost);
        if (r != 0)
            return r < 0 ? r : AZM_RESUME_GAP;
    }
    r = walk_back(j, &c);
    return r < 0 ? r : AZM_RESUME_ROLLBACK;
}
