/* SPDX-License-Identifier: MIT */
#include "pipeline/outbox.h"
#include "tests/unit/azure_exporter_help.h"

/* Positions come out in order, directly and through the spool; with the real exporter and a server. The position of a
 * batch is the number of its one record. */

static struct azm_outbox *box;

/* Batches that come out of the spool have so many records. */
static void begin_with(size_t records)
{
    const char *path = temp_path("spool.db");
    struct azm_error err = {""};

    begin_servers(NULL);
    wish((struct wish){.to = &a, .profile = AZM_PROFILE_OTLP, .connections = 2});
    const struct azm_outbox_options o = {
        .exporter = x,
        .clock = &test_clock,
        .spool_path = path,
        .spool = true,
        .spool_after_usec = 60 * AZM_USEC_PER_SEC,
        .spool_max_bytes = UINT64_C(1) << 26,
        .batch = {.records = records, .bytes = 100000},
    };
    ck_assert_msg(azm_outbox_new(&o, &box, &err) == 0, "%s", err.words);
}

static void begin(void)
{
    begin_with(1);
}

static void end_all(void)
{
    box = azm_outbox_free(box);
    end();
}

static void put_long(unsigned number, size_t message_len)
{
    struct azm_error err = {""};
    struct azm_batch *batch;

    ck_assert_int_eq(azm_batch_new(&(struct azm_batch_limits){1, 10000}, &batch), 0);
    add_record(batch, number, message_len);
    ck_assert_int_eq(azm_buf_printf(azm_batch_position(batch), "%u", number), 0);
    ck_assert_msg(azm_outbox_put(box, batch, &err) == 1, "%s", err.words);
}

static void put(unsigned number)
{
    put_long(number, 0);
}

static bool is_spooling(void)
{
    struct azm_outbox_status s;

    azm_outbox_get_status(box, &s);
    return s.spooling;
}

static uint64_t work(void)
{
    struct azm_error err = {""};
    uint64_t next;

    ck_assert_msg(azm_outbox_work(box, &next, &err) == 0, "%s", err.words);
    return next;
}

/* The safe position, which never goes back; 0: there is none yet. */
static unsigned long safe_position(void)
{
    static unsigned long last;
    struct azm_buf text = {0};

    if (azm_outbox_take_position(box, &text)) {
        ck_assert_int_eq(azm_buf_append(&text, "", 1), 0);
        ck_assert_uint_gt(strtoul((char *)text.data, NULL, 10), last);
        last = strtoul((char *)text.data, NULL, 10);
    }
    azm_buf_free(&text);
    return last;
}

#define WORK_UNTIL(condition)                                                                                          \
    for (work(); !(condition); work())                                                                                 \
    wait_for_owner_event()

/* Without collecting, which is the outbox's. */
static void wait_for_failure(void)
{
    while (status().state == AZM_EXPORTER_DELIVERING)
        poll(NULL, 0, 1);
}

START_TEST(directly_in_order)
{
    begin();
    ck_assert_uint_eq(work(), AZM_USEC_INFINITY);
    LOCKED(&a, a.held = 1 << 1);
    put(1);
    put(2);
    WORK_UNTIL(azm_outbox_has_room(box)); /* the second one is through */
    put(3);
    WAIT_UNTIL(&a, a.n_answered == 2);
    let_thread_go_round();
    work();
    ck_assert_uint_eq(safe_position(), 0); /* not before the first */
    ck_assert_uint_eq(azm_outbox_outstanding(box), 3);
    LOCKED(&a, a.held = 0);
    WORK_UNTIL(azm_outbox_outstanding(box) == 0);
    ck_assert_uint_eq(safe_position(), 3);
    ck_assert(!is_spooling());
    end_all();
}
END_TEST

START_TEST(through_the_spool_in_order)
{
    unsigned next = 1;

    begin();
    LOCKED(&a, a.status = 503);
    put(1);
    put(2);
    wait_for_failure();
    ck_assert_uint_lt(work(), AZM_USEC_INFINITY); /* when it is to begin */
    ck_assert(!is_spooling());
    ck_assert_uint_eq(safe_position(), 0);
    forward(61 * AZM_USEC_PER_SEC);
    work();
    ck_assert(is_spooling());
    ck_assert_uint_eq(safe_position(), 2); /* what was outstanding is on disk */
    for (unsigned n = 3; n <= 20; n++) {
        ck_assert(azm_outbox_has_room(box));
        put(n);
        ck_assert_uint_eq(safe_position(), n); /* at once */
    }
    ck_assert_uint_eq(azm_outbox_outstanding(box), 20);

    LOCKED(&a, a.status = 200);
    forward(HOUR);
    WORK_UNTIL(azm_outbox_outstanding(box) == 0);
    ck_assert(!is_spooling());
    for (size_t i = 0; i < requests_at(&a); i++) {
        unsigned number = seen_at(&a, i).number;

        /* Two are under way at once, and either may come first. */
        ck_assert_msg(number <= next + 2, "%u before %u", number, next);
        next = MAX(next, number);
    }
    for (unsigned n = 3; n <= 20; n++)
        ck_assert_uint_eq(times_seen(&a, n), 1);
    ck_assert_uint_eq(safe_position(), 20);

    put(21); /* directly again */
    WORK_UNTIL(azm_outbox_outstanding(box) == 0);
    ck_assert_uint_eq(safe_position(), 21);
    ck_assert(!is_spooling());
    end_all();
}
END_TEST

