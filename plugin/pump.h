/* SPDX-License-Identifier: MIT */
#pragma once

#include "plugin/parameters.h"
#include "process/rules.h"
#include "store/spool_shared.h"

/* The thread that carries what is in an action's spool to the destination: the same pipeline, exporter, quarantine and
 * control socket as azmonlog run, with a spool as its source.
 *
 * It blocks all signals and owns everything in it once it runs. The functions here may be called from any thread but
 * itself. */
struct pump;

/* For impstats: written by the pump's thread about once a second, with relaxed atomics. */
struct pump_counters {
    uint64_t exported, requests, retries, quarantined, bytes; /* since the start; records, but requests and bytes */
    uint64_t filtered, sampled, rate_limited;                 /* records that were left out */
    uint64_t redacted;                                        /* places */
    uint64_t held;                                            /* 1 while only a person can mend it */
    uint64_t backlog;                                         /* records that are not acknowledged */
};

struct pump_options {
    const struct parameters *parameters; /* must outlive the pump */
    const char *name;                    /* of the action; must outlive the pump */
    const struct azm_config *config;     /* that follows from them */
    struct azm_rules *rules;             /* by which records were processed; NULL: there are none */
    struct azm_spool_shared *spool;      /* must outlive the pump */
    int dir_fd;                          /* of the state directory; the same */
    struct pump_counters *counters;      /* the same */
    void (*tick)(void *userdata);        /* called by the pump's thread once a second */
    void *userdata;
};

/* 0 or -errno. */
int pump_start(const struct pump_options *o, struct pump **ret, struct azm_error *err);

/* Reads the parameters' files anew, soon. */
void pump_reload(struct pump *p);

/* Stops reading, waits up to a second for requests that are under way, ends: what is not acknowledged is in the spool.
 * NULL. */
struct pump *pump_stop(struct pump *p);
