/* SPDX-License-Identifier: MIT */
#include "pipeline/trend.h"
#include "core/cleanup.h"

void azm_trend_add(struct azm_trend *t, const struct azm_trend_sample *sample)
{
    t->newest = t->n > 0 ? (t->newest + 1) % AZM_TREND_SAMPLES : 0;
    t->n = MIN(t->n + 1, (size_t)AZM_TREND_SAMPLES);
    t->samples[t->newest] = *sample;
}

const struct azm_trend_sample *azm_trend_get(const struct azm_trend *t, size_t age)
{
    if (t->n == 0)
        return NULL;
    age = MIN(age, t->n - 1);
    return &t->samples[(t->newest + AZM_TREND_SAMPLES - age) % AZM_TREND_SAMPLES];
}

static double seconds_between(const struct azm_trend_sample *then, const struct azm_trend_sample *now)
{
    return (double)(now->usec - then->usec) / (double)AZM_USEC_PER_SEC;
}

struct rows {
    json_t *read, *delivered, *requests, *failures, *latency, *behind;
};

static void append(const struct rows *rows, const struct azm_trend_sample *then, const struct azm_trend_sample *now)
{
    double seconds = seconds_between(then, now);
    uint64_t answers = now->answers - then->answers;

    json_array_append_new(rows->read, json_real((double)(now->read - then->read) / seconds));
    json_array_append_new(rows->delivered, json_real((double)(now->delivered - then->delivered) / seconds));
    json_array_append_new(rows->requests, json_real((double)(now->requests - then->requests) / seconds));
    json_array_append_new(rows->failures, json_real((double)(now->failures - then->failures) / seconds));
    json_array_append_new(rows->latency, answers > 0 ? json_real((double)(now->answers_usec - then->answers_usec) /
                                                                 (double)answers / (double)AZM_USEC_PER_SEC)
                                                     : json_null());
    json_array_append_new(rows->behind, json_real((double)now->behind_usec / (double)AZM_USEC_PER_SEC));
}

json_t *azm_trend_json(const struct azm_trend *t, const struct azm_trend_sample *now, size_t max)
{
    const struct rows rows = {json_array(), json_array(), json_array(), json_array(), json_array(), json_array()};

    for (size_t i = MIN(max + 1, t->n); i-- > 1;)
        append(&rows, azm_trend_get(t, i), azm_trend_get(t, i - 1));
    if (t->n > 0 && now->usec >= azm_trend_get(t, 0)->usec + AZM_USEC_PER_SEC) /* the rate of a moment says nothing */
        append(&rows, azm_trend_get(t, 0), now);
    return json_pack("{s:f, s:o, s:o, s:o, s:o, s:o, s:o}", "interval",
                     (double)AZM_TREND_INTERVAL_USEC / (double)AZM_USEC_PER_SEC, "read", rows.read, "delivered",
                     rows.delivered, "requests", rows.requests, "failures", rows.failures, "latency", rows.latency,
                     "behind", rows.behind);
}
