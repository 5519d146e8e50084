/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "source/journal_handle.h"
#include "source/journal_internal.h"
#include "source/journal_resume.h"

/* Damage and vacuum do not show in return codes; sequence numbers are the only thing that tells. Journald numbers all
 * entries that it writes, whatever file they go to, with one counter. So the number of entries read is compared with
 * how far the numbers went; only where that differs the stretch is walked once more, with a handle of its own, to see
 * where numbers are missing. */

/* A number that is so far ahead is damage, not a gap: nobody logs faster than an entry in a microsecond. */
#define SLACK_ENTRIES UINT64_C(100000)

/* How far to look back for the entry before another one in the same file. */
#define BACK_MAX 200000

#define HOLES_MAX 8 /* more of them in one stretch become one */

struct hole {
    struct azm_place from, to;
    uint64_t entries;
    bool up_to;
};

/* One history of numbers in the stretch. */
struct numbers {
    struct azm_place last;
    uint64_t others; /* entries of other histories since then, with higher numbers: they may have taken the numbers */
};

struct walk {
    struct numbers *numbers;
    size_t n_numbers;
    struct hole *holes;
    size_t n_holes;
    struct hole absurd; /* where a number is beyond belief; its entries: 1 if there is one */
    uint64_t entries;   /* walked over */
};