/* What is in the spool when it ends goes first in the next life. */
START_TEST(the_next_start_empties_the_spool)
{
    begin();
    LOCKED(&a, a.status = 503);
    put(1);
    wait_for_failure();
    forward(61 * AZM_USEC_PER_SEC);
    work();
    put(2);
    ck_assert_uint_eq(safe_position(), 2);
    end_all();

    begin();
    ck_assert(is_spooling());
    ck_assert_uint_eq(azm_outbox_outstanding(box), 2);
    put(3);
    WORK_UNTIL(azm_outbox_outstanding(box) == 0);
    ck_assert_uint_eq(requests_at(&a), 3);
    for (unsigned n = 1; n <= 3; n++)
        ck_assert_uint_eq(times_seen(&a, n), 1);
    ck_assert_uint_eq(safe_position(), 3);
    ck_assert(!is_spooling());
    end_all();
}
END_TEST

/* How often this record came, in the requests since `first`. */
static unsigned times_delivered(size_t first, unsigned number)
{
    unsigned n = 0;

    for (size_t i = first; i < requests_at(&a); i++)
        for (size_t k = 0; k < seen_at(&a, i).n; k++)
            n += seen_at(&a, i).numbers[k] == number;
    return n;
}

/* An outage leaves a batch for each schedule_delay. When it is over they do not come one by one, but as many as a
 * request may have, in records and in bytes; and what is counted are still the batches that were put in. */
START_TEST(rows_of_an_outage_go_together)
{
    size_t first;

    begin_with(10);
    LOCKED(&a, a.status = 503);
    put(1);
    wait_for_failure();
    forward(61 * AZM_USEC_PER_SEC);
    work();
    ck_assert(is_spooling());
    for (unsigned n = 2; n <= 40; n++)
        put(n);
    for (unsigned n = 41; n <= 44; n++)
        put_long(n, 40000); /* two of them are as much as a request may have */
    ck_assert_uint_eq(azm_outbox_outstanding(box), 44);
    ck_assert_uint_eq(azm_outbox_acknowledged(box), 0);

    first = requests_at(&a);
    LOCKED(&a, a.status = 200);
    forward(HOUR);
    WORK_UNTIL(azm_outbox_outstanding(box) == 0);
    ck_assert(!is_spooling());
    ck_assert_uint_eq(azm_outbox_acknowledged(box), 44);
    ck_assert_uint_eq(safe_position(), 44);
    for (unsigned n = 1; n <= 44; n++)
        ck_assert_uint_eq(times_delivered(first, n), 1);
    for (size_t i = first; i < requests_at(&a); i++) {
        ck_assert_uint_le(seen_at(&a, i).n, 10);
        ck_assert_uint_le(seen_at(&a, i).bytes, 100000);
    }
    /* 1 and 2, which the exporter had; 3 to 12, 13 to 22, 23 to 32, 33 to 42, 43 and 44 */
    ck_assert_uint_eq(requests_at(&a) - first, 7);
    end_all();
}
END_TEST

/* A row that had no room in the batch before it is the first one of the next. */
START_TEST(none_is_passed_over_between_batches)
{
    begin_with(7);
    LOCKED(&a, a.status = 503);
    put(1);
    wait_for_failure();
    forward(61 * AZM_USEC_PER_SEC);
    work();
    end_all();

    begin_with(7);
    for (unsigned n = 2; n <= 100; n++) {
        put(n); /* while those before it are sent */
        work();
    }
    WORK_UNTIL(azm_outbox_outstanding(box) == 0);
    for (unsigned n = 1; n <= 100; n++)
        ck_assert_uint_eq(times_delivered(0, n), 1);
    ck_assert_uint_eq(safe_position(), 100);
    end_all();
}
END_TEST

static void add_tests(Suite *s)
{
    add_test_in_dir(s, "directly_in_order", directly_in_order);
    add_test_in_dir(s, "through_the_spool_in_order", through_the_spool_in_order);
    add_test_in_dir(s, "the_next_start_empties_the_spool", the_next_start_empties_the_spool);
    add_test_in_dir(s, "rows_of_an_outage_go_together", rows_of_an_outage_go_together);
    add_test_in_dir(s, "none_is_passed_over_between_batches", none_is_passed_over_between_batches);
}

TEST_MAIN("outbox", add_tests)
