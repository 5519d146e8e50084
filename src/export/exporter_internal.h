/* SPDX-License-Identifier: MIT */
#pragma once

#include <pthread.h>

#include "encode/gzip.h"
#include "export/exporter.h"
#include "export/pace.h"
#include "export/transit.h"

/* What exporter.c (the owner's side) and exporter_thread.c share. */

/* What azm_exporter_configure replaces. The owner makes it, then it is the thread's. */
struct azm_route {
    struct azm_http_settings *http;
    enum azm_profile profile;
    char *destination, *origin;
    bool renewable, renewal_wanted; /* wanted: not for the first time since the last success */
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

    /* The owner's own. */
    size_t window;

    /* The thread's own. */
    struct azm_http *http;
    struct azm_gzip *gzip;
    struct azm_buf raw; /* a request before compression */
    struct azm_route *route;
    struct azm_transits transits;
    unsigned in_flight, suspects_in_flight;
    unsigned refusals;    /* since a request was acknowledged */
    uint64_t passed_usec; /* monotonic: when a request was last acknowledged */
    uint64_t probe_usec;  /* monotonic: when the probe was made */
    unsigned keeping;     /* parts that wait for room in the quarantine */
    uint64_t keep_usec;   /* monotonic: when that is tried again */
    uint64_t told_usec;   /* when records in quarantine were last told */
    uint64_t untold;      /* how many came since */

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
};

void azm_exporter_poke(int fd);
void azm_exporter_drain(int fd);

/* Under the mutex. */
void azm_exporter_forget_failure(struct azm_exporter_status *s);

/* The thread's main function; `userdata` is the exporter. */
void *azm_exporter_main(void *userdata);
