/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "stream/redis_reader_internal.h"

#define RETRY_MIN_USEC (200 * AZM_USEC_PER_MSEC)
#define RETRY_MAX_USEC (10 * AZM_USEC_PER_SEC)

static struct redis_reader *upcast(struct azm_stream_reader *r)
{
    return (struct redis_reader *)r;
}

static const struct redis_reader *upcast_const(const struct azm_stream_reader *r)
{
    return (const struct redis_reader *)r;
}

/* --- failures --- */

void redis_reader_set_failing(struct redis_reader *r, const struct azm_stream_answer *why)
{
    uint64_t now = azm_monotonic_usec(r->clock), delay = MIN(RETRY_MIN_USEC << r->failures, RETRY_MAX_USEC);

    r->status.failing = true;
    r->status.failure = *why;
    if (now < r->retry_usec)
        return; /* the same failure, of all that have waited for answers */
    r->failures = MIN(r->failures + 1, 10U);
    r->retry_usec = now + delay / 2 + azm_random_up_to(r->clock, delay / 2);
}

void redis_reader_set_well(struct redis_reader *r)
{
    if (r->cannot_acknowledge)
        return; /* what is fetched does not say that it may be acknowledged */
    r->failures = 0;
    r->retry_usec = 0;
    r->status.failing = false;
}

/* --- what Redis says --- */

/* What was asked over the second connection is answered by nobody any more. */
static void forget_asked(struct redis_reader *r)
{
    redis_held_on_failure(r);
    redis_look_on_failure(r);
}

static void on_asked(struct redis_reader *r, int tag, const redisReply *reply)
{
    if (tag == TAG_ACK)
        redis_held_on_acknowledged(r, reply);
    else if (tag == TAG_GONE)
        redis_gone_on_reply(r, reply);
    else if (tag != TAG_TOUCH)
        redis_look_on_reply(r, tag, reply);
    if (!redis_is_error(reply) && !r->fetch.wanted)
        redis_reader_set_well(r); /* nobody fetches, to see that */
}

static void on_failure(struct redis_reader *r, int tag, const struct azm_stream_answer *failure)
{
    if (tag >= TAG_ACK)
        forget_asked(r);
    else
        redis_fetch_on_failure(r);
    if (failure->meaning != AZM_REDIRECTED)
        redis_reader_set_failing(r, failure);
}

static bool on_reply(void *userdata, int tag, void *item, redisReply *reply, const struct azm_stream_answer *failure)
{
    struct redis_reader *r = userdata;

    (void)item;
    if (!reply)
        on_failure(r, tag, failure);
    else if (tag < TAG_ACK)
        return redis_fetch_on_reply(r, tag, reply);
    else
        on_asked(r, tag, reply);
    return false;
}

/* --- what a reader does --- */

static int next(struct azm_stream_reader *reader, struct azm_stream_entry *ret)
{
    return redis_fetch_next(upcast(reader), ret);
}

static bool ready(const struct azm_stream_reader *reader)
{
    return upcast_const(reader)->fetch.reply != NULL;
}

static bool drained(const struct azm_stream_reader *reader)
{
    const struct redis_reader *r = upcast_const(reader);

    return r->fetch.drained && !r->fetch.reply;
}

static int acknowledge(struct azm_stream_reader *reader, uint64_t number)
{
    struct redis_reader *r = upcast(reader);

    r->held.acknowledged = MAX(r->held.acknowledged, number);
    return redis_held_send_acknowledgements(r);
}

static bool settled(const struct azm_stream_reader *reader)
{
    const struct redis_reader *r = upcast_const(reader);

    return r->held.confirmed >= r->held.acknowledged && !redis_look_trims(r);
}

static void get_status(const struct azm_stream_reader *reader, struct azm_stream_status *ret)
{
    const struct redis_reader *r = upcast_const(reader);

    *ret = r->status;
    ret->unacknowledged = r->held.n;
    if (r->held.n > 0)
        ret->oldest_usec = r->held.items[0].id.msec * AZM_USEC_PER_MSEC;
    else if (ret->lag_known && ret->lag > 0)
        ret->oldest_usec = r->look.delivered_usec;
}

