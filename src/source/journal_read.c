/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdlib.h>
#include <systemd/sd-journal.h>

#include "core/clock.h"
#include "source/journal_handle.h"
#include "source/journal_internal.h"

/* Far longer than journald takes from an entry's time stamp to its writing. */
#define YOUNG_USEC (10 * AZM_USEC_PER_SEC)

/* At most so many entries that were written long ago are read without asking for their places. */
#define SETTLED_READS UINT64_C(1000)

/* Entries of files that have come up since others were read. */
#define NEW_MAX 1000

int azm_journal_look_at_files(struct azm_journal *s, struct azm_error *err)
{
    int r;

    s->looked_usec = azm_monotonic_usec(&azm_system_clock);
    r = sd_journal_process(s->j);
    if (s->selected.j) /* after it, so that it knows every file that this one knows; and lets go of deleted ones */
        (void)sd_journal_process(s->selected.j);
    if (r == SD_JOURNAL_INVALIDATE) {
        s->invalidated = true;
        s->settled_reads = 0;
    }
    s->tail_wanted |= r != SD_JOURNAL_NOP;
    if (r < 0)
        return azm_journal_error(err, r, "cannot look for changes");
    if (r != SD_JOURNAL_NOP) {
        int k = azm_journal_check_descriptors(err);

        if (k < 0)
            return k;
    }
    return r;
}

/* sd_journal_next on top of a vacuum that overtakes us, which shows as EBADMSG until the files are looked at anew. */
static int step(struct azm_journal *s, struct azm_error *err)
{
    for (int i = 0; i < AZM_EBADMSG_TRIES; i++) {
        int r = sd_journal_next(s->j);

        if (r != -EBADMSG)
            return r < 0 ? azm_journal_error(err, r, "cannot read the next entry") : r;
        r = azm_journal_look_at_files(s, err);
        if (r < 0)
            return r;
    }
    return azm_journal_error(err, EBADMSG,
                             "cannot read the next entry; journalctl --verify shows which file is damaged");
}

int azm_journal_read_times(sd_journal *j, struct azm_entry_times *ret)
{
    int r = sd_journal_get_realtime_usec(j, &ret->realtime_usec);

    return r < 0 ? r : sd_journal_get_monotonic_usec(j, &ret->monotonic_usec, &ret->boot);
}

/* Was an entry of this time written at about the time of the last look at the files, or later? One that seems to be of
 * another boot is as young as the last one: behind that of the running boot it is a damaged one. */
static bool is_young(const struct azm_journal *s, const struct azm_entry_times *t)
{
    if (!sd_id128_equal(t->boot, s->boot))
        return s->last_was_young;
    return t->monotonic_usec + YOUNG_USEC >= s->looked_usec;
}

/* Which entry was the last one, when the handle that reads cannot say it (any more)? A new handle that goes the same
 * way meets it. If it does not, the position is not known; the next one covers it. */
static void find_last(struct azm_journal *s)
{
    _cleanup_journal_ sd_journal *j = NULL;
    struct azm_error err;
    int r;

    if (!s->account.cursor || s->account.read < 0 || azm_journal_reads_past(s))
        return;
    r = azm_journal_open_handle(s->config, &j, &err);
    if (r >= 0 && s->selects)
        r = azm_journal_select(j, s->config, s->only_boot ? &s->boot : NULL, &err);
    if (r >= 0)
        r = sd_journal_seek_cursor(j, s->account.cursor);
    for (int64_t i = 0; i <= s->account.read + NEW_MAX && r >= 0 && sd_journal_next(j) > 0; i++) {
        struct azm_entry_times t;

        if (azm_journal_read_times(j, &t) < 0 || t.realtime_usec != s->last_times.realtime_usec ||
            t.monotonic_usec != s->last_times.monotonic_usec || !sd_id128_equal(t.boot, s->last_times.boot))
            continue;
        free(s->cursor);
        if (sd_journal_get_cursor(j, &s->cursor) < 0)
            s->cursor = NULL;
    }
}

