/* SPDX-License-Identifier: MIT */
#include "source/join.h"

#include <errno.h>
#include <stdlib.h>

#include "parse/line.h"
#include "source/held_message.h"

/* journald tells its readers of new entries after a quarter of a second at most. */
#define LATENCY_USEC (500 * AZM_USEC_PER_MSEC)

/* How often a position is looked for that lies in no message, when one was asked for. */
#define LATER_TRY_ENTRIES 32

struct join {
    struct azm_source source;
    struct azm_source *journal;
    const struct azm_config *config;
    const struct azm_clock *clock;
    struct azm_line_parser parser;

    struct azm_held_messages held;
    struct azm_held_message *given; /* the record given last borrows from it */
    uint64_t read;                  /* records of the journal so far */
    bool drained;                   /* there was none the last time, */
    uint64_t drained_usec;          /* which was then (monotonic) */

    /* The position before all that is held back; and a later one, for when the messages that were held back when it was
     * taken, so many, have been given, if none of them goes on behind it. */
    struct azm_buf safe, later;
    uint64_t safe_read, later_read; /* as `read` was then */
    size_t later_held;              /* 0: there is no later one */
    bool later_wanted;              /* since a position was asked for, */
    uint64_t later_try;             /* when `read` is so large */

    bool flushing;        /* a flush has ended all that may go on; */
    size_t flushing_held; /* so many are to be given before it is done */

    uint64_t messages, entries; /* that were joined */
};

static struct join *upcast(struct azm_source *s)
{
    return (struct join *)s;
}

/* --- positions between messages --- */

/* `later` has become safe. */
static void take_later(struct join *j)
{
    azm_buf_free(&j->safe);
    j->safe = azm_buf_take(&j->later);
    j->safe_read = j->later_read;
    j->later_held = 0;
    j->later_wanted = false;
}

static bool is_before_later(const struct join *j, const struct azm_held_message *m)
{
    return j->later_held > 0 && m->first <= j->later_read;
}

/* It is held back no more. */
static void let_go(struct join *j, const struct azm_held_message *m)
{
    azm_held_let_go(&j->held, m);
    if (is_before_later(j, m) && --j->later_held == 0)
        take_later(j);
}

/* Takes the position as it is now, for later: 0 or -errno. */
static int note_later(struct join *j, struct azm_error *err)
{
    int r = j->journal->ops->position(j->journal, &j->later, err);

    if (r < 0)
        return r;
    j->later_read = j->read;
    j->later_try = j->read + LATER_TRY_ENTRIES;
    j->later_held = j->later.len > 0 ? j->held.n : 0;
    if (j->later.len > 0 && j->held.n == 0)
        take_later(j);
    return 0;
}

/* While messages overlap all the time there is no position between them, and one has to be made. */
static int look_for_later(struct join *j, struct azm_error *err)
{
    if (j->held.n_open > 0 && j->read > j->safe_read + AZM_JOIN_ENTRIES_MAX) {
        azm_held_end_all(&j->held);
        j->later_held = 0;
    } else if (j->later_held > 0 || j->read < j->later_try)
        return 0;
    return note_later(j, err);
}

/* --- lines --- */

/* Does `t` lie behind the timeout? Clocks are set, so within a boot only the monotonic one counts. */
static bool is_past(const struct join *j, const struct azm_entry_times *last, const struct azm_entry_times *t)
{
    uint64_t timeout = j->config->multiline_timeout_usec;

    if (sd_id128_equal(last->boot, t->boot))
        return t->monotonic_usec > last->monotonic_usec + timeout;
    return t->realtime_usec > last->realtime_usec + timeout;
}

static bool goes_back(const struct azm_entry_times *last, const struct azm_entry_times *t)
{
    return sd_id128_equal(last->boot, t->boot) && t->monotonic_usec < last->monotonic_usec;
}

