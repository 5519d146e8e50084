/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "export/destination.h"
#include "pipeline/heartbeat.h"
#include "pipeline/service.h"
#include "source/service_name.h"

#define LOOK_USEC AZM_USEC_PER_SEC /* a change of state is seen at once, any other in this time */
#define SAMPLE_ACCURACY_USEC (AZM_USEC_PER_SEC / 2)
#define HEARTBEAT_ACCURACY_USEC (100 * AZM_USEC_PER_MSEC)

/* --- heartbeats --- */

static void arm_heartbeat(struct azm_service *v, uint64_t delay_usec)
{
    if (!v->heartbeat_timer)
        return;
    (void)sd_event_source_set_time_relative(v->heartbeat_timer, delay_usec);
    (void)sd_event_source_set_enabled(v->heartbeat_timer, v->heartbeat_usec > 0 ? SD_EVENT_ONESHOT : SD_EVENT_OFF);
}

static void set_heartbeat(struct azm_service *v, uint64_t interval_usec)
{
    bool same = v->heartbeat_usec == interval_usec;

    v->heartbeat_usec = interval_usec;
    v->heartbeat_due = v->heartbeat_due && interval_usec > 0;
    if (!same)
        arm_heartbeat(v, 0);
}

/* Sends one, or as soon as the one before is acknowledged: while nothing is, there never is more than one that waits.
 * The last one does not wait for another. */
static void beat(struct azm_service *v)
{
    struct azm_heartbeat heartbeat;
    struct azm_figures f;
    struct azm_record record;

    v->heartbeat_due = !v->stopping && azm_pipeline_notice_waits(v->pipeline);
    if (v->heartbeat_due)
        return;
    azm_service_measure(v, &f);
    azm_heartbeat_record(&f, &heartbeat, &record);
    azm_pipeline_give_notice(v->pipeline, azm_buf_text(&v->resource), &record);
}

static int on_heartbeat_timer(sd_event_source *s, uint64_t usec, void *userdata)
{
    struct azm_service *v = userdata;

    (void)s;
    (void)usec;
    beat(v);
    arm_heartbeat(v, v->heartbeat_usec);
    return 0;
}

void azm_service_stop(struct azm_service *v)
{
    bool first = !v->stopping;

    v->stopping = true;
    if (first && v->heartbeat_timer && v->heartbeat_usec > 0)
        beat(v);
    set_heartbeat(v, 0);
    azm_pipeline_stop(v->pipeline);
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
    _cleanup_(azm_buf_free) struct azm_buf resource = {0};
    struct azm_exporter_options o;
    struct azm_tokens *tokens;
    int r = azm_destination_init(&destination, c, AZM_LOGS, err);

    if (r >= 0 && azm_own_resource(c, &resource) < 0)
        r = azm_error_set(err, ENOMEM, "out of memory");
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
    azm_buf_free(&v->resource);
    v->resource = azm_buf_take(&resource);
    set_heartbeat(v, c->heartbeat_usec);
    return 0;
}

struct azm_pipeline_options azm_service_pipeline_options(const struct azm_service *v, const struct azm_config *c,
                                                         sd_event *event)
{
    return (struct azm_pipeline_options){
        .event = event,
        .source = v->source,
        .processor = v->processor,
        .own_resource = &v->resource,
        .outbox = v->outbox,
        .exporter = v->exporter,
        .clock = &azm_system_clock,
        .batch = {.records = c->max_export_batch_size, .bytes = c->max_request_bytes},
        .record = azm_otlp_limits_of(c->max_body_bytes, c->max_request_bytes),
        .concurrency = c->concurrency,
        .schedule_delay_usec = c->schedule_delay_usec,
        .shutdown_timeout_usec = c->shutdown_timeout_usec,
    };
}

void azm_service_set_processor(struct azm_service *v, struct azm_processor *processor)
{
    azm_processor_free(v->processor);
    azm_rules_unref(v->rules);
    v->processor = processor;
    v->rules = azm_rules_ref(azm_processor_rules(processor));
}

void azm_service_clear(struct azm_service *v)
{
    azm_service_set_processor(v, NULL);
    sd_event_source_disable_unref(v->sample_timer);
    sd_event_source_disable_unref(v->heartbeat_timer);
    azm_buf_free(&v->resource);
    azm_tokens_unref(v->tokens);
    free(v->destination);
    free(v->identity);
    free(v->reload_error);
}

