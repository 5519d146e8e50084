/* SPDX-License-Identifier: MIT */
#pragma once

#include <jansson.h>

#include "auth/token.h"
#include "export/exporter.h"
#include "export/metrics_exporter.h"
#include "pipeline/health.h"
#include "pipeline/outbox.h"
#include "pipeline/volume.h"
#include "process/rules.h"
#include "source/source.h"

/* Everything that a running exporter knows of itself, in one place: what azmonlog status prints, its JSON, and whatever
 * else tells people or machines how it is, are made of this. docs/status.md says what each means. */

struct azm_volume_rate {
    const char *service;
    uint64_t records, bytes;
    double records_per_second, bytes_per_second; /* in the last minute */
};

struct azm_figures {
    uint64_t now_usec, started_usec; /* realtime */
    uint64_t now_monotonic_usec;
    bool stopping;
    struct azm_health health;

    const char *destination;
    struct azm_source_status source; /* position; how far it is behind; losses before us */
    char source_error[256];          /* why that is not known; "" */
    uint64_t behind_usec;            /* age of the first record that the destination has not acknowledged */

    uint64_t read;                                   /* records, since the start */
    double read_per_second, delivered_per_second;    /* in the last minute */
    double requests_per_second, failures_per_second; /* the same */
    double latency_seconds;                          /* the same, on average; < 0: no answer came */
    struct azm_exporter_status exporter;
    struct azm_answers answers;

    bool has_tokens;
    const char *credential;
    struct azm_tokens_status tokens;

    bool quarantine_known;
    struct azm_error quarantine_error;
    struct azm_quarantine_status quarantine;

    bool sends_metrics;
    struct azm_metrics_exporter_status metrics;

    bool spool_is_source;
    struct azm_outbox_status outbox;

    struct azm_volume_rate volumes[AZM_VOLUMES_MAX]; /* the most bytes in the last minute first */
    size_t n_volumes;
    struct azm_volume_count other_volumes;

    const struct azm_rules *rules; /* what was done to records, by rule; NULL: there are none */

    uint64_t reloads;
    const char *reload_error; /* NULL: the last one went well */
};

/* What status calls it: delivering, retrying, held, stopping. */
const char *azm_figures_state(const struct azm_figures *f);

/* How many records the destination has not acknowledged: behind the position, or safe in the spool. False: not known.
 */
bool azm_figures_behind(const struct azm_figures *f, uint64_t *ret);

/* As docs/status.md has it; NULL when memory is out. */
json_t *azm_figures_json(const struct azm_figures *f);
