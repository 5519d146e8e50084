/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <systemd/sd-journal.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/log.h"
#include "source/entry.h"
#include "source/journal.h"
#include "source/journal_access.h"
#include "source/journal_handle.h"
#include "source/journal_internal.h"
#include "source/sigbus.h"
#include "store/checkpoint.h"

/* What cannot be noticed otherwise is looked for now and then. */
#define LOOK_INTERVAL_USEC (5 * AZM_USEC_PER_SEC)

struct azm_journal *azm_journal_of(struct azm_source *s)
{
    return (struct azm_journal *)((char *)s - offsetof(struct azm_journal, source));
}

int azm_journal_error(struct azm_error *err, int r, const char *what)
{
    return azm_error_set(err, r, "the journal: %s: %m", what);
}

int azm_journal_set_cursor(struct azm_journal *s, const char *cursor, struct azm_error *err)
{
    char *copy = cursor ? strdup(cursor) : NULL;

    if (cursor && !copy)
        return azm_error_set(err, ENOMEM, "out of memory");
    free(s->cursor);
    s->cursor = copy;
    return 0;
}

/* Without a cursor the position is not known, which does no harm: the next one covers it. */
void azm_journal_keep_cursor(struct azm_journal *s)
{
    if (!s->cursor && sd_journal_get_cursor(s->j, &s->cursor) < 0)
        s->cursor = NULL;
}

bool azm_journal_last_place(struct azm_journal *s, struct azm_place *ret)
{
    azm_journal_keep_cursor(s);
    return s->cursor && azm_place_parse(s->cursor, ret);
}

/* --- what comes next --- */

/* A gap that was found and waits: 1 and the record, 0, -errno. */
static int next_notice(struct azm_source *source, struct azm_record *rec, struct azm_error *err)
{
    struct azm_journal *s = azm_journal_of(source);
    const struct azm_gap *g = azm_gaps_take(&s->gaps);
    struct azm_text resource;
    int r;

    if (!g)
        return 0;
    azm_entry_begin(s->reader);
    r = azm_entry_own_resource(s->reader, &resource);
    if (r == 0)
        r = azm_gap_record(g, resource, azm_realtime_usec(&azm_system_clock), azm_entry_arena(s->reader),
                           s->gap_attributes, rec);
    return r < 0 ? azm_error_set(err, r, "out of memory") : 1;
}

/* Has reading come to the running boot by itself? */
static bool is_in_boot(const struct azm_journal *s)
{
    struct azm_place p;

    return s->cursor && azm_place_parse(s->cursor, &p) && sd_id128_equal(p.boot, s->boot);
}

/* From now on only the running boot: see struct azm_journal. */
static int limit_to_boot(struct azm_journal *s, struct azm_error *err)
{
    int r;

    s->limit_to_boot = false;
    s->only_boot = s->selects = true;
    azm_journal_forget_selected(s);
    azm_log(AZM_LOG_NOTICE,
            "the clock of the running boot is behind that of an earlier one; all before it is read, and "
            "from now on only this boot is");
    r = azm_journal_select(s->j, s->config, &s->boot, err);
    if (r >= 0)
        r = sd_journal_seek_head(s->j);
    if (r < 0)
        return azm_journal_error(err, r, "cannot go to the beginning of the boot");
    r = azm_journal_set_cursor(s, "", err);
    return r < 0 ? r : azm_journal_account_from(s, NULL, 0, err);
}

/* libsystemd does not get over damage, has passed over entries, or knows nothing of a folder that has appeared: a new
 * handle goes on at the position. */
static int reopen(struct azm_journal *s, struct azm_error *err)
{
    bool on_unread = s->on_unread;
    sd_journal *old = s->j;
    int r;

    r = azm_journal_account(s, err); /* it begins anew */
    if (r >= 0)
        r = azm_journal_open_merged(s, err);
    if (r >= 0)
        r = azm_journal_go_on(s, err);
    if (r < 0 && s->j != old)
        sd_journal_close(s->j);
    if (r < 0) {
        s->j = old;
        s->on_unread = on_unread;
        return r;
    }
    /* The event loop watches the fd of the first one until it asks again; a number used anew would confuse it. */
    if (s->retired)
        sd_journal_close(old);
    else
        s->retired = old;
    s->read_again = false;
    s->invalidated = true;
    s->settled_reads = 0;
    return 0;
}

