/* SPDX-License-Identifier: MIT */
#pragma once

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "source/entry.h"
#include "source/join.h"
#include "tests/unit/record_help.h"

/* A journal whose entries the test makes, read by the real reader of entries, and joined. */

#define ENTRIES_MAX 4096
#define BEGIN_USEC UINT64_C(1700000000000000)
#define SEC AZM_USEC_PER_SEC
#define TRACEBACK "Traceback (most recent call last):"

struct entry {
    unsigned pid;
    uint64_t usec; /* monotonic; 0: a gap record, which is none of any stream */
    char *text;
    const char *more; /* fields, each with a line's end behind it */
};

static struct fake {
    struct azm_source source;
    struct entry entries[ENTRIES_MAX];
    size_t n, next, repeats; /* it has them so many times, 0: once */
    uint64_t now;            /* entries of later times are not there yet */
    bool more;               /* what `process` answers */
    size_t acknowledged, positions, mark;
    struct azm_entry_reader *reader;
    struct azm_config *config;
} journal;

static struct azm_config config;
static struct azm_source *source;
static struct azm_record record;
static struct azm_error err;

static inline uint64_t fake_now(void *userdata)
{
    (void)userdata;
    return journal.now;
}

static inline uint64_t fake_random(void *userdata)
{
    (void)userdata;
    return 0;
}

static const struct azm_clock fake_clock = {fake_now, fake_now, fake_random, NULL};

static inline void add_field(const char *data, size_t len)
{
    ck_assert_int_eq(azm_entry_add_field(journal.reader, data, len), 0);
}

static inline int fake_next(struct azm_source *s, struct azm_record *rec, struct azm_error *e)
{
    const struct entry *x = &journal.entries[journal.next % ENTRIES_MAX];
    const uint64_t usec = x->usec + journal.next / ENTRIES_MAX * SEC;
    const struct azm_entry_times times = {
        .realtime_usec = BEGIN_USEC + usec, .monotonic_usec = usec, .boot = {.bytes = {1}}};
    char field[64];

    (void)s;
    (void)e;
    if (journal.next == journal.n * MAX(journal.repeats, (size_t)1) || x->usec > journal.now)
        return 0;
    journal.next++;
    if (x->usec == 0) {
        *rec = (struct azm_record){.time_unix_nano = 1, .has_body = true, .body = azm_text_of(x->text)};
        return 1;
    }
    azm_entry_begin(journal.reader);
    snprintf(field, sizeof field, "_PID=%u", x->pid);
    add_field(field, strlen(field));
    snprintf(field, sizeof field, "_NUMBER=%zu", journal.next); /* no two are equal */
    add_field(field, strlen(field));
    add_field("_BOOT_ID=1", 10);
    for (const char *p = x->more; *p; p += strcspn(p, "\n") + 1)
        add_field(p, strcspn(p, "\n"));
    add_field(x->text, strlen(x->text));
    return azm_entry_finish(journal.reader, &times, rec);
}

/* The number of the next entry. */
static inline int fake_position(struct azm_source *s, struct azm_buf *out, struct azm_error *e)
{
    (void)s;
    (void)e;
    journal.positions++;
    azm_buf_clear(out);
    return azm_buf_printf(out, "%zu", journal.next);
}

static inline size_t number_of(const struct azm_buf *position)
{
    char digits[24];

    snprintf(digits, sizeof digits, "%.*s", (int)position->len, position->len > 0 ? (char *)position->data : "");
    return strtoul(digits, NULL, 10);
}

static inline int fake_acknowledge(struct azm_source *s, const struct azm_buf *position, struct azm_error *e)
{
    (void)s;
    (void)e;
    journal.acknowledged = number_of(position);
    return 0;
}

static inline int fake_next_notice(struct azm_source *s, struct azm_record *rec, struct azm_error *e)
{
    (void)s;
    (void)rec;
    (void)e;
    return 0;
}

static inline int fake_poll(struct azm_source *s, int *fd, int *events, uint64_t *timeout, struct azm_error *e)
{
    (void)s;
    (void)e;
    *fd = *events = 0;
    *timeout = AZM_USEC_INFINITY;
    return 0;
}

static inline int fake_process(struct azm_source *s, struct azm_error *e)
{
    (void)s;
    (void)e;
    return journal.more;
}

static inline int fake_mark(struct azm_source *s, const char *message, unsigned n, struct azm_error *e)
{
    (void)s;
    (void)message;
    (void)n;
    (void)e;
    journal.mark = journal.n;
    return 1;
}

static inline bool fake_passed(struct azm_source *s)
{
    (void)s;
    return journal.next >= journal.mark;
}

static inline int fake_get_status(struct azm_source *s, struct azm_source_status *ret, struct azm_error *e)
{
    (void)s;
    (void)e;
    *ret = (struct azm_source_status){0};
    return 0;
}

