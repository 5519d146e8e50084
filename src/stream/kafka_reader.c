/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/buf.h"
#include "core/log.h"
#include "stream/kafka_client.h"
#include "stream/kafka_look.h"

/* A member of a consumer group: the group gives it partitions, and takes them away when relays come and go. Messages
 * have a queue of their own, from which is taken only what is asked for, so that librdkafka fetches no more than it may
 * hold; what the group wants is heard all the time. What has been given is committed, partition by partition, when it
 * is acknowledged. What was given of a partition that goes to another relay is that one's affair, as it is not
 * committed: it delivers it once more. */

#define LOOK_USEC AZM_USEC_PER_SEC            /* librdkafka wants to be looked at */
#define COMMIT_USEC (250 * AZM_USEC_PER_MSEC) /* Event Hubs allows 4 commits a second */
#define COMMITTED_USEC (2 * AZM_USEC_PER_SEC) /* the group may take so long to say where it stands */
#define STATS_USEC (2 * AZM_USEC_PER_SEC)
#define MAX_POLL_USEC (300 * AZM_USEC_PER_SEC) /* librdkafka's default */
#define HEARTBEAT_USEC (3 * AZM_USEC_PER_SEC)  /* the same */
#define RETRY_MIN_USEC (200 * AZM_USEC_PER_MSEC)
#define RETRY_MAX_USEC (10 * AZM_USEC_PER_SEC)
#define QUEUE_MIN_BYTES                                                                                                \
    ((size_t)16 * 1024 * 1024) /* fetched ahead: full, librdkafka fetches again only after a while */
#define FETCH_MIN_BYTES ((size_t)1024 * 1024)

struct partition {
    int32_t number;
    bool assigned, at_end;
    uint64_t stay;        /* another one each time when it is assigned */
    int64_t next;         /* offset of the message that comes next; -1: not known */
    int64_t acknowledged; /* where the group is to go on */
    int64_t committed;    /* where it would go on; both -1: not known */
};

struct given {
    uint64_t number;
    size_t partition; /* index */
    uint64_t stay;
    int64_t offset, msec; /* when it was stored: realtime */
};

struct kafka_reader {
    struct azm_stream_reader reader;
    struct kafka_client client;
    rd_kafka_queue_t *messages;
    char *group;
    uint64_t claim_after_usec;
    size_t fetch_bytes;

    struct partition *partitions;
    size_t n_partitions;
    uint64_t stays;
    bool joined; /* the group has said which partitions are ours */

    bool wanted;               /* `next` has found nothing */
    rd_kafka_message_t *ready; /* the next one */
    struct azm_buf lent;       /* the body that `next` has given: the client may go before it is read */

    /* Given, and not acknowledged: in order, items[0 .. n). */
    struct given *items;
    size_t n, cap;
    uint64_t last_number;

    bool committing;
    uint64_t commit_usec;   /* monotonic: not before */
    int64_t committed_msec; /* of the last message that was acknowledged */

    bool firm; /* the failure goes only when messages come again */
    unsigned failures;
    bool troubled; /* a broker was lost, and there may be others */
    struct azm_stream_answer trouble;
    uint64_t retry_usec, failed_usec; /* monotonic */
    struct azm_stream_status status;
};

static struct kafka_reader *upcast(struct azm_stream_reader *r)
{
    return (struct kafka_reader *)r;
}

static uint64_t now_of(const struct kafka_reader *r)
{
    return azm_monotonic_usec(r->client.clock);
}

/* --- failures --- */

static void set_failing(struct kafka_reader *r, const struct azm_stream_answer *why)
{
    r->status.failing = true;
    r->status.failure = *why;
    r->failed_usec = now_of(r);
}

static void set_well(struct kafka_reader *r)
{
    r->status.failing = r->firm = r->troubled = false;
    r->failures = 0;
}

static void let_go(struct kafka_reader *r, struct partition *p)
{
    p->assigned = false;
    if (r->ready && r->ready->partition == p->number) {
        rd_kafka_message_destroy(r->ready);
        r->ready = NULL;
        r->wanted = true;
    }
}