/* A reply may have come when everything else was done. */
static bool is_something_left(const struct redis_reader *r)
{
    return (r->fetch.wanted && !r->fetch.running && !r->fetch.reply && !redis_held_is_full(r)) ||
           redis_held_is_to_be_sent(r);
}

static uint64_t wake_usec(const struct azm_stream_reader *reader)
{
    const struct redis_reader *r = upcast_const(reader);
    uint64_t usec = MIN(redis_link_wake_usec(r->fetching), redis_link_wake_usec(r->asking));

    if (azm_monotonic_usec(r->clock) < r->retry_usec)
        return MIN(usec, r->retry_usec);
    if (is_something_left(r))
        return 0;
    if (!r->look.looking) /* else it is the answer that is waited for */
        usec = MIN(usec, r->look.due_usec);
    return r->held.n > 0 || r->fetch.reply ? MIN(usec, r->held.touch_usec) : usec;
}

static int do_what_is_due(struct redis_reader *r)
{
    uint64_t now = azm_monotonic_usec(r->clock);
    int k;

    if (now < r->retry_usec)
        return 0;
    k = redis_held_process(r, now);
    if (k >= 0)
        k = redis_look_process(r, now);
    if (k >= 0)
        k = redis_gone_process(r, now);
    return k >= 0 && r->fetch.wanted ? redis_fetch_more(r) : k;
}

static int process(struct azm_stream_reader *reader)
{
    struct redis_reader *r = upcast(reader);
    int k;

    redis_link_process(r->fetching);
    redis_link_process(r->asking);
    k = do_what_is_due(r);
    redis_link_process(r->fetching); /* what that has led to goes out at once */
    redis_link_process(r->asking);
    return k;
}

/* --- life --- */

static struct azm_stream_reader *reader_free(struct azm_stream_reader *reader)
{
    struct redis_reader *r = upcast(reader);

    redis_fetch_drop(r);
    redis_link_free(r->fetching);
    redis_link_free(r->asking);
    azm_closep(&r->reader.fd);
    free(r->group_text);
    free(r->consumer_text);
    free(r->held.items);
    free(r);
    return NULL;
}

static int watch(const struct redis_reader *r, const struct redis_link *l)
{
    struct epoll_event e = {.events = EPOLLIN};

    return epoll_ctl(r->reader.fd, EPOLL_CTL_ADD, redis_link_fd(l), &e) < 0 ? -errno : 0;
}

int azm_redis_reader_new(const struct azm_stream_options *o, struct azm_stream_reader **ret, struct azm_error *err)
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
    struct redis_reader *r = calloc(1, sizeof *r);
    int k;

    if (!r)
        return azm_error_set(err, ENOMEM, "out of memory");
    r->reader.ops = &ops;
    r->clock = o->clock;
    r->group_text = strdup(o->group);
    r->consumer_text = strdup(o->consumer);
    r->claim_after_usec = o->claim_after_usec;
    r->trim = o->trim;
    r->follow = o->follow;
    r->look_only = o->look;
    r->fetch_bytes = o->fetch_bytes;
    r->look.trim_due = true;
    r->held.touch_usec = azm_monotonic_usec(r->clock) + r->claim_after_usec / 3;
    redis_fetch_anew(r);
    r->reader.fd = epoll_create1(EPOLL_CLOEXEC);
    if (!r->group_text || !r->consumer_text)
        k = azm_error_set(err, ENOMEM, "out of memory");
    else if (r->reader.fd < 0)
        k = azm_error_set(err, errno, "cannot wait for events: %m");
    else
        k = redis_link_new(o, SIZE_MAX, on_reply, r, &r->fetching, err);
    if (k >= 0)
        k = redis_link_new(o, REDIS_SHORT, on_reply, r, &r->asking, err);
    if (k >= 0 && (watch(r, r->fetching) < 0 || watch(r, r->asking) < 0))
        k = azm_error_set(err, errno, "cannot wait for events: %m");
    if (k < 0) {
        reader_free(&r->reader);
        return k;
    }
    r->group = azm_text_of(r->group_text);
    r->consumer = azm_text_of(r->consumer_text);
    *ret = &r->reader;
    return 0;
}
