/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/cleanup.h"
#include "source/journal_handle.h"
#include "source/journal_stretch.h"
#include "source/journal_way.h"

/* A number that is so far ahead is damage, not a gap: nobody logs faster than an entry in a microsecond. */
#define SLACK_ENTRIES UINT64_C(100000)

/* How far to look back for the entry before another one in the same file. */
#define BACK_MAX 200000

void azm_stretch_free(struct stretch *w)
{
    free(w->places);
    free(w->counters);
    free(w->holes);
    azm_journal_files_free(&w->looked);
}

static int add_place(struct stretch *w, const struct azm_place *p)
{
    return azm_place_append(&w->places, &w->n, &w->cap, p);
}

static uint64_t distance(uint64_t a, uint64_t b)
{
    return a > b ? a - b : b - a;
}

bool azm_stretch_is_plausible(const struct azm_place *from, const struct azm_place *to, uint64_t entries)
{
    uint64_t usec = distance(from->realtime_usec, to->realtime_usec);

    if (sd_id128_equal(from->boot, to->boot))
        usec = MAX(usec, distance(from->monotonic_usec, to->monotonic_usec));
    return entries <= usec + SLACK_ENTRIES;
}

/* --- counters --- */

/* What stands for the counter of these numbers. The machine's journal has one. */
static sd_id128_t counter_of(const struct azm_journal *s, const struct stretch *w, const struct azm_place *p)
{
    sd_id128_t counter = SD_ID128_NULL;

    if (azm_journal_is_machines(s->config) || azm_journal_files_counter(w->files, p->seqnum_id, &counter))
        return counter;
    return p->seqnum_id;
}

bool azm_stretch_share_counter(const struct azm_journal *s, const struct stretch *w, const struct azm_place *a,
                               const struct azm_place *b)
{
    return sd_id128_equal(counter_of(s, w, a), counter_of(s, w, b));
}

const struct azm_place *azm_stretch_last(const struct azm_journal *s, const struct stretch *w, sd_id128_t counter)
{
    const struct azm_history *h = &s->history;
    const struct azm_place *last = NULL, *unread = NULL;

    for (size_t i = 0; i < h->n_lasts; i++) {
        const struct azm_place *p = &h->lasts[i];

        if (!sd_id128_equal(counter_of(s, w, p), counter))
            continue;
        if (azm_place_is_unread(p))
            unread = !unread || p->seqnum < unread->seqnum ? p : unread;
        else
            last = !last || azm_place_is_before(last, p) || !azm_place_is_before(p, last) ? p : last;
    }
    return last ? last : unread;
}

static int ignore_news(void *userdata, const struct azm_file_news *news)
{
    (void)userdata;
    (void)news;
    return 0;
}

/* Which files there are. One of an entry that was walked may have come up since they were last looked over. */
static int find_files(struct azm_journal *s, struct stretch *w)
{
    sd_id128_t counter;

    w->files = &s->files;
    if (azm_journal_is_machines(s->config) || (!s->invalidated && !s->files.young))
        return 0;
    for (size_t i = 0; i < w->n; i++)
        if (!azm_journal_files_counter(w->files, w->places[i].seqnum_id, &counter)) {
            w->files = &w->looked;
            return azm_journal_files_scan(&w->looked, s->config, ignore_news, NULL);
        }
    return 0;
}

static bool has_counter(const sd_id128_t *counters, size_t n, sd_id128_t counter)
{
    for (size_t i = 0; i < n; i++)
        if (sd_id128_equal(counters[i], counter))
            return true;
    return false;
}

/* Does this counter go on in the stretch, with a higher number than this last one before it? */
static bool goes_on(const struct stretch *w, const struct azm_place *last, sd_id128_t counter)
{
    for (size_t i = w->n_known; i < w->n; i++)
        if (sd_id128_equal(w->counters[i], counter))
            return w->places[i].seqnum > last->seqnum;
    return false;
}

/* Is the account's place beyond the last one that was read of its counter? So it is when files were taken away in
 * between. */
static bool is_ahead(const struct azm_journal *s, const struct stretch *w, sd_id128_t counter)
{
    const struct azm_place *last = azm_stretch_last(s, w, counter);

    return last && last->seqnum < s->account.place.seqnum;
}