static void close_consumer(struct kafka_reader *r, bool in_order)
{
    for (size_t i = 0; i < r->n_partitions; i++)
        let_go(r, &r->partitions[i]);
    r->joined = r->committing = false;
    if (r->messages) {
        rd_kafka_queue_io_event_enable(r->messages, -1, NULL, 0);
        rd_kafka_queue_destroy(r->messages);
    }
    r->messages = NULL;
    kafka_client_close(&r->client, in_order);
}

/* It has to begin anew, with a password that may be another one by then. */
static void drop(struct kafka_reader *r, const struct azm_stream_answer *why)
{
    uint64_t delay = MIN(RETRY_MIN_USEC << r->failures, RETRY_MAX_USEC);

    close_consumer(r, false);
    r->failures = MIN(r->failures + 1, 10U);
    r->retry_usec = now_of(r) + delay / 2 + azm_random_up_to(r->client.clock, delay / 2);
    set_failing(r, why);
}

static void on_error(struct kafka_reader *r, rd_kafka_event_t *event)
{
    struct azm_stream_answer why;
    rd_kafka_resp_err_t code;

    if (kafka_client_understand(&r->client, event, &code, &why)) {
        drop(r, &why);
        return;
    }
    switch (code) {
    case RD_KAFKA_RESP_ERR__TRANSPORT:
    case RD_KAFKA_RESP_ERR__RESOLVE:
        r->troubled = true;
        r->trouble = why;
        break;
    case RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN:
        set_failing(r, r->troubled ? &r->trouble : &why); /* that none is left says less than why */
        break;
    case RD_KAFKA_RESP_ERR__MAX_POLL_EXCEEDED: /* the machine slept: it joins again by itself */
        break;
    default:
        r->firm = why.meaning == AZM_MISCONFIGURED;
        set_failing(r, &why);
    }
}

/* Is it in its group, and did nothing fail of late? Errors come as events, but nothing says when they are over. */
static void on_stats(struct kafka_reader *r, const char *text)
{
    json_t *stats = json_loads(text, 0, NULL);
    const json_t *group = json_object_get(stats, "cgrp");
    const char *state = json_string_value(json_object_get(group, "state"));
    const char *join_state = json_string_value(json_object_get(group, "join_state"));

    if (r->status.failing && !r->firm && state && join_state && strcmp(state, "up") == 0 &&
        strcmp(join_state, "steady") == 0 && now_of(r) > r->failed_usec + 2 * STATS_USEC)
        set_well(r);
    json_decref(stats);
}

/* --- acknowledging --- */

/* Of the partitions that are ours; NULL: there is nothing to commit. */
static rd_kafka_topic_partition_list_t *to_commit(const struct kafka_reader *r)
{
    rd_kafka_topic_partition_list_t *list = NULL;

    for (size_t i = 0; i < r->n_partitions; i++) {
        const struct partition *p = &r->partitions[i];

        if (!p->assigned || p->acknowledged == p->committed)
            continue;
        if (!list)
            list = rd_kafka_topic_partition_list_new((int)r->n_partitions);
        rd_kafka_topic_partition_list_add(list, r->client.url.stream, p->number)->offset = p->acknowledged;
    }
    return list;
}

static bool is_to_commit(const struct kafka_reader *r)
{
    for (size_t i = 0; i < r->n_partitions; i++)
        if (r->partitions[i].assigned && r->partitions[i].acknowledged != r->partitions[i].committed)
            return true;
    return false;
}

static void commit(struct kafka_reader *r)
{
    rd_kafka_topic_partition_list_t *list = r->client.rk ? to_commit(r) : NULL;

    if (!list)
        return;
    r->committing = rd_kafka_commit_queue(r->client.rk, list, r->client.events, NULL, NULL) == 0;
    r->commit_usec = now_of(r) + COMMIT_USEC;
    rd_kafka_topic_partition_list_destroy(list);
}