/* The message goes on with this record, in a part of its own: 0 or -ENOMEM. */
static int add_part(struct join *j, struct azm_held_message *m, const struct azm_record *rec)
{
    struct azm_held_message *next;
    int r = azm_held_take(&j->held, rec, j->read, azm_monotonic_usec(j->clock), &next);

    if (r < 0)
        return r;
    memcpy(next->uid, m->uid, sizeof next->uid);
    next->first = m->first;
    next->state = m->state;
    next->unfinished = rec->line->unfinished;
    m->part = MAX(m->part, 1u);
    next->part = m->part + 1;
    azm_held_end(&j->held, m);
    azm_held_open(&j->held, next);
    if (!next->unfinished && next->state == 0)
        azm_held_end(&j->held, next);
    return 0;
}

/* The message goes on with this record: 0 or -ENOMEM. */
static int add_to_message(struct join *j, struct azm_held_message *m, const struct azm_record *rec,
                          struct azm_text between)
{
    if (is_before_later(j, m))
        j->later_held = 0;
    if (m->body.len + between.len + rec->body.len > j->config->max_body_bytes)
        return add_part(j, m, rec);
    if (azm_held_append(&j->held, m, between, rec, azm_monotonic_usec(j->clock)) < 0)
        return -ENOMEM;
    if (!m->unfinished && m->state == 0) /* a line that is together, and no more can follow */
        azm_held_end(&j->held, m);
    return 0;
}

/* The message of the record's stream takes it: 1; 0, and then there is none any more that could; -ENOMEM. */
static int go_on(struct join *j, const struct azm_record *rec)
{
    const struct azm_entry_line *line = rec->line;
    struct azm_held_message *m = azm_held_find(&j->held, line->stream);
    bool goes_on;

    if (!m)
        return 0;
    if (memcmp(m->uid, rec->uid, sizeof m->uid) == 0) { /* the journal is read again from before its beginning */
        j->later_held = 0;
        azm_held_close(&j->held, m);
        let_go(j, m);
        azm_held_message_free(m);
        return 0;
    }
    goes_on = line->joinable && !is_past(j, &m->last, &line->times) && !goes_back(&m->last, &line->times) &&
              m->part < AZM_JOIN_PARTS_MAX;
    if (goes_on && m->unfinished)
        return add_to_message(j, m, rec, (struct azm_text){0}) < 0 ? -ENOMEM : 1;
    if (goes_on && azm_multiline_continue(&m->state, rec->body))
        return add_to_message(j, m, rec, AZM_TEXT("\n")) < 0 ? -ENOMEM : 1;
    azm_held_end(&j->held, m);
    return 0;
}

/* A record of the journal that may be a line: 1 if it is to be given as it is; 0 if it is held back; -ENOMEM. */
static int take_line(struct join *j, struct azm_record *rec)
{
    const struct azm_entry_line *line = rec->line;
    azm_multiline_state state;
    struct azm_held_message *m;
    int r;

    while ((m = TAILQ_FIRST(&j->held.open)) && is_past(j, &m->last, &line->times))
        azm_held_end(&j->held, m);
    r = go_on(j, rec);
    if (r != 0) {
        azm_held_end_over(&j->held, AZM_JOIN_MESSAGES_MAX, AZM_JOIN_BYTES_MAX);
        return MIN(r, 0);
    }
    state = line->joinable ? azm_multiline_begin(line->multiline, rec->body) : 0;
    if (!line->unfinished && azm_line_parse(&j->parser, line->format, rec) < 0)
        return -ENOMEM;
    if (!line->unfinished && state == 0 && TAILQ_EMPTY(&j->held.ready))
        return 1;
    r = azm_held_take(&j->held, rec, j->read, azm_monotonic_usec(j->clock), &m);
    if (r < 0)
        return r;
    m->state = state;
    m->unfinished = m->whole = line->unfinished;
    if (line->unfinished || state != 0)
        azm_held_open(&j->held, m);
    else
        azm_held_make_ready(&j->held, m);
    azm_held_end_over(&j->held, AZM_JOIN_MESSAGES_MAX, AZM_JOIN_BYTES_MAX);
    return 0;
}

