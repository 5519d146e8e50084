/* SPDX-License-Identifier: MIT */
#include <unistd.h>

#include "pipeline/figures.h"

#define SERVICES_SHOWN 10

static json_t *time_or_null(uint64_t realtime_usec)
{
    char text[AZM_TIME_TEXT_MAX];

    azm_time_print(realtime_usec, text);
    return *text ? json_string(text) : json_null();
}

static json_t *text_or_null(const char *text)
{
    return *text ? json_string(text) : json_null();
}

static json_t *count(uint64_t n)
{
    return json_integer((json_int_t)n);
}

static double seconds(uint64_t usec)
{
    return (double)usec / (double)AZM_USEC_PER_SEC;
}

const char *azm_figures_state(const struct azm_figures *f)
{
    if (f->stopping)
        return "stopping";
    switch (f->exporter.state) {
    case AZM_EXPORTER_RETRYING:
        return "retrying";
    case AZM_EXPORTER_HELD:
        return "held";
    case AZM_EXPORTER_DELIVERING:
        break;
    }
    return "delivering";
}

static json_t *health(const struct azm_health *h)
{
    return json_pack("{s:s, s:o, s:o, s:o}", "condition", azm_condition_name(h->condition), "since",
                     time_or_null(h->since_usec), "reason", text_or_null(h->reason), "remedy", text_or_null(h->remedy));
}

static json_t *lag(const struct azm_source_status *s)
{
    return json_pack("{s:o, s:b, s:f}", "records", s->lag_known ? count(s->lag_records) : json_null(), "up_to",
                     s->lag_up_to, "seconds", seconds(s->lag_usec));
}

bool azm_figures_behind(const struct azm_figures *f, uint64_t *ret)
{
    *ret = f->source.lag_records + (f->spool_is_source ? 0 : f->outbox.spool.records);
    return f->source.lag_known;
}

static json_t *behind(const struct azm_figures *f)
{
    uint64_t records;
    bool known = azm_figures_behind(f, &records);

    return json_pack("{s:o, s:b, s:f}", "records", known ? count(records) : json_null(), "up_to", f->source.lag_up_to,
                     "seconds", seconds(f->behind_usec));
}

/* Of a relay; null: it is none. */
static json_t *stream(const struct azm_source_status *s)
{
    const struct azm_stream_status *t = &s->stream;

    if (!s->is_stream)
        return json_null();
    return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "lag", t->lag_known ? count(t->lag) : json_null(),
                     "pending", t->known && !t->no_group ? count(t->pending) : json_null(), "consumers",
                     t->known && !t->no_group ? count(t->consumers) : json_null(), "unacknowledged",
                     count(t->unacknowledged), "claimed", count(t->claimed), "error", text_or_null(s->reason), "remedy",
                     text_or_null(s->remedy));
}

static json_t *rate(uint64_t records, double per_second)
{
    return json_pack("{s:o, s:f}", "records", count(records), "per_second", per_second);
}

static json_t *delivered(const struct azm_figures *f)
{
    return json_pack("{s:o, s:o, s:o, s:f}", "records", count(f->exporter.records), "requests",
                     count(f->exporter.requests), "bytes", count(f->exporter.bytes), "per_second",
                     f->delivered_per_second);
}

/* Of the exporter's own failures; `health` has what follows from all of it. */
static json_t *error(const struct azm_figures *f)
{
    const struct azm_exporter_status *s = &f->exporter;
    uint64_t wait = s->next_try_usec > f->now_monotonic_usec ? s->next_try_usec - f->now_monotonic_usec : 0;

    if (s->state == AZM_EXPORTER_DELIVERING)
        return json_null();
    return json_pack("{s:s, s:o, s:o, s:o}", "reason", s->reason, "remedy", text_or_null(s->remedy), "since",
                     time_or_null(s->failing_since_realtime_usec), "next_try",
                     s->next_try_usec > 0 ? json_real(seconds(wait)) : json_null());
}

static json_t *answers(const struct azm_answers *a)
{
    json_t *all = json_array();

    for (size_t i = 0; i < a->n; i++) {
        const struct azm_answer_note *n = &a->notes[i];

        json_array_append_new(all, json_pack("{s:o, s:s, s:o, s:o, s:o, s:f}", "status",
                                             n->status > 0 ? json_integer(n->status) : json_null(), "words", n->words,
                                             "count", count(n->count), "first", time_or_null(n->first_usec), "last",
                                             time_or_null(n->last_usec), "seconds", seconds(n->took_usec)));
    }
    return all;
}

static json_t *latency(const struct azm_figures *f)
{
    return json_pack("{s:o, s:o, s:f}", "seconds",
                     f->latency_seconds >= 0 ? json_real(f->latency_seconds) : json_null(), "answers",
                     count(f->exporter.latency.answers), "sum", seconds(f->exporter.latency.sum_usec));
}

static json_t *services(const struct azm_figures *f)
{
    json_t *all = json_array();

    for (size_t i = 0; i < MIN(f->n_volumes, (size_t)SERVICES_SHOWN); i++) {
        const struct azm_volume_rate *v = &f->volumes[i];

        json_array_append_new(all, json_pack("{s:s, s:o, s:o, s:f, s:f}", "service", v->service, "records",
                                             count(v->records), "bytes", count(v->bytes), "per_second",
                                             v->records_per_second, "bytes_per_second", v->bytes_per_second));
    }
    return all;
}