static struct partition *find_partition(struct kafka_reader *r, int32_t number)
{
    for (size_t i = 0; i < r->n_partitions; i++)
        if (r->partitions[i].number == number)
            return &r->partitions[i];
    return NULL;
}

/* Where the group stands in what is ours: "0:1234 3:17". */
static void print_position(struct kafka_reader *r)
{
    size_t len = 0;

    r->status.position[0] = '\0';
    for (size_t i = 0; i < r->n_partitions && len < sizeof r->status.position; i++)
        if (r->partitions[i].assigned && r->partitions[i].committed >= 0)
            len += (size_t)snprintf(r->status.position + len, sizeof r->status.position - len, "%s%" PRId32 ":%" PRId64,
                                    len > 0 ? " " : "", r->partitions[i].number, r->partitions[i].committed);
    r->status.position_usec = (uint64_t)MAX(r->committed_msec, (int64_t)0) * AZM_USEC_PER_MSEC;
}

static void on_committed(struct kafka_reader *r, rd_kafka_event_t *event)
{
    const rd_kafka_topic_partition_list_t *list = rd_kafka_event_topic_partition_list(event);
    rd_kafka_resp_err_t code = rd_kafka_event_error(event);
    struct azm_stream_answer why;

    r->committing = false;
    for (int i = 0; list && i < list->cnt; i++) {
        struct partition *p = find_partition(r, list->elems[i].partition);

        if (list->elems[i].err)
            code = list->elems[i].err;
        else if (p && p->assigned && !rd_kafka_event_error(event))
            p->committed = list->elems[i].offset;
    }
    print_position(r);
    if (!code) {
        if (!r->firm)
            set_well(r);
        return;
    }
    azm_log(AZM_LOG_DEBUG, "Kafka has not taken what is acknowledged: %s", rd_kafka_err2name(code));
    azm_kafka_understand(code, rd_kafka_event_error(event) ? rd_kafka_event_error_string(event) : NULL, &why);
    if (code == RD_KAFKA_RESP_ERR_REBALANCE_IN_PROGRESS || code == RD_KAFKA_RESP_ERR_ILLEGAL_GENERATION ||
        code == RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID || code == RD_KAFKA_RESP_ERR__DESTROY)
        return; /* the group is about to say who has what */
    set_failing(r, &why);
}

static int acknowledge(struct azm_stream_reader *reader, uint64_t number)
{
    struct kafka_reader *r = upcast(reader);
    size_t n = 0;

    for (; n < r->n && r->items[n].number <= number; n++) {
        const struct given *g = &r->items[n];
        struct partition *p = &r->partitions[g->partition];

        if (!p->assigned || p->stay != g->stay)
            continue; /* another relay delivers it, too */
        p->acknowledged = g->offset + 1;
        r->committed_msec = g->msec;
    }
    r->n -= n;
    memmove(r->items, r->items + n, r->n * sizeof *r->items);
    if (!r->committing && now_of(r) >= r->commit_usec)
        commit(r);
    return 0;
}

static bool settled(const struct azm_stream_reader *reader)
{
    const struct kafka_reader *r = (const struct kafka_reader *)reader;

    return !r->committing && !is_to_commit(r);
}

/* --- the group --- */

static struct partition *add_partition(struct kafka_reader *r, int32_t number)
{
    struct partition *p = find_partition(r, number);

    if (p)
        return p;
    p = reallocarray(r->partitions, r->n_partitions + 1, sizeof *p);
    if (!p)
        return NULL;
    r->partitions = p;
    p += r->n_partitions++;
    *p = (struct partition){.number = number};
    return p;
}

/* Its messages are to wait in the queue for messages. */
static void redirect(struct kafka_reader *r, int32_t number)
{
    rd_kafka_queue_t *queue = rd_kafka_queue_get_partition(r->client.rk, r->client.url.stream, number);

    if (!queue)
        return;
    rd_kafka_queue_forward(queue, r->messages);
    rd_kafka_queue_destroy(queue);
}

