/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "stream/kafka_client.h"
#include "stream/kafka_look.h"

struct look {
    struct azm_stream_reader reader;
    struct kafka_client client;
    char *group;
    struct azm_stream_status status;
};

static void set_failing(struct look *l, rd_kafka_resp_err_t code)
{
    l->status.failing = true;
    azm_kafka_understand(code, NULL, &l->status.failure);
}

/* Why nobody answers comes as an event. */
static void read_events(struct look *l)
{
    struct azm_stream_answer why;
    rd_kafka_event_t *event;
    rd_kafka_resp_err_t code;

    while ((event = kafka_client_next_event(&l->client)))
        if (rd_kafka_event_type(event) == RD_KAFKA_EVENT_ERROR) {
            kafka_client_understand(&l->client, event, &code, &why);
            if (code != RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN)
                l->status.failure = why;
        }
}

static rd_kafka_topic_partition_list_t *partitions_of(const char *topic, const struct rd_kafka_metadata *metadata,
                                                      rd_kafka_resp_err_t *ret_code)
{
    const struct rd_kafka_metadata_topic *t = metadata->topic_cnt > 0 ? &metadata->topics[0] : NULL;
    rd_kafka_topic_partition_list_t *list;

    *ret_code = t ? t->err : RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART;
    if (*ret_code)
        return NULL;
    list = rd_kafka_topic_partition_list_new(t->partition_cnt);
    for (int i = 0; i < t->partition_cnt; i++)
        rd_kafka_topic_partition_list_add(list, topic, t->partitions[i].id);
    return list;
}

/* What is between where the group stands and the end; where it does not stand yet, from the beginning. */
static rd_kafka_resp_err_t add_lag(struct look *l, const rd_kafka_topic_partition_t *p, int msec)
{
    int64_t low = 0, high = 0, begin;
    rd_kafka_resp_err_t code =
        p->err ? p->err : rd_kafka_query_watermark_offsets(l->client.rk, p->topic, p->partition, &low, &high, msec);

    begin = MAX(p->offset, low);
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR && high > begin)
        l->status.lag += (uint64_t)(high - begin);
    return code;
}

static rd_kafka_resp_err_t look(struct look *l)
{
    int msec = (int)(l->client.timeout_usec / AZM_USEC_PER_MSEC);
    rd_kafka_topic_t *topic = rd_kafka_topic_new(l->client.rk, l->client.url.stream, NULL);
    const struct rd_kafka_metadata *metadata = NULL;
    rd_kafka_topic_partition_list_t *list = NULL;
    rd_kafka_resp_err_t code =
        topic ? rd_kafka_metadata(l->client.rk, 0, topic, &metadata, msec) : rd_kafka_last_error();

    if (code == RD_KAFKA_RESP_ERR_NO_ERROR) {
        list = partitions_of(l->client.url.stream, metadata, &code);
        rd_kafka_metadata_destroy(metadata);
    }
    if (list) {
        code = rd_kafka_committed(l->client.rk, list, msec);
        for (int i = 0; i < list->cnt && code == RD_KAFKA_RESP_ERR_NO_ERROR; i++)
            code = add_lag(l, &list->elems[i], msec);
        rd_kafka_topic_partition_list_destroy(list);
    }
    if (topic)
        rd_kafka_topic_destroy(topic);
    return code;
}

static int process(struct azm_stream_reader *reader)
{
    struct look *l = (struct look *)reader;
    const struct kafka_setting settings[] = {
        {"group.id", l->group, false},
        {NULL, NULL, false},
    };
    rd_kafka_resp_err_t code;

    if (l->client.rk)
        return 0;
    if (kafka_client_open(&l->client, RD_KAFKA_CONSUMER, 0, settings, &l->status.failure) < 0) {
        l->status.failing = true;
        return 0;
    }
    code = look(l);
    l->status.known = l->status.lag_known = code == RD_KAFKA_RESP_ERR_NO_ERROR;
    if (code)
        set_failing(l, code);
    if (l->status.failing && l->status.failure.meaning == AZM_UNREACHABLE)
        read_events(l);
    return 0;
}

static int next(struct azm_stream_reader *reader, struct azm_stream_entry *ret)
{
    (void)reader;
    (void)ret;
    return 0;
}

static int acknowledge(struct azm_stream_reader *reader, uint64_t number)
{
    (void)reader;
    (void)number;
    return 0;
}

static bool no(const struct azm_stream_reader *reader)
{
    (void)reader;
    return false;
}

static bool yes(const struct azm_stream_reader *reader)
{
    (void)reader;
    return true;
}

static void get_status(const struct azm_stream_reader *reader, struct azm_stream_status *ret)
{
    *ret = ((const struct look *)reader)->status;
}

static uint64_t wake_usec(const struct azm_stream_reader *reader)
{
    (void)reader;
    return AZM_USEC_INFINITY;
}

static struct azm_stream_reader *look_free(struct azm_stream_reader *reader)
{
    struct look *l = (struct look *)reader;

    kafka_client_close(&l->client, false);
    kafka_client_free(&l->client);
    free(l->group);
    free(l);
    return NULL;
}

int azm_kafka_look_new(const struct azm_stream_options *o, struct azm_stream_reader **ret, struct azm_error *err)
{
    static const struct azm_stream_reader_ops ops = {
        .next = next,
        .ready = no,
        .drained = yes,
        .acknowledge = acknowledge,
        .settled = yes,
        .get_status = get_status,
        .wake_usec = wake_usec,
        .process = process,
        .free = look_free,
    };
    struct look *l = calloc(1, sizeof *l);
    int k;

    if (!l)
        return azm_error_set(err, ENOMEM, "out of memory");
    l->reader.ops = &ops;
    l->group = strdup(o->group);
    l->status.no_group = true;
    k = kafka_client_init(&l->client, o, err);
    if (k >= 0 && !l->group)
        k = azm_error_set(err, ENOMEM, "out of memory");
    if (k < 0) {
        look_free(&l->reader);
        return k;
    }
    l->reader.fd = l->client.fd;
    *ret = &l->reader;
    return 0;
}
