/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <string.h>

#include "encode/scope.h"
#include "encode/wire.h"
#include "pipeline/metrics.h"

/* Field numbers: opentelemetry-proto, collector/metrics/v1 and metrics/v1; proto/otlp_metrics.proto has them, too. */
enum { REQUEST_RESOURCE_METRICS = 1 };
enum { RESOURCE_METRICS_RESOURCE = 1, RESOURCE_METRICS_SCOPE_METRICS = 2 };
enum { SCOPE_METRICS_SCOPE = 1, SCOPE_METRICS_METRICS = 2, SCOPE_NAME = 1, SCOPE_VERSION = 2 };
enum {
    METRIC_NAME = 1,
    METRIC_DESCRIPTION = 2,
    METRIC_UNIT = 3,
    METRIC_GAUGE = 5,
    METRIC_SUM = 7,
    METRIC_HISTOGRAM = 9
};
enum { DATA_POINTS = 1, DATA_TEMPORALITY = 2, SUM_IS_MONOTONIC = 3, TEMPORALITY_CUMULATIVE = 2 };
enum { NUMBER_START = 2, NUMBER_TIME = 3, NUMBER_DOUBLE = 4, NUMBER_INT = 6, NUMBER_ATTRIBUTES = 7 };
enum { HISTOGRAM_START = 2, HISTOGRAM_TIME = 3, HISTOGRAM_COUNT = 4, HISTOGRAM_SUM = 5 };
enum { HISTOGRAM_BUCKET_COUNTS = 6, HISTOGRAM_BOUNDS = 7 };
enum { KEY_VALUE_KEY = 1, KEY_VALUE_VALUE = 2, ANY_STRING = 1 };

/* A length stands before its content, so each level is made for itself first. */
struct encoder {
    uint64_t start_nano, now_nano;
    struct azm_buf point, data, metric, metrics, resource_metrics;
};

/* --- fields --- */

static int put_bytes(struct azm_buf *out, int field, struct azm_text t)
{
    int r = azm_buf_reserve(out, azm_field_len(t.len));

    if (r >= 0)
        out->len = (size_t)(azm_put_bytes(out->data + out->len, field, t.s, t.len) - out->data);
    return r;
}

static int put_string(struct azm_buf *out, int field, const char *s)
{
    return *s ? put_bytes(out, field, azm_text_of(s)) : 0;
}

static int put_message(struct azm_buf *out, int field, const struct azm_buf *content)
{
    return put_bytes(out, field, azm_buf_text(content));
}

static int put_uint(struct azm_buf *out, int field, uint64_t v)
{
    int r = azm_buf_reserve(out, azm_field_len(10));

    if (r >= 0)
        out->len = (size_t)(azm_put_uint(out->data + out->len, field, v) - out->data);
    return r;
}

static int put_fixed64(struct azm_buf *out, int field, uint64_t v)
{
    int r = azm_buf_reserve(out, 1 + sizeof v);

    if (r >= 0)
        out->len = (size_t)(azm_put_fixed64(out->data + out->len, field, v) - out->data);
    return r;
}

static uint64_t bits_of(double v)
{
    uint64_t bits;

    memcpy(&bits, &v, sizeof bits);
    return bits;
}

static double seconds(uint64_t usec)
{
    return (double)usec / (double)AZM_USEC_PER_SEC;
}

/* --- points --- */

static int put_attribute(struct azm_buf *out, int field, const char *key, const char *value)
{
    size_t value_len = azm_field_len(strlen(value)), len = azm_field_len(strlen(key)) + azm_field_len(value_len);
    uint8_t *p;

    if (azm_buf_reserve(out, azm_field_len(len)) < 0)
        return -ENOMEM;
    p = azm_put_len_key(out->data + out->len, field, len);
    p = azm_put_bytes(p, KEY_VALUE_KEY, key, strlen(key));
    p = azm_put_len_key(p, KEY_VALUE_VALUE, value_len);
    p = azm_put_bytes(p, ANY_STRING, value, strlen(value));
    out->len = (size_t)(p - out->data);
    return 0;
}

/* What is no time is a whole number. */
static int put_number(struct encoder *e, const struct azm_metric_point *p)
{
    bool is_sum = p->metric->kind == AZM_METRIC_COUNTER, is_time = strcmp(p->metric->unit, "s") == 0;

    azm_buf_clear(&e->point);
    if ((is_sum && !p->metric->start_unknown && put_fixed64(&e->point, NUMBER_START, e->start_nano) < 0) ||
        put_fixed64(&e->point, NUMBER_TIME, e->now_nano) < 0 ||
        (is_time ? put_fixed64(&e->point, NUMBER_DOUBLE, bits_of(p->value))
                 : put_fixed64(&e->point, NUMBER_INT, (uint64_t)p->value)) < 0)
        return -ENOMEM;
    return p->label ? put_attribute(&e->point, NUMBER_ATTRIBUTES, p->label, p->label_value) : 0;
}

