/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "source/entry.h"
#include "source/join.h"
#include "tests/unit/prng.h"
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

static struct azm_config config, other_config;
static struct azm_source *source;
static struct azm_record record;
static struct azm_error err;

static uint64_t fake_now(void *userdata)
{
    (void)userdata;
    return journal.now;
}

static uint64_t fake_random(void *userdata)
{
    (void)userdata;
    return 0;
}

static const struct azm_clock fake_clock = {fake_now, fake_now, fake_random, NULL};

static void add_field(const char *data, size_t len)
{
    ck_assert_int_eq(azm_entry_add_field(journal.reader, data, len), 0);
}

static int fake_next(struct azm_source *s, struct azm_record *rec, struct azm_error *e)
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
static int fake_position(struct azm_source *s, struct azm_buf *out, struct azm_error *e)
{
    (void)s;
    (void)e;
    journal.positions++;
    azm_buf_clear(out);
    return azm_buf_printf(out, "%zu", journal.next);
}

static size_t number_of(const struct azm_buf *position)
{
    char digits[24];

    snprintf(digits, sizeof digits, "%.*s", (int)position->len, position->len > 0 ? (char *)position->data : "");
    return strtoul(digits, NULL, 10);
}

static int fake_acknowledge(struct azm_source *s, const struct azm_buf *position, struct azm_error *e)
{
    (void)s;
    (void)e;
    journal.acknowledged = number_of(position);
    return 0;
}

static int fake_next_notice(struct azm_source *s, struct azm_record *rec, struct azm_error *e)
{
    (void)s;
    (void)rec;
    (void)e;
    return 0;
}

static int fake_poll(struct azm_source *s, int *fd, int *events, uint64_t *timeout, struct azm_error *e)
{
    (void)s;
    (void)e;
    *fd = *events = 0;
    *timeout = AZM_USEC_INFINITY;
    return 0;
}

static int fake_process(struct azm_source *s, struct azm_error *e)
{
    (void)s;
    (void)e;
    return journal.more;
}

static int fake_mark(struct azm_source *s, const char *message, unsigned n, struct azm_error *e)
{
    (void)s;
    (void)message;
    (void)n;
    (void)e;
    journal.mark = journal.n;
    return 1;
}

static bool fake_passed(struct azm_source *s)
{
    (void)s;
    return journal.next >= journal.mark;
}

static int fake_get_status(struct azm_source *s, struct azm_source_status *ret, struct azm_error *e)
{
    (void)s;
    (void)e;
    *ret = (struct azm_source_status){0};
    return 0;
}

static void new_reader(const struct azm_config *c)
{
    struct azm_entry_reader *reader;

    ck_assert_int_eq(azm_entry_reader_new(c, &reader), 0);
    if (journal.reader)
        azm_entry_move_uid_state(reader, journal.reader);
    azm_entry_reader_free(journal.reader);
    journal.reader = reader;
}

static int fake_configure(struct azm_source *s, const struct azm_config *c, struct azm_error *e)
{
    (void)s;
    (void)e;
    new_reader(c);
    return 0;
}

static struct azm_source *fake_free(struct azm_source *s)
{
    (void)s;
    journal.reader = azm_entry_reader_free(journal.reader);
    return NULL;
}

/* Reading begins with this entry. */
static void open_at(size_t next)
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

static void close_source(void)
{
    source = source->ops->free(source);
}

static void set(struct azm_config *c, const char *key, const char *value)
{
    ck_assert_msg(azm_config_set(c, "journal", key, value, "test", false, &err) == 0, "%s", err.words);
}

static void begin(const char *multiline)
{
    journal = (struct fake){.now = UINT64_MAX / 2};
    ck_assert_int_eq(azm_config_init(&config), 0);
    set(&config, "multiline", multiline);
}

static void finish(void)
{
    if (source)
        close_source();
    for (size_t i = 0; i < journal.n; i++)
        free(journal.entries[i].text);
    azm_config_free(&config);
}