/* Where the group stands is asked here, and not left to librdkafka, so that it is seen when messages are gone before
 * anybody has read them. If there is no answer librdkafka asks again. */
static int on_assigned(struct kafka_reader *r, rd_kafka_topic_partition_list_t *list)
{
    uint64_t usec = MIN(COMMITTED_USEC, r->client.timeout_usec);

    if (list->cnt > 0 &&
        rd_kafka_committed(r->client.rk, list, (int)(usec / AZM_USEC_PER_MSEC)) != RD_KAFKA_RESP_ERR_NO_ERROR)
        for (int i = 0; i < list->cnt; i++)
            list->elems[i].offset = RD_KAFKA_OFFSET_INVALID;
    for (int i = 0; i < list->cnt; i++) {
        struct partition *p = add_partition(r, list->elems[i].partition);
        int64_t offset = list->elems[i].err || list->elems[i].offset < 0 ? -1 : list->elems[i].offset;

        if (!p)
            return -ENOMEM;
        p->assigned = true;
        p->at_end = false;
        p->stay = ++r->stays;
        p->next = p->acknowledged = p->committed = offset;
        list->elems[i].err = RD_KAFKA_RESP_ERR_NO_ERROR;
        if (offset < 0)
            list->elems[i].offset = RD_KAFKA_OFFSET_INVALID;
        redirect(r, p->number);
    }
    r->joined = true;
    return 0;
}

static void on_revoked(struct kafka_reader *r, const rd_kafka_topic_partition_list_t *list)
{
    if (!rd_kafka_assignment_lost(r->client.rk))
        commit(r); /* goes out before the partitions do */
    for (int i = 0; i < list->cnt; i++) {
        struct partition *p = find_partition(r, list->elems[i].partition);

        if (p)
            let_go(r, p);
    }
}

static void finish_rebalance(struct kafka_reader *r, bool assign, const rd_kafka_topic_partition_list_t *list)
{
    bool cooperative = strcmp(rd_kafka_rebalance_protocol(r->client.rk), "COOPERATIVE") == 0;
    rd_kafka_error_t *error = NULL;

    if (!cooperative)
        rd_kafka_assign(r->client.rk, assign ? list : NULL);
    else
        error = assign ? rd_kafka_incremental_assign(r->client.rk, list)
                       : rd_kafka_incremental_unassign(r->client.rk, list);
    if (error) {
        struct azm_stream_answer why;

        azm_kafka_understand(rd_kafka_error_code(error), rd_kafka_error_string(error), &why);
        set_failing(r, &why);
        rd_kafka_error_destroy(error);
    }
}

static int on_rebalance(struct kafka_reader *r, rd_kafka_event_t *event)
{
    bool assign = rd_kafka_event_error(event) == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS;
    rd_kafka_topic_partition_list_t *list = rd_kafka_event_topic_partition_list(event);
    int k = 0;

    if (assign)
        k = on_assigned(r, list);
    else
        on_revoked(r, list);
    if (k >= 0)
        finish_rebalance(r, assign, list);
    print_position(r);
    return k;
}