/* The account's place is where one counter stood before the stretch. Puts in front where the others did: what is
 * missing of one of them may lie across the beginning of a stretch, or of several. */
static int begin_with_lasts(struct azm_journal *s, struct stretch *w)
{
    const struct azm_history *h = &s->history;
    _cleanup_free_ struct azm_place *known = calloc(h->n_lasts + 1, sizeof *known);
    _cleanup_free_ sd_id128_t *done = calloc(h->n_lasts + 1, sizeof *done);
    sd_id128_t account = counter_of(s, w, &s->account.place);
    size_t n = 0, n_done = 0;

    w->counters = calloc(w->n + h->n_lasts, sizeof *w->counters);
    if (!known || !done || !w->counters)
        return -ENOMEM;
    for (size_t i = 0; i < w->n; i++)
        w->counters[i] = counter_of(s, w, &w->places[i]);
    if (w->gone ? sd_id128_equal(w->counters[0], account) : !is_ahead(s, w, account))
        done[n_done++] = account;
    for (size_t i = h->n_lasts; i-- > 0;) {
        sd_id128_t counter = counter_of(s, w, &h->lasts[i]);
        const struct azm_place *last;

        if (has_counter(done, n_done, counter))
            continue;
        done[n_done++] = counter;
        last = azm_stretch_last(s, w, counter);
        if (goes_on(w, last, counter))
            known[n++] = *last;
    }
    for (size_t i = 0; i < n; i++) /* room for them */
        if (add_place(w, &known[i]) < 0)
            return -ENOMEM;
    memmove(w->places + n, w->places, (w->n - n) * sizeof *w->places);
    memmove(w->counters + n, w->counters, (w->n - n) * sizeof *w->counters);
    for (size_t i = 0; i < n; i++) {
        w->places[i] = known[i];
        w->counters[i] = counter_of(s, w, &known[i]);
    }
    w->n_known = n;
    return 0;
}

/* --- walking --- */

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
        } else if (!azm_stretch_is_plausible(last, p, p->seqnum - last->seqnum)) {
            if (!w->is_absurd)
                w->absurd = *last;
            w->is_absurd = true;
            p->seqnum = last->seqnum + 1;
        }
    }
}

/* Makes it ready for the search of holes. */
static int prepare(struct azm_journal *s, struct stretch *w)
{
    int r = find_files(s, w);

    if (r >= 0)
        r = begin_with_lasts(s, w);
    if (r >= 0)
        mend_numbers(w);
    return r;
}

int azm_stretch_walk(struct azm_journal *s, sd_journal *j, const struct azm_place *way, const struct azm_place *now,
                     struct stretch *w)
{
    uint64_t limit = (uint64_t)MAX(s->account.read, (int64_t)0) + 100000;
    bool met = false, further = false;
    int r;

    w->gone = true;
    r = way ? azm_journal_go_way(j, way, &s->account.place) : sd_journal_seek_cursor(j, s->account.cursor);
    for (uint64_t i = 0; i < limit && r >= 0 && !further; i++) {
        struct azm_place p;

        if (i > 0 || !way)
            r = sd_journal_next(j);
        if (r <= 0)
            break;
        r = azm_place_current(j, &p);
        if (r >= 0)
            r = add_place(w, &p);
        if (r < 0)
            break;
        if (i == 0)
            w->gone = sd_journal_test_cursor(j, s->account.cursor) <= 0;
        further = met;
        met |= azm_place_equal(&p, now);
    }
    if (r < 0 || !met)
        return MIN(r, 0);
    r = prepare(s, w);
    w->n -= further; /* for mending only */
    return r < 0 ? r : 1;
}

int azm_stretch_take_read(struct azm_journal *s, struct stretch *w)
{
    const struct azm_account *a = &s->account;
    int r = add_place(w, &a->place);

    for (size_t i = 0; i < a->n_places && r == 0; i++)
        r = add_place(w, &a->places[i]);
    return r < 0 ? r : prepare(s, w);
}

int azm_stretch_take_places(struct azm_journal *s, const struct azm_place *places, size_t n, size_t n_known,
                            struct stretch *w)
{
    int r = 0;