/* --- records --- */

/* What is true of the first piece, and not of the line. */
static bool is_of_piece(const struct azm_attribute *a)
{
    static const char partial[] = "container_partial_";

    return azm_text_equal(a->key, AZM_TEXT("journald.line_break")) ||
           (a->key.len >= sizeof partial && memcmp(a->key.s, partial, sizeof partial - 1) == 0);
}

/* Makes the message a record: 0 or -ENOMEM. */
static int make_record(struct join *j, struct azm_held_message *m, struct azm_record *rec)
{
    struct azm_attribute *attributes = m->copy.memory;
    size_t n = m->copy.record.n_attributes, kept = 0;

    *rec = m->copy.record;
    rec->body = azm_buf_text(&m->body);
    for (size_t i = 0; i < n; i++)
        if ((m->entries == 1 && m->part == 0) || !is_of_piece(&attributes[i]))
            attributes[kept++] = attributes[i];
    if (m->part > 0)
        attributes[kept++] =
            (struct azm_attribute){.key = AZM_TEXT(AZM_PART_KEY), .type = AZM_VALUE_INT, .integer = (int64_t)m->part};
    rec->n_attributes = kept;
    return m->whole && m->part == 0 && azm_line_parse(&j->parser, m->format, rec) < 0 ? -ENOMEM : 0;
}

/* The next message that is complete: 1 and its record, 0, -ENOMEM. */
static int give(struct join *j, struct azm_record *rec)
{
    struct azm_held_message *m = TAILQ_FIRST(&j->held.ready);

    azm_held_message_free(j->given);
    j->given = m;
    if (!m)
        return 0;
    TAILQ_REMOVE(&j->held.ready, m, link);
    let_go(j, m);
    j->flushing_held -= j->flushing_held > 0;
    if (m->entries > 1) {
        j->messages++;
        j->entries += m->entries;
    }
    return make_record(j, m, rec) < 0 ? -ENOMEM : 1;
}

static int join_next(struct azm_source *source, struct azm_record *rec, struct azm_error *err)
{
    struct join *j = upcast(source);

    if (j->later_wanted) {
        int r = look_for_later(j, err);

        if (r < 0)
            return r;
    }
    for (;;) {
        int r = j->held.n > 0 || j->given ? give(j, rec) : 0;

        if (r == 0) {
            r = j->journal->ops->next(j->journal, rec, err);
            j->drained = r == 0;
            j->drained_usec = j->drained ? azm_monotonic_usec(j->clock) : 0;
            if (r <= 0)
                return r;
            j->read++;
            if (!rec->line)
                return r;
            r = take_line(j, rec);
        }
        if (r != 0)
            return r < 0 ? azm_error_set(err, r, "out of memory") : r;
    }
}

static int join_next_notice(struct azm_source *source, struct azm_record *rec, struct azm_error *err)
{
    struct join *j = upcast(source);

    return j->journal->ops->next_notice(j->journal, rec, err);
}

/* --- position --- */

static int join_position(struct azm_source *source, struct azm_buf *out, struct azm_error *err)
{
    struct join *j = upcast(source);
    int r;

    if (j->held.n == 0 && !azm_config_joins(j->config))
        return j->journal->ops->position(j->journal, out, err);
    j->later_wanted = true;
    r = j->held.n == 0 || j->later_held == 0 ? note_later(j, err) : 0;
    if (r < 0)
        return r;
    azm_buf_clear(out);
    return azm_buf_append(out, j->safe.data, j->safe.len) < 0 ? azm_error_set(err, ENOMEM, "out of memory") : 0;
}

static int join_acknowledge(struct azm_source *source, const struct azm_buf *position, struct azm_error *err)
{
    struct join *j = upcast(source);

    return j->journal->ops->acknowledge(j->journal, position, err);
}

/* --- waiting --- */