#define STDOUT "_TRANSPORT=stdout\n_STREAM_ID=a\nPRIORITY=6\n"

static void add(unsigned pid, uint64_t usec, const char *text, const char *more)
{
    struct entry *x = &journal.entries[journal.n++];

    ck_assert_uint_le(journal.n, ENTRIES_MAX);
    *x = (struct entry){.pid = pid, .usec = usec, .more = more};
    ck_assert_int_gt(asprintf(&x->text, "%s%s", usec > 0 ? "MESSAGE=" : "", text), 0);
}

/* A line of stdout, a millisecond after the one before. */
static void say(unsigned pid, const char *text)
{
    add(pid, SEC + journal.n * 1000, text, STDOUT);
}

static void assert_next(const char *body)
{
    ck_assert_msg(source->ops->next(source, &record, &err) == 1, "none instead of %s", body);
    ck_assert_msg(azm_text_equal(record.body, azm_text_of(body)), "%.*s", (int)record.body.len, record.body.s);
}

static void assert_none(void)
{
    int r = source->ops->next(source, &record, &err);

    ck_assert_msg(r == 0, "%.*s", (int)record.body.len, record.body.s);
}

/* The number of the entry behind the position; 0: it is not known. */
static size_t position(void)
{
    _cleanup_(azm_buf_free) struct azm_buf p = {0};

    ck_assert_int_eq(source->ops->position(source, &p, &err), 0);
    return number_of(&p);
}

static size_t status_entries(void)
{
    struct azm_source_status s;

    ck_assert_int_eq(source->ops->get_status(source, &s, &err), 0);
    return s.joined_entries;
}

/* --- what belongs together --- */

START_TEST(two_workers_that_fail_at_once)
{
    uint8_t first[16];

    begin("python");
    say(1, "hello");
    say(1, TRACEBACK);
    say(2, TRACEBACK);
    say(1, "  File \"a\", line 1");
    say(2, "  File \"b\", line 2");
    add(0, 0, "a gap", "");
    say(2, "ValueError: 2");
    say(1, "ValueError: 1");
    say(1, "goes on");
    say(2, "so does it");
    open_at(1); /* its uid when it is read alone */
    ck_assert_int_eq(fake_next(NULL, &record, &err), 1);
    memcpy(first, record.uid, sizeof first);
    close_source();
    open_at(0);
    assert_next("hello");
    assert_next("a gap");
    assert_next(TRACEBACK "\n  File \"a\", line 1\nValueError: 1");
    ck_assert_mem_eq(record.uid, first, sizeof first);
    ck_assert_uint_eq(record.time_unix_nano, (BEGIN_USEC + SEC + 1000) * 1000);
    ck_assert_str_eq(attribute_of(&record, "process.pid"), "1");
    ck_assert_ptr_null(attribute_of(&record, AZM_PART_KEY));
    assert_next("goes on");
    assert_next(TRACEBACK "\n  File \"b\", line 2\nValueError: 2");
    assert_next("so does it");
    assert_none();
    ck_assert_uint_eq(status_entries(), 6);
    finish();
}
END_TEST

