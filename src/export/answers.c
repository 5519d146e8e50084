/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <string.h>

#include "core/cleanup.h"
#include "core/clock.h"
#include "export/answers.h"

void azm_answers_add(struct azm_answers *a, long status, const char *words, uint64_t took_usec,
                     uint64_t now_realtime_usec)
{
    struct azm_answer_note *newest = a->notes;

    if (a->n == 0 || newest->status != status || strncmp(newest->words, words, sizeof newest->words - 1) != 0) {
        a->n = MIN(a->n + 1, (size_t)AZM_ANSWERS_MAX);
        memmove(newest + 1, newest, (a->n - 1) * sizeof *newest);
        *newest = (struct azm_answer_note){.status = status, .first_usec = now_realtime_usec};
        snprintf(newest->words, sizeof newest->words, "%s", words);
    }
    newest->count++;
    newest->last_usec = now_realtime_usec;
    newest->took_usec = took_usec;
}

const uint64_t azm_latency_limits_usec[AZM_LATENCY_BUCKETS - 1] = {
    5 * AZM_USEC_PER_MSEC,   10 * AZM_USEC_PER_MSEC,  25 * AZM_USEC_PER_MSEC, 50 * AZM_USEC_PER_MSEC,
    100 * AZM_USEC_PER_MSEC, 250 * AZM_USEC_PER_MSEC, AZM_USEC_PER_SEC / 2,   AZM_USEC_PER_SEC,
    5 * AZM_USEC_PER_SEC,    10 * AZM_USEC_PER_SEC,
};

void azm_latency_add(struct azm_latency *l, uint64_t took_usec)
{
    size_t i = 0;

    while (i < ELEMENTSOF(azm_latency_limits_usec) && took_usec > azm_latency_limits_usec[i])
        i++;
    l->buckets[i]++;
    l->answers++;
    l->sum_usec += took_usec;
}
