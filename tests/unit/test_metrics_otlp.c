/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "encode/otlp.h"
#include "pipeline/metrics.h"
#include "proto/otlp_metrics.pb-c.h"
#include "tests/unit/test.h"

/* What is encoded by hand, as protobuf-c reads it. */

#define STARTED UINT64_C(1700000000000001)
#define NOW UINT64_C(1700000060000002)

static struct azm_figures figures;
static struct azm_metrics metrics;
static Otlp__ExportMetricsServiceRequest *message;

static void encode(void)
{
    _cleanup_(azm_otlp_encoder_free) struct azm_otlp_encoder encoder = {.limits = azm_otlp_limits_of(1000, 100000)};
    struct azm_attribute attribute = {.key = AZM_TEXT("service.name")};
    _cleanup_(azm_buf_free) struct azm_buf resource = {0}, request = {0};

    attribute.text = AZM_TEXT("azmonlog");
    ck_assert_int_eq(azm_otlp_encode_resource(&encoder, &attribute, 1, &resource), 0);
    azm_metrics_collect(&figures, &metrics);
    ck_assert_int_eq(azm_metrics_encode(&metrics, azm_buf_text(&resource), figures.started_usec, NOW, &request), 0);
    message = otlp__export_metrics_service_request__unpack(NULL, request.len, request.data);
    ck_assert_ptr_nonnull(message);
    ck_assert_uint_eq(message->base.n_unknown_fields, 0);
}

static void begin(void)
{
    figures = (struct azm_figures){.started_usec = STARTED};
}

static void end(void)
{
    otlp__export_metrics_service_request__free_unpacked(message, NULL);
}

static const Otlp__ScopeMetrics *scope(void)
{
    ck_assert_uint_eq(message->n_resource_metrics, 1);
    ck_assert_uint_eq(message->resource_metrics[0]->n_scope_metrics, 1);
    return message->resource_metrics[0]->scope_metrics[0];
}

static const Otlp__Metric *find(const char *name)
{
    const Otlp__Metric *found = NULL;

    for (size_t i = 0; i < scope()->n_metrics; i++)
        if (strcmp(scope()->metrics[i]->name, name) == 0) {
            ck_assert_msg(!found, "%s is there twice", name);
            found = scope()->metrics[i];
        }
    ck_assert_msg(found != NULL, "%s is missing", name);
    return found;
}

START_TEST(who_sends_it)
{
    const Otlp__Resource *resource;

    begin();
    encode();
    resource = message->resource_metrics[0]->resource;
    ck_assert_uint_eq(resource->n_attributes, 1);
    ck_assert_str_eq(resource->attributes[0]->key, "service.name");
    ck_assert_str_eq(resource->attributes[0]->value->string_value, "azmonlog");
    ck_assert_str_eq(scope()->scope->name, "azmonlog");
    ck_assert_str_eq(scope()->scope->version, PACKAGE_VERSION);
    end();
}
END_TEST

START_TEST(a_counter)
{
    const Otlp__Metric *m;
    const Otlp__NumberDataPoint *p;

    begin();
    figures.read = UINT64_C(9007199254740992); /* 2^53 */
    encode();
    m = find("azmonlog.records.read");
    ck_assert_str_eq(m->unit, "{record}");
    ck_assert_str_eq(m->description, "Records that were read from the journal.");
    ck_assert_int_eq(m->data_case, OTLP__METRIC__DATA_SUM);
    ck_assert_int_eq(m->sum->aggregation_temporality, 2);
    ck_assert(m->sum->is_monotonic);
    ck_assert_uint_eq(m->sum->n_data_points, 1);
    p = m->sum->data_points[0];
    ck_assert_uint_eq(p->start_time_unix_nano, STARTED * 1000);
    ck_assert_uint_eq(p->time_unix_nano, NOW * 1000);
    ck_assert_int_eq(p->value_case, OTLP__NUMBER_DATA_POINT__VALUE_AS_INT);
    ck_assert_int_eq(p->as_int, INT64_C(9007199254740992));
    ck_assert_uint_eq(p->n_attributes, 0);
    end();
}
END_TEST

/* One that is kept over restarts does not begin with the process. */
START_TEST(a_counter_that_is_older)
{
    begin();
    figures.source.losses.gaps = 3;
    encode();
    ck_assert_uint_eq(find("azmonlog.journal.gaps")->sum->data_points[0]->start_time_unix_nano, 0);
    ck_assert_int_eq(find("azmonlog.journal.gaps")->sum->data_points[0]->as_int, 3);
    end();
}
END_TEST

