/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/log.h"
#include "source/journal_handle.h"
#include "source/journal_internal.h"

/* libsystemd gives entries in one order, that of time where it has nothing better, and never goes back. So a file with
 * entries from before the position, which comes up when reading is past them, would stay unread: one of another boot
 * whose clock was behind, or one that was brought here from elsewhere. Such a file is known by a seqnum id that has not
 * been seen and by its first entry. (In a folder of several machines' files it is journal_behind.c that finds these,
 * but with a selection. A user's file made in the running boot is the business of journal_read.c: see advance. The
 * copies that a flush of the volatile journal makes are of the boot that is being read, too.) */

#define LOOK_MAX 100000 /* entries */

struct look_over {
    struct azm_journal *s;
    struct azm_place position;
    bool positioned; /* reading has begun before */
    bool first;      /* nothing is known of files yet: they all count as seen */
    struct azm_error *err;
};

static int add_seen(struct azm_journal *s, sd_id128_t id, struct azm_error *err)
{
    return azm_history_add_seen(&s->history, id) < 0 ? azm_error_set(err, ENOMEM, "out of memory") : 0;
}

/* Of a seqnum id that was not there before nothing was read. Its files may be found in any order. The first entry of a
 * damaged one may be another than its header says. */
static int note_unread(struct look_over *l, const struct azm_file_news *news)
{
    struct azm_journal *s = l->s;
    const struct azm_journal_header *header = news->header;
    struct azm_place first = news->head;
    const struct azm_place *last;
    bool unread;

    if (!header || header->n_entries == 0)
        return 0;
    if (news->state == AZM_FILE_DAMAGED)
        first = (struct azm_place){
            .seqnum_id = header->seqnum_id, .seqnum = header->first, .realtime_usec = header->first_usec};
    if (header->first < first.seqnum) {
        first.seqnum = header->first;
        first.realtime_usec = header->first_usec;
    }
    last = azm_history_last(&s->history, first.seqnum_id);
    unread = last ? azm_place_is_unread(last) && first.seqnum <= last->seqnum
                  : !azm_history_has_seen(&s->history, first.seqnum_id) && !(l->first && l->positioned);
    if (!unread)
        return 0;
    azm_history_forget_last(&s->history, first.seqnum_id);
    return azm_journal_note_unread(s, &first, l->err);
}

/* Was all that was in the damaged file read, or is not wanted? If its header is left, the numbers tell. If not, it was
 * written before all that was read: of several machines one may not have come as far as the position. */
static bool was_read(const struct look_over *l, const struct azm_file_news *news)
{
    const struct azm_history *h = &l->s->history;
    const struct azm_place *last = news->header ? azm_history_last(h, news->header->seqnum_id) : NULL;
    uint64_t position = l->position.realtime_usec;

    if (last && !azm_place_is_unread(last))
        return news->header->last <= last->seqnum;
    if (last)
        return false;
    for (size_t i = 0; i < h->n_lasts; i++)
        position = MIN(position, h->lasts[i].realtime_usec);
    return l->positioned && news->modified_usec < position;
}

static int report_damaged(struct look_over *l, const struct azm_file_news *news)
{
    struct azm_gap g = {.reason = AZM_GAP_FILE};
    struct azm_journal *s = l->s;
    int r;

    if (azm_history_has_seen(&s->history, news->identity))
        return 0;
    r = note_unread(l, news);
    if (r == 0)
        r = add_seen(s, news->identity, l->err);
    if (r < 0 || was_read(l, news))
        return r;
    s->losses.damaged_files++;
    g.file = strdup(news->path);
    return g.file ? azm_journal_add_gap(s, &g, l->err) : azm_error_set(l->err, ENOMEM, "out of memory");
}

static int queue_late(struct look_over *l, const struct azm_file_news *news)
{
    struct azm_journal *s = l->s;
    sd_id128_t *ids;

    if (azm_journal_is_machines(s->config) && !azm_journal_reads_past(s) && sd_id128_equal(news->head.boot, s->boot)) {
        s->limit_to_boot = true;
        return 0; /* seen when that is done */
    }
    ids = reallocarray(s->late.ids, s->late.n_ids + 1, sizeof *ids);
    if (!ids)
        return azm_error_set(l->err, ENOMEM, "out of memory");
    s->late.ids = ids;
    if (s->late.n_ids == 0 || news->head.realtime_usec < s->late.head.realtime_usec)
        s->late.head = news->head;
    ids[s->late.n_ids++] = news->head.seqnum_id;
    azm_log(AZM_LOG_NOTICE, "%s came up late, with entries from before the position; they are read now", news->path);
    return 0;
}

/* Does this entry come before the position? In the machine's own journal those of the boot that is being read do not
 * count: see above. */
static bool is_passed(const struct look_over *l, const struct azm_place *head)
{
    if (!sd_id128_equal(head->boot, l->position.boot))
        return head->realtime_usec < l->position.realtime_usec;
    return !azm_journal_is_machines(l->s->config) && head->monotonic_usec < l->position.monotonic_usec;
}

