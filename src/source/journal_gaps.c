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
#include "source/journal_stretch.h"
#include "source/journal_way.h"

/* Damage and vacuum do not show in return codes; sequence numbers are the only thing that tells. Journald numbers all
 * entries that it writes, whatever file they go to, with one counter. So the number of entries read is compared with
 * how far the numbers went; only where that differs the stretch is walked once more, with a handle of its own, to see
 * which numbers are missing. Files of several machines have a counter each, and then every stretch is walked. */

#define HOLES_MAX 8 /* more of them in one stretch become one */

/* Before systemd 254 journald's files of users have seqnum ids of their own beside one counter, and when journald is
 * restarted the counter goes on from the system's file: numbers may be used twice then. */
static bool numbers_are_spread(const struct azm_journal *s, const struct azm_gap *g)
{
    sd_id128_t counter;
    bool of_journald =
        azm_journal_is_machines(s->config) || (azm_journal_files_counter(&s->files, g->from.seqnum_id, &counter) &&
                                               !sd_id128_equal(counter, g->from.seqnum_id));

    return of_journald &&
           (azm_history_has_several_ids(&s->history) || !sd_id128_equal(g->from.seqnum_id, g->to.seqnum_id));
}

bool azm_journal_is_complete(const struct azm_journal *s)
{
    return !s->selects && !s->closed && (s->config->scope == AZM_SCOPE_ALL || !azm_journal_is_machines(s->config));
}

int azm_journal_add_gap(struct azm_journal *s, struct azm_gap *g, struct azm_error *err)
{
    if (!azm_journal_clip_gap(s, g))
        return 0;
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
    g->about = g->counted && azm_stretch_is_about(&g->from, &g->to);
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
    const struct azm_place *from = &s->account.place, *first = azm_stretch_first(w);
    struct hole h = {.from = *from, .to = *first, .about = azm_stretch_is_about(from, first)};
    int64_t read = s->account.read - (int64_t)azm_stretch_walked(w);
    struct azm_place before;
    size_t n = 0;

    if (!azm_stretch_share_counter(s, w, from, first))
        return 0; /* what is missing of this one is among the holes */
    if (sd_id128_equal(from->boot, first->boot) && first->monotonic_usec <= from->monotonic_usec)
        return 0; /* a volatile journal was flushed to disk: its entries have new numbers there */
    if (first->seqnum <= from->seqnum)
        return report_uncounted(s, from, first, err);
    h.entries = first->seqnum - from->seqnum - 1;
    h.entries -= MIN(h.entries, (uint64_t)MAX(read, (int64_t)0));
    /* A user's file that is the oldest left of its kind begins with a jump: those numbers were used before. */
    for (size_t i = 0; i < w->n_holes; i++)
        if (!sd_id128_equal(w->holes[i].from.seqnum_id, w->holes[i].to.seqnum_id) &&
            !azm_stretch_find_predecessor(j, &w->holes[i].to, &before)) {
            h.entries += w->holes[i].entries;
            h.about |= w->holes[i].about;
            if (w->holes[i].to.realtime_usec > h.to.realtime_usec)
                h.to = w->holes[i].to;
        } else
            w->holes[n++] = w->holes[i];
    w->n_holes = n;
    if (h.entries == 0)
        return 0;
    return azm_stretch_is_plausible(from, first, h.entries) ? report_hole(s, &h, AZM_GAP_VACUUMED, err)
                                                            : report_uncounted(s, from, first, err);
}

int azm_journal_report_holes(struct azm_journal *s, const struct stretch *w, struct azm_error *err)
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
    struct hole h = {
        .from = s->account.place, .to = *now, .about = azm_stretch_is_about(&s->account.place, now), .up_to = true};
    uint64_t known = h.from.seqnum + (uint64_t)MAX(s->account.read, (int64_t)1);

    bool in_one_order = azm_journal_is_machines(s->config) ? sd_id128_equal(h.from.boot, now->boot)
                                                           : sd_id128_equal(h.from.seqnum_id, now->seqnum_id);

    if (!in_one_order || now->seqnum <= known || !azm_stretch_is_plausible(&h.from, now, now->seqnum - known))
        return 0;
    h.entries = now->seqnum - known;
    return report_hole(s, &h, AZM_GAP_VACUUMED, err);
}

/* Does the stretch have entries that the reader did not give? After damage libsystemd may leave a file before its end,
 * where a new handle gives what comes behind the damage: it depends on what the handle did before; and at the end of
 * the machine's journal it may miss what is written just then (journal_read.c). (Where there are several boots or
 * series of numbers the order depends on clocks, and on where a handle began: journal_late.c.) */
