/* SPDX-License-Identifier: MIT */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/clock.h"
#include "process/limit.h"
#include "tests/unit/prng.h"
#include "tests/unit/record_help.h"
#include "tests/unit/test.h"

/* The rate limit: 10 records a second, 20 at once, told every minute. */

#define SECOND UINT64_C(1000000000)
#define NOON (UINT64_C(1800000000) * SECOND)

static struct azm_config config;
static struct azm_limiter *limiter;
static uint64_t number; /* of the record, in its uid */

static void set(const char *key, const char *value)
{
    struct azm_error err;

    ck_assert_msg(azm_config_set(&config, "filter", key, value, "here", false, &err) == 0, "%s", err.words);
}

static void begin(void)
{
    number = 0;
    ck_assert_int_eq(azm_config_init(&config), 0);
    set("rate_limit", "10");
    set("rate_burst", "20");
    ck_assert_int_eq(azm_limiter_new(&config, NULL, &limiter), 0);
}

static void end(void)
{
    limiter = azm_limiter_free(limiter);
    azm_config_free(&config);
}

static int say(const char *service, uint64_t at, int severity)
{
    struct azm_record r = {.observed_time_unix_nano = at, .severity = severity, .service = azm_text_of(service)};
    int k;

    number++;
    memcpy(r.uid, &number, sizeof number);
    k = azm_limiter_admits(limiter, &r);
    ck_assert_int_ge(k, 0);
    return k;
}

static size_t say_many(const char *service, size_t n, uint64_t at, uint64_t step)
{
    size_t admitted = 0;

    for (size_t i = 0; i < n; i++)
        admitted += (size_t)say(service, at + i * step, 6);
    return admitted;
}

/* Another limiter goes on where this one is. */
static const char *restart(void)
{
    static char text[65536];
    _cleanup_(azm_buf_free) struct azm_buf lines = {0};

    ck_assert_int_eq(azm_buf_printf(&lines, "cursor=x\n"), 0);
    ck_assert_int_eq(azm_limiter_print(limiter, &lines), 0);
    limiter = azm_limiter_free(limiter);
    ck_assert_int_eq(azm_limiter_new(&config, &lines, &limiter), 0);
    snprintf(text, sizeof text, "%.*s", (int)lines.len, (const char *)lines.data);
    return text;
}

static void assert_nothing_to_tell(void)
{
    struct azm_limit_interval i;

    ck_assert_int_eq(azm_limiter_take(limiter, &i), 0);
}

static void assert_told(const char *service, uint64_t records, uint64_t from, uint64_t to)
{
    struct azm_limit_interval i;

    ck_assert_int_eq(azm_limiter_take(limiter, &i), 1);
    ck_assert_uint_eq(i.len, strlen(service));
    ck_assert_mem_eq(i.service, service, i.len);
    ck_assert_uint_eq(i.held_back.records, records);
    ck_assert_uint_eq(i.held_back.from_nsec, from);
    ck_assert_uint_eq(i.held_back.to_nsec, to);
}

START_TEST(burst_and_rate)
{
    begin();
    ck_assert_uint_eq(say_many("web", 50, NOON, 0), 20);
    ck_assert_uint_eq(say_many("db", 50, NOON, 0), 20); /* a bucket of its own */
    ck_assert_uint_eq(say_many("web", 5, NOON + SECOND / 10, 0), 1);
    ck_assert_uint_eq(say_many("web", 50, NOON + SECOND + SECOND / 10, 0), 10);
    ck_assert_uint_eq(say_many("web", 50, NOON + 100 * SECOND, 0), 20); /* full, and no fuller */
    ck_assert_uint_eq(say_many("web", 1000, NOON + 200 * SECOND, SECOND / 10), 1000);
    ck_assert_uint_eq(azm_limiter_rule(limiter)->times, 30 + 30 + 4 + 40 + 30);
    end();
}
END_TEST

/* A backlog is read at once; what counts is when the records were received. */
START_TEST(the_records_clock)
{
    begin();
    ck_assert_uint_eq(say_many("web", 36000, NOON, SECOND / 10), 36000);
    end();
}
END_TEST