static int on_news(void *userdata, const struct azm_file_news *news)
{
    struct look_over *l = userdata;
    int r;

    switch (news->state) {
    case AZM_FILE_DAMAGED:
        return report_damaged(l, news);
    case AZM_FILE_GOOD:
        r = note_unread(l, news);
        if (r < 0)
            return r;
        if (azm_history_has_seen(&l->s->history, news->head.seqnum_id))
            return 0;
        if (!l->first && !l->s->only_boot && l->positioned && is_passed(l, &news->head) &&
            !azm_journal_looks_behind(l->s))
            return queue_late(l, news);
        return add_seen(l->s, news->head.seqnum_id, l->err);
    case AZM_FILE_CLOSED:
        l->s->closed = true;
        break;
    case AZM_FILE_EMPTY:
        break;
    }
    return 0;
}

static bool is_present(sd_id128_t id, void *userdata)
{
    const struct azm_journal_files *files = userdata;

    for (size_t i = 0; i < files->n; i++)
        if (sd_id128_equal(files->items[i].id, id))
            return true;
    return false;
}

int azm_journal_look_over_files(struct azm_journal *s, bool first, struct azm_error *err)
{
    struct look_over l = {.s = s, .first = first, .err = err};
    int r;

    s->invalidated = false;
    l.positioned = azm_journal_last_place(s, &l.position);
    r = azm_journal_files_scan(&s->files, s->config, on_news, &l);
    s->settled_reads = 0;
    if (r == 0 && s->files.n > 0)
        azm_history_prune(&s->history, is_present, &s->files);
    azm_journal_account_look(s);
    return r == -ENOMEM ? azm_error_set(err, r, "out of memory") : r;
}

static bool is_late(const struct azm_late *late, sd_id128_t seqnum_id)
{
    for (size_t i = 0; i < late->n_ids; i++)
        if (sd_id128_equal(late->ids[i], seqnum_id))
            return true;
    return false;
}

void azm_journal_late_free(struct azm_late *late)
{
    sd_journal_close(late->j);
    azm_entry_reader_free(late->reader);
    free(late->ids);
    *late = (struct azm_late){0};
}

static int open_late(struct azm_journal *s, struct azm_error *err)
{
    struct azm_late *late = &s->late;
    char cursor[AZM_PLACE_TEXT_MAX];
    int r;

    r = azm_entry_reader_new(s->config, &late->reader);
    if (r < 0)
        return azm_error_set(err, r, "out of memory");
    late->bounded = azm_journal_last_place(s, &late->until);
    r = azm_journal_open_handle(s->config, &late->j, err);
    if (r >= 0)
        r = azm_journal_select(late->j, s->config, NULL, err);
    if (r < 0)
        return r;
    azm_place_print(&late->head, cursor);
    r = sd_journal_seek_cursor(late->j, cursor);
    return r < 0 ? azm_journal_error(err, r, "cannot go to a file that came up late") : 0;
}

int azm_journal_count_late(struct azm_journal *s, sd_id128_t counter, uint64_t above, uint64_t below, uint64_t *ret)
{
    _cleanup_journal_ sd_journal *j = NULL;
    char cursor[AZM_PLACE_TEXT_MAX];
    struct azm_error err;
    int r;

    *ret = 0;
    if (s->late.n_ids == 0)
        return 0;
    r = azm_journal_open_handle(s->config, &j, &err);
    if (r < 0)
        return r;
    azm_place_print(&s->late.head, cursor);
    r = sd_journal_seek_cursor(j, cursor);
    for (unsigned i = 0; i < LOOK_MAX && r >= 0 && (r = sd_journal_next(j)) > 0; i++) {
        struct azm_place p;
        sd_id128_t own;

        if (azm_place_current(j, &p) == 0 && p.seqnum > above && p.seqnum < below && is_late(&s->late, p.seqnum_id) &&
            azm_journal_files_counter(&s->files, p.seqnum_id, &own) && sd_id128_equal(own, counter))
            ++*ret;
    }
    return MIN(r, 0);
}

/* All of it has been given. */
static int end_late(struct azm_journal *s, struct azm_error *err)
{
    int r = 0;

    for (size_t i = 0; i < s->late.n_ids && r == 0; i++)
        r = add_seen(s, s->late.ids[i], err);
    azm_journal_late_free(&s->late);
    return r;
}

int azm_journal_next_late(struct azm_journal *s, struct azm_record *rec, struct azm_error *err)
{
    struct azm_late *late = &s->late;
    struct azm_entry_times t;
    struct azm_place p;
    int r;

    if (late->n_ids == 0)
        return 0;
    if (!late->j) {
        r = open_late(s, err);
        if (r < 0)
            return r;
    }
    for (;;) {
        r = sd_journal_next(late->j);
        if (r > 0)
            r = azm_place_current(late->j, &p) < 0 ? 0 : 1;
        if (r > 0 && late->bounded && sd_id128_equal(p.seqnum_id, late->until.seqnum_id) &&
            p.seqnum >= late->until.seqnum)
            r = 0; /* the position: from here on the merged files give all of it */
        if (r <= 0)
            return end_late(s, err);
        if (!is_late(late, p.seqnum_id))
            continue;
        r = azm_journal_note_last(s, &p, err);
        if (r < 0)
            return r;
        r = azm_journal_read_times(late->j, &t);
        if (r >= 0)
            r = azm_journal_read_entry(s, late->j, late->reader, &t, &p, rec);
        if (r > 0 && !azm_journal_in_past(s, t.realtime_usec))
            continue;
        if (r > 0 || r == -ENOMEM)
            return r;
    }
}
