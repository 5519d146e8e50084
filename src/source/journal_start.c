/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "core/log.h"
#include "source/journal.h"
#include "source/journal_internal.h"
#include "source/journal_resume.h"
#include "store/checkpoint.h"

static int set_cursor(struct azm_journal *s, const char *cursor, struct azm_error *err)
{
    azm_journal_forget_cursor(s);
    s->cursor = strdup(cursor);
    return s->cursor ? 0 : azm_error_set(err, ENOMEM, "out of memory");
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
        } else
            r = azm_uid_state_parse(azm_entry_uid_state(s->reader), line, value);
        if (r == -ENOMEM)
            return azm_error_set(err, ENOMEM, "out of memory");
        if (r < 0)
            return azm_error_set(err, EUCLEAN, "%s is damaged: the value of %s makes no sense", AZM_JOURNAL_CHECKPOINT,
                                 line);
    }
    if (!cursor)
        return azm_error_set(err, EUCLEAN, "%s is damaged: it has no cursor= line", AZM_JOURNAL_CHECKPOINT);
    *ret_cursor = cursor;
    cursor = NULL;
    return 1;
}

/* Feeds the uid state with the entries that come before the next one and have the same times, so that the next one gets
 * the uid that it has whoever reads it from wherever. The journal stands on the last of them, before and afterwards. */
static int rebuild_uid_state(struct azm_journal *s)
{
    struct azm_entry_times last, t;
    struct azm_record rec;
    size_t before = 0;
    int r;

    r = azm_journal_read_times(s, &last);
    while (r >= 0 && (r = sd_journal_previous(s->j)) > 0) {
        r = azm_journal_read_times(s, &t);
        if (r < 0 || t.realtime_usec != last.realtime_usec || t.monotonic_usec != last.monotonic_usec ||
            !sd_id128_equal(t.boot, last.boot)) {
            r = r < 0 ? r : sd_journal_next(s->j);
            break;
        }
        before++;
    }
    for (size_t i = 0; r >= 0; i++) {
        r = azm_journal_read_entry(s, &rec);
        if (r == -EBADMSG)
            r = 0; /* an entry that cannot be read has no uid */
        if (r < 0 || i == before)
            break;
        r = sd_journal_next(s->j);
    }
    return r;
}

/* The journal stands on the last entry that is not to be given, or before the first one: takes over its cursor and what
 * belongs to it. */
static int settle(struct azm_journal *s, struct azm_error *err)
{
    int r;

    azm_journal_forget_cursor(s);
    azm_uid_state_free(azm_entry_uid_state(s->reader));
    r = sd_journal_get_cursor(s->j, &s->cursor);
    if (r == -EADDRNOTAVAIL)
        return set_cursor(s, "", err);
    if (r >= 0)
        r = rebuild_uid_state(s);
    return r < 0 ? azm_journal_error(err, r, "cannot read around the starting point") : 0;
}

/* Makes the place where reading begins the checkpoint: it holds although nothing has been acknowledged yet. */
static int save_start(struct azm_journal *s, struct azm_error *err)
{
    _cleanup_(azm_buf_free) struct azm_buf position = {0};
    int r = s->source.ops->position(&s->source, &position, err);

    return r < 0 ? r : s->source.ops->acknowledge(&s->source, &position, err);
}

