/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/clock.h"
#include "core/error.h"
#include "core/meaning.h"

/* An engine between hosts and Azure that keeps messages: Redis Streams (redis_*.c), Kafka (kafka_*.c). Hosts write to
 * it instead of to Azure, relays read from it.
 *
 * A message is one ExportLogsServiceRequest, as it would be the body of an HTTP request: encoded records with their
 * resources and uids. Once it is acknowledged the engine keeps it until a relay says that it is done with it.
 *
 * Everything here is called by one thread, and does not block (but for a moment where kafka_member.h says so): writer
 * and reader have one descriptor, which is the same as long as they live and readable when there is something to do,
 * and a time at which to look in any case. Then `process` is called. */

struct azm_stream_options {
    const char *url;            /* config/stream_url.h */
    const char *password_file;  /* "": none; read for every connection, so that it may change */
    const char *sasl_mechanism; /* of Kafka */
    const char *tls_ca_file, *tls_cert_file, *tls_key_file; /* "": none; CA: the system's */
    uint64_t timeout_usec;                                  /* of an operation and its answer */
    const struct azm_clock *clock;                          /* must outlive it */

    /* Writers */
    const char *host;  /* whose records they are, for who shares the work by that; NULL: this machine's */
    unsigned replicas; /* so many must have a message, besides the one that took it, before it counts as stored */

    /* Readers */
    const char *group, *consumer; /* the consumer is the same one after a restart */
    uint64_t claim_after_usec;    /* what another consumer has not touched for so long is taken over */
    bool trim;                    /* messages that every group is done with are removed */
    bool follow;                  /* wait for new ones when all is read */
    bool look;                    /* take nothing and change nothing: for the status alone */
    size_t fetch_bytes;           /* about so much is fetched at once */
};

struct azm_stream_message {
    const void *body;
    size_t len;
    bool gzip;      /* the body is compressed */
    size_t records; /* in it; 0: there is no body, see azm_stream_post */
};

#define AZM_STREAM_WORDS_MAX 192

struct azm_stream_answer {
    enum azm_meaning meaning;
    char words[AZM_STREAM_WORDS_MAX]; /* why it is not TAKEN, one line; never contents or secrets */
    const char *remedy;               /* what to do, or NULL */
    int curl_code; /* a CURLcode, where there was no connection by libcurl: it says more about the cause; else 0 */
};

/* --- writing --- */

struct azm_stream_writer {
    const struct azm_stream_writer_ops *ops;
    int fd;
};

/* A message on its way, again and again until it is acknowledged: what an earlier attempt has achieved is kept. */
struct azm_stream_send {
    struct azm_stream_writer *writer;
    void *userdata;
};

struct azm_stream_writer_ops {
    /* A send for one message at a time: NULL when memory is out. */
    struct azm_stream_send *(*send_new)(struct azm_stream_writer *w, void *userdata);
    void (*send_free)(struct azm_stream_send *s); /* no answer is wanted any more */

    /* Begins: 0 or -ENOMEM. The body must stay until the answer is there, and be the same in all attempts. Without
     * records nothing is stored: the answer says whether a message would be, as far as that can be known. */
    int (*post)(struct azm_stream_send *s, const struct azm_stream_message *m);

    /* The next one that is answered, or NULL. */
    struct azm_stream_send *(*next_done)(struct azm_stream_writer *w, struct azm_stream_answer *ret);

    uint64_t (*wake_usec)(const struct azm_stream_writer *w); /* monotonic; AZM_USEC_INFINITY: only the descriptor */
    int (*process)(struct azm_stream_writer *w);              /* 0 or -ENOMEM */
    struct azm_stream_writer *(*free)(struct azm_stream_writer *w);
};

/* Connects when it has something to send. 0, -ENOMEM, or -EINVAL if the options do not make sense; they are copied. */
int azm_stream_writer_new(const struct azm_stream_options *o, struct azm_stream_writer **ret, struct azm_error *err);

static inline struct azm_stream_writer *azm_stream_writer_free(struct azm_stream_writer *w)
{
    return w ? w->ops->free(w) : NULL;
}

/* --- reading --- */

struct azm_stream_reader {
    const struct azm_stream_reader_ops *ops;
    int fd;
};

struct azm_stream_entry {
    uint64_t number; /* 1, 2, ... in the order in which this reader gives them */
    /* `body` is NULL if it is none of ours, or is gone: it was deleted before anybody has read it. */
    struct azm_stream_message message;
};

struct azm_stream_status {
    bool failing;
    bool cannot_look; /* its questions about the group are refused: why is in `failure`, unless it is failing */
    struct azm_stream_answer failure; /* the last one */
    bool known;                       /* the engine has told the next three */
    bool no_group; /* but for what the group has taken, and how many they are: the engine does not tell that */
    bool lag_known;
    uint64_t lag;                /* messages that nobody has read */
    uint64_t pending, consumers; /* that some relay has read and nobody has acknowledged; relays, also dead ones */
    uint64_t unacknowledged;     /* that this reader has given */
    uint64_t oldest_usec;        /* realtime: when the first that is not acknowledged was stored; 0: none, not known */
    uint64_t claimed;            /* messages taken over from others, since the start */
    uint64_t gone;               /* that were deleted before they were acknowledged, found out in passing; the same */
    char position[96];           /* of the last message that was acknowledged, in the engine's words; "": none */
    uint64_t position_usec;      /* realtime: when it was stored; 0: not known */
};

struct azm_stream_reader_ops {
    /* The next message: 1; 0 if there is none now; -ENOMEM. It borrows from the reader until the next call. No more is
     * fetched than is asked for here: who is full does not ask. */
    int (*next)(struct azm_stream_reader *r, struct azm_stream_entry *ret);

    /* Will `next` give one at once? */
    bool (*ready)(const struct azm_stream_reader *r);

    /* Has it looked since `next` gave 0 first, and found nothing? Only with `follow` false. */
    bool (*drained)(const struct azm_stream_reader *r);

    /* All messages up to this number are done with. The engine is told soon; until it has confirmed that (`settled`) it
     * may give them to somebody else. */
    int (*acknowledge)(struct azm_stream_reader *r, uint64_t number); /* 0 or -ENOMEM */
    bool (*settled)(const struct azm_stream_reader *r);

    void (*get_status)(const struct azm_stream_reader *r, struct azm_stream_status *ret);
    uint64_t (*wake_usec)(const struct azm_stream_reader *r);
    int (*process)(struct azm_stream_reader *r);
    struct azm_stream_reader *(*free)(struct azm_stream_reader *r);
};

/* As azm_stream_writer_new. It goes on where its group stands, from the very first message where there is no group. */
int azm_stream_reader_new(const struct azm_stream_options *o, struct azm_stream_reader **ret, struct azm_error *err);

static inline struct azm_stream_reader *azm_stream_reader_free(struct azm_stream_reader *r)
{
    return r ? r->ops->free(r) : NULL;
}