/* Does a new handle have an entry between these two, by number and by time, and not a copy of either? */
static bool is_one_between(const struct azm_journal *s, const struct azm_place *last, const struct azm_place *now)
{
    _cleanup_journal_ sd_journal *j = NULL;
    struct azm_place p = *last;
    struct azm_error err;
    int r;

    r = azm_journal_open_handle(s->config, &j, &err);
    if (r >= 0)
        r = sd_journal_seek_cursor(j, s->cursor);
    for (size_t i = 0; i < NEW_MAX && r >= 0 && p.monotonic_usec <= now->monotonic_usec; i++) {
        if (azm_place_is_between(&p, last, now) && !azm_place_is_alike(&p, last) && !azm_place_is_alike(&p, now))
            return true;
        if (sd_journal_next(j) <= 0)
            break;
        r = azm_place_current(j, &p);
    }
    return false;
}

/* Journald numbers what it writes one after the other, whatever file it goes to, and it writes while we read:
 * libsystemd looks at one file after the other, so it may find an entry in the last one without having seen the one
 * before it, which has got into the first one just then. It never gives that any more. Is there one between the last
 * entry and this one? It is asked once. (Other numbers that are missing are the account's.) */
static bool has_passed_over_one(struct azm_journal *s)
{
    struct azm_place last, now;

    if (!azm_journal_is_machines(s->config) || !azm_journal_is_complete(s) || !s->cursor ||
        !azm_place_parse(s->cursor, &last) || azm_place_current(s->j, &now) < 0)
        return false;
    if (!sd_id128_equal(last.boot, now.boot) || now.seqnum <= last.seqnum + 1 ||
        azm_place_equal(&last, &s->jumped_from))
        return false;
    s->jumped_from = last;
    return is_one_between(s, &last, &now);
}

/* The next entry, perhaps with its times, because they were looked at: 1, 0, or -errno.
 *
 * A file may have appeared since the last look (a user's first line makes one), with entries that come before this one;
 * once we are past them libsystemd never gives them. Journald writes in order, so a file with earlier entries exists
 * when this one does: one more look tells, and if it finds a file, a new handle does the step again. (This one must not
 * go back for it: near damage libsystemd drops a file in which it has to look for a place that is not the next one.) */
static int advance(struct azm_journal *s, struct azm_entry_times *t, bool *ret_has_times, struct azm_error *err)
{
    int r;

    if (s->last_was_young)
        azm_journal_keep_cursor(s);
    r = step(s, err);
    if (r <= 0)
        return r;
    *ret_has_times = azm_journal_read_times(s->j, t) >= 0;
    if (*ret_has_times) /* else as young as the last one, too */
        s->last_was_young = is_young(s, t);
    if (!s->last_was_young)
        return 1;
    r = azm_journal_look_at_files(s, err);
    if (r < 0 || (r != SD_JOURNAL_INVALIDATE && !has_passed_over_one(s)))
        return r < 0 ? r : 1;
    if (!s->cursor) /* the first young one */
        find_last(s);
    s->read_again = s->cursor != NULL;
    return !s->read_again;
}

/* An entry that cannot even say which one it is went with its file while we stood on it: its number is missing then. */
static void note_unreadable(struct azm_journal *s)
{
    struct azm_place p;

    if (azm_place_current(s->j, &p) < 0) {
        s->account.read--;
        return;
    }
    if (s->unreadable++ == 0)
        s->first_unreadable = p;
    s->last_unreadable = p;
}

/* Is more to be known of the current entry than its fields? Asking for its place costs as much as half of them. So
 * where one file only grows, and all of it is given, a place tells of how many more it need not be asked. */
static bool needs_place(struct azm_journal *s, bool has_times)
{
    if (s->account.noting || !has_times)
        return true;
    if (s->settled_reads > 0) {
        s->settled_reads--;
        return false;
    }
    return s->last_was_young || !azm_journal_is_machines(s->config);
}