static bool has_passed_over(const struct azm_journal *s, const struct stretch *w)
{
    const struct azm_place *from = &s->account.place, *walked = azm_stretch_first(w);
    size_t n = azm_stretch_walked(w);

    if ((int64_t)n - 1 <= s->account.read || walked[n - 1].seqnum <= from->seqnum + (uint64_t)s->account.read)
        return false;
    for (size_t i = 0; i < n; i++)
        if (!sd_id128_equal(walked[i].boot, from->boot) ||
            (!azm_journal_is_machines(s->config) && !sd_id128_equal(walked[i].seqnum_id, from->seqnum_id)))
            return false;
    return true;
}

int azm_journal_go_back(struct azm_journal *s, const char *cursor, struct azm_uid_state *uid_state,
                        const struct azm_losses *losses, struct azm_error *err)
{
    struct azm_uid_state *now = azm_entry_uid_state(s->reader);
    int r;

    r = azm_journal_set_cursor(s, cursor, err);
    if (r < 0)
        return r;
    azm_uid_state_free(now);
    *now = *uid_state;
    *uid_state = (struct azm_uid_state){0};
    s->losses.suppressed = losses->suppressed;
    s->losses.missed_kernel = losses->missed_kernel;
    s->unreadable = 0;
    s->read_again = true;
    return 0;
}

/* To the account's place. */
static int go_back(struct azm_journal *s, struct azm_error *err)
{
    struct azm_account *a = &s->account;
    int r = azm_journal_go_back(s, a->cursor, &a->uid_state, &a->losses, err);

    if (r < 0)
        return r;
    s->past.read = a->past_read;
    s->past.done = false;
    s->read_again_from = a->place;
    return 0;
}

/* Going back did not help. */
static int report_passed_over(struct azm_journal *s, const struct stretch *w, struct azm_error *err)
{
    struct hole h = {.from = s->account.place,
                     .to = w->places[w->n - 1],
                     .entries = (uint64_t)((int64_t)azm_stretch_walked(w) - 1 - s->account.read)};

    return report_hole(s, &h, AZM_GAP_MISSING, err);
}

/* Notes how far each counter came. One that is alone is where the account is. */
static int note_lasts(struct azm_journal *s, const struct azm_place *places, size_t n, struct azm_error *err)
{
    int r = 0;

    for (size_t i = 0; i < n && r == 0; i++)
        r = azm_journal_note_last(s, &places[i], err);
    return r;
}

/* Goes back for entries that were passed over, if that has not been tried from here: 1 if so, 0, -errno. */
static int go_back_for(struct azm_journal *s, const struct stretch *w, struct azm_error *err)
{
    int r;

    if (w->gone || !has_passed_over(s, w) || azm_place_equal(&s->account.place, &s->read_again_from))
        return 0;
    azm_log(AZM_LOG_NOTICE, "libsystemd has passed over %" PRId64 " journal entries; they are read now",
            (int64_t)azm_stretch_walked(w) - 1 - s->account.read);
    r = go_back(s, err); /* what else there is to tell is found again */
    return r < 0 ? r : 1;
}

/* A user's first file may come up behind the position, because another machine's clock is ahead: then what is in it is
 * not missing, for it is read late. 0 or -errno. */
static int leave_out_late(struct azm_journal *s, struct stretch *w, struct azm_error *err)
{
    size_t n = 0;
    int r = 0;

    if (w->n_holes > 0 && (s->invalidated || s->files.young))
        r = azm_journal_look_over_files(s, false, err);
    for (size_t i = 0; i < w->n_holes && r >= 0; i++) {
        struct hole *h = &w->holes[i];
        sd_id128_t counter;
        uint64_t late;

        if (azm_journal_files_counter(&s->files, h->to.seqnum_id, &counter) &&
            azm_journal_count_late(s, counter, h->from.seqnum, h->to.seqnum, &late) >= 0)
            h->entries -= MIN(late, h->entries);
        if (h->entries > 0)
            w->holes[n++] = *h;
    }
    w->n_holes = n;
    return r;
}

/* The reader has noted what it gave: nothing that a handle of another history makes of damaged files counts against
 * that. `again` is what was walked, if it met the end. */
