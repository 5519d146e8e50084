/* SPDX-License-Identifier: MIT */
#include <poll.h>
#include <pthread.h>

#include "batch/batch.h"
#include "source/spool_source.h"
#include "tests/unit/spool_help.h"

/* A spool that threads append to as a source of records. The body of a record here is its number. */

static struct azm_spool_shared *spool;
static struct azm_source *source;
static struct azm_error err;

static void open_source(void)
{
    struct azm_spool_options o = spool_options();

    ck_assert_msg(azm_spool_shared_open(&o, &spool, NULL, &err) == 0, "%s", err.words);
    ck_assert_int_eq(azm_spool_source_new(spool, "the spool", &azm_system_clock, &source), 0);
}

static void close_source(void)
{
    source = source->ops->free(source);
    spool = azm_spool_shared_free(spool);
}

/* Appends a row of records with these numbers. */
static int append_row(uint64_t first, size_t n)
{
    static const struct azm_batch_limits limits = {.records = SIZE_MAX, .bytes = SIZE_MAX};
    struct azm_spool_row row = {.records = n};
    struct azm_error e;
    struct azm_batch *b;
    int r;

    require(azm_batch_new(&limits, &b) == 0);
    for (uint64_t i = first; i < first + n; i++) {
        char text[32];

        snprintf(text, sizeof text, "%" PRIu64, i);
        require(azm_batch_add_anyway(b, AZM_TEXT(""), azm_text_of(text)) == 1);
    }
    require(azm_batch_serialize(b, 0, n, &row.data) == 0);
    azm_batch_free(b);
    r = azm_spool_shared_append(spool, &row, 1, &e);
    azm_buf_free(&row.data);
    return r;
}

static uint64_t number_of(const struct azm_record *rec)
{
    char text[32] = "";

    ck_assert_uint_lt(rec->encoded.len, sizeof text);
    memcpy(text, rec->encoded.s, rec->encoded.len);
    return strtoull(text, NULL, 10);
}

static void assert_next(uint64_t number)
{
    struct azm_record rec;

    ck_assert_msg(source->ops->next(source, &rec, &err) == 1, "%s", err.words);
    ck_assert_uint_eq(number_of(&rec), number);
}

static void assert_nothing(void)
{
    struct azm_record rec;

    ck_assert_int_eq(source->ops->next(source, &rec, &err), 0);
}

static void assert_position(const char *expected)
{
    struct azm_buf p = {0};

    ck_assert_int_eq(source->ops->position(source, &p, &err), 0);
    ck_assert_uint_eq(p.len, strlen(expected));
    ck_assert_int_eq(memcmp(p.len ? p.data : (const uint8_t *)"", expected, p.len), 0);
    azm_buf_free(&p);
}

static void acknowledge_position(void)
{
    struct azm_buf p = {0};

    ck_assert_int_eq(source->ops->position(source, &p, &err), 0);
    ck_assert_int_eq(source->ops->acknowledge(source, &p, &err), 0);
    azm_buf_free(&p);
}

START_TEST(records_come_as_they_are_encoded)
{
    open_source();
    assert_nothing();
    assert_position("");
    ck_assert_int_eq(append_row(1, 3), 0);
    ck_assert_int_eq(append_row(4, 1), 0);
    for (uint64_t i = 1; i <= 4; i++)
        assert_next(i);
    assert_nothing();
    close_source();
}
END_TEST

/* A row counts when all of it was given: in the middle of one the position is the end of the row before. */
START_TEST(a_position_is_the_end_of_a_row)
{
    open_source();
    append_row(1, 2);
    append_row(3, 2);
    assert_next(1);
    assert_position("");
    assert_next(2);
    assert_position("1");
    assert_next(3);
    assert_position("1");
    assert_next(4);
    assert_position("2");
    assert_nothing();
    assert_position("2");
    close_source();
}
END_TEST

START_TEST(what_is_acknowledged_does_not_come_again)
{
    open_source();
    append_row(1, 2);
    append_row(3, 3);
    assert_next(1);
    assert_next(2);
    acknowledge_position();
    assert_next(3);
    assert_next(4); /* in the middle */
    acknowledge_position();
    close_source();
    open_source();
    for (uint64_t i = 3; i <= 5; i++)
        assert_next(i);
    acknowledge_position();
    close_source();
    open_source();
    assert_nothing();
    close_source();
}
END_TEST

START_TEST(a_row_without_records_is_passed)
{
    open_source();
    append_row(1, 0);
    append_row(1, 1);
    append_row(2, 0);
    assert_next(1);
    assert_nothing();
    assert_position("3");
    close_source();
}
END_TEST