/* Whose token it is, and until when; null where none is needed. */
static json_t *token(const struct azm_figures *f)
{
    const struct azm_tokens_status *s = &f->tokens;

    if (!f->has_tokens)
        return json_null();
    return json_pack("{s:s, s:s, s:o, s:o, s:o, s:o}", "credential", f->credential, "object_id", s->object_id,
                     "expires", time_or_null(s->expires_realtime_usec), "acquired", count(s->acquired), "error",
                     text_or_null(s->failure.reason), "remedy", text_or_null(s->failure.remedy));
}

static json_t *losses(const struct azm_losses *l)
{
    return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o}", "gaps", count(l->gaps), "gap_entries", count(l->gap_entries),
                     "suppressed", count(l->suppressed), "missed_kernel", count(l->missed_kernel), "unreadable",
                     count(l->unreadable), "damaged_files", count(l->damaged_files));
}

static json_t *joined(const struct azm_source_status *s)
{
    return json_pack("{s:o, s:o}", "messages", count(s->joined_messages), "entries", count(s->joined_entries));
}

/* What came of records that the destination does not take: since the start, and what is kept of them now. */
static json_t *quarantine(const struct azm_figures *f)
{
    json_t *q = json_pack("{s:o, s:o, s:o}", "quarantined", count(f->exporter.quarantined), "rejected",
                          count(f->exporter.rejected), "truncated", count(f->exporter.truncated));

    if (!f->quarantine_known) {
        json_object_set_new(q, "error", json_string(f->quarantine_error.words));
        return q;
    }
    json_object_set_new(q, "records", count(f->quarantine.records));
    json_object_set_new(q, "bytes", count(f->quarantine.bytes));
    json_object_set_new(q, "max_bytes", count(f->quarantine.max_bytes));
    return q;
}

static json_t *throttling(const struct azm_exporter_status *s)
{
    return json_pack("{s:o, s:o, s:f, s:i, s:i}", "answers", count(s->throttled), "since",
                     time_or_null(s->throttled_since_realtime_usec), "batch_delay", seconds(s->batch_delay_usec),
                     "window", (int)s->window, "window_max", (int)s->window_max);
}

static const char *name_full(enum azm_spool_full full)
{
    switch (full) {
    case AZM_SPOOL_FULL_LIMIT:
        return "limit";
    case AZM_SPOOL_FULL_DISK:
        return "disk";
    case AZM_SPOOL_HAS_ROOM:
        break;
    }
    return NULL;
}

static json_t *spool(const struct azm_outbox_status *s)
{
    return json_pack("{s:b, s:o, s:o, s:o, s:o, s:o, s:o, s:s?, s:o}", "active", s->spooling, "since",
                     time_or_null(s->since_usec), "batches", count(s->spool.rows), "records", count(s->spool.records),
                     "bytes", count(s->spool.bytes), "max_bytes", count(s->spool.max_bytes), "oldest",
                     time_or_null(s->spool.oldest_usec), "full", name_full(s->spool.full), "lost_batches",
                     count(s->lost_rows));
}

/* What came of the metrics that are sent; null if they are not. */
static json_t *metrics(const struct azm_figures *f)
{
    const struct azm_metrics_exporter_status *s = &f->metrics;

    if (!f->sends_metrics)
        return json_null();
    return json_pack("{s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "destination", s->destination, "taken",
                     time_or_null(s->taken_realtime_usec), "requests", count(s->requests), "failures",
                     count(s->failures), "rejected", count(s->rejected), "error", text_or_null(s->reason), "remedy",
                     text_or_null(s->remedy), "since", time_or_null(s->failing_since_realtime_usec));
}

static json_t *rules(const struct azm_figures *f)
{
    json_t *list = json_array();
    struct azm_rule_count c;

    for (size_t i = 0; azm_rules_get_count(f->rules, i, &c); i++)
        json_array_append_new(list, json_pack("{s:s, s:s, s:o, s:o}", "kind", c.kind, "rule", c.name, "times",
                                              count(c.times), "overflows", count(c.overflows)));
    return list;
}

json_t *azm_figures_json(const struct azm_figures *f)
{
    return json_pack(
        "{s:s, s:i, s:o, s:s, s:o, s:s, s:s, s:o, s:{s:s, s:o}, s:o, s:o, s:o, s:o, s:o, s:{s:o}, s:o, s:o, "
        "s:o, s:o, s:o, s:o,"
        " s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:{s:o, s:s?}}",
        "version", PACKAGE_VERSION, "pid", (int)getpid(), "health", health(&f->health), "state", azm_figures_state(f),
        "started", time_or_null(f->started_usec), "destination", f->destination, "journal", f->source.name,
        "journal_error", text_or_null(f->source_error), "acknowledged", "cursor", f->source.cursor, "received",
        time_or_null(f->source.acknowledged_usec), "lag", lag(&f->source), "behind", behind(f), "read",
        rate(f->read, f->read_per_second), "joined", joined(&f->source), "delivered", delivered(f), "in_flight",
        "batches", count(f->exporter.outstanding), "failures", count(f->exporter.failures), "error", error(f),
        "answers", answers(&f->answers), "latency", latency(f), "services", services(f), "token", token(f), "losses",
        losses(&f->source.losses), "quarantine", quarantine(f), "throttling", throttling(&f->exporter), "spool",
        spool(&f->outbox), "metrics", metrics(f), "rules", rules(f), "stream", stream(&f->source), "config", "reloads",
        count(f->reloads), "last_reload_error", f->reload_error);
}
