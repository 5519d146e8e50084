/* SPDX-License-Identifier: MIT */
#include <inttypes.h>

#include "core/guid.h"
#include "pipeline/heartbeat.h"

static void add_text(struct azm_heartbeat *h, size_t *n, struct azm_text key, const char *value)
{
    h->attributes[(*n)++] = (struct azm_attribute){.key = key, .type = AZM_VALUE_TEXT, .text = azm_text_of(value)};
}

static void add_count(struct azm_heartbeat *h, size_t *n, struct azm_text key, uint64_t value)
{
    h->attributes[(*n)++] = (struct azm_attribute){.key = key, .type = AZM_VALUE_INT, .integer = (int64_t)value};
}

static void describe(const struct azm_figures *f, char *ret, size_t size)
{
    int n = snprintf(ret, size, "heartbeat: %s, %" PRIu64 " s behind; %" PRIu64 " records read, %" PRIu64 " delivered",
                     azm_figures_state(f), f->behind_usec / AZM_USEC_PER_SEC, f->read, f->exporter.records);

    if (f->quarantine_known && n > 0 && (size_t)n < size)
        snprintf(ret + n, size - (size_t)n, ", %" PRIu64 " in quarantine", (uint64_t)f->quarantine.records);
}

void azm_heartbeat_record(const struct azm_figures *f, struct azm_heartbeat *h, struct azm_record *ret)
{
    uint64_t now = f->now_usec * AZM_NSEC_PER_USEC, waiting;
    size_t n = 0;

    describe(f, h->body, sizeof h->body);
    azm_time_print(f->started_usec, h->started);
    add_text(h, &n, AZM_TEXT("azmonlog.heartbeat.state"), azm_figures_state(f));
    add_text(h, &n, AZM_TEXT("azmonlog.heartbeat.source"), f->source.name);
    add_text(h, &n, AZM_TEXT("azmonlog.heartbeat.started"), h->started);
    add_count(h, &n, AZM_TEXT("azmonlog.heartbeat.behind.seconds"), f->behind_usec / AZM_USEC_PER_SEC);
    if (azm_figures_behind(f, &waiting))
        add_count(h, &n, AZM_TEXT("azmonlog.heartbeat.behind.records"), waiting);
    add_count(h, &n, AZM_TEXT("azmonlog.heartbeat.read.records"), f->read);
    add_count(h, &n, AZM_TEXT("azmonlog.heartbeat.delivered.records"), f->exporter.records);
    if (f->rules)
        add_count(h, &n, AZM_TEXT("azmonlog.heartbeat.left_out.records"), azm_rules_left_out(f->rules, NULL));
    if (f->quarantine_known)
        add_count(h, &n, AZM_TEXT("azmonlog.heartbeat.quarantine.records"), f->quarantine.records);
    add_count(h, &n, AZM_TEXT("azmonlog.heartbeat.spool.bytes"), f->outbox.spool.bytes);
    *ret = (struct azm_record){
        .time_unix_nano = now,
        .observed_time_unix_nano = now,
        .severity = f->exporter.state == AZM_EXPORTER_DELIVERING ? 6 : 4,
        .has_body = true,
        .body = azm_text_of(h->body),
        .attributes = h->attributes,
        .n_attributes = n,
    };
    ret->event_name = AZM_TEXT("azmonlog.heartbeat"); /* gcc 10 warns of it in the initializer */
    azm_guid_bytes(ret->uid);
}
