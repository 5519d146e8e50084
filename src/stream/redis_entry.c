/* SPDX-License-Identifier: MIT */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "stream/redis_entry.h"

bool redis_id_of_reply(const redisReply *reply, struct redis_id *ret)
{
    char text[REDIS_ID_MAX], *end;

    if (reply->type != REDIS_REPLY_STRING || reply->len == 0 || reply->len >= sizeof text)
        return false;
    memcpy(text, reply->str, reply->len);
    text[reply->len] = '\0';
    ret->msec = strtoull(text, &end, 10);
    if (end == text || *end != '-')
        return false;
    ret->seq = strtoull(end + 1, &end, 10);
    return *end == '\0';
}

struct azm_text redis_id_print(struct redis_id id, char ret[static REDIS_ID_MAX])
{
    return (struct azm_text){ret, (size_t)snprintf(ret, REDIS_ID_MAX, "%" PRIu64 "-%" PRIu64, id.msec, id.seq)};
}

static const redisReply *array_in(const redisReply *reply)
{
    return reply->type == REDIS_REPLY_ARRAY && reply->elements > 0 ? reply : NULL;
}

/* [[stream, entries]], or nil. */
const redisReply *redis_entries_of_read(const redisReply *reply)
{
    const redisReply *stream;

    if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 1)
        return NULL;
    stream = reply->element[0];
    return stream->type == REDIS_REPLY_ARRAY && stream->elements == 2 ? array_in(stream->element[1]) : NULL;
}

/* [where to go on, entries, those that are gone]; the last one from Redis 7.0 on. */
const redisReply *redis_entries_of_claim(const redisReply *reply)
{
    return reply->type == REDIS_REPLY_ARRAY && reply->elements >= 2 ? array_in(reply->element[1]) : NULL;
}

/* An entry is [id, fields], one that is gone [id, nil], or, from Redis 6.2's XAUTOCLAIM, nil. */
bool redis_entry_id(const redisReply *entry, struct redis_id *ret)
{
    return entry->type == REDIS_REPLY_ARRAY && entry->elements == 2 && redis_id_of_reply(entry->element[0], ret);
}

struct azm_stream_message redis_entry_message(const redisReply *entry)
{
    const redisReply *fields = entry->element[1];
    struct azm_stream_message m = {0};
    bool version = false;

    if (fields->type != REDIS_REPLY_ARRAY)
        return m;
    for (size_t i = 0; i + 1 < fields->elements; i += 2) {
        const redisReply *name = fields->element[i], *value = fields->element[i + 1];

        if (name->type != REDIS_REPLY_STRING || value->type != REDIS_REPLY_STRING)
            continue;
        if (strcmp(name->str, "v") == 0)
            version = strcmp(value->str, "1") == 0;
        else if (strcmp(name->str, "n") == 0)
            m.records = strtoull(value->str, NULL, 10);
        else if (strcmp(name->str, "otlp") == 0 || strcmp(name->str, "otlp.gz") == 0) {
            m.body = value->str;
            m.len = value->len;
            m.gzip = name->len > 4;
        }
    }
    return version ? m : (struct azm_stream_message){0};
}