START_TEST(exempt_severities)
{
    begin();
    ck_assert_uint_eq(say_many("web", 30, NOON, 0), 20);
    ck_assert_int_eq(say("web", NOON, 2), 1);
    ck_assert_int_eq(say("web", NOON, 0), 1);
    ck_assert_int_eq(say("web", NOON, 3), 0);
    ck_assert_int_eq(say("web", NOON, -1), 0);
    end();
    begin();
    set("rate_exempt", "none");
    restart();
    ck_assert_uint_eq(say_many("web", 30, NOON, 0), 20);
    ck_assert_int_eq(say("web", NOON, 0), 0);
    end();
}
END_TEST

START_TEST(a_clock_that_steps)
{
    begin();
    ck_assert_uint_eq(say_many("web", 30, NOON, 0), 20);
    /* Back by an hour: not silent until noon, and no second burst. */
    ck_assert_uint_eq(say_many("web", 30, NOON - 3600 * SECOND, 0), 0);
    ck_assert_uint_eq(say_many("web", 30, NOON - 3599 * SECOND, 0), 10);
    assert_told("web", 10, NOON, NOON);
    assert_nothing_to_tell();
    /* A little back, as in files that are merged: the same interval. */
    ck_assert_uint_eq(say_many("web", 5, NOON - 3599 * SECOND - SECOND / 100, 0), 0);
    assert_nothing_to_tell();
    end();
}
END_TEST

START_TEST(intervals_by_the_records_clock)
{
    begin();
    say_many("web", 30, NOON, 0);
    say_many("db", 30, NOON + 30 * SECOND, 0);
    say_many("web", 30, NOON + 59 * SECOND, 0);
    assert_nothing_to_tell();
    ck_assert_int_eq(say("mail", NOON + 60 * SECOND, 6), 1);
    assert_told("web", 20, NOON, NOON + 59 * SECOND);
    assert_nothing_to_tell();
    ck_assert_int_eq(say("mail", NOON + 90 * SECOND, 6), 1);
    assert_told("db", 10, NOON + 30 * SECOND, NOON + 30 * SECOND);
    assert_nothing_to_tell();
    /* What ends the interval and is held back itself is in the next one. */
    say_many("web", 30, NOON + 200 * SECOND, 0);
    say_many("web", 40, NOON + 259 * SECOND, 0);
    ck_assert_uint_eq(say_many("web", 11, NOON + 260 * SECOND, 0), 10);
    assert_told("web", 30, NOON + 200 * SECOND, NOON + 259 * SECOND);
    assert_nothing_to_tell();
    ck_assert_uint_eq(azm_limiter_end_intervals(limiter, UINT64_MAX), UINT64_MAX);
    assert_told("web", 1, NOON + 260 * SECOND, NOON + 260 * SECOND);
    end();
}
END_TEST

START_TEST(intervals_by_the_clock)
{
    const uint64_t usec = NOON / 1000;

    begin();
    ck_assert_uint_eq(azm_limiter_end_intervals(limiter, usec), UINT64_MAX);
    say_many("web", 30, NOON, 0);
    ck_assert_uint_eq(azm_limiter_end_intervals(limiter, usec + 59999999), usec + 60000001);
    assert_nothing_to_tell();
    ck_assert_uint_eq(azm_limiter_end_intervals(limiter, usec + 60000001), UINT64_MAX);
    assert_told("web", 10, NOON, NOON);
    assert_nothing_to_tell();
    end();
}
END_TEST

/* One interval runs while another one waits: both are known after a restart, apart. */
START_TEST(two_intervals_at_a_restart)
{
    begin();
    say_many("web", 30, NOON, 0);
    say_many("web", 30, NOON + 100 * SECOND, 0);
    restart();
    restart();
    assert_told("web", 10, NOON, NOON);
    assert_nothing_to_tell();
    azm_limiter_end_intervals(limiter, UINT64_MAX);
    assert_told("web", 10, NOON + 100 * SECOND, NOON + 100 * SECOND);
    assert_nothing_to_tell();
    end();
}
END_TEST

START_TEST(given_back)
{
    struct azm_limit_interval i;

    begin();
    say_many("web", 30, NOON, 0);
    azm_limiter_end_intervals(limiter, UINT64_MAX);
    ck_assert_int_eq(azm_limiter_take(limiter, &i), 1);
    assert_nothing_to_tell();
    azm_limiter_give_back(limiter, &i);
    assert_told("web", 10, NOON, NOON);
    assert_nothing_to_tell();
    end();
}
END_TEST

