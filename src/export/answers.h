/* SPDX-License-Identifier: MIT */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* The last answers of the destination and how long it takes to answer: what a person looks at first when records do not
 * arrive. */

#define AZM_ANSWERS_MAX 8
#define AZM_ANSWER_WORDS_MAX 128

/* One answer, or several in a row that were the same. */
struct azm_answer_note {
    char words[AZM_ANSWER_WORDS_MAX]; /* "HTTP 204", or why there was none; never the server's own words */
    long status;                      /* HTTP's; 0: none came */
    uint64_t count;
    uint64_t first_usec, last_usec; /* realtime */
    uint64_t took_usec;             /* the last one, since its request was sent */
};

/* All zero is empty. */
struct azm_answers {
    struct azm_answer_note notes[AZM_ANSWERS_MAX]; /* the newest first */
    size_t n;
};

void azm_answers_add(struct azm_answers *a, long status, const char *words, uint64_t took_usec,
                     uint64_t now_realtime_usec);

#define AZM_LATENCY_BUCKETS 11

/* Upper limits (inclusive) of all buckets but the last, which has none. */
extern const uint64_t azm_latency_limits_usec[AZM_LATENCY_BUCKETS - 1];

/* From a request to its answer, if there was one. */
struct azm_latency {
    uint64_t answers, sum_usec;
    uint64_t buckets[AZM_LATENCY_BUCKETS]; /* each counts its own only */
};

void azm_latency_add(struct azm_latency *l, uint64_t took_usec);
