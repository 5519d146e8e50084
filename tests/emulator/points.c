/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "points.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TEMPORALITY_DELTA = 1, TEMPORALITY_CUMULATIVE = 2 };

/* What all points of a metric share. */
struct origin {
    uint64_t number;
    const Otlp__Resource *resource;
    const Otlp__InstrumentationScope *scope;
    const Otlp__Metric *metric;
    const char *kind;
    int temporality; /* 0 = none, of a gauge */
    bool monotonic;
};

#define refuse(problem, origin, ...)                                                                                   \
    (snprintf(problem, EMU_PROBLEM_BYTES, "metric %s: ", (origin)->metric->name),                                      \
     snprintf((problem) + strlen(problem), EMU_PROBLEM_BYTES - strlen(problem), __VA_ARGS__), -EINVAL)

size_t emu_points_count(const Otlp__ExportMetricsServiceRequest *message)
{
    size_t count = 0;

    for (size_t g = 0; g < message->n_resource_metrics; g++)
        for (size_t s = 0; s < message->resource_metrics[g]->n_scope_metrics; s++) {
            const Otlp__ScopeMetrics *scope = message->resource_metrics[g]->scope_metrics[s];
            for (size_t i = 0; i < scope->n_metrics; i++) {
                const Otlp__Metric *metric = scope->metrics[i];
                if (metric->data_case == OTLP__METRIC__DATA_GAUGE)
                    count += metric->gauge->n_data_points;
                else if (metric->data_case == OTLP__METRIC__DATA_SUM)
                    count += metric->sum->n_data_points;
                else if (metric->data_case == OTLP__METRIC__DATA_HISTOGRAM)
                    count += metric->histogram->n_data_points;
            }
        }
    return count;
}

/* --- a line --- */

/* The members that every kind of point has. */
static int begin_line(const struct origin *origin, Otlp__KeyValue **list, size_t count, uint64_t start, uint64_t time,
                      json_t **ret, char *problem)
{
    _cleanup_(emu_json_decref) json_t *line = NULL, *attributes = NULL, *resource = NULL;
    const Otlp__Resource *r = origin->resource;

    if (time == 0)
        return refuse(problem, origin, "a point has no time_unix_nano");
    if (start > time)
        return refuse(problem, origin, "a point ends before it begins");
    int error = emu_json_attributes(list, count, &attributes, problem);
    if (error >= 0)
        error = emu_json_attributes(r ? r->attributes : NULL, r ? r->n_attributes : 0, &resource, problem);
    if (error < 0)
        return error;
    line = json_pack("{s:I, s:s, s:s, s:s, s:s, s:o, s:o, s:O, s:O, s:s, s:s}", "request", (json_int_t)origin->number,
                     "name", origin->metric->name, "description", origin->metric->description, "unit",
                     origin->metric->unit, "kind", origin->kind, "start_time_unix_nano", emu_json_time(start),
                     "time_unix_nano", emu_json_time(time), "attributes", attributes, "resource", resource, "scope",
                     origin->scope ? origin->scope->name : "", "scope_version",
                     origin->scope ? origin->scope->version : "");
    if (!line)
        return -ENOMEM;
    if (origin->temporality > 0 &&
        json_object_set_new(line, "temporality",
                            json_string(origin->temporality == TEMPORALITY_DELTA ? "delta" : "cumulative")) < 0)
        return -ENOMEM;
    if (origin->monotonic && json_object_set_new(line, "monotonic", json_true()) < 0)
        return -ENOMEM;
    *ret = line;
    line = NULL;
    return 0;
}

static int end_line(const json_t *line, struct emu_lines *lines)
{
    int r = emu_json_append_line(&lines->text, line);

    if (r >= 0)
        lines->items[lines->count++].end = lines->text.length;
    return r;
}

static int render_number(const struct origin *origin, const Otlp__NumberDataPoint *point, struct emu_lines *lines,
                         char *problem)
{
    _cleanup_(emu_json_decref) json_t *line = NULL;
    json_t *value;
    int r = begin_line(origin, point->attributes, point->n_attributes, point->start_time_unix_nano,
                       point->time_unix_nano, &line, problem);

    if (r < 0)
        return r;
    switch (point->value_case) {
    case OTLP__NUMBER_DATA_POINT__VALUE_AS_DOUBLE:
        value = json_real(point->as_double);
        break;
    case OTLP__NUMBER_DATA_POINT__VALUE_AS_INT:
        value = json_integer(point->as_int);
        break;
    default:
        return refuse(problem, origin, "a point has no value");
    }
    if (!value) /* NaN, or infinity */
        return refuse(problem, origin, "a value is no number");
    return json_object_set_new(line, "value", value) < 0 ? -ENOMEM : end_line(line, lines);
}

