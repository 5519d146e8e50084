/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "core/log.h"
#include "source/journal_handle.h"
#include "source/journal_internal.h"
#include "source/journal_resume.h"

/* Damage and vacuum do not show in return codes; sequence numbers are the only thing that tells. Journald numbers all
 * entries that it writes, whatever file they go to, with one counter. So the number of entries read is compared with
 * how far the numbers went; only where that differs the stretch is walked once more, with a handle of its own, to see
 * which numbers are missing. */

/* A number that is so far ahead is damage, not a gap: nobody logs faster than an entry in a microsecond. */
#define SLACK_ENTRIES UINT64_C(100000)

/* How far to look back for the entry before another one in the same file. */
#define BACK_MAX 200000

#define HOLES_MAX 8 /* more of them in one stretch become one */

struct hole {
    struct azm_place from, to;
    uint64_t entries;
    bool about, up_to;
};

struct stretch {
    struct azm_place *places; /* in reading order */
    size_t n, cap;
    struct hole *holes;
    size_t n_holes;
    struct azm_place absurd; /* the entry before one whose number is beyond belief */
    bool is_absurd;
};

static void stretch_free(struct stretch *w)
{
    free(w->places);
    free(w->holes);
}

static int add_place(struct stretch *w, const struct azm_place *p)
{
    if (w->n == w->cap) {
        size_t cap = MAX(2 * w->cap, (size_t)1024);
        struct azm_place *places = reallocarray(w->places, cap, sizeof *places);

        if (!places)
            return -ENOMEM;
        w->places = places;
        w->cap = cap;
    }
    w->places[w->n++] = *p;
    return 0;
}

static uint64_t distance(uint64_t a, uint64_t b)
{
    return a > b ? a - b : b - a;
}

static bool is_plausible(const struct azm_place *from, const struct azm_place *to, uint64_t entries)
{
    uint64_t usec = distance(from->realtime_usec, to->realtime_usec);

    if (sd_id128_equal(from->boot, to->boot))
        usec = MAX(usec, distance(from->monotonic_usec, to->monotonic_usec));
    return entries <= usec + SLACK_ENTRIES;
}

/* Walks from the account's place to `now` and one entry further: 1 if it met `now`, 2 if there was one further, 0,
 * -errno. *ret_gone: the account's own entry is gone, and the stretch begins with what is left after it. */
static int walk(struct azm_journal *s, sd_journal *j, const struct azm_place *now, struct stretch *w, bool *ret_gone)
{
    uint64_t limit = (uint64_t)MAX(s->account.read, (int64_t)0) + 100000;
    bool met = false;
    int r;

    *ret_gone = true;
    r = sd_journal_seek_cursor(j, s->account.cursor);
    for (uint64_t i = 0; i < limit && r >= 0; i++) {
        struct azm_place p;

        r = sd_journal_next(j);
        if (r <= 0)
            break;
        r = azm_place_current(j, &p);
        if (r >= 0)
            r = add_place(w, &p);
        if (met)
            return r < 0 ? r : 2;
        if (i == 0)
            *ret_gone = sd_journal_test_cursor(j, s->account.cursor) <= 0;
        met = azm_place_equal(&p, now);
    }
    return r < 0 ? r : met;
}

/* Numbers that do not fit into the order in which one history was read are damage; they become the ones that they most
 * likely were. */
static void mend_numbers(struct stretch *w)
{
    for (size_t i = 1; i < w->n; i++) {
        struct azm_place *p = &w->places[i], *last = NULL, *before = NULL;

        for (size_t k = i; k-- > 0 && !before;)
            if (sd_id128_equal(w->places[k].seqnum_id, p->seqnum_id)) {
                before = last ? &w->places[k] : NULL;
                last = last ? last : &w->places[k];
            }
        if (!last)
            continue;
        if (p->seqnum <= last->seqnum) {
            if (before && p->seqnum > before->seqnum)
                last->seqnum = before->seqnum + 1; /* that one was too large */
            else
                p->seqnum = last->seqnum + 1; /* this one is too small */
        } else if (!is_plausible(last, p, p->seqnum - last->seqnum)) {
            if (!w->is_absurd)
                w->absurd = *last;
            w->is_absurd = true;
            p->seqnum = last->seqnum + 1;
        }
    }
}