/* What is written to another place, or by another process, or is sent whole, is another message. */
START_TEST(streams)
{
    static const struct {
        unsigned pid;
        const char *fields;
        bool goes_on;
    } table[] = {
        {1, STDOUT, true},
        {1, "_TRANSPORT=stdout\n_STREAM_ID=a\nPRIORITY=3\n", true}, /* "<3>" was in front of the first line */
        {1, STDOUT "_COMM=gone\n", true},                           /* what journald says of a process may change */
        {2, STDOUT, false},
        {1, "_TRANSPORT=stdout\n_STREAM_ID=b\nPRIORITY=6\n", false},
        {1, "_TRANSPORT=syslog\nSYSLOG_IDENTIFIER=x\nPRIORITY=6\n", false},
        {1, STDOUT "ORDER=7\n", false}, /* it would be lost */
    };

    for (size_t i = 0; i < ELEMENTSOF(table); i++) {
        begin("indent");
        add(1, SEC, "one", STDOUT);
        add(table[i].pid, SEC + 1, " two", table[i].fields);
        open_at(0);
        assert_none();
        ck_assert_uint_eq(azm_source_release(source), table[i].goes_on ? 1 : 2);
        assert_next(table[i].goes_on ? "one\n two" : "one");
        finish();
    }
    begin("indent");
    add(1, SEC, "one", "_TRANSPORT=syslog\nPRIORITY=6\nSYSLOG_TIMESTAMP=1\n");
    add(1, SEC + 1, " two", "_TRANSPORT=syslog\nPRIORITY=3\nSYSLOG_TIMESTAMP=2\n");
    add(1, SEC + 2, " three", "_TRANSPORT=syslog\nPRIORITY=6\nSYSLOG_TIMESTAMP=3\n");
    add(1, SEC + 3, "a\nb", "_TRANSPORT=syslog\nPRIORITY=6\nSYSLOG_TIMESTAMP=4\n");
    open_at(0);
    assert_next("one\n three");
    assert_next("a\nb");
    assert_none();
    azm_source_release(source);
    assert_next(" two");
    finish();
}
END_TEST

START_TEST(a_line_in_pieces)
{
    begin("pieces");
    set(&config, "parse", "json");
    add(1, SEC, "{\"message\":\"on", STDOUT "_LINE_BREAK=line-max\n");
    add(2, SEC, "another", STDOUT "_LINE_BREAK=pid-change\n");
    add(1, SEC, "e\",\"level\":\"er", STDOUT "_LINE_BREAK=line-max\n");
    add(1, SEC, "ror\"}", STDOUT);
    add(1, SEC, "{\"message\":\"two\"}", STDOUT);
    add(1, SEC, "end", STDOUT "_LINE_BREAK=eof\n");
    config.fields = AZM_FIELDS_FULL;
    open_at(0);
    assert_next("another");
    ck_assert_str_eq(attribute_of(&record, "journald.line_break"), "pid-change");
    assert_next("one");
    ck_assert_int_eq(record.severity, 3);
    ck_assert_ptr_null(attribute_of(&record, "journald.line_break"));
    assert_next("two");
    assert_next("end");
    assert_none();
    ck_assert_uint_eq(position(), 6);
    finish();
}
END_TEST

START_TEST(pieces_of_containers)
{
#define DOCKER "_TRANSPORT=journal\nPRIORITY=6\nCONTAINER_ID=c\n"
    begin("pieces");
    add(1, SEC, "on", DOCKER "CONTAINER_PARTIAL_MESSAGE=true\nCONTAINER_PARTIAL_ORDINAL=1\n");
    add(1, SEC, "other", "_TRANSPORT=journal\nPRIORITY=6\nCONTAINER_ID=d\n");
    add(1, SEC, "e", DOCKER "CONTAINER_PARTIAL_ORDINAL=2\nCONTAINER_PARTIAL_LAST=true\n");
    add(1, SEC, "on", DOCKER "CONTAINER_PARTIAL_MESSAGE=true\n");
    open_at(0);
    assert_next("other");
    assert_next("one");
    ck_assert_uint_eq(journal.next, 3); /* nothing can follow */
    ck_assert_str_eq(attribute_of(&record, "container_id"), "c");
    ck_assert_ptr_null(attribute_of(&record, "container_partial_message"));
    ck_assert_ptr_null(attribute_of(&record, "container_partial_ordinal"));
    finish();
}
END_TEST

/* A line that is taken apart may be followed by its stack trace. */
START_TEST(what_the_first_line_says_stays)
{
    begin("indent");
    set(&config, "parse", "auto");
    say(1, "level=error msg=failed shop=7");
    say(1, "  at a");
    say(1, "{\"message\":\"next\"}");
    open_at(0);
    assert_next("failed\n  at a");
    ck_assert_int_eq(record.severity, 3);
    ck_assert_str_eq(attribute_of(&record, "shop"), "7");
    azm_source_release(source);
    assert_next("next");
    finish();
}
END_TEST

