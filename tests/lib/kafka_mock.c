/* SPDX-License-Identifier: MIT */
/* librdkafka's mock cluster on 127.0.0.1, in a process of its own: kafka_mock BROKERS. Prints where it is, then does
 * what the lines of its standard input say, and answers each with one line, "ok ..." or "failed ...":
 *
 *     topic NAME PARTITIONS       makes a topic
 *     down BROKER, up BROKER      it refuses connections; -1: all
 *     rtt BROKER MSEC             it answers so much later
 *     errors API CODE...          the next answers to requests of this kind are these errors
 *     clear API                   but not the rest of them
 *     topic_error NAME CODE       what is said of this topic; 0: nothing
 *     stand NAME GROUP            PARTITION:BEGIN:COMMITTED:END for each partition
 *     put NAME PARTITION BODY [HEADER=VALUE...]
 *     fill NAME PARTITION BYTES   so much that is none of azmonlog's
 *
 * It keeps messages in memory only, 5 MB for each partition, and drops the oldest ones then. It knows no TLS and no
 * SASL. */
#include <errno.h>
#include <inttypes.h>
#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WORDS_MAX 64
#define WAIT_MSEC 10000

struct mock {
    rd_kafka_t *rk; /* its background thread is the cluster's */
    rd_kafka_mock_cluster_t *cluster;
    int partitions; /* of the topic that was made last */
};

static rd_kafka_t *new_client(const char *servers, const char *group)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    char words[256];
    rd_kafka_t *rk;

    if (servers)
        rd_kafka_conf_set(conf, "bootstrap.servers", servers, words, sizeof words);
    if (group)
        rd_kafka_conf_set(conf, "group.id", group, words, sizeof words);
    rd_kafka_conf_set(conf, "log_level", "0", words, sizeof words);
    rk = rd_kafka_new(group ? RD_KAFKA_CONSUMER : RD_KAFKA_PRODUCER, conf, words, sizeof words);
    if (!rk) {
        fprintf(stderr, "kafka_mock: %s\n", words);
        exit(1);
    }
    return rk;
}

static rd_kafka_resp_err_t stand(const struct mock *m, const char *topic, const char *group)
{
    rd_kafka_t *rk = new_client(rd_kafka_mock_cluster_bootstraps(m->cluster), group);
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(m->partitions);
    rd_kafka_resp_err_t code;

    for (int i = 0; i < m->partitions; i++)
        rd_kafka_topic_partition_list_add(list, topic, i);
    code = rd_kafka_committed(rk, list, WAIT_MSEC);
    for (int i = 0; i < m->partitions && !code; i++) {
        int64_t begin = 0, end = 0;

        code = rd_kafka_query_watermark_offsets(rk, topic, i, &begin, &end, WAIT_MSEC);
        if (!code)
            printf("%s%d:%" PRId64 ":%" PRId64 ":%" PRId64, i == 0 ? "ok " : " ", i, begin,
                   list->elems[i].offset < 0 ? 0 : list->elems[i].offset, end);
    }
    rd_kafka_topic_partition_list_destroy(list);
    rd_kafka_destroy(rk);
    return code;
}

static rd_kafka_resp_err_t put(const struct mock *m, char **words, size_t n, const char *body, size_t len)
{
    rd_kafka_t *rk = new_client(rd_kafka_mock_cluster_bootstraps(m->cluster), NULL);
    rd_kafka_headers_t *headers = rd_kafka_headers_new(n);
    rd_kafka_resp_err_t code;

    for (size_t i = 4; i < n; i++) {
        const char *is = strchr(words[i], '=');

        if (is)
            rd_kafka_header_add(headers, words[i], is - words[i], is + 1, -1);
    }
    code = rd_kafka_producev(rk, RD_KAFKA_V_TOPIC(words[1]), RD_KAFKA_V_PARTITION(atoi(words[2])),
                             RD_KAFKA_V_VALUE((void *)(uintptr_t)body, len), RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
                             RD_KAFKA_V_HEADERS(headers), RD_KAFKA_V_END);
    if (!code)
        code = rd_kafka_flush(rk, WAIT_MSEC);
    rd_kafka_destroy(rk);
    return code;
}

