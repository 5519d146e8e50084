/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <string.h>

#include "config/sample_ratio.h"
#include "process/sample.h"
#include "tests/unit/prng.h"
#include "tests/unit/test.h"

/* Sampling by the last 56 bits of the trace id, or of the uid. */

static struct azm_config config;
static struct azm_sampler sampler;
static struct azm_error err;

static void make(const char *value)
{
    ck_assert_int_eq(azm_config_init(&config), 0);
    ck_assert_msg(azm_config_set(&config, "filter", "sample", value, "here", false, &err) == 0, "%s", err.words);
    ck_assert_int_eq(azm_sampler_init(&sampler, &config), 0);
}

static void end(void)
{
    azm_sampler_free(&sampler);
    azm_config_free(&config);
}

static struct azm_record with_trace(uint64_t first, uint64_t last)
{
    struct azm_record r = {.severity = 6, .has_trace_id = true};

    for (size_t i = 0; i < 8; i++) {
        r.trace_id[i] = (uint8_t)(first >> (56 - 8 * i));
        r.trace_id[8 + i] = (uint8_t)(last >> (56 - 8 * i));
    }
    return r;
}

START_TEST(ratios)
{
    static const struct {
        const char *words;
        uint64_t threshold;
    } good[] = {
        {"1", 0},
        {"1.0", 0},
        {"100%", 0},
        {"0", AZM_SAMPLE_NONE},
        {"0%", AZM_SAMPLE_NONE},
        {"0.5", AZM_SAMPLE_NONE / 2},
        {"50%", AZM_SAMPLE_NONE / 2},
        {"0.25", AZM_SAMPLE_NONE / 4 * 3},
        {"12.5%", AZM_SAMPLE_NONE / 8 * 7},
        {"0.50000000000000000000000", AZM_SAMPLE_NONE / 2},
    };
    static const char *const bad[] = {"",    "x",   "-0.1", "1.1",   "101%",
                                      "200", ".5",  "1.",   "0.5 ",  "5%%",
                                      "0x1", "0,5", "1e-1", "1000%", "99999999999999999999",
                                      "%",   "+1"};
    uint64_t t;

    for (size_t i = 0; i < ELEMENTSOF(good); i++) {
        ck_assert_msg(azm_sample_ratio_parse(good[i].words, &t) == 0, "%s", good[i].words);
        ck_assert_msg(t == good[i].threshold, "%s: %llx", good[i].words, (unsigned long long)t);
    }
    for (size_t i = 0; i < ELEMENTSOF(bad); i++)
        ck_assert_msg(azm_sample_ratio_parse(bad[i], &t) == -EINVAL, "%s", bad[i]);
}
END_TEST

/* OpenTelemetry: kept if the randomness is not below the threshold. */
START_TEST(the_threshold)
{
    struct azm_record r;

    make("info 0.25");
    r = with_trace(0, 0x00c0000000000000);
    ck_assert_ptr_null(azm_sampler_judge(&sampler, &r));
    r = with_trace(0, 0x00bfffffffffffff);
    ck_assert_ptr_nonnull(azm_sampler_judge(&sampler, &r));
    r = with_trace(UINT64_MAX, 0xff00000000000000); /* the first 72 bits do not count */
    ck_assert_ptr_nonnull(azm_sampler_judge(&sampler, &r));
    r = with_trace(0, 0x00ffffffffffffff);
    ck_assert_ptr_null(azm_sampler_judge(&sampler, &r));
    ck_assert_uint_eq(azm_sampler_at(&sampler, 0)->times, 2);
    ck_assert_str_eq(azm_sampler_at(&sampler, 0)->name, "info 0.25");
    ck_assert_ptr_null(azm_sampler_at(&sampler, 1));
    end();
    make("info 0");
    r = with_trace(UINT64_MAX, UINT64_MAX);
    ck_assert_ptr_nonnull(azm_sampler_judge(&sampler, &r));
    end();
    make("info 1");
    r = with_trace(0, 1);
    ck_assert_ptr_null(azm_sampler_judge(&sampler, &r));
    ck_assert_ptr_null(azm_sampler_at(&sampler, 0));
    end();
}
END_TEST

/* All records of a trace, whatever their severity, if it is sampled alike; what a small ratio keeps a greater one
 * keeps. */
START_TEST(traces_stay_whole)
{
    struct prng p;
    uint64_t kept[3] = {0};
    static const char *const values[] = {"debug,info,notice 1%", "debug,info,notice 10%", "debug,info,notice 0.5"};
    static bool small[3][20000];

    for (size_t k = 0; k < 3; k++) {
        make(values[k]);
        p = (struct prng){7};
        for (size_t i = 0; i < 20000; i++) {
            struct azm_record r = with_trace(prng_next(&p), prng_next(&p)), other = r, third = r;

            other.severity = 7;
            third.severity = 5;
            memset(third.uid, 0xff, sizeof third.uid); /* does not count beside a trace id */
            small[k][i] = !azm_sampler_judge(&sampler, &r);
            ck_assert_int_eq(small[k][i], !azm_sampler_judge(&sampler, &other));
            ck_assert_int_eq(small[k][i], !azm_sampler_judge(&sampler, &third));
            ck_assert(k == 0 || !small[k - 1][i] || small[k][i]);
            kept[k] += small[k][i];
        }
        end();
    }
    /* far more than five standard deviations */
    ck_assert(kept[0] > 100 && kept[0] < 300);
    ck_assert(kept[1] > 1700 && kept[1] < 2300);
    ck_assert(kept[2] > 9500 && kept[2] < 10500);
}
END_TEST

START_TEST(without_a_trace)
{
    struct azm_record r = {.severity = 7};

    make("debug 0.5");
    r.uid[9] = 0x7f;
    ck_assert_ptr_nonnull(azm_sampler_judge(&sampler, &r));
    r.uid[9] = 0x80;
    ck_assert_ptr_null(azm_sampler_judge(&sampler, &r));
    r.uid[9] = 0;
    r.severity = 6; /* another severity */
    ck_assert_ptr_null(azm_sampler_judge(&sampler, &r));
    r.severity = -1;
    ck_assert_ptr_null(azm_sampler_judge(&sampler, &r));
    end();
}
END_TEST

START_TEST(settings)
{
    static const char *const bad[] = {"debug", "debug 2", "10%", "loud 10%", "debug;info 10%", "debug 10 %"};

    make("debug, info  1%");
    ck_assert_int_eq(azm_config_set(&config, "filter", "sample", "info 5%", "here", false, &err), 0);
    ck_assert_uint_eq(config.filter_sample.n, 2);
    ck_assert_str_eq(azm_key_values_get(&config.filter_sample, "debug"), "1%");
    ck_assert_str_eq(azm_key_values_get(&config.filter_sample, "info"), "5%");
    for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
        ck_assert_msg(azm_config_set(&config, "filter", "sample", bad[i], "here", false, &err) == -EINVAL, "%s",
                      bad[i]);
        ck_assert_ptr_nonnull(strstr(err.words, "here: sample: "));
    }
    end();
}
END_TEST

static void add_tests(Suite *suite)
{
    add_test(suite, "ratios", ratios);
    add_test(suite, "the threshold", the_threshold);
    add_test(suite, "traces stay whole", traces_stay_whole);
    add_test(suite, "without a trace", without_a_trace);
    add_test(suite, "settings", settings);
}

TEST_MAIN("sample", add_tests)
