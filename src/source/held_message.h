/* SPDX-License-Identifier: MIT */
#pragma once

#include <sys/queue.h>

#include "core/record_copy.h"
#include "parse/multiline.h"
#include "source/entry.h"

/* Messages that source/join.h holds back, and how many they are. Open ones may go on; those that are ready are given
 * next, in that order. All of it belongs to the thread of the source. */

#define AZM_HELD_BUCKETS 256

struct azm_held_message {
    TAILQ_ENTRY(azm_held_message) link;
    LIST_ENTRY(azm_held_message) same_bucket; /* while it is open */
    struct azm_record_copy copy;              /* of its first entry; the body is in: */
    struct azm_buf body;
    XXH128_hash_t stream;
    uint8_t uid[16]; /* of the first entry of the first part */
    uint64_t first;  /* ... which was the journal's record of this number */
    enum azm_line_format format;
    azm_multiline_state state;
    struct azm_entry_times last; /* of its last entry, */
    uint64_t heard_usec;         /* and when that was read (monotonic) */
    unsigned entries, part;      /* part 0: the only one */
    bool unfinished;             /* its last line goes on */
    bool whole;                  /* it is one line, in pieces: to be taken apart when they are together */
};

TAILQ_HEAD(azm_held_queue, azm_held_message);
LIST_HEAD(azm_held_bucket, azm_held_message);

struct azm_held_messages {
    struct azm_held_bucket buckets[AZM_HELD_BUCKETS]; /* of those that are open, by their streams */
    struct azm_held_queue open;                       /* the one that has been quiet for longest is the first */
    struct azm_held_queue ready;
    size_t n_open, n; /* n: open, ready, or just taken */
    size_t bytes;
};

void azm_held_init(struct azm_held_messages *h);
void azm_held_free(struct azm_held_messages *h);

/* Holds back what begins with this record, which may borrow from elsewhere: 0 or -ENOMEM. It is neither open nor ready
 * yet. `first`, `now_usec`: see above. */
int azm_held_take(struct azm_held_messages *h, const struct azm_record *rec, uint64_t first, uint64_t now_usec,
                  struct azm_held_message **ret);

void azm_held_open(struct azm_held_messages *h, struct azm_held_message *m);
void azm_held_close(struct azm_held_messages *h, struct azm_held_message *m); /* neither open nor ready */
void azm_held_make_ready(struct azm_held_messages *h, struct azm_held_message *m);
void azm_held_end(struct azm_held_messages *h, struct azm_held_message *m); /* open -> ready */

/* Ends all: how many are held. */
size_t azm_held_end_all(struct azm_held_messages *h);

/* Ends those that have been quiet for longest, until there are no more than so many that are open and, but for the last
 * one, so many bytes. */
void azm_held_end_over(struct azm_held_messages *h, size_t n_max, size_t bytes_max);

/* The open message of this stream; NULL. */
struct azm_held_message *azm_held_find(struct azm_held_messages *h, XXH128_hash_t stream);

/* An open one goes on with this record, which was read just now: 0 or -ENOMEM. */
int azm_held_append(struct azm_held_messages *h, struct azm_held_message *m, struct azm_text between,
                    const struct azm_record *rec, uint64_t now_usec);

/* It is held back no more: it belongs to the caller, who frees it. */
void azm_held_let_go(struct azm_held_messages *h, const struct azm_held_message *m);
void azm_held_message_free(struct azm_held_message *m);
