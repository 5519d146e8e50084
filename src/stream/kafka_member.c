/* SPDX-License-Identifier: MIT */
#include "stream/kafka_member.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/log.h"

#define LOOK_USEC AZM_USEC_PER_SEC             /* librdkafka wants to be looked at */
#define COMMIT_USEC (250 * AZM_USEC_PER_MSEC)  /* Event Hubs allows 4 commits a second */
#define COMMITTED_USEC (2 * AZM_USEC_PER_SEC)  /* the group may take so long to say where it stands */
#define MAX_POLL_USEC (300 * AZM_USEC_PER_SEC) /* librdkafka's default */
#define HEARTBEAT_USEC (3 * AZM_USEC_PER_SEC)  /* the same */
#define RETRY_MIN_USEC (200 * AZM_USEC_PER_MSEC)
#define RETRY_MAX_USEC (10 * AZM_USEC_PER_SEC)
#define QUEUE_MIN_BYTES                                                                                                \
    ((size_t)16 * 1024 * 1024) /* fetched ahead: full, librdkafka fetches again only after a while */
#define FETCH_MIN_BYTES ((size_t)1024 * 1024)

static uint64_t now_of(const struct kafka_member *m)
{
    return azm_monotonic_usec(m->client.clock);
}

/* --- the client comes and goes --- */

static void close_consumer(struct kafka_member *m, bool in_order)
{
    kafka_offsets_let_all_go(&m->offsets);
    m->joined = m->committing = false;
    if (m->messages) {
        rd_kafka_queue_io_event_enable(m->messages, -1, NULL, 0);
        rd_kafka_queue_destroy(m->messages);
    }
    m->messages = NULL;
    kafka_client_close(&m->client, in_order);
}

/* It has to begin anew, with a password that may be another one by then. */
static void drop(struct kafka_member *m, const struct azm_stream_answer *why)
{
    uint64_t delay = MIN(RETRY_MIN_USEC << m->health.dropped, RETRY_MAX_USEC);

    close_consumer(m, false);
    m->health.dropped = MIN(m->health.dropped + 1, 10U);
    m->retry_usec = now_of(m) + delay / 2 + azm_random_up_to(m->client.clock, delay / 2);
    kafka_health_set_failing(&m->health, why);
}

static int subscribe(struct kafka_member *m)
{
    rd_kafka_topic_partition_list_t *topics = rd_kafka_topic_partition_list_new(1);
    rd_kafka_resp_err_t code;

    rd_kafka_topic_partition_list_add(topics, m->client.url.stream, RD_KAFKA_PARTITION_UA);
    code = rd_kafka_subscribe(m->client.rk, topics);
    rd_kafka_topic_partition_list_destroy(topics);
    return code;
}

static void open_consumer(struct kafka_member *m)
{
    size_t fetch_bytes = MAX(m->fetch_bytes, FETCH_MIN_BYTES), queue_bytes = MAX(QUEUE_MIN_BYTES, fetch_bytes);
    uint64_t heartbeat_usec = MIN(HEARTBEAT_USEC, m->claim_after_usec / 3);
    uint64_t max_poll_usec = MAX(MAX_POLL_USEC, m->claim_after_usec);
    /* While the group is being sorted its coordinator answers nothing else on that connection. */
    uint64_t socket_usec = MIN(MAX(m->client.timeout_usec, m->claim_after_usec), KAFKA_SOCKET_MAX_USEC);
    char session[24], socket[24], heartbeat[24], max_poll[24], queue[24], fetch[24], fetch_all[24], receive[24],
        stats[24];
    const struct kafka_setting settings[] = {
        {"group.id", m->group, false},
        {"enable.auto.commit", "false", false},
        {"enable.auto.offset.store", "false", false},
        {"auto.offset.reset", "earliest", false},
        {"enable.partition.eof", "true", false},
        {"partition.assignment.strategy", "cooperative-sticky", false},
        {"session.timeout.ms", kafka_print_msec(m->claim_after_usec, session), false},
        {"socket.timeout.ms", kafka_print_msec(socket_usec, socket), false},
        {"heartbeat.interval.ms", kafka_print_msec(heartbeat_usec, heartbeat), false},
        {"max.poll.interval.ms", kafka_print_msec(max_poll_usec, max_poll), false},
        {"topic.metadata.refresh.interval.ms", "30000", false}, /* new partitions and topics are seen by then */
        {"statistics.interval.ms", kafka_print_msec(KAFKA_STATS_USEC, stats), false},
        {"queued.max.messages.kbytes", (snprintf(queue, sizeof queue, "%zu", queue_bytes / 1024), queue), false},
        {"fetch.queue.backoff.ms", "20", true},
        {"fetch.message.max.bytes", (snprintf(fetch, sizeof fetch, "%zu", fetch_bytes), fetch), false},
        {"fetch.max.bytes", (snprintf(fetch_all, sizeof fetch_all, "%zu", 4 * fetch_bytes), fetch_all), false},
        {"receive.message.max.bytes", (snprintf(receive, sizeof receive, "%zu", 4 * fetch_bytes + 100000000), receive),
         false},
        {"check.crcs", "true", false},
        {NULL, NULL, false},
    };
    struct azm_stream_answer why;
    int code;

    if (kafka_client_open(&m->client, RD_KAFKA_CONSUMER,
                          RD_KAFKA_EVENT_REBALANCE | RD_KAFKA_EVENT_OFFSET_COMMIT | RD_KAFKA_EVENT_STATS, settings,
                          &why) < 0) {
        drop(m, &why);
        return;
    }
    m->messages = rd_kafka_queue_new(m->client.rk);
    kafka_client_watch(&m->client, m->messages);
    code = subscribe(m);
    if (code) {
        azm_kafka_understand(code, NULL, &why);
        drop(m, &why);
    }
}

