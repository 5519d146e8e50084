/* SPDX-License-Identifier: MIT */
#include <stdio.h>

#include "pipeline/health.h"

const char *azm_condition_name(enum azm_condition c)
{
    static const char *const names[] = {
        [AZM_IS_WELL] = "well", [AZM_IS_BEHIND] = "behind", [AZM_IS_THROTTLED] = "throttled", [AZM_IS_HELD] = "held"};

    return names[c];
}

/* What was slowed down is given back minute by minute, but only requests show that it may: without any there is nothing
 * that waits for it. */
static bool is_throttled(const struct azm_health_facts *f)
{
    const struct azm_exporter_status *x = f->exporter;

    if (x->state == AZM_EXPORTER_RETRYING)
        return x->slowed_down;
    return x->throttled_since_realtime_usec > 0 && f->now_monotonic_usec < x->throttled_until_usec;
}

/* What it reads from fails. */
static bool is_cut_off(const struct azm_health_facts *f)
{
    return f->source && *f->source->reason;
}

static enum azm_condition decide(const struct azm_health_facts *f)
{
    if (f->exporter->state == AZM_EXPORTER_HELD || f->spool_full != AZM_SPOOL_HAS_ROOM ||
        (is_cut_off(f) && f->source->held))
        return AZM_IS_HELD;
    if (is_throttled(f))
        return AZM_IS_THROTTLED;
    return f->exporter->state == AZM_EXPORTER_RETRYING || is_cut_off(f) || f->behind_usec > AZM_BEHIND_USEC
               ? AZM_IS_BEHIND
               : AZM_IS_WELL;
}

static uint64_t since(const struct azm_health_facts *f, enum azm_condition c, bool first)
{
    const struct azm_exporter_status *x = f->exporter;

    if (c == AZM_IS_WELL)
        return first ? f->started_usec : f->now_usec;
    if (c == AZM_IS_THROTTLED && x->throttled_since_realtime_usec > 0)
        return x->throttled_since_realtime_usec;
    if (x->failing_since_realtime_usec > 0)
        return x->failing_since_realtime_usec;
    return c == AZM_IS_BEHIND ? f->now_usec - (f->behind_usec - MIN(f->behind_usec, AZM_BEHIND_USEC)) : f->now_usec;
}

static void explain_full(const struct azm_health_facts *f, struct azm_health *h)
{
    const struct azm_exporter_status *x = f->exporter;
    bool limit = f->spool_full == AZM_SPOOL_FULL_LIMIT;

    snprintf(h->reason, sizeof h->reason, "the spool %s, and nothing more goes into it%s%s",
             limit ? "has reached its limit" : "finds no room on the disk", *x->reason ? "; it fills because of: " : "",
             x->reason);
    snprintf(h->remedy, sizeof h->remedy, "%s%s%s",
             limit ? "raise spool_max_bytes= before what waits in front of it is lost"
                   : "make room on the disk before what waits in front of the spool is lost",
             *x->remedy ? "; " : "", x->remedy);
}

static void explain(const struct azm_health_facts *f, struct azm_health *h)
{
    const struct azm_exporter_status *x = f->exporter;

    h->reason[0] = h->remedy[0] = '\0';
    if (f->spool_full != AZM_SPOOL_HAS_ROOM)
        explain_full(f, h);
    else if (h->condition == AZM_IS_THROTTLED) {
        snprintf(h->reason, sizeof h->reason, "the destination has asked to be slower (HTTP 429)");
        snprintf(h->remedy, sizeof h->remedy,
                 "nothing at once: requests are fewer and larger, and get faster again; if it comes often, raise the "
                 "limit at the destination or log less");
    } else if (x->state != AZM_EXPORTER_DELIVERING) {
        snprintf(h->reason, sizeof h->reason, "%s", x->reason);
        snprintf(h->remedy, sizeof h->remedy, "%s",
                 *x->remedy                      ? x->remedy
                 : x->state == AZM_EXPORTER_HELD ? ""
                                                 : "nothing at once: it is tried again, and nothing is lost");
    } else if (is_cut_off(f)) {
        snprintf(h->reason, sizeof h->reason, "the stream cannot be read: %s", f->source->reason);
        snprintf(h->remedy, sizeof h->remedy, "%s",
                 *f->source->remedy ? f->source->remedy : "nothing at once: it is tried again, and nothing is lost");
    } else if (h->condition == AZM_IS_BEHIND) {
        snprintf(h->reason, sizeof h->reason, "what was logged before is still on its way");
        snprintf(h->remedy, sizeof h->remedy,
                 "nothing, while what waits gets less (azmonlog status --watch); else raise [export] concurrency=");
    }
}

void azm_health_judge(const struct azm_health_facts *facts, struct azm_health *health)
{
    enum azm_condition c = decide(facts);

    if (c != health->condition || health->since_usec == 0)
        health->since_usec = since(facts, c, health->since_usec == 0);
    health->condition = c;
    explain(facts, health);
}
