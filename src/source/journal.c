/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <systemd/sd-journal.h>
#include <time.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/log.h"
#include "source/entry.h"
#include "source/journal.h"
#include "source/journal_access.h"
#include "source/journal_resume.h"
#include "source/sigbus.h"
#include "store/checkpoint.h"

#define FIELD_MAX_BYTES                                                                                                \
    ((size_t)16 * 1024 * 1024) /* of a compressed field; libsystemd's own default depends on its version */
#define EBADMSG_TRIES 3
#define YOUNG_USEC                                                                                                     \
    (10 * AZM_USEC_PER_SEC) /* far longer than journald takes from an entry's time stamp to its writing */

struct azm_journal {
    struct azm_source source;
    const struct azm_config *config;
    sd_journal *j;
    struct azm_entry_reader *reader;
    int state_dir_fd;
    bool on_unread;         /* the journal stands on an entry that `next` has yet to give */
    char *cursor;           /* of the last entry read; "" before the first; NULL: ask the journal */
    uint64_t realtime_usec; /* of the last entry read, 0 before the first */
    uint64_t unreadable;    /* entries that the journal could not give */
    unsigned truncations;   /* azm_sigbus_count when it was last looked at */
    sd_id128_t boot;        /* the running one */
    uint64_t looked_usec;   /* monotonic: the last look for new files */
    bool last_was_young;    /* the last entry read: see advance */
};

static struct azm_journal *journal_of(struct azm_source *s)
{
    return (struct azm_journal *)((char *)s - offsetof(struct azm_journal, source));
}

static int journal_error(struct azm_error *err, int r, const char *what)
{
    return azm_error_set(err, r, "the journal: %s: %m", what);
}

/* Keeps the cursor of the last entry read: later it may be gone, with its file. Without one the position is not known,
 * which does no harm: the next one covers it. */
static void keep_cursor(struct azm_journal *s)
{
    if (!s->cursor && sd_journal_get_cursor(s->j, &s->cursor) < 0)
        s->cursor = NULL;
}

static void forget_cursor(struct azm_journal *s)
{
    free(s->cursor);
    s->cursor = NULL;
}

/* --- reading --- */

/* Looks for new, changed and deleted files: an sd_journal event or -errno. */
static int look_at_files(struct azm_journal *s, struct azm_error *err)
{
    int r;

    s->looked_usec = azm_monotonic_usec(&azm_system_clock);
    r = sd_journal_process(s->j);
    return r < 0 ? journal_error(err, r, "cannot look for changes") : r;
}

/* sd_journal_next on top of a vacuum that overtakes us, which shows as EBADMSG until the files are looked at anew. */
static int step(struct azm_journal *s, struct azm_error *err)
{
    for (int i = 0; i < EBADMSG_TRIES; i++) {
        int r = sd_journal_next(s->j);

        if (r != -EBADMSG)
            return r < 0 ? journal_error(err, r, "cannot read the next entry") : r;
        r = look_at_files(s, err);
        if (r < 0)
            return r;
    }
    return journal_error(err, EBADMSG, "cannot read the next entry; journalctl --verify shows which file is damaged");
}

/* Was the current entry written at about the time of the last look at the files, or later? */
static bool is_young(struct azm_journal *s)
{
    uint64_t monotonic_usec;
    sd_id128_t boot;

    return sd_journal_get_monotonic_usec(s->j, &monotonic_usec, &boot) >= 0 && sd_id128_equal(boot, s->boot) &&
           monotonic_usec + YOUNG_USEC >= s->looked_usec;
}

/* Goes back to just after the entry read last: 0, 1 if that one is gone and the journal stands on the one after it,
 * -errno. */
static int return_to_last(struct azm_journal *s, struct azm_error *err)
{
    int r;

    if (*s->cursor == '\0')
        r = sd_journal_seek_head(s->j);
    else {
        r = sd_journal_seek_cursor(s->j, s->cursor);
        if (r >= 0)
            r = step(s, err);
        if (r > 0)
            return sd_journal_test_cursor(s->j, s->cursor) <= 0;
    }
    return r < 0 ? journal_error(err, r, "cannot go back to the last entry") : 0;
}

