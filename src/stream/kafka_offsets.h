/* SPDX-License-Identifier: MIT */
#pragma once

#include <librdkafka/rdkafka.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* How far a reader is, partition by partition: what it has given, what of that is acknowledged, and what of that its
 * group knows. What was given of a partition that goes to another relay is that one's affair from then on, as it is not
 * committed: it delivers it once more. */

struct kafka_partition {
    int32_t number;
    bool assigned, at_end;
    uint64_t stay;        /* another one each time when it is assigned */
    int64_t next;         /* offset of the message that comes next; -1: not known */
    int64_t acknowledged; /* where the group is to go on */
    int64_t committed;    /* where it would go on; both -1: not known */
};

struct kafka_given {
    uint64_t number;
    size_t partition; /* index */
    uint64_t stay;
    int64_t offset, msec;
};

/* All zero: nothing was assigned yet. */
struct kafka_offsets {
    struct kafka_partition *partitions; /* those that were ever assigned */
    size_t n_partitions;
    uint64_t stays;
    struct kafka_given *given; /* and not acknowledged: in order, [0 .. n_given) */
    size_t n_given, cap_given;
    uint64_t last_number;      /* of what was given last */
    int64_t acknowledged_msec; /* when the last message that was acknowledged was stored: realtime */
};

void kafka_offsets_free(struct kafka_offsets *o);

/* A partition is ours from now on, and the group stands there; -1: not known. 0 or -ENOMEM. */
int kafka_offsets_assign(struct kafka_offsets *o, int32_t number, int64_t committed);
void kafka_offsets_let_go(struct kafka_offsets *o, int32_t number);
void kafka_offsets_let_all_go(struct kafka_offsets *o);

/* One that is ours, or NULL. It is valid until another one is assigned. */
struct kafka_partition *kafka_offsets_find(const struct kafka_offsets *o, int32_t number);

/* A message is given, under the number after last_number: 0 or -ENOMEM. */
int kafka_offsets_give(struct kafka_offsets *o, const struct kafka_partition *p, int64_t offset, int64_t msec);

/* All up to this number are. */
void kafka_offsets_acknowledge(struct kafka_offsets *o, uint64_t number);

/* Is there something that the group does not know? The list of it; NULL: there is nothing. */
bool kafka_offsets_is_to_commit(const struct kafka_offsets *o);
rd_kafka_topic_partition_list_t *kafka_offsets_to_commit(const struct kafka_offsets *o, const char *topic);

/* The group has taken a list; those that it refused have an error. */
void kafka_offsets_committed(struct kafka_offsets *o, const rd_kafka_topic_partition_list_t *list);

/* Where the group stands in what is ours, as far as it fits: "0:1234 3:17". */
void kafka_offsets_print(const struct kafka_offsets *o, char *ret, size_t size);