/* Goes to just after `cursor`; "" is before the first entry. Returns 0, -EUCLEAN if this is no cursor, -errno. */
static int go_back_to(struct azm_journal *s, const char *cursor, struct azm_error *err)
{
    uint64_t lost;
    int r;

    r = set_cursor(s, cursor, err);
    if (r < 0)
        return r;
    if (*cursor == '\0') {
        r = sd_journal_seek_head(s->j);
        return r < 0 ? azm_journal_error(err, r, "cannot go to the oldest entry") : 0;
    }
    r = azm_journal_resume(s->j, cursor, &lost);
    for (int i = 1; r == -EBADMSG && i < AZM_EBADMSG_TRIES; i++) { /* a vacuum overtakes us */
        r = sd_journal_process(s->j);
        if (r >= 0)
            r = azm_journal_resume(s->j, cursor, &lost);
    }
    if (r < 0)
        return azm_journal_error(err, r, "cannot go back to the checkpoint (journalctl --verify shows damage)");
    switch ((enum azm_resume)r) {
    case AZM_RESUME_EXACT:
        return 0;
    case AZM_RESUME_GAP:
        s->on_unread = true;
        azm_log(AZM_LOG_WARNING,
                "the journal was vacuumed past the checkpoint: %" PRIu64 " entries are gone from it "
                "that were never read; going on with the next one",
                lost);
        return 0;
    case AZM_RESUME_ROLLBACK:
        azm_log(AZM_LOG_WARNING, "the journal was rolled back or recreated since the checkpoint; going on after the "
                                 "last entry that was surely delivered");
        r = settle(s, err);
        return r < 0 ? r : save_start(s, err);
    case AZM_RESUME_BAD_CURSOR:
        break;
    }
    return azm_error_set(err, EUCLEAN, "%s is damaged: its cursor makes no sense", AZM_JOURNAL_CHECKPOINT);
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
    if (r > 0)
        r = go_back_to(s, cursor, err);
    if (r == 0 && cursor) {
        azm_log(AZM_LOG_INFO, "going on after the checkpoint ([journal] start= counts for the first run only)");
        return 1;
    }
    if (r != -EUCLEAN)
        return r;

    azm_uid_state_free(azm_entry_uid_state(s->reader));
    r = azm_checkpoint_set_aside(s->state_dir_fd, AZM_JOURNAL_CHECKPOINT, azm_realtime_usec(&azm_system_clock), aside,
                                 NULL);
    azm_log(AZM_LOG_ERROR, "the checkpoint %s; it is kept as %s, and reading starts as [journal] start= says",
            err->words, r < 0 ? "it was" : aside);
    return 0;
}

/* Goes onto the first entry of the running boot: 1; 0 if there is none; -errno. */
static int find_boot(struct azm_journal *s)
{
    _cleanup_free_ char *cursor = NULL;
    char match[64];
    int r;

    snprintf(match, sizeof match, "_BOOT_ID=" SD_ID128_FORMAT_STR, SD_ID128_FORMAT_VAL(s->boot));
    r = sd_journal_add_match(s->j, match, 0);
    if (r >= 0)
        r = sd_journal_seek_head(s->j);
    if (r >= 0)
        r = sd_journal_next(s->j);
    if (r > 0)
        r = sd_journal_get_cursor(s->j, &cursor);
    sd_journal_flush_matches(s->j);
    if (r < 0 || !cursor)
        return r;
    r = sd_journal_seek_cursor(s->j, cursor);
    return r < 0 ? r : sd_journal_next(s->j);
}

/* Goes onto the first entry that is to be read: 1; 0 if all that is there is to be passed over; -errno. */
static int find_start(struct azm_journal *s, size_t last)
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
        return find_boot(s);
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

/* Starts as configured: the journal is made to stand on the entry before the first one. */
static int start(struct azm_journal *s, size_t last, struct azm_error *err)
{
    int r;

    r = find_start(s, last);
    if (r == 0) /* nothing of what is there */
        r = sd_journal_seek_tail(s->j);
    if (r >= 0)
        r = sd_journal_previous(s->j);
    if (r == 0)
        r = sd_journal_seek_head(s->j);
    if (r < 0)
        return azm_journal_error(err, r, "cannot go to the starting point");
    r = settle(s, err);
    return r < 0 ? r : save_start(s, err);
}

int azm_journal_begin(struct azm_journal *s, size_t last, struct azm_error *err)
{
    int r = resume(s, err);

    return r == 0 ? start(s, last, err) : MIN(r, 0);
}
