/* SPDX-License-Identifier: MIT */
#pragma once

#include <hiredis/hiredis.h>

#include "core/record.h"
#include "stream/redis.h"

/* What is asked of Redis, and what it answers: commands go out in order, and each gets a reply or a failure. The
 * connection (redis_socket.h) comes and goes: it is made when there is something to send, and the first thing that goes
 * over it is who this is. hiredis reads what Redis says. Where a cluster has the stream elsewhere the link goes there.
 * It belongs to the thread that made it. */
struct redis_link;

/* A command is answered: with `reply` (which may be an error of Redis' own, but for those that end the connection:
 * MOVED and ASK, READONLY and others that say that this is no master), or, where reply is NULL, with why there is none:
 * then it may have been carried out or not. If the meaning of that is REDIRECTED it is to be sent again. `tag` and
 * `item` are what the command was sent with. True: the reply is the callee's now (freeReplyObject). It may send. */
typedef bool (*redis_reply_t)(void *userdata, int tag, void *item, redisReply *reply,
                              const struct azm_stream_answer *failure);

#define REDIS_SHORT ((size_t)1024 * 1024) /* more than what is told but for messages */

/* 0, -ENOMEM, or -EINVAL. The options are copied as far as they are about connecting. A reply of more than about
 * `reply_max` bytes ends the connection. */
int redis_link_new(const struct azm_stream_options *o, size_t reply_max, redis_reply_t on_reply, void *userdata,
                   struct redis_link **ret, struct azm_error *err);
struct redis_link *redis_link_free(struct redis_link *l); /* without a word to those who wait */

/* The name of the stream; it belongs to the link. */
struct azm_text redis_link_stream(const struct redis_link *l);

int redis_link_fd(const struct redis_link *l);
uint64_t redis_link_wake_usec(const struct redis_link *l);
void redis_link_process(struct redis_link *l);

/* Queues a command of `n` words: 0 or -ENOMEM. Redis may take `block_usec` for it, besides the usual timeout. */
int redis_link_send(struct redis_link *l, int tag, void *item, uint64_t block_usec, const struct azm_text *words,
                    size_t n);

/* Nobody waits for the replies to this item's commands any more: they come with item NULL. */
void redis_link_forget(struct redis_link *l, const void *item);

/* Another connection has another number, from the end of the one before; never 0. */
uint64_t redis_link_number(const struct redis_link *l);

/* Is it an error of Redis'? */
static inline bool redis_is_error(const redisReply *r)
{
    return r->type == REDIS_REPLY_ERROR;
}