/* Was the current entry written so long ago that nobody is at it any more? */
static bool is_settled(struct azm_journal *s, const struct azm_place *p, bool has_times)
{
    if (azm_journal_is_machines(s->config))
        return has_times && !s->last_was_young;
    if (!s->selects) /* half of them, in case that libsystemd passes over some */
        s->settled_reads = (unsigned)MIN(azm_journal_files_ahead(&s->files, p) / 2, SETTLED_READS);
    return azm_journal_files_has_later(&s->files, p);
}

/* As azm_journal_read_entry; `known`: its times, if they are; `p`: its place, or NULL. */
static int read_current(struct azm_journal *s, const struct azm_entry_times *known, const struct azm_place *p,
                        struct azm_record *rec)
{
    struct azm_entry_times t = known ? *known : (struct azm_entry_times){0};
    int r = known ? 0 : azm_journal_read_times(s->j, &t);

    if (r >= 0) {
        s->last_times = t;
        if (p && is_settled(s, p, known != NULL))
            p = NULL;
        r = azm_journal_read_entry(s, s->j, s->reader, &t, p, rec);
    }
    if (azm_entry_largest_field(s->reader) >= AZM_JOURNAL_LARGE_BYTES)
        s->unpacked_bytes += azm_entry_largest_field(s->reader);
    return r;
}

/* At the end of a damaged file libsystemd may have lost its place. */
static void find_cursor(struct azm_journal *s)
{
    azm_journal_keep_cursor(s);
    if (!s->cursor)
        find_last(s);
}

/* Until a second one comes nothing else tells that it was read: a look behind would read it again. Where entries before
 * it are missing, they are looked for when that one comes. */
static int note_first(struct azm_journal *s, struct azm_error *err)
{
    const struct azm_place *p = &s->account.place, *last = azm_history_last(&s->history, p->seqnum_id);

    return last && last->seqnum + 1 == p->seqnum ? azm_journal_note_last(s, p, err) : 0;
}

int azm_journal_next_merged(struct azm_journal *s, struct azm_record *rec, struct azm_error *err)
{
    for (size_t passed_over = 0; !s->past.done; passed_over++) {
        struct azm_entry_times t = {0};
        struct azm_place place, *p = NULL;
        bool has_times = false;
        int r;

        s->paused = passed_over == AZM_SOURCE_RECORDS_PER_TURN;
        if (s->paused)
            return 0;
        r = s->on_unread ? 1 : advance(s, &t, &has_times, err);
        if (r == 0 || r == -EBADMSG)
            find_cursor(s);
        if (r <= 0)
            return r;
        s->on_unread = false;
        azm_journal_set_cursor(s, NULL, NULL);
        if (needs_place(s, has_times) && azm_journal_last_place(s, &place))
            p = &place;
        if (++s->account.read > 0 && s->account.noting && p) { /* without, its number is missing */
            r = azm_journal_note_read(s, p, err);
            if (r < 0)
                return r;
        }
        r = azm_journal_note_selected(s, p, err);
        if (r < 0)
            return r;
        free(s->tail);
        s->tail = NULL;
        s->tail_wanted = true;
        r = azm_journal_note_past(s) ? read_current(s, has_times ? &t : NULL, p, rec) : 0;
        if (r == -ENOMEM)
            return azm_error_set(err, ENOMEM, "out of memory while reading the journal");
        if (r < 0) {
            note_unreadable(s);
            continue;
        }
        if (!s->account.cursor && s->account.read == 1) { /* the first entry of all: it begins the account */
            int k;

            azm_journal_keep_cursor(s);
            k = azm_journal_account_from(s, s->cursor, 0, err);
            if (k == 0 && s->account.cursor)
                k = note_first(s, err);
            if (k < 0)
                return k;
        }
        if (r > 0)
            return r;
    }
    return 0;
}