static inline void new_reader(const struct azm_config *c)
{
    struct azm_entry_reader *reader;

    ck_assert_int_eq(azm_entry_reader_new(c, &reader), 0);
    if (journal.reader)
        azm_entry_move_uid_state(reader, journal.reader);
    azm_entry_reader_free(journal.reader);
    journal.reader = reader;
}

static inline int fake_configure(struct azm_source *s, const struct azm_config *c, struct azm_error *e)
{
    (void)s;
    (void)e;
    new_reader(c);
    return 0;
}

static inline struct azm_source *fake_free(struct azm_source *s)
{
    (void)s;
    journal.reader = azm_entry_reader_free(journal.reader);
    return NULL;
}

/* Reading begins with this entry. */
static inline void open_at(size_t next)
{
    static const struct azm_source_ops ops = {
        .next = fake_next,
        .position = fake_position,
        .next_notice = fake_next_notice,
        .acknowledge = fake_acknowledge,
        .poll = fake_poll,
        .process = fake_process,
        .mark = fake_mark,
        .passed = fake_passed,
        .get_status = fake_get_status,
        .configure = fake_configure,
        .free = fake_free,
    };

    journal.source.ops = &ops;
    journal.next = next;
    new_reader(&config);
    ck_assert_int_eq(azm_join_new(&journal.source, &config, &fake_clock, &source), 0);
}

static inline void close_source(void)
{
    source = source->ops->free(source);
}

static inline void set(struct azm_config *c, const char *key, const char *value)
{
    ck_assert_msg(azm_config_set(c, "journal", key, value, "test", false, &err) == 0, "%s", err.words);
}

static inline void begin(const char *multiline)
{
    journal = (struct fake){.now = UINT64_MAX / 2};
    ck_assert_int_eq(azm_config_init(&config), 0);
    set(&config, "multiline", multiline);
}

static inline void finish(void)
{
    if (source)
        close_source();
    for (size_t i = 0; i < journal.n; i++)
        free(journal.entries[i].text);
    azm_config_free(&config);
}

#define STDOUT "_TRANSPORT=stdout\n_STREAM_ID=a\nPRIORITY=6\n"

static inline void add(unsigned pid, uint64_t usec, const char *text, const char *more)
{
    struct entry *x = &journal.entries[journal.n++];

    ck_assert_uint_le(journal.n, ENTRIES_MAX);
    *x = (struct entry){.pid = pid, .usec = usec, .more = more};
    ck_assert_int_gt(asprintf(&x->text, "%s%s", usec > 0 ? "MESSAGE=" : "", text), 0);
}

/* A line of stdout, a millisecond after the one before. */
static inline void say(unsigned pid, const char *text)
{
    add(pid, SEC + journal.n * 1000, text, STDOUT);
}

static inline void assert_next(const char *body)
{
    ck_assert_msg(source->ops->next(source, &record, &err) == 1, "none instead of %s", body);
    ck_assert_msg(azm_text_equal(record.body, azm_text_of(body)), "%.*s", (int)record.body.len, record.body.s);
}

static inline void assert_none(void)
{
    int r = source->ops->next(source, &record, &err);

    ck_assert_msg(r == 0, "%.*s", (int)record.body.len, record.body.s);
}

/* The number of the entry behind the position; 0: it is not known. */
static inline size_t position(void)
{
    _cleanup_(azm_buf_free) struct azm_buf p = {0};

    ck_assert_int_eq(source->ops->position(source, &p, &err), 0);
    return number_of(&p);
}

static inline size_t status_entries(void)
{
    struct azm_source_status s;

    ck_assert_int_eq(source->ops->get_status(source, &s, &err), 0);
    return s.joined_entries;
}

/* How long to wait, as `poll` has it. */
static inline uint64_t wait_until_usec(void)
{
    uint64_t timeout;
    int fd, events;

    ck_assert_int_eq(source->ops->poll(source, &fd, &events, &timeout, &err), 0);
    return timeout;
}

/* The next record, also one that is held back. */
static inline bool read_on(void)
{
    int r;

    do
        r = source->ops->next(source, &record, &err);
    while (r == 0 && azm_source_release(source) > 0);
    return r > 0;
}

/* All records to the end; the texts of all, one behind the other, with what stands between two of them. */
static inline size_t read_all(struct azm_buf *texts, const char *between, size_t *ret_longest)
{
    size_t n = 0;

    *ret_longest = 0;
    while (read_on()) {
        ck_assert_int_eq(azm_buf_printf(texts, "%.*s%s", (int)record.body.len, record.body.s, between), 0);
        *ret_longest = MAX(*ret_longest, record.body.len);
        n++;
    }
    return n;
}