/* Wherever it is killed and goes on from its last checkpoint, the same records are admitted, and the same is told. */
START_TEST(a_restart_anywhere)
{
    enum { N = 3000 };
    static bool admitted[N];
    static struct azm_limit_interval told[N];
    static const char *const services[] = {"web", "db", "a b%c\n\xff", ""};
    struct prng p = {11};
    size_t n_told = 0, n_again = 0;
    uint64_t at[N];

    at[0] = NOON;
    for (size_t i = 1; i < N; i++)
        at[i] = at[i - 1] + (prng_below(&p, 200) == 0 ? prng_below(&p, 30 * SECOND) : prng_below(&p, SECOND / 100));
    begin();
    for (size_t i = 0; i < N; i++) {
        admitted[i] = say(services[(i / 7) % 4], at[i], (int)(i % 8));
        while (azm_limiter_take(limiter, &told[n_told]) > 0)
            n_told++;
    }
    end();
    ck_assert_uint_gt(n_told, 10);
    begin();
    for (size_t i = 0; i < N; i++) {
        struct azm_limit_interval t;

        ck_assert_int_eq(admitted[i], say(services[(i / 7) % 4], at[i], (int)(i % 8)));
        if (prng_below(&p, 3) == 0)
            restart(); /* with what is to be told not taken yet */
        while (azm_limiter_take(limiter, &t) > 0) {
            /* in any order: that of their services is another one */
            size_t k = 0;

            while (k < n_told && (told[k].len != t.len || memcmp(told[k].service, t.service, t.len) != 0 ||
                                  memcmp(&told[k].held_back, &t.held_back, sizeof t.held_back) != 0))
                k++;
            ck_assert_uint_lt(k, n_told);
            n_again++;
        }
    }
    ck_assert_uint_eq(n_again, n_told);
    end();
}
END_TEST

/* A program invents names: they share a bucket when there are too many, and memory is bounded. */
START_TEST(a_million_names)
{
    char name[32];
    size_t admitted = 0;
    uint64_t told = 0;
    struct azm_limit_interval t;

    begin();
    set("rate_burst", "1");
    restart();
    for (size_t i = 0; i < 100000; i++) {
        snprintf(name, sizeof name, "service-%zu", i);
        admitted += (size_t)say(name, NOON, 6);
        if (i == 50000)
            restart();
    }
    ck_assert_uint_le(admitted, 1024 + 1);
    azm_limiter_end_intervals(limiter, UINT64_MAX);
    while (azm_limiter_take(limiter, &t) > 0)
        told += t.held_back.records;
    ck_assert_uint_eq(told, 100000 - admitted);
    /* When all is quiet again, there is room for others. */
    ck_assert_int_eq(say("new", NOON + 10 * SECOND, 6), 1);
    ck_assert_int_eq(say("newer", NOON + 10 * SECOND, 6), 1);
    end();
}
END_TEST

/* The limit is taken back: what it held back is told, and nothing is held back. */
START_TEST(without_a_limit)
{
    begin();
    say_many("web", 30, NOON, 0);
    set("rate_limit", "0");
    restart();
    ck_assert_ptr_nonnull(limiter);
    assert_told("web", 10, NOON, NOON);
    assert_nothing_to_tell();
    ck_assert_uint_eq(say_many("web", 1000, NOON, 0), 1000);
    restart();
    ck_assert_ptr_null(limiter);
    end();
    begin();
    set("rate_limit", "0");
    limiter = azm_limiter_free(limiter);
    ck_assert_int_eq(azm_limiter_new(&config, NULL, &limiter), 0);
    ck_assert_ptr_null(limiter);
    end();
}
END_TEST

START_TEST(damaged_lines)
{
    static const char good[] = "limit_held=1 2 000102030405060708090a0b0c0d0e0f 1 0 0 0 0 0 0 0 0 web\n";
    static const char *const bad[] = {
        "limit_bucket=",
        "limit_bucket=x web",
        "limit_bucket=1",
        "limit_bucket=1 %4",
        "limit_bucket=1 %zz",
        "limit_held=1 2 web",
        "limit_held=",
        "limit_ended=1 2 000102030405060708090a0b0c0d0e0f 1 0 0 web",
        "limit_held=1 2 000102030405060708090a0b0c0d0e0f 0 0 0 0 0 0 0 0 0 web",
    };

    begin();
    for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
        _cleanup_(azm_buf_free) struct azm_buf lines = {0};

        limiter = azm_limiter_free(limiter);
        ck_assert_int_eq(azm_buf_printf(&lines, "%s\n%s", bad[i], good), 0);
        ck_assert_int_eq(azm_limiter_new(&config, &lines, &limiter), 0);
        azm_limiter_end_intervals(limiter, UINT64_MAX);
        assert_told("web", 1, 1, 2);
        assert_nothing_to_tell();
    }
    end();
}
END_TEST

