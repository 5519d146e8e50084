/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "core/log.h"
#include "source/journal_handle.h"
#include "source/journal_internal.h"
#include "source/journal_stretch.h"

/* In a folder of several machines' files libsystemd gives entries by time, and never goes back: what a machine sends
 * late comes into its file behind the position, and would never be given. So it is known of each seqnum id how far it
 * was read (lasts, in history.h), and each file says in its header how far it goes. What is between the two when all is
 * read, and what the numbers show to be missing, is read from the files of that seqnum id alone. What cannot be read
 * there either is told. (A machine's own journal needs none of this: journald writes it in order.) */

#define LOOK_INTERVAL_USEC AZM_USEC_PER_SEC

/* So many places are kept at a time. What is behind may be much. The machines that are late share them, so many at a
 * time, and in between comes what is not behind: nobody waits for the end of another one's backlog. */
#define PLACES_MAX 50000
#define RANGES_MAX 100

bool azm_journal_keeps_lasts(const struct azm_journal *s)
{
    return !azm_journal_is_machines(s->config) && azm_journal_is_complete(s);
}

bool azm_journal_looks_behind(const struct azm_journal *s)
{
    return azm_journal_keeps_lasts(s) && !azm_journal_reads_past(s);
}

int azm_journal_note_last(struct azm_journal *s, const struct azm_place *p, struct azm_error *err)
{
    const struct azm_place *last = azm_history_last(&s->history, p->seqnum_id);

    if (!azm_journal_keeps_lasts(s) || (last && azm_place_is_before(p, last)))
        return 0;
    return azm_history_note_last(&s->history, p) < 0 ? azm_error_set(err, ENOMEM, "out of memory") : 0;
}

int azm_journal_note_unread(struct azm_journal *s, const struct azm_place *head, struct azm_error *err)
{
    struct azm_place before = *head;

    before.seqnum--;
    before.hash = 0; /* azm_place_is_unread */
    return azm_journal_looks_behind(s) ? azm_journal_note_last(s, &before, err) : 0;
}

/* --- what is to be read --- */

static void free_range(struct azm_behind_range *range)
{
    free(range->places);
    free(range->file);
}

/* Takes what the range holds, also when there is no memory. */
static int add_range(struct azm_journal *s, struct azm_behind_range *range, struct azm_error *err)
{
    struct azm_behind_range *ranges = reallocarray(s->behind.ranges, s->behind.n + 1, sizeof *ranges);

    if (!ranges) {
        free_range(range);
        return azm_error_set(err, ENOMEM, "out of memory");
    }
    s->behind.ranges = ranges;
    ranges[s->behind.n++] = *range;
    return 0;
}

static int add_place(struct azm_place **places, size_t *n, size_t *cap, const struct azm_place *p,
                     struct azm_error *err)
{
    return azm_place_append(places, n, cap, p) < 0 ? azm_error_set(err, ENOMEM, "out of memory") : 0;
}

static int add_to_range(struct azm_behind_range *range, const struct azm_place *p, struct azm_error *err)
{
    return add_place(&range->places, &range->n, &range->cap, p, err);
}

static int compare_numbers(const void *a, const void *b)
{
    const struct azm_place *x = a, *y = b;

    return x->seqnum < y->seqnum ? -1 : x->seqnum > y->seqnum;
}

static void sort_places(struct azm_behind_range *range)
{
    if (range->n > 0)
        qsort(range->places, range->n, sizeof *range->places, compare_numbers);
}

/* The file of each seqnum id that goes furthest. */
static bool goes_furthest(const struct azm_journal *s, const struct azm_journal_file *f)
{
    for (size_t i = 0; i < s->files.n; i++) {
        const struct azm_journal_file *other = &s->files.items[i];

        if (other != f && other->good && sd_id128_equal(other->id, f->id) &&
            (other->header.last > f->header.last || (other->header.last == f->header.last && other < f)))
            return false;
    }
    return true;
}

static sd_id128_t counter_of(const struct azm_journal *s, sd_id128_t id)
{
    sd_id128_t counter;

    if (azm_journal_is_machines(s->config))
        return SD_ID128_NULL; /* it has one */
    return azm_journal_files_counter(&s->files, id, &counter) ? counter : id;
}

