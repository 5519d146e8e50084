/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "stream/kafka_look.h"
#include "stream/kafka_member.h"
#include "stream/kafka_message.h"

/* A reader of a topic: messages of the partitions that the group gives, one by one. */

struct kafka_reader {
    struct azm_stream_reader reader;
    struct kafka_member member;
    bool wanted; /* `next` has found nothing: then nothing is lent either */
    bool taken;  /* what `next` is to give is here: */
    struct kafka_message in_hand;
    uint64_t in_hand_stay; /* its partition's */
    uint64_t gone;
};

static struct kafka_reader *upcast(struct azm_stream_reader *r)
{
    return (struct kafka_reader *)r;
}

/* --- messages --- */

/* Offsets that are passed over were deleted, as far as the partition begins behind them; else they are Kafka's own. */
static void note_gap(struct kafka_reader *r, const struct kafka_partition *p, int64_t offset)
{
    int64_t low = -1, high = -1;

    if (p->next < 0 || offset <= p->next)
        return;
    if (rd_kafka_get_watermark_offsets(r->member.client.rk, r->member.client.url.stream, p->number, &low, &high) == 0 &&
        low > p->next)
        r->gone += (uint64_t)(MIN(low, offset) - p->next);
}

static void on_partition_error(struct kafka_reader *r, struct kafka_partition *p, const rd_kafka_message_t *m)
{
    struct azm_stream_answer why;

    if (m->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
        p->at_end = true;
        kafka_health_set_well(&r->member.health, true);
        return;
    }
    azm_kafka_understand(m->err, rd_kafka_message_errstr(m), &why);
    kafka_health_on_error(&r->member.health, m->err, &why);
}

/* 1 if it is a message of a partition of ours; 0; -ENOMEM. */
static int take(struct kafka_reader *r, const rd_kafka_message_t *m)
{
    struct kafka_partition *p = kafka_offsets_find(&r->member.offsets, m->partition);

    if (p && m->err)
        on_partition_error(r, p, m);
    if (!p || m->err)
        return 0;
    note_gap(r, p, m->offset);
    p->next = m->offset + 1;
    p->at_end = false;
    kafka_health_set_well(&r->member.health, true);
    r->in_hand_stay = p->stay;
    return kafka_message_copy(&r->in_hand, m) < 0 ? -ENOMEM : 1;
}

/* Takes the next message in hand: 1, 0 if there is none, -ENOMEM. */
static int take_next(struct kafka_reader *r)
{
    rd_kafka_message_t *m;
    int k = 0;

    while (k == 0 && r->member.messages && (m = rd_kafka_consume_queue(r->member.messages, 0))) {
        k = take(r, m);
        rd_kafka_message_destroy(m);
    }
    r->taken = k > 0;
    r->wanted = k == 0;
    return k;
}

static int next(struct azm_stream_reader *reader, struct azm_stream_entry *ret)
{
    struct kafka_reader *r = upcast(reader);
    int k = r->taken ? 1 : take_next(r);

    if (k <= 0)
        return k;
    r->taken = false;
    k = kafka_offsets_give(&r->member.offsets, kafka_offsets_find(&r->member.offsets, r->in_hand.partition),
                           r->in_hand.offset, r->in_hand.msec);
    *ret = (struct azm_stream_entry){.number = r->member.offsets.last_number, .message = r->in_hand.message};
    return k < 0 ? k : 1;
}

static bool ready(const struct azm_stream_reader *reader)
{
    return ((const struct kafka_reader *)reader)->taken;
}

static bool drained(const struct azm_stream_reader *reader)
{
    const struct kafka_reader *r = (const struct kafka_reader *)reader;
    const struct kafka_offsets *o = &r->member.offsets;

    for (size_t i = 0; i < o->n_partitions; i++)
        if (o->partitions[i].assigned && !o->partitions[i].at_end)
            return false;
    return r->member.joined && r->wanted;
}

/* A message in hand whose partition has gone meanwhile is another relay's, or comes once more. */
static void forget_what_is_gone(struct kafka_reader *r)
{
    const struct kafka_partition *p = kafka_offsets_find(&r->member.offsets, r->in_hand.partition);

    if (r->taken && (!p || p->stay != r->in_hand_stay)) {
        r->taken = false;
        r->wanted = true;
    }
}

static int process(struct azm_stream_reader *reader)
{
    struct kafka_reader *r = upcast(reader);
    int k = kafka_member_process(&r->member);

    forget_what_is_gone(r);
    if (k >= 0 && r->wanted)
        k = take_next(r);
    return k < 0 ? k : 0;
}

/* --- acknowledging --- */

static int acknowledge(struct azm_stream_reader *reader, uint64_t number)
{
    struct kafka_reader *r = upcast(reader);

    kafka_offsets_acknowledge(&r->member.offsets, number);
    kafka_member_commit(&r->member);
    return 0;
}

static bool settled(const struct azm_stream_reader *reader)
{
    const struct kafka_reader *r = (const struct kafka_reader *)reader;

    return !r->member.committing && !kafka_offsets_is_to_commit(&r->member.offsets);
}

/* --- how it is --- */

static uint64_t wake_usec(const struct azm_stream_reader *reader)
{
    return kafka_member_wake_usec(&((const struct kafka_reader *)reader)->member);
}

/* Messages behind what was taken, as far as is known. */
static void sum_lag(const struct kafka_member *m, struct azm_stream_status *ret)
{
    ret->lag_known = m->joined;
    for (size_t i = 0; i < m->offsets.n_partitions; i++) {
        const struct kafka_partition *p = &m->offsets.partitions[i];
        int64_t low = -1, high = -1, begin;

        if (!p->assigned)
            continue;
        rd_kafka_get_watermark_offsets(m->client.rk, m->client.url.stream, p->number, &low, &high);
        begin = MAX(p->next, low);
        if (high < 0)
            ret->lag_known = false;
        else if (high > begin)
            ret->lag += (uint64_t)(high - begin);
    }
}

static uint64_t usec_of(int64_t msec)
{
    return (uint64_t)MAX(msec, (int64_t)0) * AZM_USEC_PER_MSEC;
}

static void get_status(const struct azm_stream_reader *reader, struct azm_stream_status *ret)
{
    const struct kafka_reader *r = (const struct kafka_reader *)reader;
    const struct kafka_member *m = &r->member;
    const struct kafka_offsets *o = &m->offsets;

    *ret = (struct azm_stream_status){.failing = m->health.failing,
                                      .failure = m->health.failure,
                                      .known = m->joined,
                                      .no_group = true,
                                      .unacknowledged = o->n_given,
                                      .gone = r->gone,
                                      .position_usec = m->position_usec};
    memcpy(ret->position, m->position, sizeof ret->position);
    sum_lag(m, ret);
    if (o->n_given > 0)
        ret->oldest_usec = usec_of(o->given[0].msec);
    else if (ret->lag_known && ret->lag > 0)
        ret->oldest_usec = usec_of(o->acknowledged_msec);
}

/* --- life --- */

static struct azm_stream_reader *reader_free(struct azm_stream_reader *reader)
{
    struct kafka_reader *r = upcast(reader);

    kafka_member_free(&r->member);
    azm_buf_free(&r->in_hand.bytes);
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
    k = kafka_member_init(&r->member, o, err);
    if (k < 0) {
        reader_free(&r->reader);
        return k;
    }
    r->reader.fd = r->member.client.fd;
    *ret = &r->reader;
    return 0;
}
