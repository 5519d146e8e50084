/* SPDX-License-Identifier: MIT */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "export/destination.h"
#include "pipeline/service.h"

static const char *name_state(const struct azm_service *v, const struct azm_exporter_status *s)
{
    if (v->stopping)
        return "stopping";
    switch (s->state) {
    case AZM_EXPORTER_RETRYING:
        return "retrying";
    case AZM_EXPORTER_HELD:
        return "held";
    case AZM_EXPORTER_DELIVERING:
        break;
    }
    return "delivering";
}

/* --- the destination --- */

/* Tokens for this destination: those that are there, if they are for the same identity. */
static int take_tokens(const struct azm_service *v, const struct azm_destination *destination, struct azm_tokens **ret,
                       struct azm_error *err)
{
    if (!v->tokens || !destination->identity || strcmp(v->identity, destination->identity) != 0)
        return azm_destination_tokens(destination, ret, err);
    *ret = azm_tokens_ref(v->tokens);
    azm_tokens_mended(*ret); /* a secret's file, or an identity: the configuration need not show it */
    return 0;
}

static void swap_strings(char **a, char **b)
{
    char *c = *a;

    *a = *b;
    *b = c;
}

int azm_service_connect(struct azm_service *v, const struct azm_config *c, struct azm_quarantine *quarantine,
                        struct azm_error *err)
{
    _cleanup_(azm_destination_free) struct azm_destination destination = {0};
    struct azm_exporter_options o;
    struct azm_tokens *tokens;
    int r = azm_destination_init(&destination, c, err);

    if (r >= 0)
        r = take_tokens(v, &destination, &tokens, err);
    if (r < 0)
        return r;
    o = azm_destination_exporter(&destination, c);
    o.quarantine = quarantine;
    o.tokens = tokens;
    r = v->exporter ? azm_exporter_configure(v->exporter, &o, err) : azm_exporter_new(&o, &v->exporter, err);
    if (r < 0) {
        azm_tokens_unref(tokens);
        return r;
    }
    azm_tokens_unref(v->tokens);
    v->tokens = tokens;
    swap_strings(&v->identity, &destination.identity);
    swap_strings(&v->destination, &destination.name);
    return 0;
}

void azm_service_clear(struct azm_service *v)
{
    azm_tokens_unref(v->tokens);
    free(v->destination);
    free(v->identity);
    free(v->reload_error);
}

/* --- rates --- */

static struct azm_service_sample sample_now(const struct azm_service *v)
{
    struct azm_exporter_status s;

    azm_exporter_get_status(v->exporter, &s);
    return (struct azm_service_sample){azm_monotonic_usec(&azm_system_clock), azm_pipeline_records_read(v->pipeline),
                                       s.records};
}

void azm_service_sample(struct azm_service *v)
{
    struct azm_service_sample now = sample_now(v);

    if (v->samples[0].usec + AZM_SERVICE_RATE_SPAN_USEC / (AZM_SERVICE_RATE_SAMPLES - 1) > now.usec)
        return;
    memmove(v->samples + 1, v->samples, sizeof v->samples - sizeof *v->samples);
    v->samples[0] = now;
}

/* Over about the last minute. */
static void compute_rates(const struct azm_service *v, double *ret_read, double *ret_delivered)
{
    struct azm_service_sample now = sample_now(v), then = now;
    double seconds;

    for (size_t i = 0; i < AZM_SERVICE_RATE_SAMPLES && v->samples[i].usec > 0; i++) {
        then = v->samples[i];
        if (then.usec + AZM_SERVICE_RATE_SPAN_USEC <= now.usec)
            break; /* the newest that is a minute old */
    }
    seconds = (double)(now.usec - then.usec) / (double)AZM_USEC_PER_SEC;
    *ret_read = seconds > 0 ? (double)(now.read - then.read) / seconds : 0;
    *ret_delivered = seconds > 0 ? (double)(now.delivered - then.delivered) / seconds : 0;
}

/* --- status --- */