/* Without `multiline` for its unit an entry is what it was. */
START_TEST(only_the_units_that_want_it)
{
    begin("no");
    ck_assert_int_eq(azm_config_set(&config, "unit \"a\"", "multiline", "python", "test", false, &err), 0);
    add(1, SEC, TRACEBACK, STDOUT "_SYSTEMD_UNIT=a.service\n");
    add(1, SEC + 1, " a", STDOUT "_SYSTEMD_UNIT=a.service\n");
    add(2, SEC + 2, TRACEBACK, STDOUT "_SYSTEMD_UNIT=b.service\n");
    add(2, SEC + 3, " b", STDOUT "_SYSTEMD_UNIT=b.service\n");
    open_at(0);
    assert_next(TRACEBACK);
    assert_next(" b");
    assert_none();
    azm_source_release(source);
    assert_next(TRACEBACK "\n a");
    finish();
}
END_TEST

/* --- when a message ends --- */

START_TEST(by_the_times_of_entries)
{
    begin("indent");
    add(1, SEC, "one", STDOUT);
    add(1, 2 * SEC, " of one", STDOUT);
    add(1, 3 * SEC + 1, " too late", STDOUT);
    add(2, 3 * SEC + 2, "other", STDOUT);
    add(0, 0, "a gap", "");
    add(3, 4 * SEC + 2, "third", STDOUT);
    open_at(0);
    assert_next("one\n of one");
    assert_next("a gap");
    assert_next(" too late");
    assert_none();
    ck_assert_uint_eq(azm_source_release(source), 2);
    assert_next("other");
    assert_next("third");
    finish();
}
END_TEST

/* How long to wait, as `poll` has it. */
static uint64_t wait_until_usec(void)
{
    uint64_t timeout;
    int fd, events;

    ck_assert_int_eq(source->ops->poll(source, &fd, &events, &timeout, &err), 0);
    return timeout;
}

START_TEST(by_the_clock_when_there_is_no_more)
{
    begin("indent");
    journal.now = SEC;
    add(1, SEC, "one", STDOUT);
    add(1, 2 * SEC, " two", STDOUT);
    open_at(0);
    assert_none();
    ck_assert_int_eq(source->ops->process(source, &err), 0);
    ck_assert_uint_gt(wait_until_usec(), 2 * SEC);
    journal.now = wait_until_usec() - 1; /* what comes in time is there by then */
    ck_assert_int_eq(source->ops->process(source, &err), 0);
    assert_none();
    ck_assert_int_eq(source->ops->process(source, &err), 0);

    journal.now = wait_until_usec();
    journal.more = true; /* while there may be more the clock does not count */
    ck_assert_int_eq(source->ops->process(source, &err), 1);
    ck_assert_uint_eq(wait_until_usec(), AZM_USEC_INFINITY);
    journal.more = false;
    ck_assert_int_eq(source->ops->process(source, &err), 0);
    assert_none();
    ck_assert_int_eq(source->ops->process(source, &err), 1);
    assert_next("one\n two");
    assert_none();
    ck_assert_uint_eq(wait_until_usec(), AZM_USEC_INFINITY);
    finish();
}
END_TEST

/* What journald has written, but not told of, is not late. */
START_TEST(by_the_clock_after_one_more_look)
{
    begin("indent");
    journal.now = SEC;
    add(1, SEC, "one", STDOUT);
    open_at(0);
    assert_none();
    add(1, SEC + 1, " two", STDOUT);
    journal.now = wait_until_usec();
    ck_assert_int_eq(source->ops->process(source, &err), 1);
    ck_assert_uint_eq(wait_until_usec(), AZM_USEC_INFINITY); /* what comes next is the look, not the clock */
    assert_none();
    ck_assert_int_eq(source->ops->process(source, &err), 0);
    journal.now = wait_until_usec();
    ck_assert_int_eq(source->ops->process(source, &err), 1);
    assert_none();
    ck_assert_int_eq(source->ops->process(source, &err), 1);
    assert_next("one\n two");
    finish();
}
END_TEST