static int survey_read(struct azm_journal *s, sd_journal *j, const struct stretch *again, struct azm_error *err)
{
    _cleanup_(azm_stretch_free) struct stretch w = {0};
    int r;

    r = azm_stretch_take_read(s, &w);
    if (r >= 0)
        r = azm_stretch_find_holes(s, j, &w);
    if (r < 0)
        return azm_error_set(err, r, "out of memory");
    r = leave_out_late(s, &w, err);
    if (r < 0)
        return r;
    if (w.n_holes == 0 && again && !again->gone && has_passed_over(s, again))
        r = report_passed_over(s, again, err);
    if (r >= 0)
        r = azm_journal_read_holes(s, &w, err);
    if (r >= 0)
        r = azm_journal_report_holes(s, &w, err);
    return r < 0 ? r : note_lasts(s, azm_stretch_first(&w), azm_stretch_walked(&w), err);
}

/* Walks the stretch with a new handle, by another way if the entry with which it begins seems to be gone: as
 * azm_stretch_walk. */
static int walk(struct azm_journal *s, const struct azm_place *now, sd_journal **ret, struct stretch *w,
                struct azm_error *err)
{
    struct azm_place way;
    int r, k;

    r = azm_journal_open_handle(s->config, ret, err);
    if (r < 0)
        return r;
    r = azm_stretch_walk(s, *ret, NULL, now, w);
    if (r > 0 && !w->gone)
        return 1;
    k = r == -ENOMEM ? r : azm_journal_find_way(s->config, &s->account.place, &way, err);
    if (k <= 0)
        return k < 0 ? k : r;
    azm_stretch_free(w);
    *w = (struct stretch){0};
    sd_journal_close(*ret);
    *ret = NULL;
    r = azm_journal_open_handle(s->config, ret, err);
    return r < 0 ? r : azm_stretch_walk(s, *ret, &way, now, w);
}

/* Walks the stretch once more to see which numbers are missing. 0, -errno. */
static int survey(struct azm_journal *s, const struct azm_place *now, struct azm_error *err)
{
    _cleanup_(azm_stretch_free) struct stretch w = {0};
    _cleanup_journal_ sd_journal *j = NULL;
    int r, k;

    r = walk(s, now, &j, &w, err);
    if (!j)
        return r;
    if (r == -ENOMEM)
        return azm_error_set(err, r, "out of memory");
    if (r > 0) {
        k = go_back_for(s, &w, err);
        if (k != 0)
            return MIN(k, 0);
    }
    if (s->account.noting)
        return survey_read(s, j, r > 0 ? &w : NULL, err);
    if (r <= 0 || (w.gone && azm_stretch_share_counter(s, &w, &s->account.place, azm_stretch_first(&w)))) {
        k = survey_read(s, j, NULL, err); /* the walk does not tell what is missing before the account's place */
        if (k < 0)
            return k;
    }
    if (r <= 0) {
        r = report_from_numbers(s, now, err);
        return r < 0 ? r : note_lasts(s, now, 1, err);
    }
    if (azm_stretch_find_holes(s, j, &w) < 0)
        return azm_error_set(err, ENOMEM, "out of memory");
    if (w.gone)
        r = report_gone(s, &w, j, err);
    else if (has_passed_over(s, &w))
        r = report_passed_over(s, &w, err);
    if (r >= 0)
        r = azm_journal_read_holes(s, &w, err);
    if (r >= 0)
        r = azm_journal_report_holes(s, &w, err);
    return r < 0 ? r : note_lasts(s, azm_stretch_first(&w), azm_stretch_walked(&w), err);
}

int azm_journal_note_read(struct azm_journal *s, const struct azm_place *p, struct azm_error *err)
{
    struct azm_account *a = &s->account;

    a->noting = a->n_places < a->cap_places || a->cap_places < AZM_JOURNAL_NOTED_MAX;
    if (a->noting && azm_place_append(&a->places, &a->n_places, &a->cap_places, p) < 0)
        return azm_error_set(err, ENOMEM, "out of memory");
    return 0;
}

void azm_journal_account_look(struct azm_journal *s)
{
    if (s->account.read <= 0)
        s->account.noting = !azm_journal_is_machines(s->config) && !s->selects && azm_journal_files_have_ids(&s->files);
}