static int compare_numbers(const void *a, const void *b)
{
    const struct azm_place *x = a, *y = b;

    return x->seqnum < y->seqnum ? -1 : x->seqnum > y->seqnum;
}

/* Have these numbers one order? After a power loss another boot uses numbers again. */
static bool same_counter(const struct azm_config *c, const struct azm_place *a, const struct azm_place *b)
{
    return azm_journal_is_machines(c) ? sd_id128_equal(a->boot, b->boot) : sd_id128_equal(a->seqnum_id, b->seqnum_id);
}

/* Goes to this entry, and back to the one before it with the same seqnum id: true, and *ret is that. */
static bool find_predecessor(sd_journal *j, const struct azm_place *p, struct azm_place *ret)
{
    char cursor[AZM_PLACE_TEXT_MAX];

    azm_place_print(p, cursor);
    if (sd_journal_seek_cursor(j, cursor) < 0 || sd_journal_next(j) <= 0)
        return false;
    for (unsigned i = 0; i < BACK_MAX && sd_journal_previous(j) > 0; i++)
        if (azm_place_current(j, ret) >= 0 && sd_id128_equal(ret->seqnum_id, p->seqnum_id))
            return true;
    return false;
}

/* A file of a user has numbers from an earlier boot that may be higher than those with which the system's journal was
 * left by a power loss. Its first entry in the new boot then takes the counter further, and nothing is missing before
 * it. */
static bool is_jump(sd_journal *j, const struct azm_place *from, const struct azm_place *to)
{
    struct azm_place before;

    return !sd_id128_equal(from->seqnum_id, to->seqnum_id) && find_predecessor(j, to, &before) &&
           before.seqnum == to->seqnum - 1;
}

/* Between two boots numbers tell how many are missing only if the first one ended well. After a power loss journald
 * goes on with the last number that is on disk: what was there before and what came after may have had the same
 * numbers. And it goes by the system's file, so the last numbers of users' files may be used again in any case. */
static bool is_about(const struct azm_place *from, const struct azm_place *to)
{
    return !sd_id128_equal(from->boot, to->boot);
}

static int add_hole(struct stretch *w, const struct azm_place *from, const struct azm_place *to)
{
    struct hole *holes = reallocarray(w->holes, w->n_holes + 1, sizeof *holes);

    if (!holes)
        return -ENOMEM;
    w->holes = holes;
    holes[w->n_holes++] =
        (struct hole){.from = *from, .to = *to, .entries = to->seqnum - from->seqnum - 1, .about = is_about(from, to)};
    return 0;
}

/* Finds the numbers that are missing among places[0..n), all of one counter and sorted. */
static int find_holes_of_counter(struct stretch *w, sd_journal *j, const struct azm_place *places, size_t n)
{
    for (size_t i = 1; i < n; i++)
        if (places[i].seqnum > places[i - 1].seqnum + 1 && !is_jump(j, &places[i - 1], &places[i]) &&
            add_hole(w, &places[i - 1], &places[i]) < 0)
            return -ENOMEM;
    return 0;
}

static int find_holes(struct azm_journal *s, struct stretch *w, sd_journal *j)
{
    _cleanup_free_ struct azm_place *group = calloc(w->n + 1, sizeof *group);
    _cleanup_free_ bool *done = calloc(w->n + 1, sizeof *done);
    struct azm_place ends[2] = {0}; /* of the group before, and where this one begins */
    int r = 0;

    if (!group || !done)
        return -ENOMEM;
    for (size_t first = 0; first < w->n && r == 0; first++) {
        size_t n = 0;

        if (done[first])
            continue;
        for (size_t i = first; i < w->n; i++)
            if (!done[i] && same_counter(s->config, &w->places[first], &w->places[i])) {
                done[i] = true;
                group[n++] = w->places[i];
            }
        qsort(group, n, sizeof *group, compare_numbers);
        ends[1] = group[0];
        if (first > 0 && azm_journal_is_machines(s->config)) /* the counter goes on in the next boot */
            r = find_holes_of_counter(w, j, ends, 2);
        if (r == 0)
            r = find_holes_of_counter(w, j, group, n);
        ends[0] = group[n - 1];
    }
    return r;
}