/* When the message that has been quiet for longest has waited enough, if the journal has no more. */
static uint64_t deadline_usec(const struct join *j)
{
    const struct azm_held_message *m = TAILQ_FIRST(&j->held.open);

    return m && j->drained ? m->heard_usec + j->config->multiline_timeout_usec + LATENCY_USEC : AZM_USEC_INFINITY;
}

static int join_poll(struct azm_source *source, int *ret_fd, int *ret_events, uint64_t *ret_timeout_usec,
                     struct azm_error *err)
{
    struct join *j = upcast(source);
    int r = j->journal->ops->poll(j->journal, ret_fd, ret_events, ret_timeout_usec, err);

    *ret_timeout_usec = MIN(*ret_timeout_usec, deadline_usec(j));
    return r;
}

static int join_process(struct azm_source *source, struct azm_error *err)
{
    struct join *j = upcast(source);
    int r = j->journal->ops->process(j->journal, err);

    if (r != 0) {
        j->drained = false; /* nor is it until `next` has said so again */
        return r;
    }
    while (deadline_usec(j) <= j->drained_usec)
        azm_held_end(&j->held, TAILQ_FIRST(&j->held.open));
    if (deadline_usec(j) <= azm_monotonic_usec(j->clock)) {
        j->drained = false; /* one more look: on a busy machine journald tells late of what it has written */
        return 1;
    }
    return !TAILQ_EMPTY(&j->held.ready);
}

/* --- flushes --- */

static int join_mark(struct azm_source *source, const char *message, unsigned n, struct azm_error *err)
{
    struct join *j = upcast(source);

    j->flushing = false;
    return j->journal->ops->mark(j->journal, message, n, err);
}

static bool join_passed(struct azm_source *source)
{
    struct join *j = upcast(source);

    if (!j->journal->ops->passed(j->journal))
        return false;
    if (!j->flushing) {
        j->flushing = true;
        j->flushing_held = azm_held_end_all(&j->held);
    }
    return j->flushing_held == 0;
}

static size_t join_release(struct azm_source *source)
{
    return azm_held_end_all(&upcast(source)->held);
}

/* --- life --- */

static int join_get_status(struct azm_source *source, struct azm_source_status *ret, struct azm_error *err)
{
    struct join *j = upcast(source);
    int r = j->journal->ops->get_status(j->journal, ret, err);

    ret->joined_messages = j->messages;
    ret->joined_entries = j->entries;
    return r;
}

static int join_configure(struct azm_source *source, const struct azm_config *config, struct azm_error *err)
{
    struct join *j = upcast(source);
    int r = j->journal->ops->configure(j->journal, config, err);

    if (r < 0)
        return r;
    j->config = config;
    if (!azm_config_joins(config))
        azm_held_end_all(&j->held);
    return 0;
}

static struct azm_source *join_free(struct azm_source *source)
{
    struct join *j = upcast(source);

    azm_held_free(&j->held);
    azm_held_message_free(j->given);
    azm_line_parser_free(&j->parser);
    azm_buf_free(&j->safe);
    azm_buf_free(&j->later);
    j->journal->ops->free(j->journal);
    free(j);
    return NULL;
}

int azm_join_new(struct azm_source *journal, const struct azm_config *config, const struct azm_clock *clock,
                 struct azm_source **ret)
{
    static const struct azm_source_ops ops = {
        .next = join_next,
        .position = join_position,
        .next_notice = join_next_notice,
        .acknowledge = join_acknowledge,
        .poll = join_poll,
        .process = join_process,
        .mark = join_mark,
        .passed = join_passed,
        .release = join_release,
        .get_status = join_get_status,
        .configure = join_configure,
        .free = join_free,
    };
    struct join *j = calloc(1, sizeof *j);

    if (!j) {
        journal->ops->free(journal);
        return -ENOMEM;
    }
    j->source.ops = &ops;
    j->journal = journal;
    j->config = config;
    j->clock = clock;
    azm_held_init(&j->held);
    *ret = &j->source;
    return 0;
}
