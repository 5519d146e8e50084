/* SPDX-License-Identifier: MIT */
#pragma once

#include "core/buf.h"
#include "pipeline/figures.h"

/* The figures of a running exporter as metrics, defined once, in OpenTelemetry's way. docs/metrics.md lists them. */

enum azm_metric_kind { AZM_METRIC_COUNTER, AZM_METRIC_GAUGE, AZM_METRIC_HISTOGRAM };

struct azm_metric {
    const char *name; /* azmonlog.records.read */
    const char *unit; /* UCUM: "s", "By"; "{record}": what is counted; "": neither */
    enum azm_metric_kind kind;
    const char *help;
    bool start_unknown; /* of a counter: it does not begin at 0 with the process */
};

/* One value of it; those of one metric stand together. */
struct azm_metric_point {
    const struct azm_metric *metric;
    const char *label, *label_value; /* NULL: none; they borrow from the figures */
    double value;
    const struct azm_latency *histogram; /* of this instead */
};

#define AZM_METRIC_POINTS_MAX (72 + 2 * AZM_VOLUMES_MAX + 2 * AZM_RULES_MAX)

struct azm_metrics {
    struct azm_metric_point points[AZM_METRIC_POINTS_MAX];
    size_t n;
};

/* What is not known just now is not among them. */
void azm_metrics_collect(const struct azm_figures *f, struct azm_metrics *ret);

/* Replaces the content of `out` by Prometheus' text format 0.0.4, or by that of OpenMetrics 1.0.0: 0 or -ENOMEM. */
int azm_metrics_print(const struct azm_metrics *m, bool openmetrics, struct azm_buf *out);

/* The same as an ExportMetricsServiceRequest of OTLP: counters as cumulative monotonic sums that begin with the
 * process (`started_usec`, realtime), all as of `now_usec`. `resource`: an encoded Resource. 0 or -ENOMEM. */
int azm_metrics_encode(const struct azm_metrics *m, struct azm_text resource, uint64_t started_usec, uint64_t now_usec,
                       struct azm_buf *out);