/* See AZM_JOURNAL_UNPACKED_MAX_BYTES. */
static void give_memory_back(struct azm_journal *s)
{
    struct azm_error err;

    s->unpacked_bytes = 0;
    azm_journal_keep_cursor(s);
    if (s->cursor)
        (void)reopen(s, &err); /* if it fails, the old one goes on */
}

/* Has libsystemd let go of a file that it will not take back by itself? */
static bool has_lost_files(const struct azm_journal *s)
{
    return s->selects && s->config->journal_files.n > 0 && !azm_journal_has_all_files(s->j, s->config);
}

/* Is the tail the end of what was read? If libsystemd has let go of a file since, another tail is due. */
static bool has_come_to_tail(struct azm_journal *s)
{
    uint64_t bytes;

    if (s->tail && (sd_journal_get_usage(s->j, &bytes) < 0 || bytes < s->tail_bytes)) {
        free(s->tail);
        s->tail = NULL;
        s->tail_wanted = true;
    }
    return s->tail != NULL;
}

/* Is there something to give beside the merged files? */
static bool has_more(const struct azm_journal *s)
{
    return s->gaps.n > s->gaps.next || s->late.n_ids > 0 || s->behind.n > 0 || !azm_journal_is_behind_told(s) ||
           s->read_again;
}

static int journal_next(struct azm_source *source, struct azm_record *rec, struct azm_error *err)
{
    struct azm_journal *s = azm_journal_of(source);
    bool reopened = false;

    if (s->unpacked_bytes > AZM_JOURNAL_UNPACKED_MAX_BYTES && !s->on_unread)
        give_memory_back(s);
    for (;;) {
        int r = s->read_again ? reopen(s, err) : 0;

        if (r == 0)
            r = next_notice(source, rec, err);
        if (r == 0)
            r = azm_journal_next_late(s, rec, err);
        if (r == 0)
            r = azm_journal_next_behind(s, rec, err);
        if (r == 0 && s->gaps.n > s->gaps.next)
            continue;
        if (r == 0)
            r = azm_journal_next_merged(s, rec, err);
        if (r == -EBADMSG && s->cursor && !reopened) {
            reopened = true;
            r = reopen(s, err);
            if (r >= 0)
                continue;
        }
        if (r != 0 || s->paused)
            return r;
        /* drained */
        r = azm_journal_account(s, err);
        if (r < 0)
            return r;
        if (has_more(s))
            continue;
        r = azm_journal_look_behind(s, err);
        if (r < 0)
            return r;
        if (r > 0 || has_more(s))
            continue;
        s->marked = false;
        if (azm_journal_reads_past(s)) {
            if (s->past.read < s->past.total && !reopened) { /* libsystemd may have let go of a file */
                reopened = true;
                r = reopen(s, err);
                if (r < 0)
                    return r;
                continue;
            }
            s->past.done = true;
            return 0;
        }
        r = azm_journal_compare_clocks(s, err);
        if (r < 0)
            return r;
        s->limit_to_boot &= !is_in_boot(s);
        if (s->limit_to_boot) {
            r = limit_to_boot(s, err);
            if (r < 0)
                return r;
            continue;
        }
        if (has_come_to_tail(s)) { /* nothing selected came after it */
            free(s->cursor);
            s->cursor = s->tail;
            s->tail = NULL;
            s->caught_up = true;
            return MIN(azm_journal_account_from(s, s->cursor, 0, err), 0);
        }
        if (!s->caught_up) /* at once, for whoever wants no more than what is there now */
            s->tail_usec = 0;
        s->caught_up = true;
        return 0;
    }
}

/* --- position --- */

static int journal_position(struct azm_source *source, struct azm_buf *out, struct azm_error *err)
{
    struct azm_journal *s = azm_journal_of(source);
    char when[AZM_TIME_TEXT_MAX];
    struct azm_place p;
    int r;

    azm_buf_clear(out);
    r = azm_journal_account(s, err);
    if (r < 0)
        return r;
    if (!s->cursor || s->gaps.n > s->gaps.next || !azm_journal_is_behind_told(s))
        return 0;                         /* a position after a gap that has not been told would hide it */
    if (azm_place_parse(s->cursor, &p)) { /* for people */
        azm_time_print(p.realtime_usec, when);
        r = azm_buf_printf(out, "received=%s\n", when);
    }
    if (r == 0)
        r = azm_buf_printf(out, "cursor=%s\n", s->cursor);
    if (r == 0 && s->only_boot)
        r = azm_buf_printf(out, "only_boot=" SD_ID128_FORMAT_STR "\n", SD_ID128_FORMAT_VAL(s->boot));
    if (r == 0)
        r = azm_journal_print_past(s, out);
    if (r == 0)
        r = azm_losses_print(&s->losses, out);
    if (r == 0)
        r = azm_history_print(&s->history, out);
    if (r == 0)
        r = azm_uid_state_print(azm_entry_uid_state(s->reader), out);
    return r < 0 ? azm_error_set(err, r, "out of memory") : 0;
}

