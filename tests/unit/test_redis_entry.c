/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "stream/redis_entry.h"
#include "tests/unit/test.h"

/* Replies are written as Redis writes them (RESP2), and read by hiredis. */

static redisReply *reply_of(const char *text, size_t len)
{
    redisReader *reader = redisReaderCreate();
    void *reply = NULL;

    ck_assert_ptr_nonnull(reader);
    ck_assert_int_eq(redisReaderFeed(reader, text, len), REDIS_OK);
    ck_assert_int_eq(redisReaderGetReply(reader, &reply), REDIS_OK);
    ck_assert_msg(reply, "%s", text);
    redisReaderFree(reader);
    return reply;
}

static void free_reply(redisReply **r)
{
    freeReplyObject(*r);
}

#define REPLY(name, text) _cleanup_(free_reply) redisReply *name = reply_of(text, sizeof text - 1)

START_TEST(ids)
{
    static const struct {
        const char *text; /* of a bulk string */
        bool is;
        uint64_t msec, seq;
    } table[] = {
        {"0-0", true, 0, 0},
        {"1700000000000-7", true, 1700000000000, 7},
        {"18446744073709551615-18446744073709551615", true, UINT64_MAX, UINT64_MAX},
        {"", false, 0, 0},
        {"7", false, 0, 0},
        {"-7", false, 0, 0},
        {"7-x", false, 0, 0},
        {"7-7x", false, 0, 0},
        {"x-7", false, 0, 0},
        {"18446744073709551615-1844674407370955161500000", false, 0, 0}, /* longer than any */
    };

    for (size_t i = 0; i < ELEMENTSOF(table); i++) {
        _cleanup_free_ char *text = NULL;
        char printed[REDIS_ID_MAX];
        struct redis_id id;
        int len = asprintf(&text, "$%zu\r\n%s\r\n", strlen(table[i].text), table[i].text);
        _cleanup_(free_reply) redisReply *r = reply_of(text, (size_t)len);

        ck_assert_msg(redis_id_of_reply(r, &id) == table[i].is, "%s", table[i].text);
        if (!table[i].is)
            continue;
        ck_assert_uint_eq(id.msec, table[i].msec);
        ck_assert_uint_eq(id.seq, table[i].seq);
        ck_assert_uint_eq(redis_id_print(id, printed).len, strlen(table[i].text));
        ck_assert_str_eq(printed, table[i].text);
    }
}
END_TEST

START_TEST(an_id_is_a_text)
{
    struct redis_id id;
    REPLY(number, ":7\r\n");
    REPLY(nil, "$-1\r\n");
    REPLY(array, "*1\r\n$3\r\n7-7\r\n");

    ck_assert(!redis_id_of_reply(number, &id));
    ck_assert(!redis_id_of_reply(nil, &id));
    ck_assert(!redis_id_of_reply(array, &id));
}
END_TEST

START_TEST(the_order_of_ids)
{
    static const struct redis_id in_order[] = {{0, 0}, {0, 1}, {1, 0}, {1, UINT64_MAX}, {2, 0}};

    for (size_t i = 0; i < ELEMENTSOF(in_order); i++)
        for (size_t k = 0; k < ELEMENTSOF(in_order); k++) {
            ck_assert(redis_id_is_before(in_order[i], in_order[k]) == (i < k));
            ck_assert(redis_id_equal(in_order[i], in_order[k]) == (i == k));
        }
    ck_assert(redis_id_equal(redis_id_after(in_order[0]), in_order[1]));
    ck_assert(redis_id_equal(redis_id_after(in_order[3]), in_order[4]));
}
END_TEST

#define ID "$3\r\n1-2\r\n"
#define FIELDS "*6\r\n$1\r\nv\r\n$1\r\n1\r\n$1\r\nn\r\n$2\r\n40\r\n$4\r\notlp\r\n$3\r\na\0b\r\n"