/* After a power loss another boot of a machine uses numbers again. */
static bool is_of_boots(const struct azm_journal *s, const struct hole *h, sd_id128_t boot)
{
    return !azm_journal_is_machines(s->config) || sd_id128_equal(boot, h->from.boot) ||
           sd_id128_equal(boot, h->to.boot);
}

static bool is_in(const struct azm_journal *s, const struct hole *h, const struct azm_place *p)
{
    return p->seqnum > h->from.seqnum && p->seqnum < h->to.seqnum && is_of_boots(s, h, p->boot) &&
           sd_id128_equal(counter_of(s, p->seqnum_id), counter_of(s, h->from.seqnum_id));
}

/* The entries of this seqnum id that were read around the hole, as far as they are known: false if nothing of it was
 * read before. In the machine's journal, where one counter numbers all entries, the hole says it. */
static bool find_ends(const struct azm_journal *s, const struct stretch *w, const struct hole *h, sd_id128_t id,
                      struct azm_behind_range *ret)
{
    const struct azm_place *last = azm_history_last(&s->history, id);

    *ret = (struct azm_behind_range){.before = h->to};
    if (azm_journal_is_machines(s->config)) {
        ret->after = h->from;
        ret->after.seqnum_id = id;
        return true;
    }
    if (last && last->seqnum < h->to.seqnum)
        ret->after = *last;
    for (size_t i = 0; i < w->n; i++) {
        const struct azm_place *p = &w->places[i];

        if (sd_id128_equal(p->seqnum_id, id) && p->seqnum <= h->from.seqnum && p->seqnum > ret->after.seqnum)
            ret->after = *p;
    }
    return !sd_id128_is_null(ret->after.seqnum_id);
}

/* Those of this seqnum id in all the holes of its counter. */
static int add_holes_of(struct azm_journal *s, const struct stretch *w, sd_id128_t id, struct azm_error *err)
{
    struct azm_behind_range all = {0};
    int r = 0;

    for (size_t i = 0; i < w->n_holes; i++) {
        const struct hole *h = &w->holes[i];
        struct azm_behind_range range;

        if (!sd_id128_equal(counter_of(s, id), counter_of(s, h->from.seqnum_id)) || !find_ends(s, w, h, id, &range))
            continue;
        if (sd_id128_is_null(all.after.seqnum_id) || range.after.seqnum < all.after.seqnum)
            all.after = range.after;
        if (range.before.seqnum > all.before.seqnum)
            all.before = range.before;
    }
    if (sd_id128_is_null(all.after.seqnum_id))
        return 0;
    for (size_t i = 0; i < w->n && r == 0; i++)
        if (sd_id128_equal(w->places[i].seqnum_id, id) && w->places[i].seqnum > all.after.seqnum &&
            w->places[i].seqnum < all.before.seqnum)
            r = add_to_range(&all, &w->places[i], err);
    all.n_known = all.n;
    if (r < 0) {
        free_range(&all);
        return r;
    }
    sort_places(&all);
    return add_range(s, &all, err);
}

/* What was read once more tells nothing new: the files of what was read with it may be gone by now. */
static void leave_out_known(const struct azm_journal *s, struct stretch *w)
{
    size_t n = 0;

    for (size_t i = 0; i < w->n_holes; i++) {
        struct hole *h = &w->holes[i];
        const struct azm_place *last = azm_stretch_last(s, w, counter_of(s, h->from.seqnum_id));

        if (last && azm_place_is_before(&h->to, last))
            continue;
        if (last && azm_place_is_before(&h->from, last) && last->seqnum > h->from.seqnum &&
            last->seqnum < h->to.seqnum) {
            h->from = *last;
            h->entries = h->to.seqnum - h->from.seqnum - 1;
            if (h->entries == 0)
                continue;
        }
        w->holes[n++] = *h;
    }
    w->n_holes = n;
}

int azm_journal_read_holes(struct azm_journal *s, struct stretch *w, struct azm_error *err)
{
    struct azm_behind *b = &s->behind;
    struct hole *holes;
    int r = 0;

    if (!azm_journal_is_complete(s) || azm_journal_reads_past(s))
        return 0;
    leave_out_known(s, w);
    if (w->n_holes == 0)
        return 0;
    if (s->invalidated || s->files.young)
        r = azm_journal_look_over_files(s, false, err);
    for (size_t i = 0; i < s->files.n && r == 0; i++)
        if (s->files.items[i].good && goes_furthest(s, &s->files.items[i]))
            r = add_holes_of(s, w, s->files.items[i].id, err);
    if (r < 0)
        return r;
    holes = reallocarray(b->holes, b->n_holes + w->n_holes, sizeof *holes);
    if (!holes)
        return azm_error_set(err, ENOMEM, "out of memory");
    b->holes = holes;
    memcpy(holes + b->n_holes, w->holes, w->n_holes * sizeof *holes);
    b->n_holes += w->n_holes;
    w->n_holes = 0;
    return 0;
}

