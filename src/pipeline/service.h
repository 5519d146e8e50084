/* SPDX-License-Identifier: MIT */
#pragma once

#include "pipeline/control.h"
#include "pipeline/figures.h"
#include "pipeline/pipeline.h"
#include "pipeline/trend.h"
#include "store/spool_shared.h"

/* What a running exporter says of itself, be it azmonlog run or an action of rsyslogd: its parts, which stay their
 * owner's, and answers to requests of the control socket. Everything here belongs to the thread of the event loop. */

struct azm_service {
    char *destination;         /* how messages name it; owned, as the next two */
    struct azm_tokens *tokens; /* NULL: it needs none */
    char *identity;            /* whose they are, see struct azm_destination; NULL: nobody's */
    struct azm_source *source;
    struct azm_processor
        *processor;          /* owned, as the rules are; NULL: records go as they are, or were processed before */
    struct azm_rules *rules; /* by which they were; NULL: there are none */
    struct azm_quarantine *quarantine; /* to count what is in there; not the exporter's */
    struct azm_exporter *exporter;
    struct azm_outbox *outbox;
    struct azm_pipeline *pipeline;
    struct azm_spool_shared *spool;                /* which is the source; NULL: it is none */
    struct azm_metrics_exporter *metrics_exporter; /* NULL: metrics are not sent */
    bool is_relay;                                 /* the source is a stream */
    bool journald;                                 /* the source is a journal that a journald writes; */
    const char *journal_namespace;                 /* which one, "": the default one */

    bool once; /* it ends when all is delivered, and sends no heartbeats */

    bool stopping;
    uint64_t started_usec; /* realtime */
    uint64_t reloads;
    char *reload_error; /* of the last reload; NULL: it went well */

    struct azm_health health;
    uint64_t looked_usec;          /* monotonic: when that was last looked at, */
    enum azm_exporter_state state; /* and what the exporter was then */
    struct azm_trend trend;
    sd_event_source *sample_timer;

    struct azm_buf resource; /* encoded, of azmonlog itself */
    uint64_t heartbeat_usec; /* 0: none */
    bool heartbeat_due;      /* as soon as the one before is acknowledged */
    sd_event_source *heartbeat_timer;
};

/* Starts the exporter, or makes a running one go by this configuration, with the tokens that are there if they are for
 * the same identity: 0 or -errno. The quarantine must outlive the exporter. */
int azm_service_connect(struct azm_service *v, const struct azm_config *c, struct azm_quarantine *quarantine,
                        struct azm_error *err);

/* What a pipeline of these parts has to know: by the configuration, and without on_change. */
struct azm_pipeline_options azm_service_pipeline_options(const struct azm_service *v, const struct azm_config *c,
                                                         sd_event *event);

/* The processor is its own from now on, and the rules are that one's. */
void azm_service_set_processor(struct azm_service *v, struct azm_processor *processor);

/* Frees what it owns; the exporter must be gone. */
void azm_service_clear(struct azm_service *v);

/* Answers requests of the control socket: status, trend, flush, journal; `userdata` is the service. */
void azm_service_answer(struct azm_control_request *rq, const json_t *message, void *userdata);

/* From now on it knows since when it is well or not, and what it was like in the last hour, and sends heartbeats; to be
 * called when all parts are there. 0 or -errno. */
int azm_service_watch(struct azm_service *v, sd_event *event);

/* Ends the pipeline in good order, with a last heartbeat; calling it again ends the waiting. */
void azm_service_stop(struct azm_service *v);

/* Something has changed that may be for good or bad. */
void azm_service_changed(struct azm_service *v);

/* Looks at everything. What `ret` points to is valid until the event loop goes on. The journal is opened for it, so not
 * for every turn of a loop. */
void azm_service_measure(struct azm_service *v, struct azm_figures *ret);
