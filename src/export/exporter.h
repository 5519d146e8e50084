/* SPDX-License-Identifier: MIT */
#pragma once

#include "auth/token.h"
#include "batch/batch.h"
#include "core/clock.h"
#include "core/error.h"
#include "export/answers.h"
#include "export/delivery.h"
#include "export/http.h"
#include "export/quarantine.h"
#include "export/remedy.h"

/* The exporter: takes sealed batches, and gives each back when all of its records are acknowledged or in quarantine.
 *
 * Threads: the exporter runs a thread of its own. It alone touches libcurl, gzip and the quarantine. Everything
 * declared here is called by one other thread, the owner; what both share (inbox, finished batches, status) is behind
 * one mutex in exporter.c. The owner waits on azm_exporter_fd. A batch that was handed over is not changed by anybody,
 * so the owner may still read it until it collects it.
 *
 * Several requests are in flight at once, and batches may come back in any order. While the destination fails there is
 * one request at a time after a backoff with full jitter; once it answers, the window opens step by step
 * (export/pace.h). What the answers mean is decided in export/delivery.h; batches are split as export/transit.h says.
 */

struct azm_exporter_options {
    struct azm_http_options http;     /* its content_type is the exporter's affair */
    struct azm_stream_options stream; /* its url NULL: requests go by HTTP; else to a stream */
    enum azm_profile profile;
    const char *ikey;              /* of Application Insights; NULL: none */
    const char *trusted_suffix;    /* see struct azm_attempt; NULL: none */
    struct azm_tokens *tokens;     /* NULL: no token goes along; the exporter holds a reference */
    size_t max_body_bytes;         /* a request that would be larger before compression is split; 0: as the batch is */
    bool renewable;                /* the owner can renew the credentials, see azm_exporter_wants_renewal */
    const char *destination;       /* how log lines name it: no secrets */
    const struct azm_clock *clock; /* must outlive the exporter */
    struct azm_quarantine
        *quarantine; /* must outlive the exporter; NULL: what only the quarantine could take is held */
    uint64_t retry_initial_delay_usec, retry_max_delay_usec;
    uint64_t hold_max_delay_usec;

    /* Only for azm_exporter_new; NULL: none. A rehearsal: everything is done but the sending. Called on the exporter's
     * thread for each request, which then counts as sent and taken: the records in it, and how many bytes its body has
     * before compression. */
    void (*rehearse)(void *userdata, const struct azm_batch *batch, size_t first, size_t n, size_t body_bytes);
    void *rehearse_userdata;
};

enum azm_exporter_state {
    AZM_EXPORTER_DELIVERING, /* or idle */
    AZM_EXPORTER_RETRYING,   /* the last answer was a failure that may pass */
    AZM_EXPORTER_HELD,       /* the last answer needs a person */
};

struct azm_exporter_status {
    enum azm_exporter_state state;
    char reason[256];            /* the last failure's; "" while delivering */
    char remedy[AZM_REMEDY_MAX]; /* what a person can do about it; "": nothing known */
    uint64_t failing_since_usec; /* monotonic; 0 while delivering */
    uint64_t failing_since_realtime_usec;
    bool slowed_down;        /* the last failure was a 429 */
    uint64_t next_try_usec;  /* monotonic: no request goes out before; 0: not known, or not failing */
    size_t outstanding;      /* batches submitted that were not collected */
    uint64_t records, bytes; /* acknowledged, and sent on the wire, since the start */
    uint64_t requests, failures;
    uint64_t quarantined;                   /* records, since the start */
    uint64_t rejected;                      /* records that a partial success has rejected */
    uint64_t truncated;                     /* records that were delivered truncated */
    uint64_t throttled;                     /* answers 429 */
    uint64_t throttled_since_realtime_usec; /* requests or batches are slowed down because of them; 0: they are not */
    uint64_t throttled_until_usec;          /* monotonic: when some of that is over, if there is no other one */
    uint64_t batch_delay_usec;              /* batches should wait so long, because of them; 0: as configured */
    unsigned window;                        /* requests allowed in flight now */
    unsigned window_max;                    /* the same, when all is well */
    struct azm_latency latency;
};

struct azm_exporter;

/* Starts the thread: 0 or -errno. The options are copied. */
int azm_exporter_new(const struct azm_exporter_options *o, struct azm_exporter **ret, struct azm_error *err);

/* From now on requests go by these options (clock and quarantine stay). What is in flight, or begins at this very
 * moment, ends as it was begun, and if it is acknowledged that counts; every other batch goes out by the new options,
 * at once: whatever delay or hold the old ones had run into is over, and the state is DELIVERING. azm_exporter_fd
 * becomes readable, for there may be room now. 0; -ENOMEM or -EINVAL, and then nothing has changed. */
int azm_exporter_configure(struct azm_exporter *x, const struct azm_exporter_options *o, struct azm_error *err);

/* Ends transfers, frees the batches that were not collected, ends the thread. */
struct azm_exporter *azm_exporter_free(struct azm_exporter *x);

/* True while another batch is taken: fewer than http.connections (and at least 2, so that there is another one to be
 * compared with one that fails) are not finished. Those under suspicion do not count, up to as many again: they must
 * not keep out what would clear them. */
bool azm_exporter_has_room(struct azm_exporter *x);

/* Hands a sealed batch over: 0 (the batch then belongs to the exporter until it is collected) or -ENOMEM. It must not
 * be empty. It is also taken when there is no room, for the last one of a shutdown. */
int azm_exporter_submit(struct azm_exporter *x, struct azm_batch *b);

/* Readable (level-triggered) when there is something to collect, or the status has changed. */
int azm_exporter_fd(const struct azm_exporter *x);

/* The next batch that is finished, in the order in which they were finished: 1, and it is the owner's; 0 if there is
 * none (then azm_exporter_fd is not readable any more); -EIO if the thread has failed for good. */
int azm_exporter_collect(struct azm_exporter *x, struct azm_batch **ret);

/* The server has refused the credentials, and it was not asked for since: the owner renews them and calls
 * azm_exporter_configure if they are others now. */
bool azm_exporter_wants_renewal(struct azm_exporter *x);

/* See struct azm_exporter_status. */
uint64_t azm_exporter_batch_delay_usec(struct azm_exporter *x);

enum azm_exporter_state azm_exporter_state(struct azm_exporter *x);
void azm_exporter_get_status(struct azm_exporter *x, struct azm_exporter_status *ret);
void azm_exporter_get_answers(struct azm_exporter *x, struct azm_answers *ret);

/* For a watchdog: asks the thread for a sign of life and returns whether it answered the one before. */
bool azm_exporter_alive(struct azm_exporter *x);