START_TEST(by_a_flush)
{
    begin("indent");
    say(1, "one");
    say(2, "two");
    say(2, " more");
    open_at(0);
    ck_assert_int_eq(source->ops->mark(source, NULL, 0, &err), 1);
    say(3, "comes later");
    ck_assert(!source->ops->passed(source));
    assert_none();
    ck_assert(!source->ops->passed(source));
    assert_next("one");
    ck_assert(!source->ops->passed(source));
    say(1, "in between");
    assert_next("two\n more");
    assert_next("comes later");
    ck_assert(source->ops->passed(source));
    assert_none();
    ck_assert(source->ops->passed(source)); /* what begins after that is not waited for */
    ck_assert_int_eq(source->ops->mark(source, NULL, 0, &err), 1);
    ck_assert(!source->ops->passed(source));
    assert_next("in between");
    ck_assert(source->ops->passed(source));
    finish();
}
END_TEST

START_TEST(by_another_configuration)
{
    begin("indent");
    say(1, "one");
    say(1, " two");
    open_at(0);
    assert_none();
    ck_assert_int_eq(azm_config_init(&other_config), 0);
    set(&other_config, "multiline", "python");
    ck_assert_int_eq(source->ops->configure(source, &other_config, &err), 0);
    assert_none(); /* what has begun goes on as it did */
    say(1, " three");
    say(1, "four");
    assert_next("one\n two\n three");
    assert_next("four");
    say(1, TRACEBACK);
    assert_none();
    set(&other_config, "multiline", "no");
    ck_assert_int_eq(source->ops->configure(source, &other_config, &err), 0);
    say(1, " five");
    assert_next(TRACEBACK);
    assert_next(" five");
    ck_assert_ptr_null(record.line);
    assert_none();
    close_source();
    azm_config_free(&other_config);
    finish();
}
END_TEST

/* --- limits --- */

/* The next record, also one that is held back. */
static bool read_on(void)
{
    int r;

    do
        r = source->ops->next(source, &record, &err);
    while (r == 0 && azm_source_release(source) > 0);
    return r > 0;
}

/* All records to the end; the texts of all, one behind the other, with what stands between two of them. */
static size_t read_all(struct azm_buf *texts, const char *between, size_t *ret_longest)
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

START_TEST(a_long_message_comes_in_parts)
{
    static const char long_line[] = " 0123456789 0123456789 0123456789 0123456789 0123456789 0123456789 0123456789";
    _cleanup_(azm_buf_free) struct azm_buf expected = {0}, texts = {0};
    size_t longest;

    begin("indent");
    set(&config, "max_body_bytes", "1K");
    say(1, "first");
    azm_buf_printf(&expected, "first\n");
    for (size_t i = 0; i < 40; i++) {
        say(1, long_line);
        azm_buf_printf(&expected, "%s\n", long_line);
    }
    say(1, "next");
    azm_buf_printf(&expected, "next\n");
    open_at(0);
    ck_assert_uint_eq(position(), 0);
    for (unsigned part = 1; part <= 4; part++) {
        char number[4];

        ck_assert_int_eq(source->ops->next(source, &record, &err), 1);
        snprintf(number, sizeof number, "%u", part);
        ck_assert_str_eq(attribute_of(&record, AZM_PART_KEY), number);
        ck_assert_uint_eq(journal.next, part < 4 ? 2 + 13 * part : 42);
        if (part < 4) /* behind the first part the rest would be another message */
            ck_assert_uint_eq(position(), 0);
    }
    ck_assert_uint_ge(position(), 41);
    close_source();
    open_at(0);
    ck_assert_uint_eq(read_all(&texts, "\n", &longest), 5);
    ck_assert_uint_le(longest, 1024);
    ck_assert(azm_text_equal(azm_buf_text(&texts), azm_buf_text(&expected)));
    finish();
}
END_TEST