/* Ranges at the ends of files begin where each counter came to. */
static int note_known(struct azm_journal *s, sd_id128_t counter, struct azm_error *err)
{
    struct azm_behind *b = &s->behind;
    const struct stretch w = {.files = &s->files};

    for (size_t i = 0; i < b->n_known; i++)
        if (sd_id128_equal(counter_of(s, b->places[i].seqnum_id), counter))
            return 0;
    b->n_known++;
    return add_place(&b->places, &b->n_places, &b->cap_places, azm_stretch_last(s, &w, counter), err);
}

/* Is there more in this file than was read of its seqnum id? 1: it is to be read; 0; -errno. */
static int look_at_file(struct azm_journal *s, struct azm_journal_file *f, bool *ret_again, struct azm_error *err)
{
    const struct azm_place *last = azm_history_last(&s->history, f->id);
    struct azm_behind_range range = {.file = f->path};
    int r;

    if (!last || (f->header_is_new && !f->header.archived && f->header.last < last->seqnum)) {
        /* what was read of it is not known any more, or it has lost its end, and its numbers are used again */
        azm_history_forget_last(&s->history, f->id);
        return azm_journal_note_last(
            s,
            &(struct azm_place){
                .seqnum_id = f->id, .seqnum = f->header.last, .realtime_usec = f->header.last_usec, .hash = 1},
            err);
    }
    if (f->header.last <= last->seqnum || f->header.last == f->read_for)
        return 0;
    if (f->looked_for <= last->seqnum) { /* what is not behind comes now */
        f->looked_for = f->header.last;
        *ret_again = true;
        return 0;
    }
    range.after = *last;
    range.before = *last;
    range.before.hash = 1;
    range.before.seqnum = f->looked_for + 1;
    range.before.realtime_usec = f->header.last_usec;
    f->read_for = f->looked_for;
    r = note_known(s, f->counter, err);
    if (r < 0)
        return r;
    range.file = strdup(f->path);
    r = range.file ? add_range(s, &range, err) : azm_error_set(err, ENOMEM, "out of memory");
    return r < 0 ? r : 1;
}

int azm_journal_look_behind(struct azm_journal *s, struct azm_error *err)
{
    struct azm_behind *b = &s->behind;
    uint64_t now = azm_monotonic_usec(&azm_system_clock);
    bool again = false;
    size_t n = 0;
    int r;

    if (!azm_journal_looks_behind(s))
        return 0;
    if (!b->again && b->looked_usec > 0 && now < b->looked_usec + LOOK_INTERVAL_USEC) {
        b->due = true;
        return 0;
    }
    b->looked_usec = now;
    b->due = false;
    r = azm_journal_look_over_files(s, false, err);
    for (; n < s->files.n && r >= 0 && b->n < RANGES_MAX; n++) {
        struct azm_journal_file *f = &s->files.items[(b->turn + n) % s->files.n];

        if (f->good && goes_furthest(s, f))
            r = look_at_file(s, f, &again, err);
    }
    again |= n < s->files.n;
    b->turn += n; /* the others come first the next time */
    b->share = PLACES_MAX / MAX(b->n, (size_t)1);
    b->again = again;
    if (r >= 0 && again) /* there may be a new file */
        r = azm_journal_look_at_files(s, err);
    return r < 0 ? r : again || b->n > 0;
}

static int ignore_news(void *userdata, const struct azm_file_news *news)
{
    (void)userdata;
    (void)news;
    return 0;
}

bool azm_journal_is_behind_told(const struct azm_journal *s)
{
    return s->behind.n_holes == 0 && !s->behind.jumped;
}