/* --- figures --- */

/* How old the first record is that the destination has not acknowledged. */
static uint64_t behind_usec(const struct azm_service *v, const struct azm_figures *f)
{
    uint64_t oldest;

    if (v->is_relay)
        return f->source.lag_usec;
    oldest = v->spool ? f->outbox.spool.oldest_usec : azm_pipeline_oldest_usec(v->pipeline);

    return oldest > 0 && oldest < f->now_usec ? f->now_usec - oldest : 0;
}

static void get_outbox_status(const struct azm_service *v, struct azm_outbox_status *ret)
{
    azm_outbox_get_status(v->outbox, ret);
    if (v->spool) { /* everything goes through it, always */
        azm_spool_shared_get_status(v->spool, &ret->spool);
        ret->spooling = true;
    }
}

/* What changes from moment to moment and is quickly found. */
static void look(struct azm_service *v, struct azm_figures *f)
{
    struct azm_health_facts facts = {0};

    f->now_usec = azm_realtime_usec(&azm_system_clock);
    f->now_monotonic_usec = azm_monotonic_usec(&azm_system_clock);
    f->read = azm_pipeline_records_read(v->pipeline);
    azm_exporter_get_status(v->exporter, &f->exporter);
    get_outbox_status(v, &f->outbox);
    if (v->is_relay) { /* it asks nobody */
        struct azm_error err;

        v->source->ops->get_status(v->source, &f->source, &err);
        facts.source = &f->source;
    }
    facts.behind_usec = f->behind_usec = behind_usec(v, f);
    facts.now_usec = f->now_usec;
    facts.started_usec = v->started_usec;
    facts.now_monotonic_usec = f->now_monotonic_usec;
    facts.exporter = &f->exporter;
    facts.spool_full = f->outbox.spool.full;
    azm_health_judge(&facts, &v->health);
    f->health = v->health;
    v->looked_usec = f->now_monotonic_usec;
    v->state = f->exporter.state;
}

static struct azm_trend_sample sample_of(const struct azm_figures *f)
{
    return (struct azm_trend_sample){
        .usec = f->now_monotonic_usec,
        .read = f->read,
        .delivered = f->exporter.records,
        .requests = f->exporter.requests,
        .failures = f->exporter.failures,
        .answers = f->exporter.latency.answers,
        .answers_usec = f->exporter.latency.sum_usec,
        .behind_usec = f->behind_usec,
    };
}

/* In the last minute. */
static double rate(uint64_t then, uint64_t now, double seconds)
{
    return seconds > 0 ? (double)(now - then) / seconds : 0;
}

static void measure_rates(const struct azm_service *v, struct azm_figures *f, double *ret_seconds)
{
    struct azm_trend_sample now = sample_of(f);
    const struct azm_trend_sample *then = azm_trend_get(&v->trend, AZM_RATE_SAMPLES - 1);
    uint64_t answers;
    double s;

    if (!then)
        then = &now;
    s = *ret_seconds = (double)(now.usec - then->usec) / (double)AZM_USEC_PER_SEC;
    answers = now.answers - then->answers;
    f->read_per_second = rate(then->read, now.read, s);
    f->delivered_per_second = rate(then->delivered, now.delivered, s);
    f->requests_per_second = rate(then->requests, now.requests, s);
    f->failures_per_second = rate(then->failures, now.failures, s);
    f->latency_seconds =
        answers > 0 ? (double)(now.answers_usec - then->answers_usec) / (double)answers / (double)AZM_USEC_PER_SEC : -1;
}

static int compare_volumes(const void *a, const void *b)
{
    const struct azm_volume_rate *x = a, *y = b;

    if (x->bytes_per_second != y->bytes_per_second)
        return x->bytes_per_second < y->bytes_per_second ? 1 : -1;
    return (x->bytes < y->bytes) - (x->bytes > y->bytes);
}

static void measure_volumes(const struct azm_service *v, struct azm_figures *f, double seconds)
{
    const struct azm_volumes *volumes = azm_pipeline_volumes(v->pipeline);

    for (size_t i = 0; i < volumes->n; i++) {
        const struct azm_volume *item = &volumes->items[i];
        const struct azm_volume_count *then = &item->then[AZM_RATE_SAMPLES - 1];

        f->volumes[i] = (struct azm_volume_rate){
            .service = item->service,
            .records = item->now.records,
            .bytes = item->now.bytes,
            .records_per_second = rate(then->records, item->now.records, seconds),
            .bytes_per_second = rate(then->bytes, item->now.bytes, seconds),
        };
    }
    f->n_volumes = volumes->n;
    f->other_volumes = volumes->others;
    qsort(f->volumes, f->n_volumes, sizeof *f->volumes, compare_volumes);
}

