/* SPDX-License-Identifier: MIT */
#pragma once

#include "core/buf.h"
#include "pipeline/figures.h"

/* The figures of a running exporter as metrics, in Prometheus' naming. docs/metrics.md lists them. */

enum azm_metric_kind { AZM_METRIC_COUNTER, AZM_METRIC_GAUGE, AZM_METRIC_HISTOGRAM };

struct azm_metric {
    const char *name; /* of a counter without _total */
    const char *unit; /* the last word of the name; "": none */
    enum azm_metric_kind kind;
    const char *help;
};

/* One value of it; those of one metric stand together. */
struct azm_metric_point {
    const struct azm_metric *metric;
    const char *label, *label_value; /* NULL: none; they borrow from the figures */
    double value;
    const struct azm_latency *histogram; /* of this instead */
};

#define AZM_METRIC_POINTS_MAX (64 + 2 * AZM_VOLUMES_MAX)

struct azm_metrics {
    struct azm_metric_point points[AZM_METRIC_POINTS_MAX];
    size_t n;
};

/* What is not known just now is not among them. */
void azm_metrics_collect(const struct azm_figures *f, struct azm_metrics *ret);

/* Replaces the content of `out` by Prometheus' text format 0.0.4, or by that of OpenMetrics 1.0.0: 0 or -ENOMEM. */
int azm_metrics_print(const struct azm_metrics *m, bool openmetrics, struct azm_buf *out);