static json_t *time_or_null(uint64_t realtime_usec)
{
    char text[AZM_TIME_TEXT_MAX];

    azm_time_print(realtime_usec, text);
    return *text ? json_string(text) : json_null();
}

static json_t *describe_lag(const struct azm_source_status *s)
{
    return json_pack("{s:o, s:b, s:f}", "records",
                     s->lag_known ? json_integer((json_int_t)s->lag_records) : json_null(), "up_to", s->lag_up_to,
                     "seconds", (double)s->lag_usec / (double)AZM_USEC_PER_SEC);
}

static json_t *describe_error(const struct azm_exporter_status *s)
{
    if (s->state == AZM_EXPORTER_DELIVERING)
        return json_null();
    return json_pack("{s:s%, s:s?, s:o}", "reason", s->reason, strnlen(s->reason, sizeof s->reason), "remedy",
                     *s->remedy ? s->remedy : NULL, "since", time_or_null(s->failing_since_realtime_usec));
}

/* Whose token it is, and until when; null where none is needed. */
static json_t *describe_token(const struct azm_service *v)
{
    struct azm_tokens_status s;

    if (!v->tokens)
        return json_null();
    azm_tokens_get_status(v->tokens, &s);
    return json_pack("{s:s, s:s, s:o, s:I, s:s?, s:s?}", "credential", azm_tokens_credential_name(v->tokens),
                     "object_id", s.object_id, "expires", time_or_null(s.expires_realtime_usec), "acquired",
                     (json_int_t)s.acquired, "error", *s.failure.reason ? s.failure.reason : NULL, "remedy",
                     *s.failure.remedy ? s.failure.remedy : NULL);
}

static json_t *describe_losses(const struct azm_losses *l)
{
    return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I}", "gaps", (json_int_t)l->gaps, "gap_entries",
                     (json_int_t)l->gap_entries, "suppressed", (json_int_t)l->suppressed, "missed_kernel",
                     (json_int_t)l->missed_kernel, "unreadable", (json_int_t)l->unreadable, "damaged_files",
                     (json_int_t)l->damaged_files);
}

/* What came of records that the destination does not take: since the start, and what is kept of them now. */
static json_t *describe_quarantine(const struct azm_service *v, const struct azm_exporter_status *s)
{
    struct azm_quarantine_status q;
    struct azm_error err;

    if (azm_quarantine_get_status(v->quarantine, &q, &err) < 0)
        return json_pack("{s:s, s:I, s:I, s:I}", "error", err.words, "quarantined", (json_int_t)s->quarantined,
                         "rejected", (json_int_t)s->rejected, "truncated", (json_int_t)s->truncated);
    return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I}", "records", (json_int_t)q.records, "bytes", (json_int_t)q.bytes,
                     "max_bytes", (json_int_t)q.max_bytes, "quarantined", (json_int_t)s->quarantined, "rejected",
                     (json_int_t)s->rejected, "truncated", (json_int_t)s->truncated);
}

static json_t *describe_throttling(const struct azm_exporter_status *s)
{
    return json_pack("{s:I, s:f, s:i}", "answers", (json_int_t)s->throttled, "batch_delay",
                     (double)s->batch_delay_usec / (double)AZM_USEC_PER_SEC, "window", (int)s->window);
}

static const char *name_full(const struct azm_outbox_status *s)
{
    switch (s->spool.full) {
    case AZM_SPOOL_FULL_LIMIT:
        return "limit";
    case AZM_SPOOL_FULL_DISK:
        return "disk";
    case AZM_SPOOL_HAS_ROOM:
        break;
    }
    return NULL;
}

static json_t *describe_spool(const struct azm_service *v)
{
    struct azm_outbox_status s;

    azm_outbox_get_status(v->outbox, &s);
    if (v->spool) { /* everything goes through it, always */
        azm_spool_shared_get_status(v->spool, &s.spool);
        s.spooling = true;
    }
    return json_pack("{s:b, s:o, s:I, s:I, s:I, s:I, s:o, s:s?, s:I}", "active", s.spooling, "since",
                     time_or_null(s.since_usec), "batches", (json_int_t)s.spool.rows, "records",
                     (json_int_t)s.spool.records, "bytes", (json_int_t)s.spool.bytes, "max_bytes",
                     (json_int_t)s.spool.max_bytes, "oldest", time_or_null(s.spool.oldest_usec), "full", name_full(&s),
                     "lost_batches", (json_int_t)s.lost_rows);
}

