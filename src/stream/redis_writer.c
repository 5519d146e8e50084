/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "stream/answered.h"
#include "stream/redis_link.h"

enum tag { TAG_ADD, TAG_WAIT, TAG_PROBE };

static const struct azm_stream_answer no_memory = {.meaning = AZM_UNREACHABLE, .words = "out of memory"};

struct send {
    struct stream_send base;
    struct azm_stream_message message;
    unsigned replies; /* that are still to come */
    bool again;       /* it is to be sent once more, as soon as these have come */
    uint64_t stored;  /* number of the connection over which it was stored; 0: it was not */
};

struct redis_writer {
    struct azm_stream_writer writer;
    struct redis_link *link;
    unsigned replicas;
    uint64_t wait_usec; /* for replicas */
    struct stream_answered answered;
};

static struct redis_writer *upcast(struct azm_stream_writer *w)
{
    return (struct redis_writer *)w;
}

/* --- what goes out --- */

static int queue_add(struct redis_writer *w, struct send *s)
{
    char count[24];
    const struct azm_stream_message *m = &s->message;
    const struct azm_text words[] = {
        AZM_TEXT("XADD"),
        redis_link_stream(w->link),
        AZM_TEXT("*"),
        AZM_TEXT("v"),
        AZM_TEXT("1"),
        AZM_TEXT("n"),
        {count, (size_t)snprintf(count, sizeof count, "%zu", m->records)},
        m->gzip ? AZM_TEXT("otlp.gz") : AZM_TEXT("otlp"),
        {m->body, m->len},
    };
    int r = redis_link_send(w->link, TAG_ADD, s, 0, words, ELEMENTSOF(words));

    s->replies += r >= 0;
    return r;
}

/* Redis looks at whether this user may add to this stream, and whether there is room, before it looks at the id, which
 * is none: nothing is stored. */
static int queue_probe(struct redis_writer *w, struct send *s)
{
    const struct azm_text words[] = {AZM_TEXT("XADD"), redis_link_stream(w->link), AZM_TEXT("none"), AZM_TEXT("v"),
                                     AZM_TEXT("1")};
    int r = redis_link_send(w->link, TAG_PROBE, s, 0, words, ELEMENTSOF(words));

    s->replies += r >= 0;
    return r;
}

/* Waits for the replicas to have all that was written over this connection. */
static int queue_wait(struct redis_writer *w, struct send *s)
{
    char replicas[16], timeout[24];
    const struct azm_text words[] = {
        AZM_TEXT("WAIT"),
        {replicas, (size_t)snprintf(replicas, sizeof replicas, "%u", w->replicas)},
        {timeout, (size_t)snprintf(timeout, sizeof timeout, "%" PRIu64, w->wait_usec / AZM_USEC_PER_MSEC)},
    };
    int r = redis_link_send(w->link, TAG_WAIT, s, 0, words, ELEMENTSOF(words));

    s->replies += r >= 0;
    return r;
}

/* The first failure counts: it is the cause of the others. */
static void set_failure(struct send *s, const struct azm_stream_answer *why)
{
    if (s->base.answer.meaning == AZM_TAKEN)
        s->base.answer = *why;
}

static int queue(struct redis_writer *w, struct send *s)
{
    int r = 0;

    s->again = false;
    if (s->message.records == 0)
        return queue_probe(w, s);
    /* What is stored, but not on the replicas, is not stored a second time. */
    if (s->stored == 0 || s->stored != redis_link_number(w->link)) {
        s->stored = 0;
        r = queue_add(w, s);
    }
    if (r >= 0 && w->replicas > 0)
        r = queue_wait(w, s);
    if (r < 0 && s->replies > 0) { /* half of it is on its way: the answer is there when that is */
        set_failure(s, &no_memory);
        return 0;
    }
    return r;
}

static int post(struct azm_stream_send *send, const struct azm_stream_message *m)
{
    struct send *s = (struct send *)send;

    s->message = *m;
    s->base.answer = (struct azm_stream_answer){.meaning = AZM_TAKEN};
    return queue(upcast(send->writer), s);
}