/* --- committing --- */

static void commit_now(struct kafka_member *m)
{
    rd_kafka_topic_partition_list_t *list =
        m->client.rk ? kafka_offsets_to_commit(&m->offsets, m->client.url.stream) : NULL;

    if (!list)
        return;
    m->committing = rd_kafka_commit_queue(m->client.rk, list, m->client.events, NULL, NULL) == 0;
    m->commit_usec = now_of(m) + COMMIT_USEC;
    rd_kafka_topic_partition_list_destroy(list);
}

void kafka_member_commit(struct kafka_member *m)
{
    if (!m->committing && now_of(m) >= m->commit_usec)
        commit_now(m);
}

/* It stays while there is no connection. */
static void keep_position(struct kafka_member *m)
{
    kafka_offsets_print(&m->offsets, m->position, sizeof m->position);
    m->position_usec = (uint64_t)MAX(m->offsets.acknowledged_msec, (int64_t)0) * AZM_USEC_PER_MSEC;
}

static void on_committed(struct kafka_member *m, rd_kafka_event_t *event)
{
    const rd_kafka_topic_partition_list_t *list = rd_kafka_event_topic_partition_list(event);
    rd_kafka_resp_err_t code = rd_kafka_event_error(event);
    struct azm_stream_answer why;

    m->committing = false;
    if (list && !code)
        kafka_offsets_committed(&m->offsets, list);
    keep_position(m);
    for (int i = 0; list && i < list->cnt; i++)
        if (list->elems[i].err)
            code = list->elems[i].err;
    if (!code) {
        kafka_health_set_well(&m->health, false);
        return;
    }
    azm_log(AZM_LOG_DEBUG, "Kafka has not taken what is acknowledged: %s", rd_kafka_err2name(code));
    azm_kafka_understand(code, rd_kafka_event_error(event) ? rd_kafka_event_error_string(event) : NULL, &why);
    if (code == RD_KAFKA_RESP_ERR_REBALANCE_IN_PROGRESS || code == RD_KAFKA_RESP_ERR_ILLEGAL_GENERATION ||
        code == RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID || code == RD_KAFKA_RESP_ERR__DESTROY)
        return; /* the group is about to say who has what */
    kafka_health_set_failing(&m->health, &why);
}

/* --- what the group gives and takes --- */

/* Its messages are to wait in the queue for messages. */
static void redirect(struct kafka_member *m, int32_t number)
{
    rd_kafka_queue_t *queue = rd_kafka_queue_get_partition(m->client.rk, m->client.url.stream, number);

    if (!queue)
        return;
    rd_kafka_queue_forward(queue, m->messages);
    rd_kafka_queue_destroy(queue);
}

/* Where the group stands is asked here, and not left to librdkafka, so that it is seen when messages are gone before
 * anybody has read them. If there is no answer librdkafka asks again. */
