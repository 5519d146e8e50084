/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "export/answers.h"
#include "pipeline/trend.h"
#include "tests/unit/test.h"

static struct azm_trend trend;

/* The counters after i intervals: i records more in each, and one request in every second one. */
static struct azm_trend_sample sample(uint64_t i)
{
    return (struct azm_trend_sample){
        .usec = i * AZM_TREND_INTERVAL_USEC,
        .read = i * (i + 1) / 2,
        .delivered = i,
        .requests = i / 2,
        .failures = i / 4,
        .answers = i / 2,
        .answers_usec = i / 2 * AZM_USEC_PER_SEC / 4,
        .behind_usec = i * AZM_USEC_PER_SEC,
    };
}

static void fill(uint64_t n)
{
    trend = (struct azm_trend){0};
    for (uint64_t i = 0; i < n; i++) {
        const struct azm_trend_sample s = sample(i);

        azm_trend_add(&trend, &s);
    }
}

static double value(const json_t *all, const char *key, size_t i)
{
    const json_t *v = json_array_get(json_object_get(all, key), i);

    return json_is_null(v) ? -1 : json_number_value(v);
}

static size_t length(const json_t *all)
{
    static const char *const keys[] = {"read", "delivered", "requests", "failures", "latency", "behind"};
    size_t n = json_array_size(json_object_get(all, "read"));

    for (size_t i = 0; i < ELEMENTSOF(keys); i++)
        ck_assert_uint_eq(json_array_size(json_object_get(all, keys[i])), n);
    return n;
}

START_TEST(nothing_yet)
{
    struct azm_trend_sample now = sample(0);
    json_t *all;

    fill(0);
    ck_assert_ptr_null(azm_trend_get(&trend, 0));
    all = azm_trend_json(&trend, &now, 10);
    ck_assert_uint_eq(length(all), 0);
    json_decref(all);
    fill(1);
    all = azm_trend_json(&trend, &now, 10); /* no time has passed */
    ck_assert_uint_eq(length(all), 0);
    json_decref(all);
}
END_TEST

START_TEST(intervals)
{
    struct azm_trend_sample now = sample(5);
    json_t *all;

    fill(5);
    now.usec -= AZM_TREND_INTERVAL_USEC / 2; /* half of the last one */
    all = azm_trend_json(&trend, &now, 10);
    ck_assert_uint_eq(length(all), 5);
    ck_assert_double_eq_tol(json_number_value(json_object_get(all, "interval")), 10, 1e-9);
    for (size_t i = 0; i < 4; i++) {
        ck_assert_double_eq_tol(value(all, "read", i), (double)(i + 1) / 10, 1e-9);
        ck_assert_double_eq_tol(value(all, "delivered", i), 0.1, 1e-9);
        ck_assert_double_eq_tol(value(all, "requests", i), i % 2 == 1 ? 0.1 : 0, 1e-9);
        ck_assert_double_eq_tol(value(all, "latency", i), i % 2 == 1 ? 0.25 : -1, 1e-9);
        ck_assert_double_eq_tol(value(all, "behind", i), (double)(i + 1), 1e-9);
    }
    ck_assert_double_eq_tol(value(all, "read", 4), 1, 1e-9);
    json_decref(all);
    all = azm_trend_json(&trend, &now, 2);
    ck_assert_uint_eq(length(all), 3); /* and the one that runs */
    ck_assert_double_eq_tol(value(all, "read", 0), 0.3, 1e-9);
    json_decref(all);
}
END_TEST

START_TEST(an_hour_and_no_more)
{
    struct azm_trend_sample now = sample(999);
    json_t *all;

    fill(1000);
    ck_assert_uint_eq(azm_trend_get(&trend, 0)->delivered, 999);
    ck_assert_uint_eq(azm_trend_get(&trend, 5)->delivered, 994);
    ck_assert_uint_eq(azm_trend_get(&trend, 5000)->delivered, 1000 - AZM_TREND_SAMPLES);
    all = azm_trend_json(&trend, &now, AZM_TREND_SAMPLES);
    ck_assert_uint_eq(length(all), AZM_TREND_SAMPLES - 1);
    ck_assert_double_eq_tol(value(all, "read", AZM_TREND_SAMPLES - 2), 99.9, 1e-9);
    ck_assert_double_eq_tol(value(all, "read", 0), (double)(1001 - AZM_TREND_SAMPLES) / 10, 1e-9);
    json_decref(all);
}
END_TEST

START_TEST(equal_answers_in_a_row_are_one)
{
    struct azm_answers a = {0};

    azm_answers_add(&a, 204, "HTTP 204", 10, 1000);
    azm_answers_add(&a, 204, "HTTP 204", 20, 2000);
    ck_assert_uint_eq(a.n, 1);
    ck_assert_uint_eq(a.notes[0].count, 2);
    ck_assert_uint_eq(a.notes[0].first_usec, 1000);
    ck_assert_uint_eq(a.notes[0].last_usec, 2000);
    ck_assert_uint_eq(a.notes[0].took_usec, 20);
    azm_answers_add(&a, 0, "no connection", 30, 3000);
    azm_answers_add(&a, 204, "HTTP 204", 40, 4000);
    ck_assert_uint_eq(a.n, 3);
    ck_assert_str_eq(a.notes[1].words, "no connection");
    ck_assert_uint_eq(a.notes[0].first_usec, 4000);
    for (long i = 0; i < 100; i++)
        azm_answers_add(&a, 500 + i, "HTTP", 1, 5000);
    ck_assert_uint_eq(a.n, AZM_ANSWERS_MAX);
    ck_assert_int_eq(a.notes[0].status, 599);
    ck_assert_int_eq(a.notes[AZM_ANSWERS_MAX - 1].status, 600 - AZM_ANSWERS_MAX);
}
END_TEST

START_TEST(long_words_are_the_same_words)
{
    struct azm_answers a = {0};
    char words[300];

    memset(words, 'x', sizeof words);
    words[sizeof words - 1] = '\0';
    azm_answers_add(&a, 0, words, 1, 1);
    azm_answers_add(&a, 0, words, 1, 1);
    ck_assert_uint_eq(a.n, 1);
    ck_assert_uint_eq(strlen(a.notes[0].words), AZM_ANSWER_WORDS_MAX - 1);
}
END_TEST

START_TEST(latency)
{
    struct azm_latency l = {0};

    azm_latency_add(&l, azm_latency_limits_usec[0]);
    azm_latency_add(&l, azm_latency_limits_usec[0] + 1);
    azm_latency_add(&l, azm_latency_limits_usec[AZM_LATENCY_BUCKETS - 2] + 1);
    ck_assert_uint_eq(l.answers, 3);
    ck_assert_uint_eq(l.sum_usec, 2 * azm_latency_limits_usec[0] + 1 + azm_latency_limits_usec[9] + 1);
    ck_assert_uint_eq(l.buckets[0], 1);
    ck_assert_uint_eq(l.buckets[1], 1);
    ck_assert_uint_eq(l.buckets[AZM_LATENCY_BUCKETS - 1], 1);
}
END_TEST

static void add_tests(Suite *s)
{
    add_test(s, "nothing_yet", nothing_yet);
    add_test(s, "intervals", intervals);
    add_test(s, "an_hour_and_no_more", an_hour_and_no_more);
    add_test(s, "equal_answers_in_a_row_are_one", equal_answers_in_a_row_are_one);
    add_test(s, "long_words_are_the_same_words", long_words_are_the_same_words);
    add_test(s, "latency", latency);
}

TEST_MAIN("trend", add_tests)
