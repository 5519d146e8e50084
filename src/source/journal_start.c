/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "core/log.h"
#include "source/journal.h"
#include "source/journal_handle.h"
#include "source/journal_internal.h"
#include "source/journal_resume.h"
#include "source/journal_way.h"
#include "store/checkpoint.h"

static int parse_only_boot(struct azm_journal *s, const char *value)
{
    sd_id128_t boot;
    int r = sd_id128_from_string(value, &boot);

    s->only_boot = r >= 0 && sd_id128_equal(boot, s->boot); /* of another boot it means nothing any more */
    s->selects |= s->only_boot;
    return r;
}

/* Takes over a checkpoint: 1 with *ret_cursor, -EUCLEAN if it makes no sense (-EBADMSG would be the journal's own
 * damage). */
static int parse_checkpoint(struct azm_journal *s, struct azm_buf *lines, char **ret_cursor, struct azm_error *err)
{
    _cleanup_free_ char *cursor = NULL;
    char *save = NULL;

    for (char *line = strtok_r((char *)lines->data, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
        char *value = strchr(line, '=');
        int r;

        if (!value)
            return azm_error_set(err, EUCLEAN, "%s is damaged: a line is not key=value", AZM_JOURNAL_CHECKPOINT);
        *value++ = '\0';
        if (strcmp(line, "cursor") == 0) {
            free(cursor);
            cursor = strdup(value);
            r = cursor ? 0 : -ENOMEM;
        } else if (strcmp(line, "only_boot") == 0)
            r = parse_only_boot(s, value);
        else {
            r = azm_uid_state_parse(azm_entry_uid_state(s->reader), line, value);
            if (r == 0)
                r = azm_history_parse(&s->history, line, value);
            if (r == 0)
                r = azm_losses_parse(&s->losses, line, value);
            if (r == 0 && azm_journal_reads_past(s))
                r = azm_journal_parse_past(s, line, value);
            if (r == 0 && s->rest)
                r = azm_buf_printf(s->rest, "%s=%s\n", line, value);
        }
        if (r == -ENOMEM)
            return azm_error_set(err, ENOMEM, "out of memory");
        if (r < 0)
            return azm_error_set(err, EUCLEAN, "%s is damaged: the value of %s makes no sense", AZM_JOURNAL_CHECKPOINT,
                                 line);
    }
    if (!cursor)
        return azm_error_set(err, EUCLEAN, "%s is damaged: it has no cursor= line", AZM_JOURNAL_CHECKPOINT);
    if (azm_journal_reads_past(s) && s->past.total == 0)
        return azm_error_set(err, EUCLEAN, "%s is damaged: it has no past= line", AZM_JOURNAL_CHECKPOINT);
    *ret_cursor = cursor;
    cursor = NULL;
    return 1;
}

int azm_journal_rebuild_uid_state(struct azm_journal *s, sd_journal *j, struct azm_entry_reader *reader)
{
    struct azm_entry_times last, t;
    struct azm_record rec;
    struct azm_place p;
    size_t before = 0;
    int r;

    r = azm_journal_read_times(j, &last);
    while (r >= 0 && (r = sd_journal_previous(j)) > 0) {
        r = azm_journal_read_times(j, &t);
        if (r < 0 || t.realtime_usec != last.realtime_usec || t.monotonic_usec != last.monotonic_usec ||
            !sd_id128_equal(t.boot, last.boot)) {
            r = r < 0 ? r : sd_journal_next(j);
            break;
        }
        before++;
    }
    for (size_t i = 0; r >= 0; i++) {
        r = azm_journal_read_times(j, &t);
        if (r >= 0)
            r = azm_journal_read_entry(s, j, reader, &t, azm_place_current(j, &p) < 0 ? NULL : &p, &rec);
        if (r == -EBADMSG)
            r = 0; /* an entry that cannot be read has no uid */
        if (r < 0 || i == before)
            break;
        r = sd_journal_next(j);
    }
    return r;
}

/* The journal stands on the last entry that is not to be given, or before the first one: takes over its cursor and what
 * belongs to it. */
static int settle(struct azm_journal *s, struct azm_error *err)
{
    _cleanup_free_ char *cursor = NULL;
    int r;

    azm_uid_state_free(azm_entry_uid_state(s->reader));
    r = sd_journal_get_cursor(s->j, &cursor);
    if (r == -EADDRNOTAVAIL) {
        r = azm_journal_set_cursor(s, "", err);
        return r < 0 ? r : azm_journal_account_from(s, NULL, 0, err);
    }
    if (r >= 0)
        r = azm_journal_rebuild_uid_state(s, s->j, s->reader);
    if (r < 0)
        return azm_journal_error(err, r, "cannot read around the starting point");
    r = azm_journal_set_cursor(s, cursor, err);
    return r < 0 ? r : azm_journal_account_from(s, s->cursor, 0, err);
}

/* Makes the place where reading begins the checkpoint: it holds although nothing has been acknowledged yet. */
static int save_start(struct azm_journal *s, struct azm_error *err)
{
    _cleanup_(azm_buf_free) struct azm_buf position = {0};
    int r = s->source.ops->position(&s->source, &position, err);

    return r < 0 ? r : s->source.ops->acknowledge(&s->source, &position, err);
}

/* Makes the journal stand on the last entry that it gives up to this one, or before the first: 1, 0, -errno. */
static int stand_at(sd_journal *j, const char *cursor)
{
    int r;

    r = sd_journal_seek_cursor(j, cursor);
    if (r >= 0)
        r = sd_journal_previous(j);
    return r != 0 ? r : sd_journal_seek_head(j);
}

/* The same, or on the first one that it gives after this one, which is then to be read. It does not step back and on
 * again: near damage that may lead out of a file. 0 or -errno. */
static int stand_at_or_after(struct azm_journal *s, const char *cursor)
{
    int r;

    r = sd_journal_seek_cursor(s->j, cursor);
    if (r >= 0)
        r = sd_journal_next(s->j);
    s->on_unread = r > 0 && sd_journal_test_cursor(s->j, cursor) <= 0;
    return MIN(r, 0);
}

/* The cursor's entry is gone and `all` stands on the first one after it, which is to be read. */
static int go_on_after_gap(struct azm_journal *s, sd_journal *all, struct azm_gap *g, struct azm_error *err)
{
    _cleanup_free_ char *landed = NULL;
    int r;

    r = sd_journal_get_cursor(all, &landed);
    if (r >= 0 && all != s->j)
        r = stand_at(s->j, landed);
    if (r < 0)
        return azm_journal_error(err, r, "cannot go to the oldest entry that is left");
    s->on_unread = all == s->j || (r > 0 && sd_journal_test_cursor(s->j, landed) > 0);
    r = azm_journal_account_from(s, landed, all == s->j ? -1 : 0, err);
    if (r == 0 && g->reason == AZM_GAP_VACUUMED && azm_journal_looks_behind(s) &&
        azm_history_last(&s->history, g->from.seqnum_id)) {
        if (!sd_id128_equal(g->from.seqnum_id, g->to.seqnum_id))
            return 0; /* if something of that is missing, the numbers will tell */
        r = azm_journal_note_last(s, &g->to, err);
    }
    return r < 0 ? r : azm_journal_add_vacuumed(s, g, err);
}

/* `all` stands on the last entry that was surely delivered, or before the first one. */
static int go_on_after_rollback(struct azm_journal *s, sd_journal *all, struct azm_error *err)
{
    _cleanup_free_ char *last = NULL;
    int r = 0;

    if (!azm_journal_looks_behind(s))
        azm_history_forget_lasts(&s->history);
    if (all == s->j)
        return settle(s, err);
    if (sd_journal_get_cursor(all, &last) >= 0)
        r = stand_at(s->j, last);
    else
        r = sd_journal_seek_head(s->j);
    return r < 0 ? azm_journal_error(err, r, "cannot go to the starting point") : settle(s, err);
}

/* azm_journal_resume, on top of a vacuum that overtakes it. */
static int try_resume(struct azm_journal *s, sd_journal *all, struct azm_gap *ret_gap, struct azm_error *err)
{
    int r = azm_journal_resume(all, s->cursor, &s->history, ret_gap);

    for (int i = 1; r == -EBADMSG && i < AZM_EBADMSG_TRIES; i++) {
        r = sd_journal_process(all);
        if (r >= 0)
            r = azm_journal_resume(all, s->cursor, &s->history, ret_gap);
    }
    if (r < 0)
        return azm_journal_error(err, r, "cannot go back to the checkpoint (journalctl --verify shows damage)");
    return r;
}

/* The same with a handle that becomes another one if the cursor's entry only seems to be gone. */
static int resume_in(struct azm_journal *s, sd_journal **all, struct azm_gap *ret_gap, struct azm_error *err)
{
    struct azm_place cursor, begin;
    sd_journal *lost = *all;
    int r, k;

    r = try_resume(s, *all, ret_gap, err);
    if ((r != AZM_RESUME_VACUUMED && r != AZM_RESUME_ROLLBACK) || !azm_place_parse(s->cursor, &cursor))
        return r;
    k = azm_journal_find_way(s->config, &cursor, &begin, err);
    if (k <= 0)
        return k < 0 ? k : r;
    k = all == &s->j ? azm_journal_open_merged(s, err) : azm_journal_open_handle(s->config, all, err);
    if (k < 0)
        return k;
    sd_journal_close(lost);
    return azm_journal_go_way(*all, &begin, &cursor) > 0 ? AZM_RESUME_EXACT : try_resume(s, *all, ret_gap, err);
}

int azm_journal_go_on(struct azm_journal *s, struct azm_error *err)
{
    _cleanup_journal_ sd_journal *own = NULL;
    struct azm_place cursor;
    sd_journal *all;
    struct azm_gap g;
    int64_t read = 0;
    bool known; /* ... is how far each file was read: what is missing of them will show */
    int r;

    s->on_unread = false;
    if (!s->cursor && s->account.cursor) { /* the entry read last went with its file before it had said which it is */
        read = s->account.read;
        r = azm_journal_set_cursor(s, s->account.cursor, err);
        if (r < 0)
            return r;
    }
    if (s->selects || read > 0) /* what is passed over is not missing, nor what was read and not looked at */
        azm_history_forget_lasts(&s->history);
    if (!s->cursor || *s->cursor == '\0') {
        r = sd_journal_seek_head(s->j);
        if (r < 0)
            return azm_journal_error(err, r, "cannot go to the oldest entry");
        return azm_journal_account_from(s, NULL, 0, err);
    }
    if (azm_journal_reads_past(s)) {
        r = azm_journal_walk_past(s, s->cursor);
        if (r != 0)
            return r < 0 ? azm_journal_error(err, r, "cannot go back to the checkpoint")
                         : azm_journal_account_from(s, s->cursor, 0, err);
    }
    if (s->selects) {
        r = azm_journal_open_handle(s->config, &own, err);
        if (r < 0)
            return r;
    }
    r = resume_in(s, own ? &own : &s->j, &g, err);
    if (r < 0)
        return r;
    all = own ? own : s->j;
    switch ((enum azm_resume)r) {
    case AZM_RESUME_EXACT:
        r = all == s->j ? 0 : stand_at_or_after(s, s->cursor);
        if (r < 0)
            return azm_journal_error(err, r, "cannot go back to the checkpoint");
        return azm_journal_account_from(s, s->cursor, 0, err);
    case AZM_RESUME_VACUUMED:
        g.entries -= MIN(g.entries, (uint64_t)MAX(read, INT64_C(0)));
        return go_on_after_gap(s, all, &g, err);
    case AZM_RESUME_ROLLBACK:
        known = azm_journal_looks_behind(s) && azm_place_parse(s->cursor, &cursor) &&
                azm_history_last(&s->history, cursor.seqnum_id) && !azm_journal_fell_back(s, &cursor);
        r = go_on_after_rollback(s, all, err);
        return r < 0 || known ? r : azm_journal_add_gap(s, &g, err);
    case AZM_RESUME_MOVED:
        return go_on_after_rollback(s, all, err);
    case AZM_RESUME_BAD_CURSOR:
        break;
    }
    return azm_error_set(err, EUCLEAN, "%s is damaged: its cursor makes no sense", AZM_JOURNAL_CHECKPOINT);
}

/* Nothing of a checkpoint that turned out to be damaged stays. */
static void forget(struct azm_journal *s)
{
    azm_uid_state_free(azm_entry_uid_state(s->reader));
    azm_history_free(&s->history);
    azm_gaps_free(&s->gaps);
    s->losses = (struct azm_losses){0};
    s->past.total = 0;
    if (s->rest)
        azm_buf_clear(s->rest);
    s->only_boot = s->on_unread = false;
    s->selects = azm_journal_selects(s->config);
    sd_journal_close(s->j);
    s->j = NULL;
}

/* Goes on after the checkpoint: 1; 0 if there is none (any more); -errno. */
static int resume(struct azm_journal *s, struct azm_error *err)
{
    _cleanup_(azm_buf_free) struct azm_buf lines = {0};
    _cleanup_free_ char *cursor = NULL;
    char aside[64];
    int r;

    if (s->state_dir_fd < 0)
        return 0;
    r = azm_checkpoint_load(s->state_dir_fd, AZM_JOURNAL_CHECKPOINT, &lines, err);
    if (r == -EBADMSG)
        r = -EUCLEAN;
    if (r > 0)
        r = parse_checkpoint(s, &lines, &cursor, err);
    if (r > 0) {
        r = azm_journal_set_cursor(s, cursor, err);
        if (r == 0)
            r = azm_journal_open_merged(s, err);
        if (r == 0)
            r = azm_journal_go_on(s, err);
    }
    if (r == 0 && cursor) {
        if (!azm_journal_reads_past(s))
            azm_log(AZM_LOG_INFO, "going on after the checkpoint ([journal] start= counts for the first run only)");
        return 1;
    }
    if (r != -EUCLEAN)
        return r;

    forget(s);
    r = azm_checkpoint_set_aside(s->state_dir_fd, AZM_JOURNAL_CHECKPOINT, azm_realtime_usec(&azm_system_clock), aside,
                                 NULL);
    azm_log(AZM_LOG_ERROR, "the checkpoint %s; it is kept as %s, and reading starts %s", err->words,
            r < 0 ? "it was" : aside,
            azm_journal_reads_past(s) ? "at the beginning of the stretch" : "as [journal] start= says");
    return 0;
}

/* Goes onto the first entry of the running boot: 1; 0 if there is none; -errno. */
static int find_boot(struct azm_journal *s, struct azm_error *err)
{
    _cleanup_free_ char *cursor = NULL;
    int r, k;

    r = azm_journal_select(s->j, s->config, &s->boot, err);
    if (r >= 0)
        r = sd_journal_seek_head(s->j);
    if (r >= 0)
        r = sd_journal_next(s->j);
    if (r > 0)
        r = sd_journal_get_cursor(s->j, &cursor);
    k = azm_journal_select(s->j, s->config, NULL, err);
    if (r < 0 || k < 0 || !cursor)
        return MIN(r, k);
    r = sd_journal_seek_cursor(s->j, cursor);
    return r < 0 ? r : sd_journal_next(s->j);
}

/* Goes onto the first entry that is to be read: 1; 0 if all that is there is to be passed over; -errno. */
static int find_start(struct azm_journal *s, size_t last, struct azm_error *err)
{
    int r;

    if (last > 0) {
        r = sd_journal_seek_tail(s->j);
        if (r < 0)
            return r;
        r = sd_journal_previous_skip(s->j, last);
        return r > 0; /* fewer than that: it stands on the first one */
    }
    switch (s->config->start) {
    case AZM_START_BOOT:
        return find_boot(s, err);
    case AZM_START_NOW:
        return 0;
    case AZM_START_OLDEST:
        r = sd_journal_seek_head(s->j);
        break;
    case AZM_START_TIME:
        r = sd_journal_seek_realtime_usec(s->j, s->config->start_usec);
        break;
    default:
        return -EINVAL;
    }
    return r < 0 ? r : sd_journal_next(s->j);
}

/* Goes onto the entry before that: 1; 0 if there is none; -errno. */
static int stand_before_start(struct azm_journal *s, size_t last, struct azm_error *err)
{
    int r = find_start(s, last, err);

    if (r == 0) /* nothing of what is there */
        r = sd_journal_seek_tail(s->j);
    return r < 0 ? r : sd_journal_previous(s->j);
}

/* Starts as configured: the journal is made to stand on the entry before the first one. */
static int start(struct azm_journal *s, size_t last, struct azm_error *err)
{
    int r;

    r = azm_journal_open_merged(s, err);
    if (r < 0)
        return r;
    if (azm_journal_reads_past(s))
        r = azm_journal_find_past(s);
    else
        r = stand_before_start(s, last, err);
    if (r == 0)
        r = sd_journal_seek_head(s->j);
    if (r < 0)
        return azm_journal_error(err, r, "cannot go to the starting point");
    r = settle(s, err);
    if (r < 0 || (azm_journal_reads_past(s) && s->past.done)) /* a stretch without entries has no place to keep */
        return r;
    if (azm_journal_reads_past(s)) { /* settle has looked around there */
        r = azm_journal_walk_past(s, s->cursor);
        if (r == 0)
            r = sd_journal_seek_head(s->j);
        if (r < 0)
            return azm_journal_error(err, r, "cannot go back to the starting point");
    }
    return save_start(s, err);
}

/* libsystemd orders entries of two boots by the clock, where their seqnum ids differ. If the clock of the running boot
 * is behind the position, its entries would be passed over. 0 or -errno. */
int azm_journal_compare_clocks(struct azm_journal *s, struct azm_error *err)
{
    _cleanup_journal_ sd_journal *j = NULL;
    struct azm_place position;
    uint64_t first;
    int r;

    if (!azm_journal_is_machines(s->config) || azm_journal_reads_past(s) || s->only_boot || !s->cursor ||
        !azm_place_parse(s->cursor, &position) || sd_id128_equal(position.boot, s->boot))
        return 0;
    r = azm_journal_open_handle(s->config, &j, err);
    if (r >= 0)
        r = azm_journal_select(j, s->config, &s->boot, err);
    if (r < 0)
        return r;
    r = sd_journal_seek_head(j);
    if (r >= 0)
        r = sd_journal_next(j);
    if (r > 0)
        r = sd_journal_get_realtime_usec(j, &first) < 0 ? 0 : 1;
    if (r < 0)
        return azm_journal_error(err, r, "cannot look at the running boot");
    s->limit_to_boot |= r > 0 && first < position.realtime_usec;
    return 0;
}

int azm_journal_begin(struct azm_journal *s, size_t last, struct azm_error *err)
{
    int r;

    r = resume(s, err);
    if (r > 0)
        r = azm_journal_compare_clocks(s, err);
    else if (r == 0)
        r = start(s, last, err);
    if (r >= 0)
        r = azm_journal_look_over_files(s, s->history.n_seen == 0, err);
    if (r < 0)
        return r;
    free(s->acknowledged); /* of the first start */
    s->acknowledged = strdup(s->cursor ? s->cursor : "");
    return s->acknowledged ? 0 : azm_error_set(err, ENOMEM, "out of memory");
}