/* A line that never ends does not hold the position for ever. */
START_TEST(a_message_has_so_many_parts)
{
    char piece[1000], part[8] = "";
    size_t n = 0, longest, before = 0;
    _cleanup_(azm_buf_free) struct azm_buf texts = {0};

    memset(piece, 'x', sizeof piece - 1);
    piece[sizeof piece - 1] = '\0';
    begin("pieces");
    set(&config, "max_body_bytes", "1K");
    for (size_t i = 0; i < AZM_JOIN_PARTS_MAX + 10; i++)
        add(1, SEC + i, piece, STDOUT "_LINE_BREAK=line-max\n");
    open_at(0);
    ck_assert_uint_eq(position(), 0);
    while (source->ops->next(source, &record, &err) > 0) {
        ck_assert_uint_eq(position(), ++n < AZM_JOIN_PARTS_MAX ? 0 : AZM_JOIN_PARTS_MAX);
        before = journal.next;
        snprintf(part, sizeof part, "%s", attribute_of(&record, AZM_PART_KEY));
    }
    ck_assert_uint_eq(before, journal.n);
    ck_assert_uint_eq(n, AZM_JOIN_PARTS_MAX + 9);
    ck_assert_str_eq(part, "9");
    ck_assert_uint_eq(read_all(&texts, "", &longest), 1);
    finish();
}
END_TEST

START_TEST(so_many_are_held_back_at_most)
{
    _cleanup_(azm_buf_free) struct azm_buf texts = {0};
    size_t longest;

    begin("indent");
    for (unsigned i = 0; i < AZM_JOIN_MESSAGES_MAX + 5; i++)
        add(1 + i, SEC, "begins", STDOUT);
    open_at(0);
    for (unsigned i = 0; i < 5; i++) {
        assert_next("begins");
        ck_assert_int_eq(atoi(attribute_of(&record, "process.pid")),
                         1 + (int)i); /* the one that was quiet for longest */
    }
    assert_none();
    ck_assert_uint_eq(position(), 0);
    ck_assert_uint_eq(read_all(&texts, "\n", &longest), AZM_JOIN_MESSAGES_MAX);
    ck_assert_uint_eq(position(), journal.n);
    finish();
}
END_TEST

START_TEST(so_many_bytes_are_held_back_at_most)
{
    static char text[60001];
    unsigned n = 0;

    memset(text, 'x', sizeof text - 1);
    begin("indent");
    for (unsigned i = 0; i < 400; i++)
        say(1 + i, text);
    open_at(0);
    while (source->ops->next(source, &record, &err) > 0)
        n++;
    ck_assert_uint_gt(n, 400 - AZM_JOIN_BYTES_MAX / 60000);
    ck_assert_uint_lt(n, 400);
    ck_assert_uint_eq(azm_source_release(source), 400 - n);
    finish();
}
END_TEST

/* --- the position --- */

/* Entries of messages, and those between them: where may reading begin? */
START_TEST(the_position_is_never_in_a_message)
{
    static const bool may_begin[] = {true, true, false, false, false, false, false, false, false, true, true};

    begin("python");
    say(1, "a");       /* 0 */
    say(2, TRACEBACK); /* 1 */
    say(1, "b");       /* 2 */
    say(1, TRACEBACK); /* 3 */
    say(2, "  File");  /* 4 */
    say(2, "KeyError");
    say(2, "c"); /* 6 */
    say(3, TRACEBACK);
    say(1, "KeyError"); /* 8 */
    say(1, "d");
    open_at(0);
    for (;;) {
        int r = source->ops->next(source, &record, &err);

        ck_assert_msg(may_begin[position()], "%zu", position());
        if (r == 0 && azm_source_release(source) == 0)
            break;
    }
    ck_assert_uint_eq(position(), 10);
    finish();
}
END_TEST