static int render_histogram(const struct origin *origin, const Otlp__HistogramDataPoint *point, struct emu_lines *lines,
                            char *problem)
{
    _cleanup_(emu_json_decref) json_t *line = NULL;
    json_t *counts = json_array(), *bounds = json_array();
    uint64_t count = 0;
    int r = counts && bounds ? begin_line(origin, point->attributes, point->n_attributes, point->start_time_unix_nano,
                                          point->time_unix_nano, &line, problem)
                             : -ENOMEM;

    for (size_t i = 0; r >= 0 && i < point->n_bucket_counts; i++) {
        count += point->bucket_counts[i];
        r = json_array_append_new(counts, json_integer((json_int_t)point->bucket_counts[i])) < 0 ? -ENOMEM : 0;
    }
    for (size_t i = 0; r >= 0 && i < point->n_explicit_bounds; i++)
        if (i > 0 && point->explicit_bounds[i] <= point->explicit_bounds[i - 1])
            r = refuse(problem, origin, "the bounds do not ascend");
        else
            r = json_array_append_new(bounds, json_real(point->explicit_bounds[i])) < 0 ? -ENOMEM : 0;
    if (r >= 0 && point->n_bucket_counts > 0 && point->n_bucket_counts != point->n_explicit_bounds + 1)
        r = refuse(problem, origin, "%zu buckets and %zu bounds", point->n_bucket_counts, point->n_explicit_bounds);
    if (r >= 0 && point->n_bucket_counts > 0 && count != point->count)
        r = refuse(problem, origin, "the buckets do not add up to the count");
    if (r >= 0 &&
        (json_object_set(line, "bucket_counts", counts) < 0 || json_object_set(line, "explicit_bounds", bounds) < 0 ||
         json_object_set_new(line, "count", json_integer((json_int_t)point->count)) < 0 ||
         json_object_set_new(line, "sum", json_real(point->sum)) < 0))
        r = -ENOMEM;
    json_decref(counts);
    json_decref(bounds);
    return r < 0 ? r : end_line(line, lines);
}

/* --- metrics --- */

static int render_numbers(const struct origin *origin, Otlp__NumberDataPoint **points, size_t count,
                          struct emu_lines *lines, char *problem)
{
    int r = 0;

    for (size_t i = 0; r >= 0 && i < count; i++)
        r = render_number(origin, points[i], lines, problem);
    return r;
}

static int check_temporality(const struct origin *origin, char *problem)
{
    return origin->temporality == TEMPORALITY_DELTA || origin->temporality == TEMPORALITY_CUMULATIVE
               ? 0
               : refuse(problem, origin, "aggregation_temporality is %d", origin->temporality);
}

static int render_metric(struct origin *origin, struct emu_lines *lines, char *problem)
{
    const Otlp__Metric *metric = origin->metric;
    int r = 0;

    origin->temporality = 0;
    origin->monotonic = false;
    if (!*metric->name)
        return refuse(problem, origin, "it has no name");
    switch (metric->data_case) {
    case OTLP__METRIC__DATA_GAUGE:
        origin->kind = "gauge";
        return render_numbers(origin, metric->gauge->data_points, metric->gauge->n_data_points, lines, problem);
    case OTLP__METRIC__DATA_SUM:
        origin->kind = "sum";
        origin->temporality = metric->sum->aggregation_temporality;
        origin->monotonic = metric->sum->is_monotonic;
        r = check_temporality(origin, problem);
        return r < 0 ? r : render_numbers(origin, metric->sum->data_points, metric->sum->n_data_points, lines, problem);
    case OTLP__METRIC__DATA_HISTOGRAM:
        origin->kind = "histogram";
        origin->temporality = metric->histogram->aggregation_temporality;
        r = check_temporality(origin, problem);
        for (size_t i = 0; r >= 0 && i < metric->histogram->n_data_points; i++)
            r = render_histogram(origin, metric->histogram->data_points[i], lines, problem);
        return r;
    default:
        return refuse(problem, origin, "it has no data of a kind that is known here");
    }
}

int emu_points_render(const Otlp__ExportMetricsServiceRequest *message, uint64_t number, struct emu_lines *lines,
                      char problem[static EMU_PROBLEM_BYTES])
{
    struct origin origin = {.number = number};
    int r = 0;

    lines->items = calloc(emu_points_count(message) + 1, sizeof(*lines->items));
    if (!lines->items)
        return -ENOMEM;
    for (size_t g = 0; g < message->n_resource_metrics; g++) {
        const Otlp__ResourceMetrics *group = message->resource_metrics[g];
        origin.resource = group->resource;
        for (size_t s = 0; s < group->n_scope_metrics; s++) {
            origin.scope = group->scope_metrics[s]->scope;
            for (size_t i = 0; r >= 0 && i < group->scope_metrics[s]->n_metrics; i++) {
                origin.metric = group->scope_metrics[s]->metrics[i];
                r = render_metric(&origin, lines, problem);
            }
        }
    }
    return r;
}