bool azm_journal_fell_back(struct azm_journal *s, const struct azm_place *p)
{
    struct azm_journal_files files = {0};
    bool fell_back = true;

    if (azm_journal_files_scan(&files, s->config, ignore_news, NULL) == 0)
        for (size_t i = 0; i < files.n; i++)
            fell_back &= !sd_id128_equal(files.items[i].header.seqnum_id, p->seqnum_id) ||
                         files.items[i].header.last < p->seqnum;
    azm_journal_files_free(&files);
    return fell_back;
}

uint64_t azm_journal_behind_due_usec(const struct azm_journal *s)
{
    return s->behind.due ? s->behind.looked_usec + LOOK_INTERVAL_USEC : UINT64_MAX;
}

bool azm_journal_behind_wake(struct azm_journal *s, uint64_t now)
{
    bool wake = now >= azm_journal_behind_due_usec(s);

    if (wake) {
        s->behind.due = false;
        s->behind.again = true;
    }
    return wake;
}

/* --- reading --- */

/* May it have entries of the range? */
static bool has_part(const struct azm_journal_file *f, const struct azm_behind_range *range)
{
    return f->good && sd_id128_equal(f->id, range->after.seqnum_id) && f->header.first < range->before.seqnum &&
           (!f->header.archived || f->header.last > range->after.seqnum);
}

/* A handle on the files that may have entries of the range; `any`: on those that can be opened, NULL if there are none.
 * One that is damaged must not keep the others from being read. */
static int open_files(const struct azm_journal *s, const struct azm_behind_range *range, bool any, sd_journal **ret)
{
    _cleanup_free_ const char **paths = calloc(s->files.n + 1, sizeof *paths);
    size_t n = 0;

    if (!paths)
        return -ENOMEM;
    for (size_t i = 0; i < s->files.n; i++) {
        const char *one[] = {s->files.items[i].path, NULL};

        if (!has_part(&s->files.items[i], range))
            continue;
        if (any) {
            if (sd_journal_open_files(ret, one, 0) < 0)
                continue;
            sd_journal_close(*ret);
        }
        paths[n++] = one[0];
    }
    *ret = NULL;
    return n > 0 ? sd_journal_open_files(ret, paths, 0) : any ? 0 : -ENOENT;
}

static void close_reading(struct azm_behind *b)
{
    sd_journal_close(b->j);
    b->j = NULL;
    b->reader = azm_entry_reader_free(b->reader);
}

/* Goes to the last entry that was read, or to where it was. */
static int go_to(struct azm_journal *s, const struct azm_place *after)
{
    struct azm_behind *b = &s->behind;
    char cursor[AZM_PLACE_TEXT_MAX];
    int r;

    azm_place_print(after, cursor);
    r = sd_journal_seek_cursor(b->j, cursor);
    if (r >= 0)
        r = sd_journal_next(b->j);
    if (r > 0 && sd_journal_test_cursor(b->j, cursor) > 0) {
        r = azm_journal_rebuild_uid_state(s, b->j, b->reader);
        if (r >= 0 || r == -ENOMEM)
            return r;
    }
    return sd_journal_seek_cursor(b->j, cursor); /* in a damaged file it may have lost its way */
}

static int open_reading(struct azm_journal *s, struct azm_behind_range *range, struct azm_error *err)
{
    struct azm_behind *b = &s->behind;
    int r;

    r = azm_journal_new_reader(s, s->config, &b->reader, err);
    if (r < 0)
        return r;
    azm_entry_reader_join(b->reader, s->reader);
    r = open_files(s, range, false, &b->j);
    if (r < 0) { /* they may have other names by now */
        r = azm_journal_look_over_files(s, false, err);
        if (r < 0)
            return r;
        r = open_files(s, range, true, &b->j);
    }
    if (r < 0 || !b->j)
        return r < 0 ? azm_journal_error(err, r, "cannot open the files of a machine") : 0;
    r = range->from_head ? sd_journal_seek_head(b->j) : go_to(s, &range->after);
    if (r == -EBADMSG)
        r = sd_journal_seek_head(b->j);
    return r < 0 ? azm_journal_error(err, r, "cannot go to where a machine's entries were left") : 0;
}

static bool was_given(const struct azm_behind_range *range, const struct azm_place *p)
{
    if (range->n_known > 0 && bsearch(p, range->places, range->n_known, sizeof *p, compare_numbers))
        return true;
    for (size_t i = range->n; i-- > range->n_known;) /* those that this reading gave, in its order */
        if (range->places[i].seqnum <= p->seqnum)
            return range->places[i].seqnum == p->seqnum;
    return false;
}