static void open_consumer(struct kafka_reader *r)
{
    size_t fetch_bytes = MAX(r->fetch_bytes, FETCH_MIN_BYTES), queue_bytes = MAX(QUEUE_MIN_BYTES, fetch_bytes);
    uint64_t heartbeat_usec = MIN(HEARTBEAT_USEC, r->claim_after_usec / 3);
    uint64_t max_poll_usec = MAX(MAX_POLL_USEC, r->claim_after_usec);
    /* While the group is being sorted its coordinator answers nothing else on that connection. */
    uint64_t socket_usec = MAX(r->client.timeout_usec, r->claim_after_usec);
    char session[24], socket[24], heartbeat[24], max_poll[24], queue[24], fetch[24], fetch_all[24], receive[24],
        stats[24];
    const struct kafka_setting settings[] = {
        {"group.id", r->group, false},
        {"enable.auto.commit", "false", false},
        {"enable.auto.offset.store", "false", false},
        {"auto.offset.reset", "earliest", false},
        {"enable.partition.eof", "true", false},
        {"partition.assignment.strategy", "cooperative-sticky", false},
        {"session.timeout.ms", kafka_print_msec(r->claim_after_usec, session), false},
        {"socket.timeout.ms", kafka_print_msec(socket_usec, socket), false},
        {"heartbeat.interval.ms", kafka_print_msec(heartbeat_usec, heartbeat), false},
        {"max.poll.interval.ms", kafka_print_msec(max_poll_usec, max_poll), false},
        {"topic.metadata.refresh.interval.ms", "30000", false}, /* new partitions and topics are seen by then */
        {"statistics.interval.ms", kafka_print_msec(STATS_USEC, stats), false},
        {"queued.max.messages.kbytes", (snprintf(queue, sizeof queue, "%zu", queue_bytes / 1024), queue), false},
        {"fetch.queue.backoff.ms", "20", true},
        {"fetch.message.max.bytes", (snprintf(fetch, sizeof fetch, "%zu", fetch_bytes), fetch), false},
        {"fetch.max.bytes", (snprintf(fetch_all, sizeof fetch_all, "%zu", 4 * fetch_bytes), fetch_all), false},
        {"receive.message.max.bytes", (snprintf(receive, sizeof receive, "%zu", 4 * fetch_bytes + 100000000), receive),
         false},
        {"check.crcs", "true", false},
        {NULL, NULL, false},
    };
    rd_kafka_topic_partition_list_t *topics;
    struct azm_stream_answer why;
    rd_kafka_resp_err_t code;

    if (kafka_client_open(&r->client, RD_KAFKA_CONSUMER,
                          RD_KAFKA_EVENT_REBALANCE | RD_KAFKA_EVENT_OFFSET_COMMIT | RD_KAFKA_EVENT_STATS, settings,
                          &why) < 0) {
        drop(r, &why);
        return;
    }
    r->messages = rd_kafka_queue_new(r->client.rk);
    kafka_client_watch(&r->client, r->messages);
    topics = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(topics, r->client.url.stream, RD_KAFKA_PARTITION_UA);
    code = rd_kafka_subscribe(r->client.rk, topics);
    rd_kafka_topic_partition_list_destroy(topics);
    if (code) {
        azm_kafka_understand(code, NULL, &why);
        drop(r, &why);
    }
}

/* --- messages --- */

/* Offsets that are passed over were deleted, as far as the partition begins behind them; else they are Kafka's own. */
static void note_gap(struct kafka_reader *r, const struct partition *p, int64_t offset)
{
    int64_t low = -1, high = -1;

    if (p->next < 0 || offset <= p->next)
        return;
    if (rd_kafka_get_watermark_offsets(r->client.rk, r->client.url.stream, p->number, &low, &high) == 0 &&
        low > p->next)
        r->status.gone += (uint64_t)(MIN(low, offset) - p->next);
}

static void on_partition_error(struct kafka_reader *r, struct partition *p, const rd_kafka_message_t *m)
{
    struct azm_stream_answer why;

    if (m->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
        p->at_end = true;
        set_well(r);
        return;
    }
    azm_kafka_understand(m->err, rd_kafka_message_errstr(m), &why);
    r->firm = why.meaning == AZM_MISCONFIGURED;
    set_failing(r, &why);
}

/* The next message of a partition of ours, or NULL. */
static rd_kafka_message_t *take_message(struct kafka_reader *r)
{
    rd_kafka_message_t *m;

    while (r->messages && (m = rd_kafka_consume_queue(r->messages, 0))) {
        struct partition *p = find_partition(r, m->partition);

        if (p && p->assigned && m->err)
            on_partition_error(r, p, m);
        else if (p && p->assigned) {
            note_gap(r, p, m->offset);
            p->next = m->offset + 1;
            p->at_end = false;
            set_well(r);
            return m;
        }
        rd_kafka_message_destroy(m);
    }
    return NULL;
}

static bool header_is(const struct azm_text *value, const char *word)
{
    return value->len == strlen(word) && memcmp(value->s, word, value->len) == 0;
}