/* Where one message begins before the other ends, all the time. */
START_TEST(messages_that_overlap_for_ever)
{
    size_t first = 0, longest;
    _cleanup_(azm_buf_free) struct azm_buf texts = {0};

    begin("indent");
    for (unsigned i = 0; i < ENTRIES_MAX; i++)
        add(i % 2, SEC + i / 4, i % 4 < 2 ? "one" : " two", STDOUT);
    journal.repeats = 20;
    open_at(0);
    while (first == 0) {
        ck_assert_int_eq(source->ops->next(source, &record, &err), 1);
        first = position();
    }
    ck_assert_uint_gt(journal.next, AZM_JOIN_ENTRIES_MAX);
    ck_assert_uint_le(journal.next, AZM_JOIN_ENTRIES_MAX + 10);
    ck_assert_uint_gt(first, AZM_JOIN_ENTRIES_MAX);
    ck_assert_uint_gt(read_all(&texts, "", &longest), 0);
    ck_assert_uint_eq(position(), 20 * ENTRIES_MAX);
    finish();
}
END_TEST

/* The journal goes back by itself (damaged files): the message begins anew, and no position is behind its beginning. */
START_TEST(the_journal_goes_back)
{
    begin("python");
    say(1, "a");
    say(1, TRACEBACK);
    say(1, " b");
    say(1, "KeyError");
    say(1, "c");
    open_at(0);
    assert_next("a");
    ck_assert_uint_eq(position(), 1);
    journal.now = SEC + 2000; /* up to " b" */
    assert_none();
    ck_assert_uint_eq(position(), 1);
    journal.next = 1;
    assert_none();
    ck_assert_uint_eq(position(), 1);
    journal.now = UINT64_MAX / 2;
    assert_next(TRACEBACK "\n b\nKeyError");
    assert_next("c");
    ck_assert_uint_eq(position(), 5);
    finish();
}
END_TEST

/* --- random schedules --- */

#define SEEN_MAX (2 * ENTRIES_MAX)

static struct seen {
    uint8_t uid[16];
    char *body;
    bool again; /* in the run at hand */
} seen[SEEN_MAX];
static size_t n_seen;

static struct seen *find_seen(const uint8_t uid[16])
{
    for (size_t i = 0; i < n_seen; i++)
        if (memcmp(seen[i].uid, uid, 16) == 0)
            return &seen[i];
    return NULL;
}

static void forget_seen(void)
{
    while (n_seen > 0)
        free(seen[--n_seen].body);
}

/* A record has come before, just so, or not at all. */
static bool complete; /* no other one is to come */

static void see(void)
{
    struct seen *s = find_seen(record.uid);
    char *body = strndup(record.body.s, record.body.len);

    if (!s) {
        ck_assert_msg(!complete, "\"%s\" of %s is new", body, attribute_of(&record, "process.pid"));
        s = &seen[n_seen++];
        memcpy(s->uid, record.uid, 16);
        s->body = body;
        return;
    }
    ck_assert_msg(strcmp(s->body, body) == 0, "\"%s\" came again as \"%s\"", s->body, body);
    s->again = true;
    free(body);
}

static void write_journal(struct prng *p, size_t n)
{
    static const char *const lines[] = {TRACEBACK,
                                        "  File \"a\", line 1",
                                        "  File \"b\", line 2",
                                        "ValueError: no",
                                        "During handling of the above exception, another exception occurred:",
                                        "words"};
    uint64_t usec = SEC;
    char text[128];

    for (size_t i = 0; i < n; i++) {
        /* often at once, sometimes within the timeout or just at its end, sometimes much later */
        static const uint64_t steps[] = {0, 0, 0, 1, 1000, 300000, 999999, 1000000, 1000001, 5000000};
        bool piece = prng_below(p, 12) == 0;

        usec += steps[prng_below(p, ELEMENTSOF(steps))];
        snprintf(text, sizeof text, "%s", lines[prng_below(p, ELEMENTSOF(lines))]);
        if (prng_below(p, 2) == 0 && strcmp(text, TRACEBACK) != 0)
            snprintf(text, sizeof text, "  File %zu", i);
        add(1 + (unsigned)prng_below(p, 4), usec, text, piece ? STDOUT "_LINE_BREAK=line-max\n" : STDOUT);
    }
}