/* The next entry: 1, 0, or -errno.
 *
 * A file may have appeared since the last look (a user's first line makes one), with entries that come before this one;
 * once we are past them libsystemd never gives them. Journald writes in order, so a file with earlier entries exists
 * when this one does: one more look tells, and if it finds a file, the step is done again. */
static int advance(struct azm_journal *s, struct azm_error *err)
{
    int r;

    if (s->last_was_young)
        keep_cursor(s);
    for (;;) {
        r = step(s, err);
        if (r <= 0)
            return r;
        s->last_was_young = is_young(s);
        if (!s->last_was_young)
            return 1;
        if (!s->cursor) { /* the first young one: the way back is not known yet */
            if (sd_journal_previous(s->j) <= 0)
                return 1;
            keep_cursor(s);
            r = step(s, err);
            if (r <= 0 || !s->cursor)
                return r;
        }
        r = look_at_files(s, err);
        if (r != SD_JOURNAL_INVALIDATE)
            return r < 0 ? r : 1;
        r = return_to_last(s, err);
        if (r != 0)
            return r;
    }
}

/* Is there memory for the largest field that we would read? */
static bool memory_left(void)
{
    void *volatile p = malloc(2 * FIELD_MAX_BYTES); /* volatile: a compiler may leave the pair out */
    bool left = p != NULL;

    free(p);
    return left;
}

/* One pass over all fields; asking for them by name costs several times more. 0, -EBADMSG for an entry that
 * cannot be read, -errno. */
static int read_fields(struct azm_journal *s)
{
    const void *data;
    size_t len;
    int r;

    azm_entry_begin(s->reader);
    sd_journal_restart_data(s->j);
    while ((r = sd_journal_enumerate_available_data(s->j, &data, &len)) > 0) {
        r = azm_entry_add_field(s->reader, data, len);
        if (r < 0)
            return r;
    }
    /* In a damaged file a field may claim to be larger than all memory. */
    return r == -ENOMEM && memory_left() ? -EBADMSG : r;
}

static int read_times(struct azm_journal *s, struct azm_entry_times *ret)
{
    int r = sd_journal_get_realtime_usec(s->j, &ret->realtime_usec);

    return r < 0 ? r : sd_journal_get_monotonic_usec(s->j, &ret->monotonic_usec, &ret->boot);
}

static int read_entry(struct azm_journal *s, struct azm_record *rec)
{
    struct azm_entry_times t;
    int r;

    r = read_times(s, &t);
    if (r >= 0)
        r = read_fields(s);
    if (r < 0)
        return r;
    s->realtime_usec = t.realtime_usec;
    return azm_entry_finish(s->reader, &t, rec);
}

static int journal_next(struct azm_source *source, struct azm_record *rec, struct azm_error *err)
{
    struct azm_journal *s = journal_of(source);

    for (;;) {
        int r = 1;

        if (!s->on_unread)
            r = advance(s, err);
        if (r == 0)
            keep_cursor(s);
        if (r <= 0)
            return r;
        s->on_unread = false;
        forget_cursor(s);
        r = read_entry(s, rec);
        if (r > 0)
            return r;
        if (r == -ENOMEM)
            return azm_error_set(err, ENOMEM, "out of memory while reading the journal");
        if (r < 0 && s->unreadable++ == 0)
            azm_log(AZM_LOG_WARNING,
                    "the journal has an entry that cannot be read (%s); it is passed over. "
                    "journalctl --verify shows damage",
                    strerror(-r));
    }
}

/* --- position --- */