static json_t *describe(const struct azm_service *v)
{
    struct azm_exporter_status s;
    struct azm_source_status source;
    struct azm_error err;
    double read, delivered;

    if (v->source->ops->get_status(v->source, &source, &err) < 0)
        return azm_control_error(err.words);
    azm_exporter_get_status(v->exporter, &s);
    compute_rates(v, &read, &delivered);
    return json_pack(
        "{s:s, s:i, s:s, s:o, s:s, s:s, s:{s:s, s:o}, s:o, s:{s:I, s:f}, s:{s:I, s:I, s:I, s:f},"
        " s:{s:I}, s:I, s:o, s:o, s:o, s:o, s:o, s:o, s:{s:I, s:s?}}",
        "version", PACKAGE_VERSION, "pid", (int)getpid(), "state", name_state(v, &s), "started",
        time_or_null(v->started_usec), "destination", v->destination, "journal", source.name, "acknowledged", "cursor",
        source.cursor, "received", time_or_null(source.acknowledged_usec), "lag", describe_lag(&source), "read",
        "records", (json_int_t)azm_pipeline_records_read(v->pipeline), "per_second", read, "delivered", "records",
        (json_int_t)s.records, "requests", (json_int_t)s.requests, "bytes", (json_int_t)s.bytes, "per_second",
        delivered, "in_flight", "batches", (json_int_t)s.outstanding, "failures", (json_int_t)s.failures, "error",
        describe_error(&s), "token", describe_token(v), "losses", describe_losses(&source.losses), "quarantine",
        describe_quarantine(v, &s), "throttling", describe_throttling(&s), "spool", describe_spool(v), "config",
        "reloads", (json_int_t)v->reloads, "last_reload_error", v->reload_error);
}

/* --- flush --- */

static void on_flushed(void *userdata, const char *error)
{
    azm_control_reply(userdata,
                      error ? json_pack("{s:s, s:b}", "error", error, "again", 1) : json_pack("{s:b}", "ok", 1));
}

static bool is_wanted(void *userdata)
{
    return azm_control_wanted(userdata);
}

static void answer_flush(struct azm_service *v, struct azm_control_request *rq, const json_t *message)
{
    const char *marker = json_string_value(json_object_get(message, "marker"));
    json_int_t markers = json_integer_value(json_object_get(message, "markers"));
    const struct azm_flush_waiter waiter = {.done = on_flushed, .wanted = is_wanted, .userdata = rq};
    struct azm_error err;

    if (marker && (markers < 1 || markers > 16))
        azm_control_reply(rq, azm_control_error("flush: \"markers\" is a number from 1 to 16"));
    else if (azm_pipeline_flush(v->pipeline, marker, (unsigned)markers, &waiter, &err) < 0)
        azm_control_reply(rq, azm_control_error(err.words));
}

/* Which journald the caller has to wait for before it asks for a flush: that of the namespace, or none. */
static json_t *describe_journal(const struct azm_service *v)
{
    return json_pack("{s:b, s:s}", "journald", v->journald, "namespace", v->journal_namespace);
}

void azm_service_answer(struct azm_control_request *rq, const json_t *message, void *userdata)
{
    const char *command = json_string_value(json_object_get(message, "command"));
    struct azm_service *v = userdata;

    if (command && strcmp(command, "status") == 0)
        azm_control_reply(rq, describe(v));
    else if (command && strcmp(command, "journal") == 0)
        azm_control_reply(rq, describe_journal(v));
    else if (command && strcmp(command, "flush") == 0)
        answer_flush(v, rq, message);
    else
        azm_control_reply(rq, azm_control_error("unknown command; known are: status, journal, flush"));
}