/* Is something missing that may be in the range? */
static bool is_incomplete(const struct azm_journal *s, const struct azm_behind_range *range)
{
    for (size_t i = 0; i < s->behind.n_holes; i++)
        if (s->behind.holes[i].entries > 0 &&
            sd_id128_equal(counter_of(s, range->after.seqnum_id), counter_of(s, s->behind.holes[i].from.seqnum_id)))
            return true;
    return false;
}

/* The file says that it goes further than can be read, so that is missing; but for numbers that were given to no entry,
 * when somebody was killed just then. Where a counter is of that seqnum id alone, the header's count of entries tells.
 * Where it is not, that may only be in a file that was not closed. */
static int add_end(struct azm_journal *s, const struct azm_behind_range *range, struct azm_error *err)
{
    sd_id128_t id = range->after.seqnum_id, counter = counter_of(s, id);
    const struct stretch w = {.files = &s->files};
    const struct azm_place *last = azm_stretch_last(s, &w, counter);
    struct hole h = {.from = last ? *last : range->after, .to = range->before, .about = !sd_id128_equal(counter, id)};
    struct hole *holes;

    for (size_t i = 0; i < s->files.n; i++) {
        const struct azm_journal_file *f = &s->files.items[i];

        if (!f->good || !sd_id128_equal(f->id, id) || f->header.last + 1 < h.to.seqnum)
            continue;
        if (!h.about)
            h.to.seqnum = MIN(h.to.seqnum, f->header.first + f->header.n_entries);
        else if (f->header.online)
            return 0;
    }
    if (h.to.seqnum <= h.from.seqnum + 1)
        return 0;
    h.entries = h.to.seqnum - h.from.seqnum - 1;
    holes = reallocarray(s->behind.holes, s->behind.n_holes + 1, sizeof *holes);
    if (!holes)
        return azm_error_set(err, ENOMEM, "out of memory");
    s->behind.holes = holes;
    holes[s->behind.n_holes++] = h;
    h.to.seqnum--; /* so far it will be told */
    return azm_journal_note_last(s, &h.to, err);
}

/* All that can be read of the first range was given. */
static int end_range(struct azm_journal *s, struct azm_error *err)
{
    struct azm_behind *b = &s->behind;
    struct azm_behind_range *range = &b->ranges[0];
    int r = 0;

    close_reading(b);
    if (!range->from_head && range->n - range->n_known < PLACES_MAX &&
        (range->file ? range->n + 1 < range->before.seqnum - range->after.seqnum : is_incomplete(s, range))) {
        b->jumped |= range->file != NULL;
        range->from_head = true; /* in a damaged file going to a place may lead astray */
        azm_journal_behind_pause(s);
        return 0;
    }
    sort_places(range);
    if (range->file && range->n > 0)
        r = azm_journal_note_last(s, &range->places[range->n - 1], err);
    if (range->file && r == 0)
        r = add_end(s, range, err);
    free_range(range);
    memmove(range, range + 1, --b->n * sizeof *range);
    return r;
}

/* What is missing among those that were given of the ends of files? */
static int find_holes(struct azm_journal *s, struct azm_error *err)
{
    struct azm_behind *b = &s->behind;
    _cleanup_(azm_stretch_free) struct stretch w = {0};
    _cleanup_journal_ sd_journal *j = NULL;
    struct hole *holes;
    int r;

    if (!b->jumped)
        return 0;
    r = azm_journal_open_handle(s->config, &j, err);
    if (r < 0)
        return r;
    r = azm_stretch_take_places(s, b->places, b->n_places, b->n_known, &w);
    if (r == 0)
        r = azm_stretch_find_holes(s, j, &w);
    if (r < 0)
        return azm_journal_error(err, r, "cannot find what is missing");
    holes = reallocarray(b->holes, b->n_holes + w.n_holes + 1, sizeof *holes);
    if (!holes)
        return azm_error_set(err, ENOMEM, "out of memory");
    b->holes = holes;
    if (w.n_holes > 0)
        memcpy(holes + b->n_holes, w.holes, w.n_holes * sizeof *holes);
    b->n_holes += w.n_holes;
    return 0;
}