/* Before systemd 254 journald's files of users have seqnum ids of their own beside one counter, and when journald is
 * restarted the counter goes on from the system's file: numbers may be used twice then. */
static bool numbers_are_spread(const struct azm_journal *s, const struct azm_gap *g)
{
    return azm_journal_is_machines(s->config) &&
           (s->history.n_seen > 1 || !sd_id128_equal(g->from.seqnum_id, g->to.seqnum_id));
}

bool azm_journal_is_complete(const struct azm_journal *s)
{
    return !s->selects && !s->closed && (s->config->scope == AZM_SCOPE_ALL || !azm_journal_is_machines(s->config));
}

int azm_journal_add_gap(struct azm_journal *s, struct azm_gap *g, struct azm_error *err)
{
    g->up_to |= g->counted && (azm_journal_filters(s->config) || !azm_journal_is_complete(s));
    g->about |= g->counted && g->reason != AZM_GAP_UNREADABLE && numbers_are_spread(s, g);
    return azm_gaps_add(&s->gaps, &s->losses, g) < 0 ? azm_error_set(err, ENOMEM, "out of memory") : 0;
}

int azm_journal_add_vacuumed(struct azm_journal *s, struct azm_gap *g, struct azm_error *err)
{
    if (!g->counted && g->reason == AZM_GAP_VACUUMED && azm_journal_is_machines(s->config) &&
        g->to.seqnum > g->from.seqnum) {
        g->counted = true; /* by the one counter of all files */
        g->entries = g->to.seqnum - g->from.seqnum - 1;
    }
    g->about = g->counted && is_about(&g->from, &g->to);
    return g->counted && g->entries == 0 ? 0 : azm_journal_add_gap(s, g, err);
}

static int report_hole(struct azm_journal *s, const struct hole *h, enum azm_gap_reason reason, struct azm_error *err)
{
    struct azm_gap g = {.reason = reason,
                        .counted = true,
                        .about = h->about,
                        .up_to = h->up_to,
                        .entries = h->entries,
                        .from = h->from,
                        .to = h->to};

    return azm_journal_add_gap(s, &g, err);
}

/* The numbers tell nothing: after a power loss they were used again, or they are damaged. */
static int report_uncounted(struct azm_journal *s, const struct azm_place *from, const struct azm_place *to,
                            struct azm_error *err)
{
    struct azm_gap g = {.reason = AZM_GAP_VACUUMED, .from = *from, .to = *to};

    return azm_journal_add_gap(s, &g, err);
}

/* Everything up to the beginning of the stretch is gone, the account's own entry included. */
static int report_gone(struct azm_journal *s, struct stretch *w, sd_journal *j, struct azm_error *err)
{
    const struct azm_place *from = &s->account.place, *first = &w->places[0];
    struct hole h = {.from = *from, .to = *first, .about = is_about(from, first)};
    int64_t read = s->account.read - (int64_t)w->n;
    struct azm_place before;
    size_t n = 0;

    if (!azm_journal_is_machines(s->config) && !sd_id128_equal(from->seqnum_id, first->seqnum_id))
        return 0; /* of another machine */
    if (sd_id128_equal(from->boot, first->boot) && first->monotonic_usec <= from->monotonic_usec)
        return 0; /* a volatile journal was flushed to disk: its entries have new numbers there */
    if (first->seqnum <= from->seqnum)
        return report_uncounted(s, from, first, err);
    h.entries = first->seqnum - from->seqnum - 1;
    h.entries -= MIN(h.entries, (uint64_t)MAX(read, (int64_t)0));
    /* A user's file that is the oldest left of its kind begins with a jump: those numbers were used before. */
    for (size_t i = 0; i < w->n_holes; i++)
        if (!sd_id128_equal(w->holes[i].from.seqnum_id, w->holes[i].to.seqnum_id) &&
            !find_predecessor(j, &w->holes[i].to, &before)) {
            h.entries += w->holes[i].entries;
            h.about |= w->holes[i].about;
            if (w->holes[i].to.realtime_usec > h.to.realtime_usec)
                h.to = w->holes[i].to;
        } else
            w->holes[n++] = w->holes[i];
    w->n_holes = n;
    if (h.entries == 0)
        return 0;
    return is_plausible(from, first, h.entries) ? report_hole(s, &h, AZM_GAP_VACUUMED, err)
                                                : report_uncounted(s, from, first, err);
}