static bool get_header(const rd_kafka_headers_t *headers, const char *name, struct azm_text *ret)
{
    const void *value = NULL;
    size_t len = 0;

    if (rd_kafka_header_get_last(headers, name, &value, &len) != RD_KAFKA_RESP_ERR_NO_ERROR || !value)
        return false;
    *ret = (struct azm_text){value, len};
    return true;
}

static struct azm_stream_message message_of(const rd_kafka_message_t *m)
{
    struct azm_stream_message ret = {.body = m->payload, .len = m->len};
    struct azm_text version, count, encoding;
    rd_kafka_headers_t *headers;

    if (!m->payload || rd_kafka_message_headers(m, &headers) != RD_KAFKA_RESP_ERR_NO_ERROR ||
        !get_header(headers, "v", &version) || !header_is(&version, "1") || !get_header(headers, "n", &count) ||
        !get_header(headers, "encoding", &encoding) || count.len > 19)
        return (struct azm_stream_message){0};
    for (size_t i = 0; i < count.len; i++) {
        if (count.s[i] < '0' || count.s[i] > '9')
            return (struct azm_stream_message){0};
        ret.records = ret.records * 10 + (size_t)(count.s[i] - '0');
    }
    ret.gzip = header_is(&encoding, "otlp.gz");
    return ret.gzip || header_is(&encoding, "otlp") ? ret : (struct azm_stream_message){0};
}

static int keep_given(struct kafka_reader *r, const rd_kafka_message_t *m)
{
    const struct partition *p = find_partition(r, m->partition);

    if (r->n == r->cap) {
        size_t cap = MAX(2 * r->cap, (size_t)64);
        struct given *items = reallocarray(r->items, cap, sizeof *items);

        if (!items)
            return -ENOMEM;
        r->items = items;
        r->cap = cap;
    }
    r->items[r->n++] = (struct given){.number = ++r->last_number,
                                      .partition = (size_t)(p - r->partitions),
                                      .stay = p->stay,
                                      .offset = m->offset,
                                      .msec = rd_kafka_message_timestamp(m, NULL)};
    return 0;
}

static int lend(struct kafka_reader *r, const rd_kafka_message_t *m, struct azm_stream_message *ret)
{
    *ret = message_of(m);
    azm_buf_clear(&r->lent);
    if (!ret->body)
        return 0;
    if (azm_buf_append(&r->lent, ret->body, ret->len) < 0)
        return -ENOMEM;
    ret->body = r->lent.data;
    return 0;
}

static int next(struct azm_stream_reader *reader, struct azm_stream_entry *ret)
{
    struct kafka_reader *r = upcast(reader);
    rd_kafka_message_t *m = r->ready ? r->ready : take_message(r);
    int k;

    r->ready = NULL;
    r->wanted = !m;
    if (!m)
        return 0;
    k = keep_given(r, m);
    if (k >= 0)
        k = lend(r, m, &ret->message);
    ret->number = r->last_number;
    rd_kafka_message_destroy(m);
    return k < 0 ? k : 1;
}

static bool ready(const struct azm_stream_reader *reader)
{
    return ((const struct kafka_reader *)reader)->ready != NULL;
}

static bool drained(const struct azm_stream_reader *reader)
{
    const struct kafka_reader *r = (const struct kafka_reader *)reader;

    for (size_t i = 0; i < r->n_partitions; i++)
        if (r->partitions[i].assigned && !r->partitions[i].at_end)
            return false;
    return r->joined && r->wanted && !r->ready;
}

/* --- both --- */

static uint64_t wake_usec(const struct azm_stream_reader *reader)
{
    const struct kafka_reader *r = (const struct kafka_reader *)reader;
    uint64_t now = now_of(r);

    if (!r->client.rk)
        return MAX(now, r->retry_usec);
    if (!r->committing && is_to_commit(r) && r->commit_usec < now + LOOK_USEC)
        return MAX(now, r->commit_usec);
    return now + LOOK_USEC;
}

