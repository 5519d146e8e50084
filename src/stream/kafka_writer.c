/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include "core/clock.h"
#include "stream/answered.h"
#include "stream/kafka_client.h"

/* An idempotent producer: what librdkafka repeats by itself is stored once, and in order. It repeats for as long as a
 * request may take; then the exporter decides. */

#define LOOK_USEC AZM_USEC_PER_SEC
#define TOPIC_WAIT_USEC (5 * AZM_USEC_PER_SEC) /* a topic that is made by being asked for is there by then */
#define NO_PARTITION 999999999                 /* no topic has so many */

struct send {
    struct stream_send base;
    LIST_ENTRY(send) link; /* of those that are on their way */
    bool waiting;          /* it is */
    bool probe, abandoned;
};

LIST_HEAD(sends, send);

struct kafka_writer {
    struct azm_stream_writer writer;
    struct kafka_client client;
    char *host;
    struct sends waiting;
    struct stream_answered answered;
    bool troubled; /* since the last message that was stored */
    struct azm_stream_answer trouble;
};

static struct kafka_writer *upcast(struct azm_stream_writer *w)
{
    return (struct kafka_writer *)w;
}

/* --- what comes back --- */

static void finish(struct kafka_writer *w, struct send *s, const struct azm_stream_answer *answer)
{
    if (s->waiting)
        LIST_REMOVE(s, link);
    s->waiting = false;
    if (s->abandoned) {
        free(s);
        return;
    }
    s->base.answer = *answer;
    stream_answered_add(&w->answered, &s->base);
}

/* A partition that is not there can only be missed by one who was let in, and knows the topic. */
static bool is_let_in(const struct send *s, rd_kafka_resp_err_t code)
{
    return s->probe && code == RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION;
}

static void on_delivery(struct kafka_writer *w, const rd_kafka_message_t *m)
{
    static const struct azm_stream_answer taken = {.meaning = AZM_TAKEN};
    struct send *s = m->_private;
    struct azm_stream_answer why;

    if (m->err == RD_KAFKA_RESP_ERR_NO_ERROR || is_let_in(s, m->err)) {
        w->troubled = false;
        finish(w, s, &taken);
        return;
    }
    azm_kafka_understand(m->err, NULL, &why);
    /* No broker has ever got to see it: then it is as with a connection that cannot be made. */
    if (m->err == RD_KAFKA_RESP_ERR__MSG_TIMED_OUT && rd_kafka_message_status(m) == RD_KAFKA_MSG_STATUS_NOT_PERSISTED) {
        why.meaning = AZM_UNREACHABLE;
        if (w->troubled)
            why = w->trouble;
    }
    finish(w, s, &why);
}

/* The client goes, and with it what is on its way: some of it may be stored. */
static void drop(struct kafka_writer *w, const struct azm_stream_answer *why)
{
    kafka_client_close(&w->client, false);
    for (struct send *s; (s = LIST_FIRST(&w->waiting));)
        finish(w, s, why);
}

static void on_error(struct kafka_writer *w, rd_kafka_event_t *event)
{
    struct azm_stream_answer why;
    rd_kafka_resp_err_t code;

    if (kafka_client_understand(&w->client, event, &code, &why)) {
        drop(w, &why);
        return;
    }
    /* That none is left says less than why the last one was lost. */
    if (code == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN && w->troubled)
        return;
    w->troubled = true;
    w->trouble = why;
}

static int process(struct azm_stream_writer *writer)
{
    struct kafka_writer *w = upcast(writer);
    rd_kafka_event_t *event;

    while ((event = kafka_client_next_event(&w->client))) {
        const rd_kafka_message_t *m;

        if (rd_kafka_event_type(event) == RD_KAFKA_EVENT_DR)
            while ((m = rd_kafka_event_message_next(event)))
                on_delivery(w, m);
        else if (rd_kafka_event_type(event) == RD_KAFKA_EVENT_ERROR)
            on_error(w, event);
    }
    return 0;
}

/* --- what goes out --- */

static int open_producer(struct kafka_writer *w, struct azm_stream_answer *why)
{
    uint64_t topic_usec = MIN(TOPIC_WAIT_USEC, w->client.timeout_usec / 2);
    uint64_t socket_usec = MIN(w->client.timeout_usec, KAFKA_SOCKET_MAX_USEC);
    char socket[24], timeout[24], topic_wait[24];
    const struct kafka_setting settings[] = {
        {"enable.idempotence", "true", false}, /* so that acks=all */
        {"socket.timeout.ms", kafka_print_msec(socket_usec, socket), false},
        {"message.timeout.ms", kafka_print_msec(w->client.timeout_usec, timeout), false},
        /* A broker that knows nothing of this producer takes any message for its first one. If that was the second one,
         * since the first one was refused, it may call the first one a duplicate, which librdkafka takes for stored. */
        {"max.in.flight", "1", false},
        {"topic.metadata.propagation.max.ms", kafka_print_msec(topic_usec, topic_wait), true},
        {"linger.ms", "0", false},
        /* One at a time in a batch of Kafka's: what is too large, or fails, is then this one message. */
        {"batch.num.messages", "1", false},
        {"message.max.bytes", "1000000000", false}, /* the topic decides */
        {"partitioner", "murmur2_random", false},   /* as other programs do it */
        {NULL, NULL, false},
    };

    if (w->client.rk)
        return 0;
    w->troubled = false;
    return kafka_client_open(&w->client, RD_KAFKA_PRODUCER, RD_KAFKA_EVENT_DR, settings, why);
}

