/* SPDX-License-Identifier: MIT */
#pragma once

#include <pthread.h>

#include "encode/gzip.h"
#include "export/exporter.h"
#include "export/pace.h"
#include "export/request_body.h"
#include "export/transit.h"

/* What exporter.c (the owner's side) and the files of the thread share: exporter_thread.c (answers, the loop),
 * exporter_send.c, exporter_state.c (what the owner and the log are told), exporter_keep.c (what goes into quarantine),
 * exporter_token.c.
 */

/* What azm_exporter_configure replaces. The owner makes it, then it is the thread's. */
struct azm_route {
    struct azm_transport_settings *settings;
    char *destination, *origin, *trusted_suffix;
    struct azm_body_maker body;
    size_t max_body_bytes;
    bool renewable, renewal_wanted; /* wanted: not for the first time since the last success */
    struct azm_tokens *tokens;      /* NULL: none */
    bool tokenless;                 /* there was none, and that was said */
    uint64_t refused_token;         /* the number of the first one that was refused since the last success; 0: none */
    char *elsewhere;                /* where a redirect has led with success; NULL: nowhere */
    struct azm_pace pace, suspect_pace;
};

struct azm_route *azm_route_free(struct azm_route *r);

struct azm_exporter {
    /* Set before the thread starts, then read only. */
    const struct azm_clock *clock;
    struct azm_quarantine *quarantine;
    int wake_fd; /* owner -> thread */
    int ack_fd;  /* thread -> owner */
    pthread_t thread;
    bool started;
    const char *log_name; /* of azm_log_as */
    void (*rehearse)(void *userdata, const struct azm_batch *batch, size_t first, size_t n, size_t body_bytes);
    void *rehearse_userdata;

    /* The owner's own. */
    size_t window;

    /* The thread's own. */
    struct azm_transport *transport;
    struct azm_gzip *gzip;
    struct azm_buf raw; /* a request before compression */
    struct azm_route *route;
    struct azm_transits transits;
    unsigned in_flight, suspects_in_flight;
    unsigned refusals;        /* since a request was acknowledged */
    uint64_t passed_usec;     /* monotonic: when a request was last acknowledged */
    uint64_t probe_usec;      /* monotonic: when the probe was made */
    unsigned keeping;         /* parts that wait for room in the quarantine */
    uint64_t keep_usec;       /* monotonic: when that is tried again */
    uint64_t told_usec;       /* when records in quarantine were last told */
    uint64_t untold;          /* how many came since */
    bool is_short;            /* of memory or descriptors, which was said */
    struct azm_secret *token; /* for the requests to come */
    uint64_t token_number;

    /* Shared, under the mutex. */
    pthread_mutex_t mutex;
    bool quit, failed;
    struct azm_route *next_route; /* NULL: no new one */
    struct azm_transits inbox, finished;
    size_t unfinished; /* batches */
    size_t suspects;   /* batches of these that are under suspicion */
    bool kept_out;     /* the quarantine has no room */
    bool renewal;      /* is wanted */
    uint64_t ping, pong;
    struct azm_exporter_status status;
    struct azm_answers answers;
};

void azm_exporter_poke(int fd);
void azm_exporter_drain(int fd);
void azm_exporter_wait(int fd, uint64_t timeout_usec); /* until it is poked, no longer than that */

/* Under the mutex. */
void azm_exporter_forget_failure(struct azm_exporter_status *s);

/* --- the thread's --- */

static inline uint64_t azm_exporter_now(const struct azm_exporter *x)
{
    return azm_monotonic_usec(x->clock);
}

static inline bool azm_exporter_is_refusal(const struct azm_verdict *v)
{
    return v->meaning == AZM_REFUSED || v->meaning == AZM_TOO_LARGE;
}

/* exporter_state.c: under the mutex by themselves, as the functions below. */
void azm_exporter_count(struct azm_exporter *x, uint64_t *counter, uint64_t n);

/* What the owner sees of the pace, and how many batches are under suspicion. */
void azm_exporter_share(struct azm_exporter *x);

/* An answer has come, or none will. `words`: why it is a failure, "" if it is none. */
void azm_exporter_note_answer(struct azm_exporter *x, const struct azm_part *p, const struct azm_answer *a,
                              const char *words);

/* The destination has failed. A change of state is worth a line in the log, the hundredth failure of an outage is not.
 * `id`: of the request, for the server's people; "". */
void azm_exporter_set_failing(struct azm_exporter *x, enum azm_exporter_state state, const char *reason,
                              const char *remedy, const char *id);

/* The destination has taken a request, or what has kept it from being sent is over: back to delivering, unless there is
 * something else. Returns since when it was failing (monotonic), 0 if it was not. */
uint64_t azm_exporter_set_well(struct azm_exporter *x);

/* A part is through. */
void azm_exporter_part_done(struct azm_exporter *x, struct azm_part *p);

/* exporter_thread.c: the part is kept and sent again later. */
void azm_exporter_on_failed(struct azm_exporter *x, struct azm_part *p, const struct azm_verdict *v);

/* exporter_thread.c: it was in a request that was taken. */
void azm_exporter_on_passed(struct azm_exporter *x, const struct azm_part *p);

#define AZM_REFUSALS_MAX 32 /* in a row, before it is held */

/* exporter_send.c: sends a part: 0 or -errno. Also 0 if it had to be split instead; then its first half is the next
 * one. */
int azm_exporter_send_part(struct azm_exporter *x, struct azm_part *p);

/* Sends what the paces allow. Returns how long the thread may sleep, or -errno. */
int64_t azm_exporter_send_all(struct azm_exporter *x);

/* exporter_keep.c: its records go into the quarantine. */
void azm_exporter_on_quarantined(struct azm_exporter *x, struct azm_part *p, const struct azm_verdict *v,
                                 const struct azm_answer *a);

/* Tries again what waits for room there. */
void azm_exporter_keep_waiting(struct azm_exporter *x);

#define AZM_KEEP_RETRY_USEC (10 * AZM_USEC_PER_SEC) /* how often a full quarantine is tried again */

/* exporter_token.c: takes the token for the requests to come. False if the destination wants one and there is none. */
bool azm_exporter_take_token(struct azm_exporter *x);

/* The destination has refused the token of this part. True if that may be over with another token, so that it is no
 * failure yet. */
bool azm_exporter_token_refused(struct azm_exporter *x, const struct azm_part *p);

/* The thread's main function; `userdata` is the exporter. */
void *azm_exporter_main(void *userdata);