static int serve_events(struct kafka_reader *r)
{
    rd_kafka_event_t *event;
    int k = 0;

    while (k >= 0 && (event = kafka_client_next_event(&r->client)))
        switch (rd_kafka_event_type(event)) {
        case RD_KAFKA_EVENT_REBALANCE:
            k = on_rebalance(r, event);
            break;
        case RD_KAFKA_EVENT_OFFSET_COMMIT:
            on_committed(r, event);
            break;
        case RD_KAFKA_EVENT_STATS:
            on_stats(r, rd_kafka_event_stats(event));
            break;
        case RD_KAFKA_EVENT_ERROR:
            on_error(r, event);
            break;
        default:
            break;
        }
    return k;
}

static int process(struct azm_stream_reader *reader)
{
    struct kafka_reader *r = upcast(reader);
    int k;

    if (!r->client.rk && now_of(r) >= r->retry_usec)
        open_consumer(r);
    k = serve_events(r);
    if (k >= 0 && r->wanted && !r->ready) {
        r->ready = take_message(r);
        r->wanted = !r->ready;
    }
    if (!r->committing && now_of(r) >= r->commit_usec)
        commit(r);
    return k;
}

static void get_status(const struct azm_stream_reader *reader, struct azm_stream_status *ret)
{
    const struct kafka_reader *r = (const struct kafka_reader *)reader;

    *ret = r->status;
    ret->known = ret->lag_known = r->joined;
    ret->unacknowledged = r->n;
    for (size_t i = 0; i < r->n_partitions; i++) {
        const struct partition *p = &r->partitions[i];
        int64_t low = -1, high = -1, begin;

        if (!p->assigned)
            continue;
        rd_kafka_get_watermark_offsets(r->client.rk, r->client.url.stream, p->number, &low, &high);
        begin = MAX(p->next, low);
        if (high < 0)
            ret->lag_known = false;
        else if (high > begin)
            ret->lag += (uint64_t)(high - begin);
    }
    if (r->n > 0)
        ret->oldest_usec = (uint64_t)MAX(r->items[0].msec, (int64_t)0) * AZM_USEC_PER_MSEC;
    else if (ret->lag_known && ret->lag > 0)
        ret->oldest_usec = (uint64_t)MAX(r->committed_msec, (int64_t)0) * AZM_USEC_PER_MSEC;
}

/* --- life --- */

static struct azm_stream_reader *reader_free(struct azm_stream_reader *reader)
{
    struct kafka_reader *r = upcast(reader);

    /* Who cannot say goodbye is missed after claim_after=. */
    close_consumer(r, !r->status.failing && !r->committing);
    kafka_client_free(&r->client);
    azm_buf_free(&r->lent);
    free(r->partitions);
    free(r->items);
    free(r->group);
    free(r);
    return NULL;
}

int azm_kafka_reader_new(const struct azm_stream_options *o, struct azm_stream_reader **ret, struct azm_error *err)
{
    static const struct azm_stream_reader_ops ops = {
        .next = next,
        .ready = ready,
        .drained = drained,
        .acknowledge = acknowledge,
        .settled = settled,
        .get_status = get_status,
        .wake_usec = wake_usec,
        .process = process,
        .free = reader_free,
    };
    struct kafka_reader *r;
    int k;

    if (o->look)
        return azm_kafka_look_new(o, ret, err);
    r = calloc(1, sizeof *r);
    if (!r)
        return azm_error_set(err, ENOMEM, "out of memory");
    r->reader.ops = &ops;
    r->group = strdup(o->group);
    r->claim_after_usec = o->claim_after_usec;
    r->fetch_bytes = o->fetch_bytes;
    r->status.no_group = true;
    k = kafka_client_init(&r->client, o, err);
    if (k >= 0 && !r->group)
        k = azm_error_set(err, ENOMEM, "out of memory");
    if (k < 0) {
        reader_free(&r->reader);
        return k;
    }
    r->reader.fd = r->client.fd;
    *ret = &r->reader;
    return 0;
}
