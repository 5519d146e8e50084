/* SPDX-License-Identifier: MIT */
#include "stream/kafka_offsets.h"
#include "tests/unit/test.h"

static void give(struct kafka_offsets *o, int32_t partition, int64_t offset)
{
    struct kafka_partition *p = kafka_offsets_find(o, partition);

    ck_assert_ptr_nonnull(p);
    ck_assert_int_eq(kafka_offsets_give(o, p, offset, 1000 + offset), 0);
}

/* What is to be committed, as kafka_offsets_print would print it. */
static void expect_to_commit(const struct kafka_offsets *o, const char *wanted)
{
    rd_kafka_topic_partition_list_t *list = kafka_offsets_to_commit(o, "t");
    char text[256] = "";
    size_t len = 0;

    for (int i = 0; list && i < list->cnt; i++)
        len += (size_t)snprintf(text + len, sizeof text - len, "%s%d:%lld", i > 0 ? " " : "", list->elems[i].partition,
                                (long long)list->elems[i].offset);
    ck_assert_str_eq(text, wanted);
    ck_assert_int_eq(kafka_offsets_is_to_commit(o), list != NULL);
    if (list)
        rd_kafka_topic_partition_list_destroy(list);
}

/* The group takes all of it, but for one partition (-1: none). */
static void commit(struct kafka_offsets *o, int32_t refused)
{
    rd_kafka_topic_partition_list_t *list = kafka_offsets_to_commit(o, "t");

    for (int i = 0; i < list->cnt; i++)
        if (list->elems[i].partition == refused)
            list->elems[i].err = RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT;
    kafka_offsets_committed(o, list);
    rd_kafka_topic_partition_list_destroy(list);
}

static void expect_position(const struct kafka_offsets *o, const char *wanted)
{
    char text[96];

    kafka_offsets_print(o, text, sizeof text);
    ck_assert_str_eq(text, wanted);
}

START_TEST(what_is_acknowledged_is_committed)
{
    struct kafka_offsets o = {0};

    expect_to_commit(&o, "");
    kafka_offsets_assign(&o, 3, 17);
    kafka_offsets_assign(&o, 0, -1);
    expect_to_commit(&o, "");
    expect_position(&o, "3:17");
    give(&o, 3, 17);
    give(&o, 0, 5);
    give(&o, 3, 19); /* 18 is Kafka's own */
    expect_to_commit(&o, "");
    kafka_offsets_acknowledge(&o, 2);
    expect_to_commit(&o, "3:18 0:6");
    ck_assert_uint_eq(o.n_given, 1);
    ck_assert_int_eq(o.acknowledged_msec, 1005);
    commit(&o, 0);
    expect_to_commit(&o, "0:6");
    expect_position(&o, "3:18");
    kafka_offsets_acknowledge(&o, 3);
    expect_to_commit(&o, "3:20 0:6");
    commit(&o, -1);
    expect_to_commit(&o, "");
    expect_position(&o, "3:20 0:6");
    kafka_offsets_free(&o);
}
END_TEST

/* Else a relay would commit for another one what that one has not delivered. */
START_TEST(what_was_given_before_a_partition_went_is_not_committed)
{
    struct kafka_offsets o = {0};

    kafka_offsets_assign(&o, 0, 0);
    kafka_offsets_assign(&o, 1, 0);
    give(&o, 0, 0);
    give(&o, 0, 1);
    give(&o, 1, 0);
    kafka_offsets_let_go(&o, 0);
    ck_assert_ptr_null(kafka_offsets_find(&o, 0));
    kafka_offsets_acknowledge(&o, 1);
    expect_to_commit(&o, "");
    kafka_offsets_assign(&o, 0, 0); /* it comes back, and its messages once more */
    give(&o, 0, 0);
    kafka_offsets_acknowledge(&o, 3);
    expect_to_commit(&o, "1:1");
    kafka_offsets_acknowledge(&o, 4);
    expect_to_commit(&o, "0:1 1:1");
    kafka_offsets_let_all_go(&o);
    expect_to_commit(&o, "");
    kafka_offsets_free(&o);
}
END_TEST

START_TEST(many_are_kept_in_order_and_a_position_is_cut)
{
    struct kafka_offsets o = {0};
    char text[96];

    for (int32_t p = 0; p < 100; p++)
        kafka_offsets_assign(&o, p, 1000000);
    for (int64_t i = 0; i < 1000; i++)
        give(&o, (int32_t)(i % 100), 1000000 + i / 100);
    ck_assert_uint_eq(o.last_number, 1000);
    kafka_offsets_acknowledge(&o, 500);
    ck_assert_uint_eq(o.n_given, 500);
    ck_assert_uint_eq(o.given[0].number, 501);
    for (int32_t p = 0; p < 100; p++)
        ck_assert_int_eq(kafka_offsets_find(&o, p)->acknowledged, 1000005);
    kafka_offsets_print(&o, text, sizeof text);
    ck_assert_uint_eq(strlen(text), sizeof text - 1);
    kafka_offsets_free(&o);
}
END_TEST

static void add_tests(Suite *s)
{
    add_test(s, "what_is_acknowledged_is_committed", what_is_acknowledged_is_committed);
    add_test(s, "what_was_given_before_a_partition_went_is_not_committed",
             what_was_given_before_a_partition_went_is_not_committed);
    add_test(s, "many_are_kept_in_order_and_a_position_is_cut", many_are_kept_in_order_and_a_position_is_cut);
}

TEST_MAIN("kafka_offsets", add_tests)