static int report_holes(struct azm_journal *s, const struct stretch *w, struct azm_error *err)
{
    struct hole all;
    int r = 0;

    if (w->is_absurd) { /* it hides what comes after it in its file, for libsystemd goes by the numbers */
        struct azm_gap g = {.reason = AZM_GAP_MISSING, .from = w->absurd};

        r = azm_journal_add_gap(s, &g, err);
    }
    if (w->n_holes <= HOLES_MAX) {
        for (size_t i = 0; i < w->n_holes && r == 0; i++)
            r = report_hole(s, &w->holes[i], AZM_GAP_MISSING, err);
        return r;
    }
    all = w->holes[0];
    for (size_t i = 1; i < w->n_holes; i++) {
        const struct hole *h = &w->holes[i];

        all.from = h->from.realtime_usec < all.from.realtime_usec ? h->from : all.from;
        all.to = h->to.realtime_usec > all.to.realtime_usec ? h->to : all.to;
        all.entries += h->entries;
        all.about |= h->about;
    }
    return r < 0 ? r : report_hole(s, &all, AZM_GAP_MISSING, err);
}

/* Not even `now` is to be found any more: only the numbers are left. */
static int report_from_numbers(struct azm_journal *s, const struct azm_place *now, struct azm_error *err)
{
    struct hole h = {.from = s->account.place, .to = *now, .about = is_about(&s->account.place, now), .up_to = true};
    uint64_t known = h.from.seqnum + (uint64_t)MAX(s->account.read, (int64_t)1);

    if (!same_counter(s->config, &h.from, now) || now->seqnum <= known ||
        !is_plausible(&h.from, now, now->seqnum - known))
        return 0;
    h.entries = now->seqnum - known;
    return report_hole(s, &h, AZM_GAP_VACUUMED, err);
}

/* Does the stretch have entries that the reader did not give? After damage libsystemd may leave a file before its end,
 * where a new handle gives what comes behind the damage: it depends on what the handle did before. (Where there are
 * several boots or series of numbers the order depends on clocks, and on where a handle began: journal_late.c.) */
static bool has_passed_over(const struct azm_journal *s, const struct stretch *w)
{
    const struct azm_place *from = &s->account.place, *to = &w->places[w->n - 1];

    if ((int64_t)w->n - 1 <= s->account.read || to->seqnum <= from->seqnum + (uint64_t)s->account.read)
        return false;
    for (size_t i = 0; i < w->n; i++)
        if (!sd_id128_equal(w->places[i].boot, from->boot) || !sd_id128_equal(w->places[i].seqnum_id, from->seqnum_id))
            return false;
    return true;
}

/* Makes the account's place the position again, from which a new handle is to read. What was read since comes once
 * more, with the same uids. 0 or -errno. */
static int go_back(struct azm_journal *s, struct azm_error *err)
{
    struct azm_uid_state *uid_state = azm_entry_uid_state(s->reader);
    int r;

    r = azm_journal_set_cursor(s, s->account.cursor, err);
    if (r < 0)
        return r;
    azm_uid_state_free(uid_state);
    *uid_state = s->account.uid_state;
    s->account.uid_state = (struct azm_uid_state){0};
    s->losses.suppressed = s->account.losses.suppressed;
    s->losses.missed_kernel = s->account.losses.missed_kernel;
    s->unreadable = 0;
    s->read_again = true;
    s->read_again_from = s->account.place;
    return 0;
}

/* Going back did not help. */
static int report_passed_over(struct azm_journal *s, const struct stretch *w, struct azm_error *err)
{
    struct hole h = {.from = s->account.place,
                     .to = w->places[w->n - 1],
                     .entries = (uint64_t)((int64_t)w->n - 1 - s->account.read)};

    return report_hole(s, &h, AZM_GAP_MISSING, err);
}