START_TEST(where_entries_are)
{
    REPLY(read, "*1\r\n*2\r\n$1\r\ns\r\n*1\r\n*2\r\n" ID FIELDS);
    REPLY(claim, "*3\r\n$3\r\n0-0\r\n*1\r\n*2\r\n" ID FIELDS "*0\r\n");
    REPLY(old_claim, "*2\r\n$3\r\n0-0\r\n*1\r\n*2\r\n" ID FIELDS);
    const redisReply *entries[] = {redis_entries_of_read(read), redis_entries_of_claim(claim),
                                   redis_entries_of_claim(old_claim)};

    for (size_t i = 0; i < ELEMENTSOF(entries); i++) {
        struct azm_stream_message m;
        struct redis_id id;

        ck_assert_ptr_nonnull(entries[i]);
        ck_assert_uint_eq(entries[i]->elements, 1);
        ck_assert(redis_entry_id(entries[i]->element[0], &id));
        ck_assert(redis_id_equal(id, (struct redis_id){1, 2}));
        m = redis_entry_message(entries[i]->element[0]);
        ck_assert_uint_eq(m.records, 40);
        ck_assert_uint_eq(m.len, 3);
        ck_assert_mem_eq(m.body, "a\0b", 3);
        ck_assert(!m.gzip);
    }
}
END_TEST

START_TEST(where_there_are_none)
{
    static const char *const table[] = {
        "*-1\r\n",
        "$-1\r\n",
        "*0\r\n",
        "+OK\r\n",
        ":1\r\n",
        "*1\r\n*0\r\n",
        "*1\r\n$1\r\ns\r\n",
        "*1\r\n*2\r\n$1\r\ns\r\n*0\r\n",
        "*1\r\n*2\r\n$1\r\ns\r\n$1\r\nx\r\n",
        "*2\r\n$3\r\n0-0\r\n*0\r\n",
        "*2\r\n$3\r\n0-0\r\n$1\r\nx\r\n",
    };

    for (size_t i = 0; i < ELEMENTSOF(table); i++) {
        _cleanup_(free_reply) redisReply *r = reply_of(table[i], strlen(table[i]));

        ck_assert_msg(!redis_entries_of_read(r), "%s", table[i]);
        ck_assert_msg(!redis_entries_of_claim(r), "%s", table[i]);
    }
}
END_TEST

START_TEST(entries_that_are_gone)
{
    struct redis_id id;
    REPLY(gone, "*2\r\n" ID "*-1\r\n");
    REPLY(gone_from_6_2, "*-1\r\n");

    ck_assert(redis_entry_id(gone, &id));
    ck_assert_ptr_null(redis_entry_message(gone).body);
    ck_assert(!redis_entry_id(gone_from_6_2, &id));
}
END_TEST

START_TEST(what_is_none_of_ours)
{
    struct azm_stream_message m;
    REPLY(no_version, "*2\r\n" ID "*2\r\n$4\r\notlp\r\n$1\r\na\r\n");
    REPLY(other_version, "*2\r\n" ID "*4\r\n$4\r\notlp\r\n$1\r\na\r\n$1\r\nv\r\n$1\r\n2\r\n");
    REPLY(others, "*2\r\n" ID "*2\r\n$5\r\ncolor\r\n$3\r\nred\r\n");
    REPLY(odd, "*2\r\n" ID "*3\r\n$1\r\nv\r\n$1\r\n1\r\n$4\r\notlp\r\n");
    REPLY(gzip, "*2\r\n" ID "*6\r\n$1\r\nx\r\n:1\r\n$7\r\notlp.gz\r\n$1\r\na\r\n$1\r\nv\r\n$1\r\n1\r\n");

    ck_assert_ptr_null(redis_entry_message(no_version).body);
    ck_assert_ptr_null(redis_entry_message(other_version).body);
    ck_assert_ptr_null(redis_entry_message(others).body);
    ck_assert_ptr_null(redis_entry_message(odd).body);
    m = redis_entry_message(gzip);
    ck_assert_uint_eq(m.len, 1);
    ck_assert(m.gzip);
}
END_TEST

static void add_tests(Suite *s)
{
    add_test(s, "ids", ids);
    add_test(s, "an_id_is_a_text", an_id_is_a_text);
    add_test(s, "the_order_of_ids", the_order_of_ids);
    add_test(s, "where_entries_are", where_entries_are);
    add_test(s, "where_there_are_none", where_there_are_none);
    add_test(s, "entries_that_are_gone", entries_that_are_gone);
    add_test(s, "what_is_none_of_ours", what_is_none_of_ours);
}

TEST_MAIN("redis_entry", add_tests)