START_TEST(what_is_told)
{
    struct azm_attribute attributes[AZM_HELD_BACK_ATTRIBUTES];
    struct azm_arena arena = {0};
    struct azm_limit_interval t;
    struct azm_record r, again;

    begin();
    say_many("web", 30, NOON, 0);
    say("web", NOON + SECOND / 1000, 7);
    say("web", NOON + SECOND / 1000, -1);
    azm_limiter_end_intervals(limiter, UINT64_MAX);
    ck_assert_int_eq(azm_limiter_take(limiter, &t), 1);
    ck_assert_int_eq(azm_held_back_record(&t.held_back, AZM_TEXT("web"), 10, &arena, attributes, &r), 0);
    ck_assert(azm_text_equal(r.body, AZM_TEXT("held back 12 records of web, which logs more than 10 a second: 1 unset, "
                                              "10 info, 1 debug")));
    ck_assert(r.own);
    ck_assert_int_eq(r.severity, 4);
    ck_assert_uint_eq(r.time_unix_nano, NOON + SECOND / 1000);
    ck_assert_uint_le(r.n_attributes, AZM_HELD_BACK_ATTRIBUTES);
    ck_assert_str_eq(attribute_of(&r, "azmonlog.held_back.service"), "web");
    ck_assert_str_eq(attribute_of(&r, "azmonlog.held_back.records"), "12");
    ck_assert_str_eq(attribute_of(&r, "azmonlog.held_back.from"), "2027-01-15T08:00:00.000000Z");
    ck_assert_str_eq(attribute_of(&r, "azmonlog.held_back.to"), "2027-01-15T08:00:00.001000Z");
    ck_assert_str_eq(attribute_of(&r, "azmonlog.held_back.info"), "10");
    ck_assert_str_eq(attribute_of(&r, "azmonlog.held_back.debug"), "1");
    ck_assert_str_eq(attribute_of(&r, "azmonlog.held_back.unset"), "1");
    ck_assert_ptr_null(attribute_of(&r, "azmonlog.held_back.err"));
    /* The same is told under the same uid, and something else under another one. */
    ck_assert_int_eq(azm_held_back_record(&t.held_back, AZM_TEXT("web"), 10, &arena, attributes, &again), 0);
    ck_assert_mem_eq(r.uid, again.uid, 16);
    ck_assert_int_eq(azm_held_back_record(&t.held_back, AZM_TEXT("db"), 10, &arena, attributes, &again), 0);
    ck_assert_mem_ne(r.uid, again.uid, 16);
    t.held_back.first_uid[0]++;
    ck_assert_int_eq(azm_held_back_record(&t.held_back, AZM_TEXT("web"), 10, &arena, attributes, &again), 0);
    ck_assert_mem_ne(r.uid, again.uid, 16);
    azm_arena_free(&arena);
    end();
}
END_TEST

static void add_tests(Suite *suite)
{
    add_test(suite, "burst and rate", burst_and_rate);
    add_test(suite, "the records' clock", the_records_clock);
    add_test(suite, "exempt severities", exempt_severities);
    add_test(suite, "a clock that steps", a_clock_that_steps);
    add_test(suite, "intervals by the records' clock", intervals_by_the_records_clock);
    add_test(suite, "intervals by the clock", intervals_by_the_clock);
    add_test(suite, "two intervals at a restart", two_intervals_at_a_restart);
    add_test(suite, "given back", given_back);
    add_test(suite, "a restart anywhere", a_restart_anywhere);
    add_test(suite, "a million names", a_million_names);
    add_test(suite, "without a limit", without_a_limit);
    add_test(suite, "damaged lines", damaged_lines);
    add_test(suite, "what is told", what_is_told);
}

TEST_MAIN("limit", add_tests)