/* Keeps the cursor of the position for a status. */
static void note_acknowledged(struct azm_journal *s, const struct azm_buf *position)
{
    static const char key[] = "cursor=";
    const char *p = memmem(position->data, position->len, key, sizeof(key) - 1), *end;
    char *cursor;

    if (!p)
        return;
    p += sizeof(key) - 1;
    end = memchr(p, '\n', (size_t)((const char *)position->data + position->len - p));
    cursor = end ? strndup(p, (size_t)(end - p)) : NULL;
    if (!cursor)
        return;
    free(s->acknowledged);
    s->acknowledged = cursor;
}

static int journal_acknowledge(struct azm_source *source, const struct azm_buf *position, struct azm_error *err)
{
    struct azm_journal *s = azm_journal_of(source);

    note_acknowledged(s, position);
    if (s->state_dir_fd < 0)
        return 0;
    return azm_checkpoint_save(s->state_dir_fd, AZM_JOURNAL_CHECKPOINT, position->data, position->len, err);
}

/* --- waiting --- */

/* Does the position move to the journal's end where nothing selected comes? */
static bool takes_tail(const struct azm_journal *s)
{
    return s->selects && !s->only_boot && !azm_journal_reads_past(s);
}

/* Is there a folder that may appear? */
static bool lacks_root(const struct azm_journal *s)
{
    for (size_t i = 0; i < AZM_JOURNAL_ROOTS; i++)
        if (s->roots[i].possible && s->roots[i].ino == 0)
            return true;
    return false;
}

static int journal_poll(struct azm_source *source, int *ret_fd, int *ret_events, uint64_t *ret_timeout_usec,
                        struct azm_error *err)
{
    struct azm_journal *s = azm_journal_of(source);
    int fd = sd_journal_get_fd(s->j), events = sd_journal_get_events(s->j), r;

    if (fd < 0 || events < 0)
        return azm_journal_error(err, MIN(fd, events), "cannot watch it");
    r = sd_journal_get_timeout(s->j, ret_timeout_usec);
    if (r < 0)
        return azm_journal_error(err, r, "cannot watch it");
    if (s->files.young || lacks_root(s)) /* no event tells about these */
        *ret_timeout_usec = MIN(*ret_timeout_usec, azm_monotonic_usec(&azm_system_clock) + LOOK_INTERVAL_USEC);
    *ret_timeout_usec = MIN(*ret_timeout_usec, azm_journal_behind_due_usec(s));
    if (takes_tail(s) && s->tail_wanted) /* nor is there one when a flood that nobody wants has ended */
        *ret_timeout_usec = MIN(*ret_timeout_usec, s->tail_usec + AZM_JOURNAL_TAIL_USEC);
    if (has_lost_files(s))
        *ret_timeout_usec = MIN(*ret_timeout_usec, s->taken_back_usec + LOOK_INTERVAL_USEC);
    if (s->polled_fd == fd) {
        sd_journal_close(s->retired);
        s->retired = NULL;
    }
    s->polled_fd = fd;
    *ret_fd = fd;
    *ret_events = events;
    if (s->past.done) { /* what happens to the journal now is another's affair */
        *ret_events = 0;
        *ret_timeout_usec = AZM_USEC_INFINITY;
    }
    return 0;
}

static void look_at_truncations(struct azm_journal *s)
{
    if (azm_sigbus_count() == s->truncations)
        return;
    if (s->truncations == 0)
        azm_log(AZM_LOG_WARNING,
                "a journal file was truncated while it was read; entries that were not read yet are lost with it");
    s->truncations = azm_sigbus_count();
    s->invalidated = true;
}

/* A folder of journal files has appeared that libsystemd does not watch: /var/log/journal, when the journal was
 * volatile until now, or one in the place of a folder that was removed. 1 if so, 0, -errno. */
