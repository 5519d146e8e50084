/* SPDX-License-Identifier: MIT */
#include <curl/curl.h>
#include <errno.h>
#include <librdkafka/rdkafka.h>
#include <string.h>

#include "config/stream_url.h"
#include "stream/kafka.h"
#include "tests/unit/stream_help.h"
#include "tests/unit/test.h"

START_TEST(errors_and_decisions)
{
    static const struct {
        rd_kafka_resp_err_t code;
        const char *words; /* of librdkafka; NULL: its words for the code */
        enum azm_decision decision;
        const char *remedy; /* has this; NULL: there is none */
    } table[] = {
        {RD_KAFKA_RESP_ERR__AUTHENTICATION,
         "sasl_ssl://b:9093/bootstrap: SASL authentication error: Invalid credentials", AZM_HOLD, "password_file="},
        {RD_KAFKA_RESP_ERR_UNSUPPORTED_SASL_MECHANISM, NULL, AZM_HOLD, "sasl_mechanism="},
        {RD_KAFKA_RESP_ERR__SSL, "ssl://b:9093/bootstrap: SSL handshake failed: certificate verify failed", AZM_HOLD,
         "tls_ca_file="},
        {RD_KAFKA_RESP_ERR__SSL, "ssl://b:9092/bootstrap: SSL handshake failed: Disconnected", AZM_RETRY, "TLS"},
        {RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED, NULL, AZM_HOLD, "docs/delivery.md"},
        {RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED, NULL, AZM_HOLD, "docs/delivery.md"},
        {RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART, NULL, AZM_HOLD, "create the topic"},
        {RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC, NULL, AZM_HOLD, "create the topic"},
        {RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE, NULL, AZM_SPLIT, "max.message.bytes"},
        {RD_KAFKA_RESP_ERR_RECORD_LIST_TOO_LARGE, NULL, AZM_SPLIT, "max.message.bytes"},
        {RD_KAFKA_RESP_ERR_INVALID_SESSION_TIMEOUT, NULL, AZM_HOLD, "claim_after="},
        {RD_KAFKA_RESP_ERR_INCONSISTENT_GROUP_PROTOCOL, NULL, AZM_HOLD, "group="},
        {RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS, NULL, AZM_RETRY, "min.insync.replicas"},
        {RD_KAFKA_RESP_ERR_KAFKA_STORAGE_ERROR, NULL, AZM_RETRY, "disk"},
        {RD_KAFKA_RESP_ERR__TRANSPORT, NULL, AZM_RETRY, NULL},
        {RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN, NULL, AZM_RETRY, NULL},
        {RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION, NULL, AZM_RETRY, NULL},
        {RD_KAFKA_RESP_ERR__MSG_TIMED_OUT, NULL, AZM_RETRY, "replicas"},
        {RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER, NULL, AZM_RETRY, NULL},
        {RD_KAFKA_RESP_ERR_UNKNOWN, NULL, AZM_RETRY, NULL},
        {RD_KAFKA_RESP_ERR_POLICY_VIOLATION, NULL, AZM_HOLD, "logs of the brokers"},
        {(rd_kafka_resp_err_t)12345, NULL, AZM_HOLD, "logs of the brokers"},
    };

    for (size_t i = 0; i < ELEMENTSOF(table); i++) {
        struct azm_stream_answer s;
        struct azm_verdict v;

        azm_kafka_understand(table[i].code, table[i].words, &s);
        ck_assert(s.meaning != AZM_TAKEN);
        ck_assert_msg(strncmp(s.words, "Kafka: ", 7) == 0 && s.words[7], "%s", s.words);
        decide_stream(&s, 10, true, &v);
        ck_assert_msg(v.decision == table[i].decision, "%s: %d", s.words, v.decision);
        ck_assert_msg(table[i].remedy ? s.remedy && strstr(s.remedy, table[i].remedy) != NULL : !s.remedy, "%s: %s",
                      s.words, s.remedy ? s.remedy : "none");
    }
}
END_TEST

START_TEST(too_large_is_refused_only_where_others_were_taken)
{
    struct azm_stream_answer s;
    struct azm_verdict v;

    azm_kafka_understand(RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE, NULL, &s);
    decide_stream(&s, 10, false, &v);
    ck_assert_int_eq(v.decision, AZM_HOLD);
    decide_stream(&s, 1, true, &v);
    ck_assert_int_eq(v.decision, AZM_TRUNCATE);
}
END_TEST

/* An old librdkafka cannot do SCRAM with a new Kafka, which blames the password. */
START_TEST(scram_has_a_remedy_of_its_own_where_librdkafka_is_old)
{
    bool old = rd_kafka_version() < 0x020601ff;
    struct azm_stream_answer s;

    azm_kafka_understand(RD_KAFKA_RESP_ERR__AUTHENTICATION,
                         "sasl_ssl://b:9093/bootstrap: SASL authentication error: Authentication failed during "
                         "authentication due to invalid credentials with SASL mechanism SCRAM-SHA-512",
                         &s);
    ck_assert_int_eq(s.meaning, AZM_UNAUTHORIZED);
    ck_assert_ptr_nonnull(strstr(s.remedy, old ? "librdkafka 2.6.1" : "password_file="));
}
END_TEST