static int journal_position(struct azm_source *source, struct azm_buf *out, struct azm_error *err)
{
    struct azm_journal *s = journal_of(source);
    char when[32] = "";
    int r = 0;

    azm_buf_clear(out);
    keep_cursor(s);
    if (!s->cursor)
        return 0;
    if (s->realtime_usec > 0) { /* for people */
        time_t t = (time_t)(s->realtime_usec / AZM_USEC_PER_SEC);
        struct tm tm;

        if (gmtime_r(&t, &tm) && strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%S", &tm) > 0)
            r = azm_buf_printf(out, "received=%s.%06" PRIu64 "Z\n", when, s->realtime_usec % AZM_USEC_PER_SEC);
    }
    if (r == 0)
        r = azm_buf_printf(out, "cursor=%s\n", s->cursor);
    if (r == 0)
        r = azm_uid_state_print(azm_entry_uid_state(s->reader), out);
    return r < 0 ? azm_error_set(err, r, "out of memory") : 0;
}

static int journal_acknowledge(struct azm_source *source, const struct azm_buf *position, struct azm_error *err)
{
    struct azm_journal *s = journal_of(source);

    if (s->state_dir_fd < 0)
        return 0;
    return azm_checkpoint_save(s->state_dir_fd, AZM_JOURNAL_CHECKPOINT, position->data, position->len, err);
}

/* --- waiting --- */

static int journal_poll(struct azm_source *source, int *ret_fd, int *ret_events, uint64_t *ret_timeout_usec,
                        struct azm_error *err)
{
    struct azm_journal *s = journal_of(source);
    int fd = sd_journal_get_fd(s->j), events = sd_journal_get_events(s->j), r;

    if (fd < 0 || events < 0)
        return journal_error(err, MIN(fd, events), "cannot watch it");
    r = sd_journal_get_timeout(s->j, ret_timeout_usec);
    if (r < 0)
        return journal_error(err, r, "cannot watch it");
    *ret_fd = fd;
    *ret_events = events;
    return 0;
}

static int journal_process(struct azm_source *source, struct azm_error *err)
{
    struct azm_journal *s = journal_of(source);
    int r;

    keep_cursor(s);
    if (azm_sigbus_count() != s->truncations) {
        if (s->truncations == 0)
            azm_log(AZM_LOG_WARNING,
                    "a journal file was truncated while it was read; entries that were not read yet are "
                    "lost with it");
        s->truncations = azm_sigbus_count();
    }
    r = look_at_files(s, err);
    return MIN(r, 0);
}

/* --- starting --- */

static int set_cursor(struct azm_journal *s, const char *cursor, struct azm_error *err)
{
    forget_cursor(s);
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

        if (!value)
            return azm_error_set(err, EUCLEAN, "%s is damaged: a line is not key=value", AZM_JOURNAL_CHECKPOINT);
        *value++ = '\0';
        if (strcmp(line, "cursor") == 0) {
            free(cursor);
            cursor = strdup(value);
            if (!cursor)
                return azm_error_set(err, ENOMEM, "out of memory");
        } else if (azm_uid_state_parse(azm_entry_uid_state(s->reader), line, value) == -EBADMSG)
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

    r = read_times(s, &last);
    while (r >= 0 && (r = sd_journal_previous(s->j)) > 0) {
        r = read_times(s, &t);
        if (r < 0 || t.realtime_usec != last.realtime_usec || t.monotonic_usec != last.monotonic_usec ||
            !sd_id128_equal(t.boot, last.boot)) {
            r = r < 0 ? r : sd_journal_next(s->j);
            break;
        }
        before++;
    }
    for (size_t i = 0; r >= 0; i++) {
        r = read_entry(s, &rec);
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

    forget_cursor(s);
    azm_uid_state_free(azm_entry_uid_state(s->reader));
    r = sd_journal_get_cursor(s->j, &s->cursor);
    if (r == -EADDRNOTAVAIL)
        return set_cursor(s, "", err);
    if (r >= 0)
        r = rebuild_uid_state(s);
    return r < 0 ? journal_error(err, r, "cannot read around the starting point") : 0;
}

/* Makes the place where reading begins the checkpoint: it holds although nothing has been acknowledged yet. */
static int save_start(struct azm_journal *s, struct azm_error *err)
{
    _cleanup_(azm_buf_free) struct azm_buf position = {0};
    int r = journal_position(&s->source, &position, err);

    return r < 0 ? r : journal_acknowledge(&s->source, &position, err);
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
        return r < 0 ? journal_error(err, r, "cannot go to the oldest entry") : 0;
    }
    r = azm_journal_resume(s->j, cursor, &lost);
    for (int i = 1; r == -EBADMSG && i < EBADMSG_TRIES; i++) { /* a vacuum overtakes us */
        r = sd_journal_process(s->j);
        if (r >= 0)
            r = azm_journal_resume(s->j, cursor, &lost);
    }
    if (r < 0)
        return journal_error(err, r, "cannot go back to the checkpoint (journalctl --verify shows damage)");
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
        return journal_error(err, r, "cannot go to the starting point");
    r = settle(s, err);
    return r < 0 ? r : save_start(s, err);
}

static struct azm_source *journal_free(struct azm_source *source)
{
    struct azm_journal *s;

    if (!source)
        return NULL;
    s = journal_of(source);
    sd_journal_close(s->j);
    azm_entry_reader_free(s->reader);
    free(s->cursor);
    free(s);
    return NULL;
}

static const struct azm_source_ops journal_ops = {
    .next = journal_next,
    .position = journal_position,
    .acknowledge = journal_acknowledge,
    .poll = journal_poll,
    .process = journal_process,
    .free = journal_free,
};

/* What this process logs from now on is not exported. */
static void skip_own(struct azm_journal *s)
{
    char comm[16] = "";
    struct azm_own_process own = {
        .boot = s->boot, .started_usec = azm_monotonic_usec(&azm_system_clock), .pid = (long)getpid(), .comm = comm};

    if (prctl(PR_GET_NAME, comm) >= 0)
        azm_entry_reader_skip_own(s->reader, &own);
}

static int open_journal(struct azm_journal *s, struct azm_error *err)
{
    const char *directory = s->config->journal_directory;
    int r;

    r = azm_journal_check_access(directory, err);
    if (r < 0)
        return r;
    if (r == 0)
        azm_log(AZM_LOG_WARNING, "there are no journal files yet%s%s", *directory ? " in " : "", directory);
    r = *directory ? sd_journal_open_directory(&s->j, directory, 0) : sd_journal_open(&s->j, SD_JOURNAL_LOCAL_ONLY);
    if (r < 0)
        return journal_error(err, r, "cannot open it");
    r = sd_journal_set_data_threshold(s->j, FIELD_MAX_BYTES);
    if (r < 0)
        return journal_error(err, r, "cannot set the size limit of fields");
    r = sd_journal_get_fd(s->j); /* from here on new files are noticed */
    return r < 0 ? journal_error(err, r, "cannot watch it") : 0;
}

int azm_journal_open(const struct azm_journal_options *o, struct azm_source **ret, struct azm_error *err)
{
    struct azm_journal *s = calloc(1, sizeof *s);
    int r;

    if (!s)
        return azm_error_set(err, ENOMEM, "out of memory");
    s->source.ops = &journal_ops;
    s->config = o->config;
    s->state_dir_fd = o->state_dir_fd;
    r = azm_entry_reader_new(o->config, &s->reader);
    if (r < 0)
        azm_error_set(err, r, "out of memory");
    if (r == 0) {
        r = sd_id128_get_boot(&s->boot);
        if (r < 0)
            azm_error_set(err, r, "cannot read the boot id: %m");
        else
            skip_own(s);
    }
    if (r == 0)
        r = open_journal(s, err);
    if (r == 0)
        r = resume(s, err);
    if (r == 0)
        r = start(s, o->last, err);
    if (r < 0) {
        journal_free(&s->source);
        return r;
    }
    *ret = &s->source;
    return 0;
}