/* All ranges were read: what is still missing is reported. */
static int end_ranges(struct azm_journal *s, struct azm_error *err)
{
    struct azm_behind *b = &s->behind;
    struct stretch w = {0};
    int r = find_holes(s, err);

    if (r < 0)
        return r;
    w.holes = b->holes;
    for (size_t i = 0; i < b->n_holes; i++)
        if (b->holes[i].entries > 0)
            w.holes[w.n_holes++] = b->holes[i];
    b->n_holes = 0;
    r = azm_journal_report_holes(s, &w, err);
    free(b->holes);
    free(b->places);
    b->holes = NULL;
    b->places = NULL;
    b->n_places = b->cap_places = b->n_known = 0;
    b->jumped = false;
    return r;
}

/* Enough for one time: the range ends behind this entry, and what comes after it is looked for again. */
static void cut_range(struct azm_journal *s, struct azm_behind_range *range, const struct azm_place *p)
{
    range->before.seqnum = p->seqnum + 1;
    for (size_t i = 0; i < s->files.n; i++)
        if (sd_id128_equal(s->files.items[i].id, p->seqnum_id))
            s->files.items[i].read_for = 0;
    s->behind.again = true;
}

/* The hole in which this entry seemed to be missing, or NULL. */
static struct hole *find_hole(const struct azm_journal *s, const struct azm_place *p)
{
    for (size_t i = 0; i < s->behind.n_holes; i++)
        if (s->behind.holes[i].entries > 0 && is_in(s, &s->behind.holes[i], p))
            return &s->behind.holes[i];
    return NULL;
}

int azm_journal_next_behind(struct azm_journal *s, struct azm_record *rec, struct azm_error *err)
{
    struct azm_behind *b = &s->behind;

    while (b->n > 0) {
        struct azm_behind_range *range = &b->ranges[0];
        struct azm_entry_times t;
        struct azm_place p;
        struct hole *hole;
        int r;

        r = b->reader ? 0 : open_reading(s, range, err);
        if (r < 0)
            return r;
        r = b->j ? sd_journal_next(b->j) : 0;
        if (r > 0)
            r = azm_place_current(b->j, &p) < 0 ? 0 : 1;
        if (r > 0 && p.seqnum >= range->before.seqnum && !range->from_head)
            r = 0;
        if (r <= 0) {
            r = end_range(s, err);
            if (r < 0)
                return r;
            continue;
        }
        if (p.seqnum <= range->after.seqnum || p.seqnum >= range->before.seqnum || was_given(range, &p))
            continue;
        hole = find_hole(s, &p);
        if (!hole && azm_journal_is_machines(s->config)) /* another boot's, or what lies between two holes */
            continue;
        r = azm_journal_read_times(b->j, &t);
        if (r >= 0)
            r = azm_journal_read_entry(s, b->j, b->reader, &t, &p, rec);
        if (r == -ENOMEM)
            return azm_error_set(err, ENOMEM, "out of memory while reading the journal");
        if (r < 0)
            continue; /* missing */
        if (range->n - range->n_known < PLACES_MAX && add_to_range(range, &p, err) < 0)
            return -ENOMEM;
        if (hole)
            hole->entries--;
        if (range->file) {
            int k = add_place(&b->places, &b->n_places, &b->cap_places, &p, err);

            b->jumped |= p.seqnum != range->after.seqnum + range->n - range->n_known; /* they are numbered on and on */
            if (k == 0 && !b->jumped)
                k = azm_journal_note_last(s, &p, err);
            if (k < 0)
                return k;
            if (range->n - range->n_known >= b->share && !range->from_head)
                cut_range(s, range, &p);
        }
        if (r > 0)
            return r;
    }
    return b->n_holes > 0 || b->n_known > 0 ? end_ranges(s, err) : 0;
}

void azm_journal_behind_pause(struct azm_journal *s)
{
    close_reading(&s->behind);
    for (size_t i = 0; i < s->behind.n; i++) {
        struct azm_behind_range *range = &s->behind.ranges[i];

        sort_places(range);
        range->n_known = range->n;
    }
}

void azm_journal_behind_free(struct azm_journal *s)
{
    close_reading(&s->behind);
    for (size_t i = 0; i < s->behind.n; i++)
        free_range(&s->behind.ranges[i]);
    free(s->behind.ranges);
    free(s->behind.holes);
    free(s->behind.places);
    s->behind = (struct azm_behind){0};
}