/* The numbers do not fit: walks the stretch once more to see which are missing. 0, -errno. */
static int survey(struct azm_journal *s, const struct azm_place *now, struct azm_error *err)
{
    _cleanup_(stretch_free) struct stretch w = {0};
    _cleanup_journal_ sd_journal *j = NULL;
    bool gone;
    int r;

    r = azm_journal_open_handle(s->config, &j, err);
    if (r < 0)
        return r;
    r = walk(s, j, now, &w, &gone);
    if (r == 0 || (r < 0 && r != -ENOMEM))
        return report_from_numbers(s, now, err);
    if (r > 0) {
        mend_numbers(&w);
        if (r == 2)
            w.n--; /* the one further was for mending only */
        r = find_holes(s, &w, j);
    }
    if (r < 0)
        return azm_error_set(err, r, "out of memory");
    if (gone)
        r = report_gone(s, &w, j, err);
    else if (has_passed_over(s, &w)) {
        if (!azm_place_equal(&s->account.place, &s->read_again_from)) {
            azm_log(AZM_LOG_NOTICE, "libsystemd has passed over %" PRId64 " journal entries; they are read now",
                    (int64_t)w.n - 1 - s->account.read);
            return go_back(s, err); /* what else there is to tell is found again */
        }
        r = report_passed_over(s, &w, err);
    }
    return r < 0 ? r : report_holes(s, &w, err);
}

int azm_journal_account_from(struct azm_journal *s, const char *cursor, int64_t read, struct azm_error *err)
{
    free(s->account.cursor);
    azm_uid_state_free(&s->account.uid_state);
    s->account = (struct azm_account){.read = read};
    if (!cursor || !azm_place_parse(cursor, &s->account.place))
        return 0;
    s->account.losses = s->losses;
    if (azm_uid_state_copy(&s->account.uid_state, azm_entry_uid_state(s->reader)) == 0)
        s->account.cursor = strdup(cursor);
    return s->account.cursor ? 0 : azm_error_set(err, ENOMEM, "out of memory");
}

/* Entries that libsystemd could not give, since the last look. */
static int report_unreadable(struct azm_journal *s, struct azm_error *err)
{
    struct azm_gap g = {.reason = AZM_GAP_UNREADABLE,
                        .counted = true,
                        .entries = s->unreadable,
                        .from = s->first_unreadable,
                        .to = s->last_unreadable};

    s->losses.unreadable += s->unreadable;
    s->unreadable = 0;
    return azm_journal_add_gap(s, &g, err);
}

int azm_journal_account(struct azm_journal *s, struct azm_error *err)
{
    struct azm_place now;
    bool known, due;
    int r = 0;

    azm_journal_keep_cursor(s);
    known = s->cursor && azm_place_parse(s->cursor, &now);
    due = known && s->account.read != 0 && !s->on_unread; /* the latter: the account begins with the next entry */
    if (due && s->account.cursor && azm_journal_is_complete(s) &&
        now.seqnum != s->account.place.seqnum + (uint64_t)s->account.read)
        r = survey(s, &now, err);
    if (r == 0 && s->unreadable > 0)
        r = report_unreadable(s, err);
    if (r == 0 && known && !s->read_again)
        azm_history_note(&s->history, &now);
    return r < 0 || !due ? r : azm_journal_account_from(s, s->cursor, 0, err);
}

int azm_journal_check_overtaken(struct azm_journal *s, struct azm_error *err)
{
    _cleanup_journal_ sd_journal *j = NULL;
    _cleanup_free_ char *cursor = NULL;
    struct azm_gap g;
    int r;

    if (!s->account.cursor)
        return 0;
    r = azm_journal_open_handle(s->config, &j, err);
    if (r < 0)
        return r;
    r = azm_journal_resume(j, s->account.cursor, &s->history, &g);
    if (r != AZM_RESUME_VACUUMED)
        return r < 0 ? azm_journal_error(err, r, "cannot look for the last entry") : 0;
    r = sd_journal_get_cursor(j, &cursor);
    if (r >= 0)
        r = azm_journal_account_from(s, cursor, 0, err);
    if (r < 0)
        return azm_journal_error(err, r, "cannot look for the last entry");
    return azm_journal_add_vacuumed(s, &g, err);
}
