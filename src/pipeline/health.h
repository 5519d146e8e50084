/* SPDX-License-Identifier: MIT */
#pragma once

#include "export/exporter.h"
#include "source/source.h"
#include "store/spool.h"

/* How a running exporter is, in one word, and what to do: one pure function, facts in, judgement out. */

/* The worst last. */
enum azm_condition {
    AZM_IS_WELL,
    AZM_IS_BEHIND,    /* the destination fails in a way that may pass, or records wait for more than AZM_BEHIND_USEC */
    AZM_IS_THROTTLED, /* the destination has asked to be slower (429) */
    AZM_IS_HELD,      /* it needs a person */
};

#define AZM_BEHIND_USEC (30 * AZM_USEC_PER_SEC)

#define AZM_REASON_MAX 384

struct azm_health {
    enum azm_condition condition;
    uint64_t since_usec; /* realtime; 0: not looked at yet */
    char reason[AZM_REASON_MAX];
    char remedy[AZM_REMEDY_MAX + 128]; /* what a person can do about it; each "": nothing */
};

struct azm_health_facts {
    uint64_t now_usec, started_usec; /* realtime */
    uint64_t now_monotonic_usec;
    uint64_t behind_usec; /* age of the first record that is not acknowledged */
    const struct azm_exporter_status *exporter;
    enum azm_spool_full spool_full;
    const struct azm_source_status *source; /* of a relay; NULL: it is none */
};

/* `health` is what it was before, all zero at the start, and becomes what it is now. */
void azm_health_judge(const struct azm_health_facts *facts, struct azm_health *health);

const char *azm_condition_name(enum azm_condition c);