static int look_for_roots(struct azm_journal *s, struct azm_error *err)
{
    struct azm_journal_root now[AZM_JOURNAL_ROOTS];
    bool appeared = false;
    int r;

    azm_journal_find_roots(s->config, now);
    for (size_t i = 0; i < AZM_JOURNAL_ROOTS; i++)
        if (now[i].ino == 0)
            s->roots[i].ino = 0;
        else
            appeared |= !azm_journal_root_equal(&now[i], &s->roots[i]);
    if (!appeared)
        return 0;
    r = reopen(s, err);
    if (r < 0)
        return r;
    azm_log(AZM_LOG_NOTICE, "another journal folder has appeared; it is read as well");
    return 1;
}

/* A new handle has all files again; it may lose a damaged one at once. */
static bool take_files_back(struct azm_journal *s, uint64_t now)
{
    struct azm_error err;

    if (!has_lost_files(s) || now < s->taken_back_usec + LOOK_INTERVAL_USEC)
        return false;
    s->taken_back_usec = now;
    return reopen(s, &err) >= 0; /* if it fails, another time */
}

static int journal_process(struct azm_source *source, struct azm_error *err)
{
    struct azm_journal *s = azm_journal_of(source);
    uint64_t now = azm_monotonic_usec(&azm_system_clock);
    bool due = now >= s->looked_over_usec + LOOK_INTERVAL_USEC, more;
    int r;

    if (s->past.done)
        return s->gaps.n > s->gaps.next || s->late.n_ids > 0 || s->read_again;
    azm_journal_keep_cursor(s);
    look_at_truncations(s);
    r = takes_tail(s) ? azm_journal_take_tail(s, err) : 0;
    more = r > 0;
    if (r >= 0)
        r = azm_journal_look_at_files(s, err); /* after that: every file up to the tail is known when reading goes on */
    more |= r > SD_JOURNAL_NOP;
    if (r >= 0)
        r = azm_journal_account(s, err);
    if (r >= 0)
        r = look_for_roots(s, err);
    more |= r > 0;
    more |= r >= 0 && take_files_back(s, now);
    if (r >= 0 && (s->invalidated || (due && s->files.young))) {
        if (!azm_journal_is_complete(s))
            r = azm_journal_check_overtaken(s, err);
        if (r >= 0)
            r = azm_journal_look_over_files(s, false, err);
    }
    if (due)
        s->looked_over_usec = now;
    more |= azm_journal_behind_wake(s, now); /* in any case: what stays due would wake again and again */
    more |= s->paused || has_more(s) || s->limit_to_boot;
    return r < 0 ? r : more;
}

/* --- life --- */

static struct azm_source *journal_free(struct azm_source *source)
{
    struct azm_journal *s;

    if (!source)
        return NULL;
    s = azm_journal_of(source);
    sd_journal_close(s->j);
    sd_journal_close(s->retired);
    azm_journal_forget_selected(s);
    azm_journal_late_free(&s->late);
    azm_journal_behind_free(s);
    azm_entry_reader_free(s->reader);
    azm_history_free(&s->history);
    azm_journal_account_from(s, NULL, 0, NULL);
    azm_gaps_free(&s->gaps);
    azm_journal_files_free(&s->files);
    free(s->cursor);
    free(s->tail);
    free(s->acknowledged);
    free(s);
    return NULL;
}

static int journal_configure(struct azm_source *source, const struct azm_config *c, struct azm_error *err);

static const struct azm_source_ops journal_ops = {
    .next = journal_next,
    .position = journal_position,
    .next_notice = next_notice,
    .acknowledge = journal_acknowledge,
    .poll = journal_poll,
    .process = journal_process,
    .mark = azm_journal_mark,
    .passed = azm_journal_passed,
    .get_status = azm_journal_get_status,
    .configure = journal_configure,
    .free = journal_free,
};

/* systemd names each run of a service in $INVOCATION_ID, which children inherit: is it ours, or that of a service in
 * which somebody started us by hand? */
static const char *own_invocation(void)
{
    const char *pid = getenv("SYSTEMD_EXEC_PID");
    char own[24];

    snprintf(own, sizeof own, "%ld", (long)getpid());
    return pid && strcmp(pid, own) == 0 ? getenv("INVOCATION_ID") : NULL;
}

