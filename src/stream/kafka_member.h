/* SPDX-License-Identifier: MIT */
#pragma once

#include "stream/kafka_client.h"
#include "stream/kafka_health.h"
#include "stream/kafka_offsets.h"

/* A member of a consumer group: the group gives it partitions, and takes them away when relays come and go. Messages
 * have a queue of their own, from which is taken only what is asked for, so that librdkafka fetches no more than it may
 * hold; what the group wants is heard all the time. What is acknowledged is committed, partition by partition. */
struct kafka_member {
    struct kafka_client client;
    rd_kafka_queue_t *messages; /* NULL: the client is closed */
    char *group;
    uint64_t claim_after_usec;
    size_t fetch_bytes;
    struct kafka_offsets offsets;
    struct kafka_health health;
    bool joined; /* the group has said which partitions are ours */
    bool committing;
    uint64_t commit_usec, retry_usec; /* monotonic: not before */
    char position[96];                /* struct azm_stream_status has what it is */
    uint64_t position_usec;
};

/* 0, -ENOMEM, or -EINVAL. `m` is all zero before. */
int kafka_member_init(struct kafka_member *m, const struct azm_stream_options *o, struct azm_error *err);

/* It leaves the group in order, if it works; who cannot say goodbye is missed after claim_after=. */
void kafka_member_free(struct kafka_member *m);

/* Does what is to be done, and hears what librdkafka has to say: 0 or -ENOMEM.
 *
 * When the group gives partitions it asks the coordinator where the group stands in them, and waits for the answer:
 * some milliseconds, 2 s (or timeout=) at most, once in each rebalance in which there are any for this relay.
 * librdkafka has no way to ask without waiting before its 2.0 (rd_kafka_ListConsumerGroupOffsets). Meanwhile requests
 * go on, which are another thread's, and the control socket waits. */
int kafka_member_process(struct kafka_member *m);

/* Has everything that is acknowledged committed, unless that was done just now, or is on its way. */
void kafka_member_commit(struct kafka_member *m);

uint64_t kafka_member_wake_usec(const struct kafka_member *m);
