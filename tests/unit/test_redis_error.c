/* SPDX-License-Identifier: MIT */
#include <curl/curl.h>
#include <string.h>

#include "stream/redis.h"
#include "tests/unit/stream_help.h"
#include "tests/unit/test.h"

START_TEST(errors_and_decisions)
{
    static const struct {
        const char *error; /* as Redis 7.0 says it */
        enum azm_decision decision;
        const char *remedy; /* has this; NULL: there is none */
    } table[] = {
        {"NOAUTH Authentication required.", AZM_HOLD, "password_file="},
        {"WRONGPASS invalid username-password pair or user is disabled.", AZM_HOLD, "password_file="},
        {"ERR AUTH <password> called without any password configured for the default user. Are you sure your "
         "configuration is correct?",
         AZM_HOLD, "default user"},
        {"NOPERM User host has no permissions to run the 'xadd' command", AZM_HOLD, "ACL"},
        {"READONLY You can't write against a read only replica.", AZM_HOLD, "master"},
        {"OOM command not allowed when used memory > 'maxmemory'.", AZM_RETRY, "maxmemory"},
        {"MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to disk.", AZM_HOLD,
         "disk"},
        {"WRONGTYPE Operation against a key holding the wrong kind of value", AZM_HOLD, "no stream"},
        {"MOVED 3999 127.0.0.1:6381", AZM_HOLD, "CLUSTER NODES"},
        {"TRYAGAIN Multiple keys request during rehashing of slot", AZM_RETRY, NULL},
        {"CLUSTERDOWN The cluster is down", AZM_RETRY, "CLUSTER INFO"},
        {"LOADING Redis is loading the dataset in memory", AZM_RETRY, NULL},
        {"BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.", AZM_RETRY, "SCRIPT"},
        {"NOREPLICAS Not enough good replicas to write.", AZM_RETRY, "replicas"},
        {"ERR max number of clients reached", AZM_RETRY, "maxclients"},
        {"ERR unknown command 'XAUTOCLAIM', with args beginning with: 'secret' ", AZM_HOLD, "6.2"},
        {"ERR Protocol error: invalid bulk length", AZM_SPLIT, "max_request_bytes"},
        {"ERR string exceeds maximum allowed size (proto-max-bulk-len)", AZM_SPLIT, "max_request_bytes"},
        {"ERR something that nobody has seen yet", AZM_HOLD, "log of Redis"},
        {"OOMX", AZM_HOLD, "log of Redis"},
        {"", AZM_HOLD, "log of Redis"},
    };

    for (size_t i = 0; i < ELEMENTSOF(table); i++) {
        struct azm_stream_answer s;
        struct azm_verdict v;

        azm_redis_understand(table[i].error, strlen(table[i].error), &s);
        decide_stream(&s, 2, true, &v);
        ck_assert_msg(v.decision == table[i].decision, "%s: %d", table[i].error, (int)v.decision);
        ck_assert_msg(!v.remedy == !table[i].remedy, "%s", table[i].error);
        ck_assert_msg(!v.remedy || strstr(v.remedy, table[i].remedy), "%s: %s", table[i].error, v.remedy);
        ck_assert_msg(strncmp(v.reason, "Redis: ", 7) == 0, "%s", v.reason);
        ck_assert_msg(!strstr(v.reason, "secret"), "%s", v.reason); /* what it was sent */
    }
}
END_TEST

START_TEST(stored_is_acknowledged)
{
    const struct azm_stream_answer stored = {.meaning = AZM_TAKEN},
                                   lost = {.meaning = AZM_FAILED, .words = "Redis has closed the connection"},
                                   refused = {.meaning = AZM_FAILED,
                                              .words = "Connection refused",
                                              .curl_code = CURLE_COULDNT_CONNECT},
                                   certificate = {
                                       .meaning = AZM_FAILED, .words = "no", .curl_code = CURLE_SSL_CERTPROBLEM};
    struct azm_verdict v;

    decide_stream(&stored, 2, false, &v);
    ck_assert_int_eq(v.decision, AZM_ACKNOWLEDGE);
    decide_stream(&lost, 2, false, &v);
    ck_assert_int_eq(v.decision, AZM_RETRY);
    ck_assert_str_eq(v.reason, lost.words);
    decide_stream(&refused, 2, false, &v); /* as of every other destination */
    ck_assert_int_eq(v.meaning, AZM_UNREACHABLE);
    ck_assert_ptr_nonnull(v.remedy);
    decide_stream(&certificate, 2, false, &v);
    ck_assert_int_eq(v.decision, AZM_HOLD);
}
END_TEST

START_TEST(words_are_one_line)
{
    char error[1000];
    struct azm_stream_answer s;

    memset(error, 'x', sizeof error);
    memcpy(error, "ERR a\r\n\x1b[31m\xff", 13);
    azm_redis_understand(error, sizeof error, &s);
    ck_assert_str_eq(s.words, "Redis: ERR a   [31m");
    memcpy(error, "ERR xxxxxxxxx", 13);
    azm_redis_understand(error, sizeof error, &s);
    ck_assert_uint_eq(strlen(s.words), sizeof s.words - 1);
}
END_TEST

START_TEST(places)
{
    static const struct {
        const char *error, *place; /* NULL: none */
        bool ask;
    } table[] = {
        {"MOVED 3999 127.0.0.1:6381", "127.0.0.1:6381", false},
        {"ASK 3999 node-2.example:6381", "node-2.example:6381", true},
        {"MOVED 1 :6381", ":6381", false}, /* on the same host */
        {"MOVED 1 2001:db8::1:6381", "[2001:db8::1]:6381", false},
        {"MOVED 1 ?:6381", NULL, false},
        {"MOVED 1 h", NULL, false},
        {"MOVED 1 h:", NULL, false},
        {"MOVED 1 h:1x", NULL, false},
        {"MOVED 1 h/x:1", NULL, false},
        {"MOVED 1 u@h:1", NULL, false},
        {"MOVED ", NULL, false},
        {"MOVED", NULL, false},
        {"ERR MOVED 1 h:1", NULL, false},
    };

    for (size_t i = 0; i < ELEMENTSOF(table); i++) {
        char place[300];
        bool ask, is = azm_redis_place(table[i].error, strlen(table[i].error), place, &ask);

        ck_assert_msg(is == (table[i].place != NULL), "%s", table[i].error);
        if (is)
            ck_assert_str_eq(place, table[i].place);
        if (is)
            ck_assert_int_eq(ask, table[i].ask);
    }
}
END_TEST

static void add_tests(Suite *s)
{
    add_test(s, "errors_and_decisions", errors_and_decisions);
    add_test(s, "stored_is_acknowledged", stored_is_acknowledged);
    add_test(s, "words_are_one_line", words_are_one_line);
    add_test(s, "places", places);
}

TEST_MAIN("redis_error", add_tests)