    w->files = &s->files;
    w->counters = calloc(n + 1, sizeof *w->counters);
    for (size_t i = 0; i < n && r == 0; i++) {
        r = w->counters ? add_place(w, &places[i]) : -ENOMEM;
        if (r == 0)
            w->counters[i] = counter_of(s, w, &places[i]);
    }
    w->n_known = n_known;
    if (r == 0)
        mend_numbers(w);
    return r;
}

/* --- holes --- */

static int compare_numbers(const void *a, const void *b)
{
    const struct azm_place *x = a, *y = b;

    return x->seqnum < y->seqnum ? -1 : x->seqnum > y->seqnum;
}

bool azm_stretch_find_predecessor(sd_journal *j, const struct azm_place *p, struct azm_place *ret)
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
 * it. (But if what comes before it was not read either, it came behind the position.) */
static bool is_jump(const struct azm_journal *s, sd_journal *j, const struct azm_place *from,
                    const struct azm_place *to)
{
    const struct azm_place *last = azm_history_last(&s->history, to->seqnum_id);
    struct azm_place before;

    return !sd_id128_equal(from->seqnum_id, to->seqnum_id) && azm_stretch_find_predecessor(j, to, &before) &&
           before.seqnum == to->seqnum - 1 && (!last || azm_place_is_before(&before, last));
}

static int add_hole(struct stretch *w, const struct azm_place *from, const struct azm_place *to)
{
    struct hole *holes = reallocarray(w->holes, w->n_holes + 1, sizeof *holes);

    if (!holes)
        return -ENOMEM;
    w->holes = holes;
    holes[w->n_holes++] = (struct hole){
        .from = *from, .to = *to, .entries = to->seqnum - from->seqnum - 1, .about = azm_stretch_is_about(from, to)};
    return 0;
}

/* Finds the numbers that are missing among places[0..n), all of one counter and sorted. */
static int find_missing(const struct azm_journal *s, struct stretch *w, sd_journal *j, const struct azm_place *places,
                        size_t n)
{
    for (size_t i = 1; i < n; i++)
        if (places[i].seqnum > places[i - 1].seqnum + 1 && !is_jump(s, j, &places[i - 1], &places[i]) &&
            add_hole(w, &places[i - 1], &places[i]) < 0)
            return -ENOMEM;
    return 0;
}

/* Those of the counter of places[first]. The numbers of a journald have one order in each boot, for after a power loss
 * another boot uses numbers again; those of any other file in any boot. */
static int find_holes_of_counter(struct azm_journal *s, sd_journal *j, struct stretch *w, size_t first, bool *done,
                                 struct azm_place *group)
{
    bool of_journald =
        azm_journal_is_machines(s->config) || !sd_id128_equal(w->counters[first], w->places[first].seqnum_id);
    struct azm_place ends[2]; /* of the boot before, and where this one begins */
    bool follows = false;
    int r = 0;

    for (size_t i = first; i < w->n && r == 0; i++) {
        size_t n = 0;

        if (done[i] || !sd_id128_equal(w->counters[i], w->counters[first]))
            continue;
        for (size_t k = i; k < w->n; k++)
            if (!done[k] && sd_id128_equal(w->counters[k], w->counters[first]) &&
                (!of_journald || sd_id128_equal(w->places[k].boot, w->places[i].boot))) {
                done[k] = true;
                group[n++] = w->places[k];
            }
        qsort(group, n, sizeof *group, compare_numbers);
        ends[1] = group[0];
        if (follows)
            r = find_missing(s, w, j, ends, 2);
        if (r == 0)
            r = find_missing(s, w, j, group, n);
        ends[0] = group[n - 1];
        follows = true;
    }
    return r;
}

int azm_stretch_find_holes(struct azm_journal *s, sd_journal *j, struct stretch *w)
{
    _cleanup_free_ struct azm_place *group = calloc(w->n + 1, sizeof *group);
    _cleanup_free_ bool *done = calloc(w->n + 1, sizeof *done);
    int r = 0;

    if (!group || !done)
        return -ENOMEM;
    for (size_t first = 0; first < w->n && r == 0; first++)
        if (!done[first])
            r = find_holes_of_counter(s, j, w, first, done, group);
    return r;
}