/* Only another program can have written such a row. What is behind it is not held up. */
START_TEST(a_row_that_is_none_is_told_and_passed)
{
    struct azm_spool_row row = {.records = 2};
    struct azm_source_status status;

    open_source();
    append_row(1, 1);
    require(azm_buf_append(&row.data, "\xff\xff\xff", 3) == 0);
    ck_assert_int_eq(azm_spool_shared_append(spool, &row, 1, &err), 0);
    azm_buf_free(&row.data);
    append_row(2, 1);
    assert_next(1);
    assert_next(2);
    assert_nothing();
    ck_assert_int_eq(source->ops->get_status(source, &status, &err), 0);
    ck_assert_uint_eq(status.losses.unreadable, 1);
    close_source();
}
END_TEST

START_TEST(its_event_says_that_there_is_more)
{
    uint64_t timeout;
    struct pollfd p = {0};
    int events;

    open_source();
    ck_assert_int_eq(source->ops->poll(source, &p.fd, &events, &timeout, &err), 0);
    p.events = (short)events;
    ck_assert_int_eq(poll(&p, 1, 0), 0);
    append_row(1, 1);
    ck_assert_int_eq(poll(&p, 1, 0), 1);
    ck_assert_int_eq(source->ops->process(source, &err), 1);
    ck_assert_int_eq(poll(&p, 1, 0), 0);
    assert_next(1);
    assert_nothing();
    ck_assert_int_eq(source->ops->process(source, &err), 0);
    close_source();
}
END_TEST

START_TEST(a_flush_waits_for_what_was_there)
{
    open_source();
    append_row(1, 2);
    ck_assert_int_eq(source->ops->mark(source, NULL, 0, &err), 1);
    append_row(3, 1);
    ck_assert(!source->ops->passed(source));
    assert_next(1);
    ck_assert(!source->ops->passed(source));
    assert_next(2);
    ck_assert(source->ops->passed(source));
    close_source();
}
END_TEST

START_TEST(status_tells_what_waits)
{
    struct azm_source_status s;

    open_source();
    append_row(1, 2);
    append_row(3, 5);
    ck_assert_int_eq(source->ops->get_status(source, &s, &err), 0);
    ck_assert_str_eq(s.name, "the spool");
    ck_assert_str_eq(s.cursor, "");
    ck_assert(s.lag_known);
    ck_assert_uint_eq(s.lag_records, 7);
    assert_next(1);
    assert_next(2);
    acknowledge_position();
    ck_assert_int_eq(source->ops->get_status(source, &s, &err), 0);
    ck_assert_str_eq(s.cursor, "1");
    ck_assert_uint_eq(s.lag_records, 5);
    close_source();
}
END_TEST

#define WRITERS 4
#define ROWS 50

static void *write_rows(void *userdata)
{
    uint64_t writer = *(const uint64_t *)userdata;

    for (uint64_t i = 0; i < ROWS; i++)
        require(append_row(writer * 1000 + i, 1) == 0);
    return NULL;
}

START_TEST(several_threads_append_while_one_reads)
{
    uint64_t next_of[WRITERS] = {0}, ids[WRITERS];
    pthread_t threads[WRITERS];
    struct azm_record rec;

    open_source();
    for (size_t i = 0; i < WRITERS; i++) {
        ids[i] = i;
        ck_assert_int_eq(pthread_create(&threads[i], NULL, write_rows, &ids[i]), 0);
    }
    for (size_t n = 0; n < WRITERS * ROWS;) {
        int r = source->ops->next(source, &rec, &err);
        uint64_t number;

        ck_assert_int_ge(r, 0);
        if (r == 0) {
            ck_assert_int_ge(source->ops->process(source, &err), 0);
            continue;
        }
        number = number_of(&rec);
        ck_assert_uint_eq(number % 1000, next_of[number / 1000]++); /* each writer's own are in order */
        if (++n % 17 == 0)
            acknowledge_position();
    }
    for (size_t i = 0; i < WRITERS; i++)
        pthread_join(threads[i], NULL);
    close_source();
}
END_TEST

static void add_tests(Suite *s)
{
    add_test_in_dir(s, "records_come_as_they_are_encoded", records_come_as_they_are_encoded);
    add_test_in_dir(s, "a_position_is_the_end_of_a_row", a_position_is_the_end_of_a_row);
    add_test_in_dir(s, "what_is_acknowledged_does_not_come_again", what_is_acknowledged_does_not_come_again);
    add_test_in_dir(s, "a_row_without_records_is_passed", a_row_without_records_is_passed);
    add_test_in_dir(s, "a_row_that_is_none_is_told_and_passed", a_row_that_is_none_is_told_and_passed);
    add_test_in_dir(s, "its_event_says_that_there_is_more", its_event_says_that_there_is_more);
    add_test_in_dir(s, "a_flush_waits_for_what_was_there", a_flush_waits_for_what_was_there);
    add_test_in_dir(s, "status_tells_what_waits", status_tells_what_waits);
    add_test_in_dir(s, "several_threads_append_while_one_reads", several_threads_append_while_one_reads);
}

TEST_MAIN("spool_source", add_tests)
