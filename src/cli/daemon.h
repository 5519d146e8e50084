/* SPDX-License-Identifier: MIT */
#pragma once

#include "cli/cli.h"
#include "cli/control.h"
#include "export/exporter.h"
#include "pipeline/pipeline.h"
#include "source/source.h"

/* A running exporter: what azmonlog run is, after its options are read. Everything here belongs to the main thread. */

#define DAEMON_RATE_SAMPLES 7
#define DAEMON_RATE_SPAN_USEC (60 * AZM_USEC_PER_SEC)

/* Counters as they once were, for rates. */
struct daemon_sample {
    uint64_t usec; /* monotonic; 0: free */
    uint64_t read, delivered;
};

struct daemon {
    const char *config_path; /* NULL: the default one */
    const struct cli_overrides *overrides;
    struct azm_config *config;
    int state_dir_fd, lock_fd;
    char *destination;         /* how messages name it */
    struct azm_tokens *tokens; /* NULL: it needs none */
    char *identity;            /* whose these are, see struct cli_destination; NULL: nobody's */
    struct azm_source *source;
    struct azm_quarantine *quarantine;      /* the exporter's thread's */
    struct azm_quarantine *quarantine_view; /* to count what is in there */
    struct azm_exporter *exporter;
    struct azm_outbox *outbox;
    struct azm_pipeline *pipeline;
    struct azm_control *control;
    sd_event *event;
    sd_event_source *status_timer, *watchdog_timer;
    uint64_t watchdog_usec; /* 0: none */

    /* For a status. */
    bool stopping;
    uint64_t started_usec; /* realtime */
    uint64_t reloads;
    char *reload_error;                                /* of the last reload; NULL: it went well */
    struct daemon_sample samples[DAEMON_RATE_SAMPLES]; /* the newest first */
};

/* Runs until it is told to end and returns an exit code. Owns `config`. */
int daemon_run(const char *config_path, const struct cli_overrides *overrides, struct azm_config *config, bool once);

/* --- daemon_answers.c: what it says of itself --- */

/* Answers requests of the control socket; `userdata` is the daemon. */
void daemon_answer(struct azm_control_request *rq, const json_t *message, void *userdata);

/* The status line for systemd. */
void daemon_notify_status(const struct daemon *d);

/* Keeps the counters for rates; to be called when they move. */
void daemon_sample(struct daemon *d);