/* How long and how often would make each failure another one. */
START_TEST(words_are_one_line_without_counts)
{
    struct azm_stream_answer s;
    char many[600];

    azm_kafka_understand(
        RD_KAFKA_RESP_ERR__TRANSPORT,
        "b:9092/1: Connect to ipv4#127.0.0.1:9092 failed: Connection refused (after 3ms in state CONNECT, 2 "
        "identical error(s) suppressed)",
        &s);
    ck_assert_str_eq(s.words, "Kafka: b:9092/1: Connect to ipv4#127.0.0.1:9092 failed: Connection refused");
    azm_kafka_understand(RD_KAFKA_RESP_ERR__TRANSPORT, "a\nb\tc\xff", &s);
    ck_assert_ptr_null(strpbrk(s.words, "\n\t\xff"));
    for (size_t i = 0; i < sizeof many - 1; i++)
        many[i] = "\xe2\x82\xac"[i % 3];
    many[sizeof many - 1] = '\0';
    azm_kafka_understand(RD_KAFKA_RESP_ERR__TRANSPORT, many, &s);
    ck_assert_uint_lt(strlen(s.words), sizeof s.words);
    ck_assert_int_eq(s.words[strlen(s.words) - 1], '\xac'); /* no part of a character */
}
END_TEST

START_TEST(urls_that_are_right)
{
    static const struct {
        const char *url;
        bool tls;
        const char *user, *host, *stream, *http;
    } table[] = {
        {"kafka://b/logs", false, "", "b:9092", "logs", "http://b:9092/"},
        {"kafka://b1,b2:9093,[::1]:1/a.b_c-9", false, "", "b1:9092,b2:9093,[::1]:1", "a.b_c-9", "http://b1:9092/"},
        {"kafkas://$ConnectionString@ns.servicebus.windows.net/hub", true, "$ConnectionString",
         "ns.servicebus.windows.net:9093", "hub", "https://ns.servicebus.windows.net:9093/"},
        {"kafkas://%24ConnectionString@ns/hub", true, "$ConnectionString", "ns:9093", "hub", "https://ns:9093/"},
    };

    for (size_t i = 0; i < ELEMENTSOF(table); i++) {
        _cleanup_free_ char *http = azm_stream_url_as_http(table[i].url);
        struct azm_stream_url u;
        struct azm_error err = {""};

        ck_assert_msg(azm_stream_url_parse(table[i].url, &u, &err) == 0, "%s: %s", table[i].url, err.words);
        ck_assert_int_eq(u.engine, AZM_STREAM_KAFKA);
        ck_assert_int_eq(u.tls, table[i].tls);
        ck_assert_str_eq(u.user, table[i].user);
        ck_assert_str_eq(u.host, table[i].host);
        ck_assert_str_eq(u.stream, table[i].stream);
        ck_assert_str_eq(http, table[i].http);
        azm_stream_url_free(&u);
    }
}
END_TEST

START_TEST(urls_that_are_wrong)
{
    static const char *const table[] = {
        "kafka://",       "kafka://b",       "kafka://b/",    "kafka://,b/t",    "kafka://b,/t",
        "kafka://b,,c/t", "kafka://b,c:x/t", "kafka://b/a:b", "kafka://b/a%20b", "kafka://b/a/b",
        "kafka://b/.",    "kafka://b/..",    "kafka://b c/t", "redis://b,c/t",   "kafka://b/t?x=1",
    };
    char long_topic[300];

    for (size_t i = 0; i < ELEMENTSOF(table); i++) {
        struct azm_stream_url u;
        struct azm_error err = {""};

        ck_assert_msg(azm_stream_url_parse(table[i], &u, &err) == -EINVAL, "%s", table[i]);
        ck_assert(*err.words);
    }
    for (int n = 249; n <= 250; n++) {
        struct azm_stream_url u;

        memset(long_topic, 't', sizeof long_topic);
        memcpy(long_topic, "kafka://b/", 10);
        long_topic[10 + n] = '\0';
        ck_assert_int_eq(azm_stream_url_parse(long_topic, &u, NULL), n == 249 ? 0 : -EINVAL);
        if (n == 249)
            azm_stream_url_free(&u);
    }
}
END_TEST

static void add_tests(Suite *s)
{
    add_test(s, "errors_and_decisions", errors_and_decisions);
    add_test(s, "too_large_is_refused_only_where_others_were_taken", too_large_is_refused_only_where_others_were_taken);
    add_test(s, "scram_has_a_remedy_of_its_own_where_librdkafka_is_old",
             scram_has_a_remedy_of_its_own_where_librdkafka_is_old);
    add_test(s, "words_are_one_line_without_counts", words_are_one_line_without_counts);
    add_test(s, "urls_that_are_right", urls_that_are_right);
    add_test(s, "urls_that_are_wrong", urls_that_are_wrong);
}

TEST_MAIN("kafka", add_tests)