static int put_histogram(struct encoder *e, const struct azm_latency *l)
{
    uint64_t counts[AZM_LATENCY_BUCKETS], bounds[AZM_LATENCY_BUCKETS - 1];

    for (size_t i = 0; i < ELEMENTSOF(counts); i++)
        counts[i] = htole64(l->buckets[i]);
    for (size_t i = 0; i < ELEMENTSOF(bounds); i++)
        bounds[i] = htole64(bits_of(seconds(azm_latency_limits_usec[i])));
    azm_buf_clear(&e->point);
    if (put_fixed64(&e->point, HISTOGRAM_START, e->start_nano) < 0 ||
        put_fixed64(&e->point, HISTOGRAM_TIME, e->now_nano) < 0 ||
        put_fixed64(&e->point, HISTOGRAM_COUNT, l->answers) < 0 ||
        put_fixed64(&e->point, HISTOGRAM_SUM, bits_of(seconds(l->sum_usec))) < 0 ||
        put_bytes(&e->point, HISTOGRAM_BUCKET_COUNTS, (struct azm_text){(const char *)counts, sizeof counts}) < 0)
        return -ENOMEM;
    return put_bytes(&e->point, HISTOGRAM_BOUNDS, (struct azm_text){(const char *)bounds, sizeof bounds});
}

/* --- metrics --- */

static int put_metric(struct encoder *e, const struct azm_metric *m)
{
    static const int fields[] = {[AZM_METRIC_COUNTER] = METRIC_SUM,
                                 [AZM_METRIC_GAUGE] = METRIC_GAUGE,
                                 [AZM_METRIC_HISTOGRAM] = METRIC_HISTOGRAM};

    azm_buf_clear(&e->metric);
    if ((m->kind != AZM_METRIC_GAUGE && put_uint(&e->data, DATA_TEMPORALITY, TEMPORALITY_CUMULATIVE) < 0) ||
        (m->kind == AZM_METRIC_COUNTER && put_uint(&e->data, SUM_IS_MONOTONIC, true) < 0) ||
        put_string(&e->metric, METRIC_NAME, m->name) < 0 || put_string(&e->metric, METRIC_DESCRIPTION, m->help) < 0 ||
        put_string(&e->metric, METRIC_UNIT, m->unit) < 0 || put_message(&e->metric, fields[m->kind], &e->data) < 0)
        return -ENOMEM;
    return put_message(&e->metrics, SCOPE_METRICS_METRICS, &e->metric);
}

static int put_metrics(struct encoder *e, const struct azm_metrics *m)
{
    int r = put_string(&e->point, SCOPE_NAME, AZM_SCOPE_NAME);

    if (r >= 0)
        r = put_string(&e->point, SCOPE_VERSION, AZM_SCOPE_VERSION);
    if (r >= 0)
        r = put_message(&e->metrics, SCOPE_METRICS_SCOPE, &e->point);
    for (size_t i = 0; i < m->n && r >= 0; i++) {
        const struct azm_metric_point *p = &m->points[i];

        r = p->histogram ? put_histogram(e, p->histogram) : put_number(e, p);
        if (r >= 0)
            r = put_message(&e->data, DATA_POINTS, &e->point);
        if (r >= 0 && (i + 1 == m->n || m->points[i + 1].metric != p->metric)) {
            r = put_metric(e, p->metric);
            azm_buf_clear(&e->data);
        }
    }
    return r;
}

int azm_metrics_encode(const struct azm_metrics *m, struct azm_text resource, uint64_t started_usec, uint64_t now_usec,
                       struct azm_buf *out)
{
    struct encoder e = {.start_nano = started_usec * AZM_NSEC_PER_USEC, .now_nano = now_usec * AZM_NSEC_PER_USEC};
    int r = put_metrics(&e, m);

    azm_buf_clear(out);
    if (r >= 0)
        r = put_bytes(&e.resource_metrics, RESOURCE_METRICS_RESOURCE, resource);
    if (r >= 0)
        r = put_message(&e.resource_metrics, RESOURCE_METRICS_SCOPE_METRICS, &e.metrics);
    if (r >= 0)
        r = put_message(out, REQUEST_RESOURCE_METRICS, &e.resource_metrics);
    azm_buf_free(&e.point);
    azm_buf_free(&e.data);
    azm_buf_free(&e.metric);
    azm_buf_free(&e.metrics);
    azm_buf_free(&e.resource_metrics);
    return r;
}
