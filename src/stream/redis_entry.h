/* SPDX-License-Identifier: MIT */
#pragma once

#include <hiredis/hiredis.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/record.h"
#include "stream/stream.h"

/* Entries of a stream as Redis tells them. What is returned borrows from the reply. */

#define REDIS_ID_MAX 44 /* "18446744073709551615-18446744073709551615" */

struct redis_id {
    uint64_t msec, seq; /* realtime; to tell apart those of one millisecond */
};

bool redis_id_of_reply(const redisReply *reply, struct redis_id *ret); /* false: it is none */
struct azm_text redis_id_print(struct redis_id id, char ret[static REDIS_ID_MAX]);

static inline bool redis_id_equal(struct redis_id a, struct redis_id b)
{
    return a.msec == b.msec && a.seq == b.seq;
}

static inline bool redis_id_is_before(struct redis_id a, struct redis_id b)
{
    return a.msec != b.msec ? a.msec < b.msec : a.seq < b.seq;
}

/* The lowest one behind it. */
static inline struct redis_id redis_id_after(struct redis_id id)
{
    return id.seq == UINT64_MAX ? (struct redis_id){id.msec + 1, 0} : (struct redis_id){id.msec, id.seq + 1};
}

/* The array of entries in an answer to XREADGROUP of one stream, or to XAUTOCLAIM; NULL if there are none. */
const redisReply *redis_entries_of_read(const redisReply *reply);
const redisReply *redis_entries_of_claim(const redisReply *reply);

/* False if the entry has none: it is gone. */
bool redis_entry_id(const redisReply *entry, struct redis_id *ret);

/* What is in an entry that has an id; all zero if it is none of ours, or is gone. See redis.h. */
struct azm_stream_message redis_entry_message(const redisReply *entry);
