/* SPDX-License-Identifier: MIT */
#include "tests/unit/join_help.h"

/* What is joined, and when a message ends. */

static struct azm_config other_config;

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
}

TEST_MAIN("join", add_tests)