/* What this process logs from the opening on is not exported. */
static void skip_own(const struct azm_journal *s, const struct azm_config *c, struct azm_entry_reader *reader)
{
    const char *invocation = own_invocation();
    char comm[16] = "";
    struct azm_own_process own = {.boot = s->boot,
                                  .started_usec = s->opened_usec,
                                  .pid = (long)getpid(),
                                  .comm = comm,
                                  .invocation = invocation ? invocation : ""};

    if (c->exclude_own && prctl(PR_GET_NAME, comm) >= 0)
        azm_entry_reader_skip_own(reader, &own);
}

int azm_journal_new_reader(struct azm_journal *s, const struct azm_config *c, struct azm_entry_reader **ret,
                           struct azm_error *err)
{
    int r = azm_entry_reader_new(c, ret);

    if (r < 0)
        return azm_error_set(err, r, "out of memory");
    skip_own(s, c, *ret);
    azm_entry_reader_count_losses(*ret, &s->losses);
    return 0;
}

int azm_journal_open_selecting(const struct azm_journal *s, sd_journal **ret, struct azm_error *err)
{
    _cleanup_journal_ sd_journal *j = NULL;
    int r;

    r = azm_journal_open_handle(s->config, &j, err);
    if (r >= 0)
        r = azm_journal_select(j, s->config, s->only_boot ? &s->boot : NULL, err);
    if (r < 0)
        return r;
    *ret = j;
    j = NULL;
    return 0;
}

int azm_journal_open_merged(struct azm_journal *s, struct azm_error *err)
{
    _cleanup_journal_ sd_journal *j = NULL;
    struct azm_journal_root roots[AZM_JOURNAL_ROOTS];
    int r;

    azm_journal_find_roots(s->config, roots); /* before the opening, so that none is missed */
    r = azm_journal_open_selecting(s, &j, err);
    if (r < 0)
        return r;
    r = sd_journal_get_fd(j); /* from here on new files are noticed */
    if (r < 0)
        return azm_journal_error(err, r, "cannot watch it");
    azm_journal_forget_selected(s);
    s->j = j;
    j = NULL;
    memcpy(s->roots, roots, sizeof roots);
    return 0;
}

static int journal_configure(struct azm_source *source, const struct azm_config *c, struct azm_error *err)
{
    struct azm_journal *s = azm_journal_of(source);
    const struct azm_config *old = s->config;
    struct azm_entry_reader *reader;
    bool selected = s->selects;
    int r;

    r = azm_journal_account(s, err); /* while it is known how the last entries were selected */
    if (r >= 0)
        r = azm_journal_new_reader(s, c, &reader, err);
    if (r < 0)
        return r;
    s->config = c;
    s->selects = azm_journal_selects(c) || s->only_boot;
    r = reopen(s, err);
    if (r < 0) {
        s->config = old;
        s->selects = selected;
        azm_entry_reader_free(reader);
        return r;
    }
    azm_entry_move_uid_state(reader, s->reader);
    azm_entry_reader_free(s->reader);
    s->reader = reader;
    azm_journal_late_free(&s->late); /* found again */
    azm_journal_behind_pause(s);
    azm_journal_files_free(&s->files);
    return 0;
}

int azm_journal_open(const struct azm_journal_options *o, struct azm_source **ret, struct azm_error *err)
{
    const struct azm_config *c = o->config;
    struct azm_journal *s = calloc(1, sizeof *s);
    int r;

    if (!s)
        return azm_error_set(err, ENOMEM, "out of memory");
    s->source.ops = &journal_ops;
    s->config = c;
    s->selects = azm_journal_selects(c);
    s->state_dir_fd = o->state_dir_fd;
    s->rest = o->rest;
    s->past.since_usec = o->since_usec;
    s->past.until_usec = o->until_usec;
    s->opened_usec = azm_monotonic_usec(&azm_system_clock);
    r = sd_id128_get_boot(&s->boot);
    if (r < 0)
        azm_error_set(err, r, "cannot read the boot id: %m");
    if (r == 0)
        r = azm_journal_new_reader(s, c, &s->reader, err);
    if (r == 0)
        r = azm_journal_check_access(c, err);
    if (r == 0)
        azm_log(AZM_LOG_WARNING, "there are no journal files yet%s%s", *c->journal_directory ? " in " : "",
                c->journal_directory);
    if (r >= 0)
        r = azm_journal_begin(s, o->last, err);
    if (r < 0) {
        journal_free(&s->source);
        return r;
    }
    *ret = &s->source;
    return 0;
}