static void walk_free(struct walk *w)
{
    free(w->numbers);
    free(w->holes);
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

static int add_hole(struct walk *w, const struct azm_place *from, const struct azm_place *to, uint64_t entries,
                    bool up_to)
{
    struct hole *holes = reallocarray(w->holes, w->n_holes + 1, sizeof *holes);

    if (!holes)
        return -ENOMEM;
    w->holes = holes;
    holes[w->n_holes++] = (struct hole){*from, *to, entries, up_to};
    return 0;
}

/* Finds or adds the numbers of this history; *ret_new tells which. */
static struct numbers *find_numbers(struct walk *w, sd_id128_t seqnum_id, bool *ret_new)
{
    struct numbers *n;

    *ret_new = false;
    for (size_t i = 0; i < w->n_numbers; i++)
        if (sd_id128_equal(w->numbers[i].last.seqnum_id, seqnum_id))
            return &w->numbers[i];
    n = reallocarray(w->numbers, w->n_numbers + 1, sizeof *n);
    if (!n)
        return NULL;
    w->numbers = n;
    *ret_new = true;
    return &n[w->n_numbers++];
}

/* The walk comes to the next entry. */
static int walk_over(struct walk *w, const struct azm_place *p)
{
    bool new;
    struct numbers *n = find_numbers(w, p->seqnum_id, &new);
    struct azm_place last;
    uint64_t missing;
    int r = 0;

    if (!n)
        return -ENOMEM;
    w->entries++;
    for (size_t i = 0; i < w->n_numbers; i++)
        if (&w->numbers[i] != n && p->seqnum > w->numbers[i].last.seqnum)
            w->numbers[i].others++;
    if (new) {
        *n = (struct numbers){.last = *p};
        return 0;
    }
    last = n->last;
    if (p->seqnum <= last.seqnum) { /* the one before had a wrong number, so its hole was none */
        if (w->n_holes > 0 && azm_place_equal(&w->holes[w->n_holes - 1].to, &last))
            w->n_holes--;
    } else {
        missing = p->seqnum - last.seqnum - 1;
        missing -= MIN(missing, n->others);
        if (missing > 0 && !is_plausible(&last, p, missing)) {
            n->last.seqnum++; /* it has taken one number, whatever it says */
            if (w->absurd.entries == 0)
                w->absurd = (struct hole){.from = last, .entries = 1};
            return 0;
        }
        if (missing > 0)
            r = add_hole(w, &last, p, missing, n->others > 0);
    }
    *n = (struct numbers){.last = *p};
    return r;
}

/* Journald's counter is one for all files of the machine; those of other machines have their own. */
static bool same_counter(const struct azm_place *a, const struct azm_place *b)
{
    return sd_id128_equal(a->seqnum_id, b->seqnum_id) || sd_id128_equal(a->boot, b->boot);
}

/* Walks from the account's place to `now` and one further: 1 if it met `now`, 0, -errno. *ret_gone: the account's own
 * entry is gone; *ret_first: the first entry that is left. */
static int walk_stretch(struct azm_journal *s, sd_journal *j, const struct azm_place *now, struct walk *w,
                        bool *ret_gone, struct azm_place *ret_first)
{
    uint64_t limit = (uint64_t)MAX(s->account.read, (int64_t)0) + 100000;
    struct azm_place p;
    bool met = false;
    int r;

    *ret_gone = true;
    r = sd_journal_seek_cursor(j, s->account.cursor);
    if (r < 0)
        return r;
    for (uint64_t i = 0; i < limit; i++) {
        r = sd_journal_next(j);
        if (r <= 0)
            break;
        if (i == 0 && sd_journal_test_cursor(j, s->account.cursor) > 0) {
            *ret_gone = false;
            r = walk_over(w, &s->account.place);
            w->entries = 0;
            if (r < 0)
                return r;
            continue;
        }
        r = azm_place_current(j, &p);
        if (r < 0)
            return r;
        if (w->entries == 0)
            *ret_first = p;
        if (met) { /* it tells whether the number of `now` was right */
            if (sd_id128_equal(p.seqnum_id, now->seqnum_id) && p.seqnum <= now->seqnum) {
                w->entries--;
                r = walk_over(w, &p);
            }
            break;
        }
        r = walk_over(w, &p);
        if (r < 0)
            return r;
        met = azm_place_equal(&p, now);
    }
    return r < 0 ? r : met;
}

int azm_journal_add_gap(struct azm_journal *s, struct azm_gap *g, struct azm_error *err)
{
    g->up_to |= g->counted && azm_journal_filters(s->config);
    return azm_gaps_add(&s->gaps, &s->losses, g) < 0 ? azm_error_set(err, ENOMEM, "out of memory") : 0;
}

/* Goes back from the current entry, *p, to the one before it with the same seqnum id: true, and *p is that. */
static bool find_predecessor(sd_journal *j, struct azm_place *p)
{
    const sd_id128_t seqnum_id = p->seqnum_id;

    for (unsigned i = 0; i < BACK_MAX && sd_journal_previous(j) > 0; i++)
        if (azm_place_current(j, p) >= 0 && sd_id128_equal(p->seqnum_id, seqnum_id))
            return true;
    return false;
}

/* A file of a user has numbers from an earlier boot that are higher than those which the system's journal was left with
 * after a power loss. Its first entry in the new boot then takes the counter further, and nothing is missing before it.
 */
static void take_out_jumps(sd_journal *j, struct hole *h)
{
    char cursor[AZM_PLACE_TEXT_MAX];
    struct azm_place p;

    azm_place_print(&h->from, cursor);
    if (sd_journal_seek_cursor(j, cursor) < 0)
        return;
    while (sd_journal_next(j) > 0 && azm_place_current(j, &p) >= 0 && !azm_place_equal(&p, &h->to)) {
        uint64_t seqnum = p.seqnum;

        if (sd_id128_equal(p.seqnum_id, h->from.seqnum_id) || seqnum <= h->from.seqnum)
            continue;
        if (find_predecessor(j, &p) && p.seqnum == seqnum - 1 && !sd_id128_equal(p.boot, h->to.boot))
            h->entries -= MIN(h->entries, seqnum - h->from.seqnum - 1);
        return;
    }
}

static int report_hole(struct azm_journal *s, const struct hole *h, enum azm_gap_reason reason, struct azm_error *err)
{
    struct azm_gap g = {
        .reason = reason, .counted = true, .up_to = h->up_to, .entries = h->entries, .from = h->from, .to = h->to};

    return h->entries > 0 ? azm_journal_add_gap(s, &g, err) : 0;
}

/* Everything up to `first` is gone, the account's own entry included. How much of it had been read? */
static int report_gone(struct azm_journal *s, const struct azm_place *first, const struct walk *w,
                       struct azm_error *err)
{
    const struct azm_place *from = &s->account.place;
    struct hole h = {.from = *from,
                     .to = *first,
                     .up_to =
                         !sd_id128_equal(from->seqnum_id, first->seqnum_id) && !azm_journal_is_machines(s->config)};
    int64_t read = s->account.read - (int64_t)w->entries;

    if (!same_counter(from, first) || first->seqnum <= from->seqnum)
        return 0;
    h.entries = first->seqnum - from->seqnum - 1;
    h.entries -= MIN(h.entries, (uint64_t)MAX(read, (int64_t)0));
    if (h.entries == 0 || !is_plausible(from, first, h.entries))
        return 0;
    return report_hole(s, &h, AZM_GAP_VACUUMED, err);
}

static int report_holes(struct azm_journal *s, const struct walk *w, struct azm_error *err)
{
    struct hole all;
    int r = 0;

    if (w->absurd.entries > 0) { /* it hides what comes after it in its file, for libsystemd goes by the numbers */
        struct azm_gap g = {.reason = AZM_GAP_MISSING, .from = w->absurd.from};

        r = azm_journal_add_gap(s, &g, err);
    }
    if (r == 0 && w->n_holes == 0)
        return 0;
    if (w->n_holes <= HOLES_MAX) {
        for (size_t i = 0; i < w->n_holes && r == 0; i++)
            r = report_hole(s, &w->holes[i], AZM_GAP_MISSING, err);
        return r;
    }
    all = w->holes[0];
    for (size_t i = 1; i < w->n_holes; i++) {
        all.to = w->holes[i].to;
        all.entries += w->holes[i].entries;
        all.up_to |= w->holes[i].up_to;
    }
    return report_hole(s, &all, AZM_GAP_MISSING, err);
}

/* The numbers do not fit: walks the stretch once more to see where they are missing. */
static int survey(struct azm_journal *s, const struct azm_place *now, struct azm_error *err)
{
    _cleanup_(walk_free) struct walk w = {0};
    _cleanup_journal_ sd_journal *j = NULL;
    struct azm_place first = {0};
    bool gone;
    int r;

    r = azm_journal_open_handle(s->config, &j, err);
    if (r < 0)
        return r;
    r = walk_stretch(s, j, now, &w, &gone, &first);
    if (r == -ENOMEM)
        return azm_error_set(err, r, "out of memory");
    if (r <= 0) { /* it is gone as well, or cannot be read any more: only the numbers are left */
        struct hole h = {.from = s->account.place, .to = *now, .up_to = true};
        uint64_t known = h.from.seqnum + (uint64_t)MAX(s->account.read, (int64_t)1);

        if (!same_counter(&h.from, now) || now->seqnum <= known || !is_plausible(&h.from, now, now->seqnum - known))
            return 0;
        h.entries = now->seqnum - known;
        return report_hole(s, &h, AZM_GAP_VACUUMED, err);
    }
    r = gone ? report_gone(s, &first, &w, err) : 0;
    for (size_t i = 0; i < w.n_holes; i++)
        if (w.holes[i].up_to) {
            take_out_jumps(j, &w.holes[i]);
            w.holes[i].up_to = !azm_journal_is_machines(s->config);
        }
    return r < 0 ? r : report_holes(s, &w, err);
}

int azm_journal_account_from(struct azm_journal *s, const char *cursor, int64_t read, struct azm_error *err)
{
    free(s->account.cursor);
    s->account = (struct azm_account){.read = read};
    if (!cursor || !azm_place_parse(cursor, &s->account.place))
        return 0;
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
    int r = 0;

    if (s->unreadable > 0)
        r = report_unreadable(s, err);
    azm_journal_keep_cursor(s);
    if (r < 0 || !s->cursor || !azm_place_parse(s->cursor, &now))
        return r;
    azm_history_note(&s->history, &now);
    if (s->account.read == 0)
        return 0;
    if (s->account.cursor && !s->selects && now.seqnum != s->account.place.seqnum + (uint64_t)s->account.read)
        r = survey(s, &now, err);
    return r < 0 ? r : azm_journal_account_from(s, s->cursor, 0, err);
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
    return g.counted && g.entries > 0 ? azm_journal_add_gap(s, &g, err) : 0;
}