START_TEST(gauges)
{
    const Otlp__Metric *m;

    begin();
    figures.behind_usec = 1500000;
    figures.health.condition = AZM_IS_THROTTLED;
    encode();
    m = find("azmonlog.behind");
    ck_assert_str_eq(m->unit, "s");
    ck_assert_int_eq(m->data_case, OTLP__METRIC__DATA_GAUGE);
    ck_assert_int_eq(m->gauge->data_points[0]->value_case, OTLP__NUMBER_DATA_POINT__VALUE_AS_DOUBLE);
    ck_assert_double_eq(m->gauge->data_points[0]->as_double, 1.5);
    ck_assert_uint_eq(m->gauge->data_points[0]->start_time_unix_nano, 0);
    ck_assert_uint_eq(m->gauge->data_points[0]->time_unix_nano, NOW * 1000);
    m = find("azmonlog.condition");
    ck_assert_uint_eq(m->gauge->n_data_points, 4);
    for (size_t i = 0; i < 4; i++) {
        const Otlp__NumberDataPoint *p = m->gauge->data_points[i];

        ck_assert_uint_eq(p->n_attributes, 1);
        ck_assert_str_eq(p->attributes[0]->key, "condition");
        ck_assert_str_eq(p->attributes[0]->value->string_value, azm_condition_name((enum azm_condition)i));
        ck_assert_int_eq(p->as_int, i == AZM_IS_THROTTLED);
    }
    end();
}
END_TEST

/* Buckets count their own only, and the last one has no bound. */
START_TEST(a_histogram)
{
    const Otlp__HistogramDataPoint *p;
    const Otlp__Metric *m;

    begin();
    azm_latency_add(&figures.exporter.latency, 1000);
    azm_latency_add(&figures.exporter.latency, 7000);
    azm_latency_add(&figures.exporter.latency, 60 * AZM_USEC_PER_SEC);
    encode();
    m = find("azmonlog.request.duration");
    ck_assert_int_eq(m->data_case, OTLP__METRIC__DATA_HISTOGRAM);
    ck_assert_int_eq(m->histogram->aggregation_temporality, 2);
    p = m->histogram->data_points[0];
    ck_assert_uint_eq(p->start_time_unix_nano, STARTED * 1000);
    ck_assert_uint_eq(p->count, 3);
    ck_assert_double_eq(p->sum, 60.008);
    ck_assert_uint_eq(p->n_bucket_counts, AZM_LATENCY_BUCKETS);
    ck_assert_uint_eq(p->n_explicit_bounds, AZM_LATENCY_BUCKETS - 1);
    ck_assert_double_eq(p->explicit_bounds[0], 0.005);
    ck_assert_uint_eq(p->bucket_counts[0], 1);
    ck_assert_uint_eq(p->bucket_counts[1], 1);
    ck_assert_uint_eq(p->bucket_counts[AZM_LATENCY_BUCKETS - 1], 1);
    end();
}
END_TEST

/* Every metric is there once, with all of its points, and with nothing that the specification does not know. */
START_TEST(the_most)
{
    size_t points = 0;

    begin();
    figures.n_volumes = AZM_VOLUMES_MAX;
    for (size_t i = 0; i < AZM_VOLUMES_MAX; i++)
        figures.volumes[i].service = "a\"b\\c\nd\xC3\xA9";
    figures.source.lag_known = figures.quarantine_known = figures.has_tokens = figures.outbox.spooling = true;
    figures.tokens.expires_realtime_usec = figures.source.acknowledged_usec = figures.health.since_usec = 1;
    encode();
    for (size_t i = 0; i < scope()->n_metrics; i++) {
        const Otlp__Metric *m = scope()->metrics[i];

        ck_assert_ptr_eq(find(m->name), m);
        ck_assert_msg(strncmp(m->name, "azmonlog.", 9) == 0 && *m->description, "%s", m->name);
        ck_assert_uint_eq(m->base.n_unknown_fields, 0);
        points += m->data_case == OTLP__METRIC__DATA_SUM     ? m->sum->n_data_points
                  : m->data_case == OTLP__METRIC__DATA_GAUGE ? m->gauge->n_data_points
                                                             : m->histogram->n_data_points;
    }
    ck_assert_uint_eq(points, metrics.n);
    ck_assert_str_eq(find("azmonlog.service.bytes")->sum->data_points[63]->attributes[0]->value->string_value,
                     "a\"b\\c\nd\xC3\xA9");
    end();
}
END_TEST

/* OpenTelemetry's naming: none is the namespace of another one. */
START_TEST(names)
{
    begin();
    figures.source.lag_known = figures.quarantine_known = figures.has_tokens = figures.outbox.spooling = true;
    encode();
    for (size_t i = 0; i < scope()->n_metrics; i++)
        for (size_t k = 0; k < scope()->n_metrics; k++) {
            const char *a = scope()->metrics[i]->name, *b = scope()->metrics[k]->name;

            ck_assert_msg(strncmp(a, b, strlen(a)) != 0 || b[strlen(a)] != '.', "%s and %s", a, b);
        }
    end();
}
END_TEST

static void add_tests(Suite *s)
{
    add_test(s, "who_sends_it", who_sends_it);
    add_test(s, "a_counter", a_counter);
    add_test(s, "a_counter_that_is_older", a_counter_that_is_older);
    add_test(s, "gauges", gauges);
    add_test(s, "a_histogram", a_histogram);
    add_test(s, "the_most", the_most);
    add_test(s, "names", names);
}

TEST_MAIN("metrics_otlp", add_tests)