/* --- what comes back --- */

static void finish(struct redis_writer *w, struct send *s)
{
    stream_answered_add(&w->answered, &s->base);
}

static void on_error(struct send *s, int tag, const redisReply *reply)
{
    struct azm_stream_answer why;

    if (tag == TAG_PROBE && strstr(reply->str, "Invalid stream ID"))
        return; /* it was let in */
    azm_redis_understand(reply->str, reply->len, &why);
    set_failure(s, &why);
}

static void on_waited(const struct redis_writer *w, struct send *s, long long replicas)
{
    struct azm_stream_answer why = {.meaning = AZM_OVERLOADED,
                                    .remedy =
                                        "look at the replicas (INFO replication in redis-cli), or lower replicas="};

    if (replicas >= (long long)w->replicas)
        return;
    snprintf(why.words, sizeof why.words, "stored, but on %lld of %u replicas", replicas, w->replicas);
    set_failure(s, &why);
}

static bool on_reply(void *userdata, int tag, void *item, redisReply *reply, const struct azm_stream_answer *failure)
{
    struct redis_writer *w = userdata;
    struct send *s = item;
    uint64_t number = redis_link_number(w->link);

    if (!s)
        return false;
    s->replies--;
    if (!reply && failure->meaning == AZM_REDIRECTED)
        s->again = true;
    else if (!reply)
        set_failure(s, failure);
    else if (redis_is_error(reply))
        on_error(s, tag, reply);
    else if (tag == TAG_ADD)
        s->stored = number;
    else if (tag == TAG_WAIT)
        on_waited(w, s, reply->integer);
    if (s->replies > 0)
        return false;
    if (s->again) {
        if (queue(w, s) >= 0)
            return false;
        set_failure(s, &no_memory);
    }
    finish(w, s);
    return false;
}

static struct azm_stream_send *next_done(struct azm_stream_writer *writer, struct azm_stream_answer *ret)
{
    struct send *s = (struct send *)stream_answered_take(&upcast(writer)->answered, ret);

    if (!s)
        return NULL;
    if (ret->meaning == AZM_TAKEN)
        s->stored = 0; /* the next one is another message */
    return &s->base.send;
}

/* --- life --- */

static struct azm_stream_send *send_new(struct azm_stream_writer *w, void *userdata)
{
    return stream_send_new(sizeof(struct send), w, userdata);
}

static void send_free(struct azm_stream_send *send)
{
    struct redis_writer *w = upcast(send->writer);
    struct send *s = (struct send *)send;

    stream_answered_remove(&w->answered, &s->base);
    if (s->replies > 0)
        redis_link_forget(w->link, s);
    free(s);
}

static uint64_t wake_usec(const struct azm_stream_writer *w)
{
    return redis_link_wake_usec(((const struct redis_writer *)w)->link);
}

static int process(struct azm_stream_writer *w)
{
    redis_link_process(upcast(w)->link);
    return 0;
}

static struct azm_stream_writer *writer_free(struct azm_stream_writer *writer)
{
    struct redis_writer *w = upcast(writer);

    redis_link_free(w->link);
    free(w);
    return NULL;
}

int azm_redis_writer_new(const struct azm_stream_options *o, struct azm_stream_writer **ret, struct azm_error *err)
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
    struct redis_writer *w = calloc(1, sizeof *w);
    int r;

    if (!w)
        return azm_error_set(err, ENOMEM, "out of memory");
    r = redis_link_new(o, REDIS_SHORT, on_reply, w, &w->link, err);
    if (r < 0) {
        free(w);
        return r;
    }
    w->writer.ops = &ops;
    w->writer.fd = redis_link_fd(w->link);
    w->replicas = o->replicas;
    w->wait_usec = o->timeout_usec / 2;
    TAILQ_INIT(&w->answered);
    *ret = &w->writer;
    return 0;
}