/* librdkafka makes a copy, as the caller may lose interest before it does. Each send has one at most. */
static rd_kafka_resp_err_t produce(struct kafka_writer *w, struct send *s, const struct azm_stream_message *m)
{
    char count[24];
    int digits = snprintf(count, sizeof count, "%zu", m->records);
    const char *encoding = m->gzip ? "otlp.gz" : "otlp";

    if (s->probe)
        return rd_kafka_producev(w->client.rk, RD_KAFKA_V_TOPIC(w->client.url.stream),
                                 RD_KAFKA_V_PARTITION(NO_PARTITION), RD_KAFKA_V_OPAQUE(s), RD_KAFKA_V_END);
    return rd_kafka_producev(
        w->client.rk, RD_KAFKA_V_TOPIC(w->client.url.stream), RD_KAFKA_V_KEY(w->host, strlen(w->host)),
        RD_KAFKA_V_VALUE((void *)(uintptr_t)m->body, m->len), RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
        RD_KAFKA_V_HEADER("v", "1", 1), RD_KAFKA_V_HEADER("n", count, digits),
        RD_KAFKA_V_HEADER("encoding", encoding, -1), RD_KAFKA_V_OPAQUE(s), RD_KAFKA_V_END);
}

static int post(struct azm_stream_send *send, const struct azm_stream_message *m)
{
    struct kafka_writer *w = upcast(send->writer);
    struct send *s = (struct send *)send;
    struct azm_stream_answer why;
    rd_kafka_resp_err_t code;

    s->probe = m->records == 0;
    if (open_producer(w, &why) < 0) {
        finish(w, s, &why);
        return 0;
    }
    code = produce(w, s, m);
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR) {
        s->waiting = true;
        LIST_INSERT_HEAD(&w->waiting, s, link);
    } else if (is_let_in(s, code))
        finish(w, s, &(struct azm_stream_answer){.meaning = AZM_TAKEN});
    else {
        azm_kafka_understand(code, NULL, &why);
        finish(w, s, &why);
    }
    return 0;
}

static struct azm_stream_send *next_done(struct azm_stream_writer *writer, struct azm_stream_answer *ret)
{
    struct stream_send *s = stream_answered_take(&upcast(writer)->answered, ret);

    return s ? &s->send : NULL;
}

/* An answer that is there already needs nobody's descriptor; else librdkafka makes ours readable, and this is to be on
 * the safe side. */
static uint64_t wake_usec(const struct azm_stream_writer *writer)
{
    const struct kafka_writer *w = (const struct kafka_writer *)writer;
    uint64_t now = azm_monotonic_usec(w->client.clock);

    if (!TAILQ_EMPTY(&w->answered))
        return now;
    return LIST_EMPTY(&w->waiting) ? AZM_USEC_INFINITY : now + LOOK_USEC;
}

/* --- life --- */

static struct azm_stream_send *send_new(struct azm_stream_writer *w, void *userdata)
{
    return stream_send_new(sizeof(struct send), w, userdata);
}

/* What is on its way has a report to come, which will name it. */
static void send_free(struct azm_stream_send *send)
{
    struct kafka_writer *w = upcast(send->writer);
    struct send *s = (struct send *)send;

    if (s->waiting) {
        s->abandoned = true;
        return;
    }
    stream_answered_remove(&w->answered, &s->base);
    free(s);
}

static struct azm_stream_writer *writer_free(struct azm_stream_writer *writer)
{
    struct kafka_writer *w = upcast(writer);

    kafka_client_close(&w->client, false);
    for (struct send *s; (s = LIST_FIRST(&w->waiting));) {
        LIST_REMOVE(s, link);
        free(s);
    }
    kafka_client_free(&w->client);
    free(w->host);
    free(w);
    return NULL;
}

int azm_kafka_writer_new(const struct azm_stream_options *o, struct azm_stream_writer **ret, struct azm_error *err)
{
    static const struct azm_stream_writer_ops ops = {
        .send_new = send_new,
        .send_free = send_free,
        .post = post,
        .next_done = next_done,
        .wake_usec = wake_usec,
        .process = process,
        .free = writer_free,
    };
    struct kafka_writer *w = calloc(1, sizeof *w);
    struct utsname machine = {0};
    int r;

    if (!w)
        return azm_error_set(err, ENOMEM, "out of memory");
    w->writer.ops = &ops;
    LIST_INIT(&w->waiting);
    TAILQ_INIT(&w->answered);
    uname(&machine);
    w->host = strdup(o->host ? o->host : machine.nodename);
    r = kafka_client_init(&w->client, o, err);
    if (r >= 0 && !w->host)
        r = azm_error_set(err, ENOMEM, "out of memory");
    if (r < 0) {
        writer_free(&w->writer);
        return r;
    }
    w->writer.fd = w->client.fd;
    *ret = &w->writer;
    return 0;
}
