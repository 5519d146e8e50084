/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdlib.h>

#include "cli/metrics_push.h"
#include "core/log.h"
#include "export/destination.h"
#include "pipeline/metrics.h"
#include "source/service_name.h"

#define ACCURACY_USEC (100 * AZM_USEC_PER_MSEC)
#define LAST_USEC AZM_USEC_PER_SEC

struct azm_metrics_push {
    struct azm_service *service;
    struct azm_metrics_exporter *exporter;
    struct azm_buf resource;
    uint64_t interval_usec;
    sd_event_source *timer;
};

static void update(struct azm_metrics_push *m)
{
    _cleanup_(azm_buf_free) struct azm_buf request = {0};
    struct azm_figures figures;
    struct azm_metrics metrics;

    azm_service_measure(m->service, &figures);
    azm_metrics_collect(&figures, &metrics);
    if (azm_metrics_encode(&metrics, azm_buf_text(&m->resource), figures.started_usec, figures.now_usec, &request) >= 0)
        azm_metrics_exporter_give(m->exporter, &request, metrics.n);
    else
        azm_log(AZM_LOG_WARNING, "no memory to send metrics; trying again at the next interval");
}

static int on_timer(sd_event_source *s, uint64_t usec, void *userdata)
{
    struct azm_metrics_push *m = userdata;

    (void)usec;
    update(m);
    (void)sd_event_source_set_time_relative(s, m->interval_usec);
    return sd_event_source_set_enabled(s, SD_EVENT_ONESHOT);
}

/* That of our own records, and which journal it is about: several azmonlogs on one host are several sources of metrics.
 */
static int make_resource(struct azm_metrics_push *m, const struct azm_config *c)
{
    _cleanup_(azm_otlp_encoder_free) struct azm_otlp_encoder encoder = {
        .limits = azm_otlp_limits_of(c->max_body_bytes, c->max_request_bytes)};
    _cleanup_(azm_buf_free) struct azm_buf source = {0};
    struct azm_attribute attribute = {.key = AZM_TEXT("azmonlog.source")};
    struct azm_figures figures;
    int r;

    azm_service_measure(m->service, &figures);
    attribute.text = azm_text_of(figures.source.name);
    r = azm_otlp_encode_resource(&encoder, &attribute, 1, &source);
    if (r >= 0)
        r = azm_own_resource(c, &m->resource);
    return r < 0 ? r : azm_buf_append(&m->resource, source.data, source.len);
}

static int start_exporter(struct azm_metrics_push *m, const struct azm_config *c, struct azm_error *err)
{
    _cleanup_(azm_destination_free) struct azm_destination destination = {0};
    struct azm_exporter_options o;
    int r = azm_destination_init(&destination, c, AZM_METRICS, err);

    if (r < 0)
        return r;
    o = azm_destination_exporter(&destination, c);
    r = azm_destination_tokens(&destination, &o.tokens, err);
    if (r < 0)
        return r;
    r = azm_metrics_exporter_new(&o, &m->exporter, err);
    azm_tokens_unref(o.tokens);
    return r;
}

int azm_metrics_push_new(sd_event *event, const struct azm_config *c, struct azm_service *service,
                         struct azm_metrics_push **ret, struct azm_error *err)
{
    struct azm_metrics_push *m = calloc(1, sizeof *m);
    int r;

    if (!m)
        return azm_error_set(err, ENOMEM, "out of memory");
    m->service = service;
    m->interval_usec = c->metrics_interval_usec;
    r = make_resource(m, c);
    if (r < 0)
        azm_error_set(err, r, "out of memory");
    else
        r = start_exporter(m, c, err);
    if (r >= 0) {
        r = sd_event_add_time_relative(event, &m->timer, CLOCK_MONOTONIC, 0, ACCURACY_USEC, on_timer, m);
        if (r < 0)
            azm_error_set(err, r, "cannot set up the event loop: %m");
    }
    if (r < 0) {
        azm_metrics_push_free(m);
        return r;
    }
    *ret = m;
    return 0;
}

static struct azm_metrics_push *push_free(struct azm_metrics_push *m, uint64_t patience_usec)
{
    sd_event_source_disable_unref(m->timer);
    azm_metrics_exporter_free(m->exporter, patience_usec);
    azm_buf_free(&m->resource);
    free(m);
    return NULL;
}

struct azm_metrics_push *azm_metrics_push_free(struct azm_metrics_push *m)
{
    return m ? push_free(m, 0) : NULL;
}

struct azm_metrics_push *azm_metrics_push_end(struct azm_metrics_push *m)
{
    if (!m)
        return NULL;
    update(m);
    return push_free(m, LAST_USEC);
}

struct azm_metrics_exporter *azm_metrics_push_exporter(struct azm_metrics_push *m)
{
    return m->exporter;
}
