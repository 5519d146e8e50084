/* SPDX-License-Identifier: MIT */
#include "stream/redis_command.h"
#include "tests/unit/test.h"

static void assert_bytes(const struct azm_buf *b, const char *wanted, size_t len)
{
    ck_assert_uint_eq(b->len, len);
    ck_assert_mem_eq(b->data, wanted, len);
}

START_TEST(words_are_counted_in_bytes)
{
    static const char wanted[] = "*4\r\n$4\r\nXADD\r\n$0\r\n\r\n$6\r\na\0\r\n$b\r\n$3\r\n\xe2\x82\xac\r\n";
    const struct azm_text words[] = {AZM_TEXT("XADD"), AZM_TEXT(""), AZM_TEXT("a\0\r\n$b"), AZM_TEXT("\xe2\x82\xac")};
    _cleanup_(azm_buf_free) struct azm_buf b = {0};

    ck_assert_int_eq(redis_command_append(&b, words, ELEMENTSOF(words)), 0);
    assert_bytes(&b, wanted, sizeof wanted - 1);
}
END_TEST

START_TEST(commands_follow_each_other)
{
    static const char wanted[] = "*1\r\n$6\r\nASKING\r\n*1\r\n$4\r\nPING\r\n";
    const struct azm_text asking = AZM_TEXT("ASKING"), ping = AZM_TEXT("PING");
    _cleanup_(azm_buf_free) struct azm_buf b = {0};

    ck_assert_int_eq(redis_command_append(&b, &asking, 1), 0);
    ck_assert_int_eq(redis_command_append(&b, &ping, 1), 0);
    assert_bytes(&b, wanted, sizeof wanted - 1);
}
END_TEST

static void add_tests(Suite *s)
{
    add_test(s, "words_are_counted_in_bytes", words_are_counted_in_bytes);
    add_test(s, "commands_follow_each_other", commands_follow_each_other);
}

TEST_MAIN("redis_command", add_tests)
