/* SPDX-License-Identifier: MIT */
#pragma once

#include "stream/redis_entry.h"
#include "stream/redis_link.h"

/* What the files of the reader share. All of it belongs to the thread that calls the reader, and nothing blocks:
 *
 *     redis_reader.c   what stream.h wants of a reader, failures, what is due when
 *     redis_fetch.c    fetching: what this relay had already, what others have left, what is new
 *     redis_held.c     what was given: acknowledged when it is done with, and kept from others until then
 *     redis_look.c     how far the group is; removing what every group is done with
 *     redis_gone.c     removing relays that will not come back from the group
 *
 * Two connections: one fetches, and may wait in XREADGROUP for something new; over the other one goes what must not
 * wait for that: acknowledgements, signs of life, questions. */

enum redis_tag {
    TAG_GROUP, /* fetching */
    TAG_OWN,
    TAG_CLAIM,
    TAG_NEW,
    TAG_ACK, /* the other connection, from here on */
    TAG_TOUCH,
    TAG_GROUPS,
    TAG_PENDING,
    TAG_TRIM,
    TAG_GONE,
};

struct redis_fetch {
    redisReply *reply;         /* what was fetched and is to be given; NULL: nothing */
    const redisReply *entries; /* in the reply */
    size_t next_entry;
    int reply_tag;
    size_t entry_bytes; /* of an entry, of late */

    bool running;                                           /* something is asked for */
    bool wanted;                                            /* somebody has asked for more than was there */
    bool drained;                                           /* and there is none, without `follow` */
    bool group_made;                                        /* on this connection it was made sure of, and then */
    bool own_done;                                          /* all was fetched that was ours already */
    char own_after[REDIS_ID_MAX], claim_from[REDIS_ID_MAX]; /* where to go on */
    uint64_t claim_usec;                                    /* monotonic: when to look for what others have left */
};

struct redis_held_item {
    uint64_t number;
    struct redis_id id;
};

struct redis_held {
    struct redis_held_item *items; /* given, and not confirmed to be acknowledged; the numbers have no gaps */
    size_t n, cap;
    uint64_t last_number;
    uint64_t acknowledged, sent, confirmed; /* numbers: sent: that Redis is being told */
    uint64_t touch_usec;                    /* monotonic: when that is due */
    bool tried;                             /* whether Redis lets us acknowledge, when only looking */
};

struct redis_look {
    uint64_t due_usec; /* monotonic */
    bool looking;      /* that is being found out */
    bool trim_due;     /* something was confirmed since */
    unsigned answers;  /* of TAG_PENDING that are still to come */
    bool trim_known;
    struct redis_id trim_to;
    bool told_no_trim, told_no_look;
    uint64_t delivered_usec; /* realtime: when the last message that the group has read was stored, as it was then */
};

struct redis_gone {
    uint64_t due_usec; /* monotonic */
    bool told_refused;
};

struct redis_reader {
    struct azm_stream_reader reader;

    /* As the options say. */
    const struct azm_clock *clock;
    struct azm_text group, consumer;
    char *group_text, *consumer_text;
    uint64_t claim_after_usec;
    bool trim, follow, look_only;
    size_t fetch_bytes;

    struct redis_link *fetching, *asking;
    struct redis_fetch fetch;
    struct redis_held held;
    struct redis_look look;
    struct redis_gone gone;

    unsigned failures;
    bool cannot_acknowledge; /* Redis has refused it */
    uint64_t retry_usec;     /* monotonic: neither connection is tried before */
    struct azm_stream_status status;
};

/* redis_reader.c */
void redis_reader_set_failing(struct redis_reader *r, const struct azm_stream_answer *why);
void redis_reader_set_well(struct redis_reader *r); /* if it is */

/* redis_fetch.c. All these return 0 (`next` 1, if there is one) or -ENOMEM. */
void redis_fetch_anew(struct redis_reader *r); /* on another connection: what Redis has noted as ours comes first */
int redis_fetch_more(struct redis_reader *r);  /* if nothing is asked for already, or waits to be given */
int redis_fetch_next(struct redis_reader *r, struct azm_stream_entry *ret);
bool redis_fetch_on_reply(struct redis_reader *r, int tag, redisReply *reply); /* true if the reply is kept */
void redis_fetch_on_failure(struct redis_reader *r);
void redis_fetch_drop(struct redis_reader *r); /* what is not given yet */

/* redis_held.c. It numbers what it adds. */
int redis_held_add(struct redis_reader *r, struct redis_id id); /* 0 or -ENOMEM, as the next two */
int redis_held_send_acknowledgements(struct redis_reader *r);
bool redis_held_is_to_be_sent(const struct redis_reader *r); /* acknowledgements, and none is on its way */
bool redis_held_is_full(const struct redis_reader *r);       /* no more is to be fetched: Redis does not take them */
int redis_held_process(struct redis_reader *r, uint64_t now);
bool redis_held_has(const struct redis_reader *r, struct redis_id id);
void redis_held_on_acknowledged(struct redis_reader *r, const redisReply *reply);
void redis_held_on_failure(struct redis_reader *r);

/* redis_look.c */
int redis_look_process(struct redis_reader *r, uint64_t now); /* 0 or -ENOMEM */
void redis_look_on_reply(struct redis_reader *r, int tag, const redisReply *reply);
void redis_look_on_failure(struct redis_reader *r);
bool redis_look_trims(const struct redis_reader *r); /* is something to be removed, and may it be? */

/* redis_gone.c */
int redis_gone_process(struct redis_reader *r, uint64_t now); /* 0 or -ENOMEM */
void redis_gone_on_reply(struct redis_reader *r, const redisReply *reply);
