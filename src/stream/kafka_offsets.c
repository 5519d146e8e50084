/* SPDX-License-Identifier: MIT */
#include "stream/kafka_offsets.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/cleanup.h"

void kafka_offsets_free(struct kafka_offsets *o)
{
    free(o->partitions);
    free(o->given);
    *o = (struct kafka_offsets){0};
}

/* --- partitions --- */

/* Also one that was ours. */
static struct kafka_partition *find_any(const struct kafka_offsets *o, int32_t number)
{
    for (size_t i = 0; i < o->n_partitions; i++)
        if (o->partitions[i].number == number)
            return &o->partitions[i];
    return NULL;
}

static struct kafka_partition *find_or_add(struct kafka_offsets *o, int32_t number)
{
    struct kafka_partition *p = find_any(o, number);

    if (p)
        return p;
    p = reallocarray(o->partitions, o->n_partitions + 1, sizeof *p);
    if (!p)
        return NULL;
    o->partitions = p;
    return &p[o->n_partitions++];
}

int kafka_offsets_assign(struct kafka_offsets *o, int32_t number, int64_t committed)
{
    struct kafka_partition *p = find_or_add(o, number);

    if (!p)
        return -ENOMEM;
    *p = (struct kafka_partition){.number = number,
                                  .assigned = true,
                                  .stay = ++o->stays,
                                  .next = committed,
                                  .acknowledged = committed,
                                  .committed = committed};
    return 0;
}

void kafka_offsets_let_go(struct kafka_offsets *o, int32_t number)
{
    struct kafka_partition *p = find_any(o, number);

    if (p)
        p->assigned = false;
}

void kafka_offsets_let_all_go(struct kafka_offsets *o)
{
    for (size_t i = 0; i < o->n_partitions; i++)
        o->partitions[i].assigned = false;
}

struct kafka_partition *kafka_offsets_find(const struct kafka_offsets *o, int32_t number)
{
    struct kafka_partition *p = find_any(o, number);

    return p && p->assigned ? p : NULL;
}

/* --- what is given, and acknowledged --- */

int kafka_offsets_give(struct kafka_offsets *o, const struct kafka_partition *p, int64_t offset, int64_t msec)
{
    if (o->n_given == o->cap_given) {
        size_t cap = MAX(2 * o->cap_given, (size_t)64);
        struct kafka_given *given = reallocarray(o->given, cap, sizeof *given);

        if (!given)
            return -ENOMEM;
        o->given = given;
        o->cap_given = cap;
    }
    o->given[o->n_given++] = (struct kafka_given){.number = ++o->last_number,
                                                  .partition = (size_t)(p - o->partitions),
                                                  .stay = p->stay,
                                                  .offset = offset,
                                                  .msec = msec};
    return 0;
}

void kafka_offsets_acknowledge(struct kafka_offsets *o, uint64_t number)
{
    size_t n = 0;

    for (; n < o->n_given && o->given[n].number <= number; n++) {
        const struct kafka_given *g = &o->given[n];
        struct kafka_partition *p = &o->partitions[g->partition];

        if (!p->assigned || p->stay != g->stay)
            continue; /* another relay delivers it, too */
        p->acknowledged = g->offset + 1;
        o->acknowledged_msec = g->msec;
    }
    o->n_given -= n;
    if (o->n_given > 0)
        memmove(o->given, o->given + n, o->n_given * sizeof *o->given);
}

/* --- what the group knows --- */

static bool is_ahead(const struct kafka_partition *p)
{
    return p->assigned && p->acknowledged != p->committed;
}

bool kafka_offsets_is_to_commit(const struct kafka_offsets *o)
{
    for (size_t i = 0; i < o->n_partitions; i++)
        if (is_ahead(&o->partitions[i]))
            return true;
    return false;
}

rd_kafka_topic_partition_list_t *kafka_offsets_to_commit(const struct kafka_offsets *o, const char *topic)
{
    rd_kafka_topic_partition_list_t *list = NULL;

    for (size_t i = 0; i < o->n_partitions; i++) {
        const struct kafka_partition *p = &o->partitions[i];

        if (!is_ahead(p))
            continue;
        if (!list)
            list = rd_kafka_topic_partition_list_new((int)o->n_partitions);
        rd_kafka_topic_partition_list_add(list, topic, p->number)->offset = p->acknowledged;
    }
    return list;
}

void kafka_offsets_committed(struct kafka_offsets *o, const rd_kafka_topic_partition_list_t *list)
{
    for (int i = 0; i < list->cnt; i++) {
        struct kafka_partition *p = kafka_offsets_find(o, list->elems[i].partition);

        if (p && !list->elems[i].err)
            p->committed = list->elems[i].offset;
    }
}

void kafka_offsets_print(const struct kafka_offsets *o, char *ret, size_t size)
{
    size_t len = 0;

    ret[0] = '\0';
    for (size_t i = 0; i < o->n_partitions && len < size; i++)
        if (o->partitions[i].assigned && o->partitions[i].committed >= 0)
            len += (size_t)snprintf(ret + len, size - len, "%s%" PRId32 ":%" PRId64, len > 0 ? " " : "",
                                    o->partitions[i].number, o->partitions[i].committed);
}