static int on_assigned(struct kafka_member *m, rd_kafka_topic_partition_list_t *list)
{
    uint64_t usec = MIN(COMMITTED_USEC, m->client.timeout_usec);

    if (list->cnt > 0 &&
        rd_kafka_committed(m->client.rk, list, (int)(usec / AZM_USEC_PER_MSEC)) != RD_KAFKA_RESP_ERR_NO_ERROR)
        for (int i = 0; i < list->cnt; i++)
            list->elems[i].offset = RD_KAFKA_OFFSET_INVALID;
    for (int i = 0; i < list->cnt; i++) {
        rd_kafka_topic_partition_t *p = &list->elems[i];
        bool known = !p->err && p->offset >= 0;

        if (kafka_offsets_assign(&m->offsets, p->partition, known ? p->offset : -1) < 0)
            return -ENOMEM;
        p->err = RD_KAFKA_RESP_ERR_NO_ERROR;
        if (!known)
            p->offset = RD_KAFKA_OFFSET_INVALID;
        redirect(m, p->partition);
    }
    m->joined = true;
    return 0;
}

static void on_revoked(struct kafka_member *m, const rd_kafka_topic_partition_list_t *list)
{
    if (!rd_kafka_assignment_lost(m->client.rk))
        commit_now(m); /* goes out before the partitions do */
    for (int i = 0; i < list->cnt; i++)
        kafka_offsets_let_go(&m->offsets, list->elems[i].partition);
}

static void finish_rebalance(struct kafka_member *m, bool assign, const rd_kafka_topic_partition_list_t *list)
{
    bool cooperative = strcmp(rd_kafka_rebalance_protocol(m->client.rk), "COOPERATIVE") == 0;
    rd_kafka_error_t *error = NULL;

    if (!cooperative)
        rd_kafka_assign(m->client.rk, assign ? list : NULL);
    else
        error = assign ? rd_kafka_incremental_assign(m->client.rk, list)
                       : rd_kafka_incremental_unassign(m->client.rk, list);
    if (error) {
        struct azm_stream_answer why;

        azm_kafka_understand(rd_kafka_error_code(error), rd_kafka_error_string(error), &why);
        kafka_health_set_failing(&m->health, &why);
        rd_kafka_error_destroy(error);
    }
}

static int on_rebalance(struct kafka_member *m, rd_kafka_event_t *event)
{
    bool assign = rd_kafka_event_error(event) == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS;
    rd_kafka_topic_partition_list_t *list = rd_kafka_event_topic_partition_list(event);
    int r = 0;

    if (assign)
        r = on_assigned(m, list);
    else
        on_revoked(m, list);
    if (r >= 0)
        finish_rebalance(m, assign, list);
    keep_position(m);
    return r;
}

/* --- events --- */

static void on_error(struct kafka_member *m, rd_kafka_event_t *event)
{
    struct azm_stream_answer why;
    rd_kafka_resp_err_t code;

    if (kafka_client_understand(&m->client, event, &code, &why))
        drop(m, &why);
    else
        kafka_health_on_error(&m->health, code, &why);
}

int kafka_member_process(struct kafka_member *m)
{
    rd_kafka_event_t *event;
    int r = 0;

    if (!m->client.rk && now_of(m) >= m->retry_usec)
        open_consumer(m);
    while (r >= 0 && (event = kafka_client_next_event(&m->client)))
        switch (rd_kafka_event_type(event)) {
        case RD_KAFKA_EVENT_REBALANCE:
            r = on_rebalance(m, event);
            break;
        case RD_KAFKA_EVENT_OFFSET_COMMIT:
            on_committed(m, event);
            break;
        case RD_KAFKA_EVENT_STATS:
            kafka_health_on_stats(&m->health, rd_kafka_event_stats(event));
            break;
        case RD_KAFKA_EVENT_ERROR:
            on_error(m, event);
            break;
        default:
            break;
        }
    kafka_member_commit(m);
    return r;
}

uint64_t kafka_member_wake_usec(const struct kafka_member *m)
{
    uint64_t now = now_of(m);

    if (!m->client.rk)
        return MAX(now, m->retry_usec);
    if (!m->committing && kafka_offsets_is_to_commit(&m->offsets) && m->commit_usec < now + LOOK_USEC)
        return MAX(now, m->commit_usec);
    return now + LOOK_USEC;
}

/* --- life --- */

int kafka_member_init(struct kafka_member *m, const struct azm_stream_options *o, struct azm_error *err)
{
    int r;

    m->health.clock = o->clock;
    m->claim_after_usec = o->claim_after_usec;
    m->fetch_bytes = o->fetch_bytes;
    m->group = strdup(o->group);
    r = kafka_client_init(&m->client, o, err);
    return r >= 0 && !m->group ? azm_error_set(err, ENOMEM, "out of memory") : r;
}

void kafka_member_free(struct kafka_member *m)
{
    close_consumer(m, !m->health.failing && !m->committing);
    kafka_client_free(&m->client);
    kafka_offsets_free(&m->offsets);
    free(m->group);
}
