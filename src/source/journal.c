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
#include "source/journal_internal.h"
#include "source/sigbus.h"
#include "store/checkpoint.h"

/* Of a compressed field; libsystemd's own default depends on its version. */
#define FIELD_MAX_BYTES ((size_t)16 * 1024 * 1024)

/* Far longer than journald takes from an entry's time stamp to its writing. */
#define YOUNG_USEC (10 * AZM_USEC_PER_SEC)

static struct azm_journal *journal_of(struct azm_source *s)
{
    return (struct azm_journal *)((char *)s - offsetof(struct azm_journal, source));
}

int azm_journal_error(struct azm_error *err, int r, const char *what)
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

void azm_journal_forget_cursor(struct azm_journal *s)
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
    return r < 0 ? azm_journal_error(err, r, "cannot look for changes") : r;
}

/* sd_journal_next on top of a vacuum that overtakes us, which shows as EBADMSG until the files are looked at anew. */
static int step(struct azm_journal *s, struct azm_error *err)
{
    for (int i = 0; i < AZM_EBADMSG_TRIES; i++) {
        int r = sd_journal_next(s->j);

        if (r != -EBADMSG)
            return r < 0 ? azm_journal_error(err, r, "cannot read the next entry") : r;
        r = look_at_files(s, err);
        if (r < 0)
            return r;
    }
    return azm_journal_error(err, EBADMSG,
                             "cannot read the next entry; journalctl --verify shows which file is damaged");
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
    return r < 0 ? azm_journal_error(err, r, "cannot go back to the last entry") : 0;
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

int azm_journal_read_times(struct azm_journal *s, struct azm_entry_times *ret)
{
    int r = sd_journal_get_realtime_usec(s->j, &ret->realtime_usec);

    return r < 0 ? r : sd_journal_get_monotonic_usec(s->j, &ret->monotonic_usec, &ret->boot);
}

int azm_journal_read_entry(struct azm_journal *s, struct azm_record *rec)
{
    struct azm_entry_times t;
    int r;

    r = azm_journal_read_times(s, &t);
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
        azm_journal_forget_cursor(s);
        r = azm_journal_read_entry(s, rec);
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
        return azm_journal_error(err, MIN(fd, events), "cannot watch it");
    r = sd_journal_get_timeout(s->j, ret_timeout_usec);
    if (r < 0)
        return azm_journal_error(err, r, "cannot watch it");
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

/* --- life --- */

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
        return azm_journal_error(err, r, "cannot open it");
    r = sd_journal_set_data_threshold(s->j, FIELD_MAX_BYTES);
    if (r < 0)
        return azm_journal_error(err, r, "cannot set the size limit of fields");
    r = sd_journal_get_fd(s->j); /* from here on new files are noticed */
    return r < 0 ? azm_journal_error(err, r, "cannot watch it") : 0;
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
        r = azm_journal_begin(s, o->last, err);
    if (r < 0) {
        journal_free(&s->source);
        return r;
    }
    *ret = &s->source;
    return 0;
}