void azm_service_measure(struct azm_service *v, struct azm_figures *f)
{
    struct azm_error err;
    double seconds;

    *f = (struct azm_figures){
        .started_usec = v->started_usec,
        .stopping = v->stopping,
        .destination = v->destination,
        .has_tokens = v->tokens != NULL,
        .spool_is_source = v->spool != NULL,
        .rules = v->rules,
        .reloads = v->reloads,
        .reload_error = v->reload_error,
    };
    if (v->source->ops->get_status(v->source, &f->source, &err) < 0)
        snprintf(f->source_error, sizeof f->source_error, "%.*s", (int)sizeof f->source_error - 1, err.words);
    look(v, f);
    azm_exporter_get_answers(v->exporter, &f->answers);
    if (v->tokens) {
        f->credential = azm_tokens_credential_name(v->tokens);
        azm_tokens_get_status(v->tokens, &f->tokens);
    }
    f->quarantine_known = azm_quarantine_get_status(v->quarantine, &f->quarantine, &f->quarantine_error) >= 0;
    f->sends_metrics = v->metrics_exporter != NULL;
    if (f->sends_metrics)
        azm_metrics_exporter_get_status(v->metrics_exporter, &f->metrics);
    measure_rates(v, f, &seconds);
    measure_volumes(v, f, seconds);
}

void azm_service_changed(struct azm_service *v)
{
    struct azm_figures f;

    if (azm_monotonic_usec(&azm_system_clock) >= v->looked_usec + LOOK_USEC ||
        azm_exporter_state(v->exporter) != v->state)
        look(v, &f);
    if (v->heartbeat_due)
        beat(v);
}

static void sample(struct azm_service *v)
{
    struct azm_figures f;
    struct azm_trend_sample now;

    look(v, &f);
    now = sample_of(&f);
    azm_trend_add(&v->trend, &now);
    azm_volumes_sample(azm_pipeline_volumes(v->pipeline));
}

static int on_sample_timer(sd_event_source *s, uint64_t usec, void *userdata)
{
    (void)usec;
    sample(userdata);
    (void)sd_event_source_set_time_relative(s, AZM_TREND_INTERVAL_USEC);
    return sd_event_source_set_enabled(s, SD_EVENT_ONESHOT);
}

int azm_service_watch(struct azm_service *v, sd_event *event)
{
    int r;

    sample(v);
    r = sd_event_add_time_relative(event, &v->sample_timer, CLOCK_MONOTONIC, AZM_TREND_INTERVAL_USEC,
                                   SAMPLE_ACCURACY_USEC, on_sample_timer, v);
    if (r < 0 || v->once)
        return r;
    r = sd_event_add_time_relative(event, &v->heartbeat_timer, CLOCK_MONOTONIC, 0, HEARTBEAT_ACCURACY_USEC,
                                   on_heartbeat_timer, v);
    arm_heartbeat(v, 0);
    return r;
}

/* --- status --- */

static json_t *describe(struct azm_service *v)
{
    struct azm_figures f;

    azm_service_measure(v, &f);
    return azm_figures_json(&f);
}

static json_t *describe_trend(struct azm_service *v, const json_t *message)
{
    json_int_t wanted = json_integer_value(json_object_get(message, "intervals"));
    struct azm_trend_sample now;
    struct azm_figures f;

    if (wanted < 0)
        return azm_control_error("trend: \"intervals\" is how many of the latest, 0 for all");
    look(v, &f);
    now = sample_of(&f);
    return azm_trend_json(&v->trend, &now, wanted > 0 ? MIN((size_t)wanted, SIZE_MAX - 1) : AZM_TREND_SAMPLES);
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
    else if (command && strcmp(command, "trend") == 0)
        azm_control_reply(rq, describe_trend(v, message));
    else if (command && strcmp(command, "journal") == 0)
        azm_control_reply(rq, describe_journal(v));
    else if (command && strcmp(command, "flush") == 0)
        answer_flush(v, rq, message);
    else
        azm_control_reply(rq, azm_control_error("unknown command; known are: status, trend, journal, flush"));
}