static rd_kafka_resp_err_t fill(const struct mock *m, char **words)
{
    static char body[100000];
    rd_kafka_resp_err_t code = 0;

    for (long long bytes = atoll(words[3]); bytes > 0 && !code; bytes -= (long long)sizeof body)
        code = put(m, words, 3, body, sizeof body);
    return code;
}

static rd_kafka_resp_err_t push_errors(const struct mock *m, char **words, size_t n)
{
    rd_kafka_resp_err_t codes[WORDS_MAX];

    for (size_t i = 2; i < n; i++)
        codes[i - 2] = (rd_kafka_resp_err_t)atoi(words[i]);
    rd_kafka_mock_push_request_errors_array(m->cluster, (int16_t)atoi(words[1]), n - 2, codes);
    return 0;
}

/* What a line says, in `n` words; *ret_answered if the answer is printed already. */
static rd_kafka_resp_err_t carry_out(struct mock *m, char **words, size_t n, bool *ret_answered)
{
    const char *what = words[0];

    if (strcmp(what, "topic") == 0 && n == 3) {
        m->partitions = atoi(words[2]);
        return rd_kafka_mock_topic_create(m->cluster, words[1], m->partitions, 1);
    }
    if (strcmp(what, "down") == 0 && n == 2)
        return rd_kafka_mock_broker_set_down(m->cluster, atoi(words[1]));
    if (strcmp(what, "up") == 0 && n == 2)
        return rd_kafka_mock_broker_set_up(m->cluster, atoi(words[1]));
    if (strcmp(what, "rtt") == 0 && n == 3)
        return rd_kafka_mock_broker_set_rtt(m->cluster, atoi(words[1]), atoi(words[2]));
    if (strcmp(what, "errors") == 0 && n > 2)
        return push_errors(m, words, n);
    if (strcmp(what, "clear") == 0 && n == 2) {
        rd_kafka_mock_clear_request_errors(m->cluster, (int16_t)atoi(words[1]));
        return 0;
    }
    if (strcmp(what, "topic_error") == 0 && n == 3) {
        rd_kafka_mock_topic_set_error(m->cluster, words[1], (rd_kafka_resp_err_t)atoi(words[2]));
        return 0;
    }
    if (strcmp(what, "stand") == 0 && n == 3) {
        *ret_answered = true;
        return stand(m, words[1], words[2]);
    }
    if (strcmp(what, "put") == 0 && n >= 4)
        return put(m, words, n, words[3], strlen(words[3]));
    if (strcmp(what, "fill") == 0 && n == 4)
        return fill(m, words);
    return RD_KAFKA_RESP_ERR__INVALID_ARG;
}

int main(int argc, char **argv)
{
    struct mock m = {.partitions = 1};
    char *line = NULL;
    size_t size = 0;

    if (argc != 2 || atoi(argv[1]) < 1) {
        fprintf(stderr, "usage: kafka_mock BROKERS\n");
        return 2;
    }
    m.rk = new_client(NULL, NULL);
    m.cluster = rd_kafka_mock_cluster_new(m.rk, atoi(argv[1]));
    if (!m.cluster) {
        fprintf(stderr, "kafka_mock: no cluster\n");
        return 1;
    }
    printf("%s\n", rd_kafka_mock_cluster_bootstraps(m.cluster));
    fflush(stdout);
    while (getline(&line, &size, stdin) > 0) {
        char *words[WORDS_MAX], *rest = NULL;
        size_t n = 0;
        bool answered = false;
        rd_kafka_resp_err_t code;

        for (char *word = strtok_r(line, " \n", &rest); word && n < WORDS_MAX; word = strtok_r(NULL, " \n", &rest))
            words[n++] = word;
        code = n > 0 ? carry_out(&m, words, n, &answered) : RD_KAFKA_RESP_ERR__INVALID_ARG;
        if (code)
            printf("failed %s\n", rd_kafka_err2str(code));
        else
            printf("%s\n", answered ? "" : "ok");
        fflush(stdout);
    }
    free(line);
    rd_kafka_mock_cluster_destroy(m.cluster);
    rd_kafka_destroy(m.rk);
    return 0;
}