/* Follows the journal as it grows, with positions that are acknowledged now and then, and a death now and then. */
static void follow(struct prng *p)
{
    _cleanup_(azm_buf_free) struct azm_buf noted = {0};

    journal.acknowledged = 0;
    journal.now = SEC;
    open_at(0);
    for (;;) {
        int r = source->ops->next(source, &record, &err);

        ck_assert_int_ge(r, 0);
        if (r > 0)
            see();
        if (prng_below(p, 5) == 0) /* all that was given so far arrives */
            ck_assert_int_eq(source->ops->position(source, &noted, &err), 0);
        if (prng_below(p, 7) == 0 && noted.len > 0)
            source->ops->acknowledge(source, &noted, &err);
        if (prng_below(p, 60) == 0) {
            close_source();
            azm_buf_clear(&noted);
            open_at(journal.acknowledged);
            continue;
        }
        if (r > 0 || source->ops->process(source, &err) > 0)
            continue;
        /* nothing more now: time goes on to the next entry, or to where the source wants to look again */
        if (journal.next < journal.n)
            journal.now = MIN(journal.entries[journal.next].usec, wait_until_usec());
        else if (wait_until_usec() < AZM_USEC_INFINITY)
            journal.now = wait_until_usec();
        else
            break;
    }
    ck_assert_uint_eq(position(), journal.n);
    close_source();
}

/* Whoever reads, when, and however often he dies: the records are the same, and none is missing. */
START_TEST(random_schedules)
{
    for (uint64_t seed = 1; seed <= 60; seed++) {
        struct prng p = {seed};
        complete = false;
        begin("python");
        write_journal(&p, 300);
        open_at(0); /* all at once */
        while (read_on())
            see();
        close_source();
        complete = true;
        for (int i = 0; i < 3; i++) {
            for (size_t k = 0; k < n_seen; k++)
                seen[k].again = false;
            follow(&p);
            for (size_t k = 0; k < n_seen; k++)
                ck_assert_msg(seen[k].again, "\"%s\" is lost", seen[k].body);
        }
        forget_seen();
        finish();
    }
}
END_TEST

static void add_tests(Suite *s)
{
    add_test(s, "two_workers_that_fail_at_once", two_workers_that_fail_at_once);
    add_test(s, "streams", streams);
    add_test(s, "a_line_in_pieces", a_line_in_pieces);
    add_test(s, "pieces_of_containers", pieces_of_containers);
    add_test(s, "what_the_first_line_says_stays", what_the_first_line_says_stays);
    add_test(s, "only_the_units_that_want_it", only_the_units_that_want_it);
    add_test(s, "by_the_times_of_entries", by_the_times_of_entries);
    add_test(s, "by_the_clock_when_there_is_no_more", by_the_clock_when_there_is_no_more);
    add_test(s, "by_the_clock_after_one_more_look", by_the_clock_after_one_more_look);
    add_test(s, "by_a_flush", by_a_flush);
    add_test(s, "by_another_configuration", by_another_configuration);
    add_test(s, "a_long_message_comes_in_parts", a_long_message_comes_in_parts);
    add_test(s, "a_message_has_so_many_parts", a_message_has_so_many_parts);
    add_test(s, "so_many_are_held_back_at_most", so_many_are_held_back_at_most);
    add_test(s, "so_many_bytes_are_held_back_at_most", so_many_bytes_are_held_back_at_most);
    add_test(s, "the_position_is_never_in_a_message", the_position_is_never_in_a_message);
    add_test(s, "messages_that_overlap_for_ever", messages_that_overlap_for_ever);
    add_test(s, "the_journal_goes_back", the_journal_goes_back);
    add_test(s, "random_schedules", random_schedules);
}

TEST_MAIN("join", add_tests)