int azm_journal_account_from(struct azm_journal *s, const char *cursor, int64_t read, struct azm_error *err)
{
    free(s->account.cursor);
    free(s->account.places);
    azm_uid_state_free(&s->account.uid_state);
    s->account = (struct azm_account){.read = read, .past_read = s->past.read};
    azm_journal_account_look(s);
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

/* Do the numbers say by themselves that nothing is missing? Not where there are several counters: some entries that are
 * missing of one may be as many as were read of another. */
static bool fits(const struct azm_journal *s, const struct azm_place *now)
{
    const struct azm_place *last = azm_history_last(&s->history, s->account.place.seqnum_id);

    return now->seqnum == s->account.place.seqnum + (uint64_t)s->account.read &&
           (!last || last->seqnum + 1 >= s->account.place.seqnum) &&
           (azm_journal_is_machines(s->config) || !(s->invalidated || azm_journal_files_have_counters(&s->files)));
}

/* Nothing is missing. */
static int note_all(struct azm_journal *s, const struct azm_place *now, struct azm_error *err)
{
    int r = note_lasts(s, s->account.places, s->account.n_places, err);

    return r < 0 ? r : note_lasts(s, now, 1, err);
}

static int compare_places(const void *a, const void *b)
{
    const struct azm_place *x = a, *y = b;
    int order = memcmp(&x->seqnum_id, &y->seqnum_id, sizeof x->seqnum_id);

    return order != 0 ? order : x->seqnum < y->seqnum ? -1 : x->seqnum > y->seqnum;
}

/* The same where there are several counters, each of one seqnum id: 1 if each went on from where it was, and then that
 * is noted; 0: it has to be looked at; -errno. */
static int note_runs(struct azm_journal *s, struct azm_error *err)
{
    const struct azm_account *a = &s->account;
    const struct azm_place *begin = azm_history_last(&s->history, a->place.seqnum_id);
    size_t n = a->noting && !s->invalidated ? a->n_places : 0;
    _cleanup_free_ struct azm_place *p = calloc(n + 1, sizeof *p);
    int r = 0;

    if (!p || n == 0)
        return 0;
    memcpy(p, a->places, n * sizeof *p);
    if (!begin || begin->seqnum != a->place.seqnum) /* the first entry of all */
        p[n++] = a->place;
    qsort(p, n, sizeof *p, compare_places);
    for (size_t i = 0; i < n; i++) {
        const struct azm_place *before = i > 0 ? &p[i - 1] : NULL;
        sd_id128_t counter;

        if (!before || !sd_id128_equal(before->seqnum_id, p[i].seqnum_id)) {
            before = azm_history_last(&s->history, p[i].seqnum_id);
            if (!azm_journal_files_counter(&s->files, p[i].seqnum_id, &counter) ||
                !sd_id128_equal(counter, p[i].seqnum_id))
                return 0;
        }
        if (!before || p[i].seqnum != before->seqnum + 1)
            return 0;
    }
    for (size_t i = 0; i < n && r == 0; i++)
        if (i + 1 == n || !sd_id128_equal(p[i].seqnum_id, p[i + 1].seqnum_id))
            r = azm_journal_note_last(s, &p[i], err);
    return r < 0 ? r : 1;
}

/* What was read since the last look is looked at, if the numbers do not say that there is no need to. */
static int look_at_numbers(struct azm_journal *s, const struct azm_place *now, struct azm_error *err)
{
    int r;

    if (fits(s, now))
        return note_all(s, now, err);
    r = note_runs(s, err);
    return r < 0 ? r : r > 0 ? 0 : survey(s, now, err);
}

int azm_journal_account(struct azm_journal *s, struct azm_error *err)
{
    struct azm_place now;
    bool known, due;
    int r = 0;

    azm_journal_keep_cursor(s);
    known = s->cursor && azm_place_parse(s->cursor, &now);
    due = known && s->account.read != 0 && !s->on_unread; /* the latter: the account begins with the next entry */
    if (due && s->account.cursor && azm_journal_is_complete(s))
        r = look_at_numbers(s, &now, err);
    else if (due) {
        azm_history_forget_lasts(&s->history);
        r = azm_journal_check_selected(s, err);
    }
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
    struct azm_place way;
    struct azm_gap g;
    int r;

    if (!s->account.cursor)
        return 0;
    r = azm_journal_open_handle(s->config, &j, err);
    if (r < 0)
        return r;
    r = azm_journal_resume(j, s->account.cursor, &s->history, &g);
    if (r == AZM_RESUME_VACUUMED && azm_journal_find_way(s->config, &s->account.place, &way, err) > 0)
        return 0;
    if (r != AZM_RESUME_VACUUMED)
        return r < 0 ? azm_journal_error(err, r, "cannot look for the last entry") : 0;
    r = sd_journal_get_cursor(j, &cursor);
    if (r >= 0)
        r = azm_journal_account_from(s, cursor, 0, err);
    if (r < 0)
        return azm_journal_error(err, r, "cannot look for the last entry");
    return azm_journal_add_vacuumed(s, &g, err);
}
