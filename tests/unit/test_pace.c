/* SPDX-License-Identifier: MIT */
#include "export/pace.h"
#include "tests/unit/prng.h"
#include "tests/unit/test.h"

#define MSEC AZM_USEC_PER_MSEC
#define SEC AZM_USEC_PER_SEC
#define INITIAL (1 * SEC)
#define RETRY_MAX (30 * SEC)
#define HOLD_MAX (300 * SEC)
#define SEEDS 400

/* Only the dice of the clock are thrown: times are arguments everywhere. */
static uint64_t dice(void *userdata)
{
    return prng_next(userdata);
}

static uint64_t lowest(void *userdata)
{
    (void)userdata;
    return 0;
}

static struct azm_clock clock_of(struct prng *p)
{
    return (struct azm_clock){.random = dice, .userdata = p};
}

static const struct azm_clock lowest_clock = {.random = lowest};

static struct azm_pace pace_of(unsigned window)
{
    struct azm_pace p;

    azm_pace_init(&p, window, INITIAL, RETRY_MAX, HOLD_MAX);
    return p;
}

static uint64_t backoff_bound(unsigned failures, uint64_t max)
{
    uint64_t bound = INITIAL << (failures - 1);

    return MIN(bound, max);
}

START_TEST(begins_wide_open)
{
    struct azm_pace p = pace_of(4);

    ck_assert_uint_eq(p.window, 4);
    ck_assert_uint_eq(azm_pace_wait_usec(&p, 0), 0);
    azm_pace_success(&p, 0, 0);
    ck_assert_uint_eq(p.window, 4);
    ck_assert_uint_eq(azm_pace_wait_usec(&p, 0), 0);
}
END_TEST

/* The n-th failure in a row: uniform in 0 .. min(max, initial * 2^(n-1)), so that a fleet spreads over all of it. */
static void check_backoff(bool hold, uint64_t max)
{
    uint64_t least[12], most[12];

    for (unsigned n = 0; n < 12; n++) {
        least[n] = UINT64_MAX;
        most[n] = 0;
    }
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        struct prng dice_of_seed = {seed};
        struct azm_clock clock = clock_of(&dice_of_seed);
        struct azm_pace p = pace_of(4);
        uint64_t now = 1000 * SEC;

        for (unsigned n = 0; n < 12; n++) {
            uint64_t sent = now, wait;

            now += 10 * MSEC;
            azm_pace_failure(&p, &clock, sent, now, hold, 0);
            wait = azm_pace_wait_usec(&p, now);
            ck_assert_uint_le(wait, backoff_bound(n + 1, max));
            ck_assert_uint_eq(azm_pace_wait_usec(&p, now + wait), 0);
            ck_assert(wait == 0 || azm_pace_wait_usec(&p, now + wait - 1) == 1);
            least[n] = MIN(least[n], wait);
            most[n] = MAX(most[n], wait);
            now += wait;
        }
    }
    for (unsigned n = 0; n < 12; n++) {
        ck_assert_uint_lt(least[n], backoff_bound(n + 1, max) / 20);
        ck_assert_uint_gt(most[n], backoff_bound(n + 1, max) / 20 * 19);
    }
}

START_TEST(backoff_doubles_up_to_the_maximum)
{
    check_backoff(false, RETRY_MAX);
}
END_TEST

START_TEST(hold_goes_up_to_the_slower_maximum)
{
    check_backoff(true, HOLD_MAX);
}
END_TEST

START_TEST(backoff_starts_anew_after_a_success)
{
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        struct prng dice_of_seed = {seed};
        struct azm_clock clock = clock_of(&dice_of_seed);
        struct azm_pace p = pace_of(4);

        for (uint64_t t = 0; t < 10; t++)
            azm_pace_failure(&p, &clock, t * 1000 * SEC, t * 1000 * SEC + 1, false, 0);
        azm_pace_success(&p, 20000 * SEC, 20000 * SEC);
        ck_assert_uint_eq(azm_pace_wait_usec(&p, 20000 * SEC), 0);
        azm_pace_failure(&p, &clock, 20001 * SEC, 20002 * SEC, false, 0);
        ck_assert_uint_le(azm_pace_wait_usec(&p, 20002 * SEC), INITIAL);
    }
}
END_TEST

/* After an outage: one probe; when it is acknowledged one request at a time, then two, four, ... up to what is
 * configured. */
START_TEST(the_window_opens_step_by_step)
{
    static const struct {
        unsigned configured, steps[6];
    } table[] = {
        {1, {1, 1, 1, 1, 1, 1}},
        {4, {1, 2, 4, 4, 4, 4}},
        {6, {1, 2, 4, 6, 6, 6}},
        {64, {1, 2, 4, 8, 16, 32}},
    };

    for (size_t i = 0; i < ELEMENTSOF(table); i++) {
        struct azm_pace p = pace_of(table[i].configured);
        uint64_t now = 100 * SEC;

        azm_pace_failure(&p, &lowest_clock, now, now, false, 0);
        ck_assert_uint_eq(p.window, 1);
        for (size_t k = 0; k < ELEMENTSOF(table[i].steps); k++) {
            now += SEC;
            azm_pace_success(&p, now, now);
            ck_assert_uint_eq(p.window, table[i].steps[k]);
        }
        azm_pace_failure(&p, &lowest_clock, now, now + SEC, false, 0);
        ck_assert_uint_eq(p.window, 1);
    }
}
END_TEST

/* Four requests run into the same outage: that is one failure, not four. */
START_TEST(failures_of_requests_under_way_count_once)
{
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        struct prng dice_of_seed = {seed};
        struct azm_clock clock = clock_of(&dice_of_seed);
        struct azm_pace p = pace_of(4);
        uint64_t until;

        azm_pace_failure(&p, &clock, 90 * SEC, 100 * SEC, false, 0);
        until = 100 * SEC + azm_pace_wait_usec(&p, 100 * SEC);
        for (uint64_t i = 1; i <= 3; i++) {
            azm_pace_failure(&p, &clock, 90 * SEC + i, 100 * SEC + i, false, 0);
            ck_assert_uint_eq(p.failures, 1);
            ck_assert_uint_eq(100 * SEC + i + azm_pace_wait_usec(&p, 100 * SEC + i), MAX(until, 100 * SEC + i));
        }
        azm_pace_failure(&p, &clock, until, until + SEC, false, 0); /* the probe */
        ck_assert_uint_eq(p.failures, 2);
    }
}
END_TEST

/* --- Retry-After --- */

/* Not a microsecond too early, and not much too late: as long again, and ten seconds at most, where the backoff is
 * shorter. */
START_TEST(retry_after_is_obeyed)
{
    static const uint64_t values[] = {1, 20 * MSEC, SEC, 10 * SEC, 3600 * SEC};

    for (size_t i = 0; i < ELEMENTSOF(values); i++)
        for (uint64_t seed = 0; seed < SEEDS; seed++) {
            struct prng dice_of_seed = {seed};
            struct azm_clock clock = clock_of(&dice_of_seed);
            struct azm_pace p = pace_of(4);

            for (unsigned n = 1; n < 8; n++) {
                uint64_t now = n * 10000 * SEC, wait;

                azm_pace_failure(&p, &clock, now, now, seed % 2 == 0, values[i]);
                wait = azm_pace_wait_usec(&p, now);
                ck_assert_uint_ge(wait, values[i]);
                ck_assert_uint_le(wait, MAX(backoff_bound(n, seed % 2 == 0 ? HOLD_MAX : RETRY_MAX),
                                            values[i] + MIN(values[i], 10 * SEC)));
            }
        }
}
END_TEST

/* It counts also when it comes with the failure of a request that was already under way. */
START_TEST(a_late_retry_after_lengthens_and_never_shortens)
{
    struct azm_pace p = pace_of(4);

    azm_pace_failure(&p, &lowest_clock, 90 * SEC, 100 * SEC, false, 0);
    ck_assert_uint_eq(azm_pace_wait_usec(&p, 100 * SEC), 0);
    azm_pace_failure(&p, &lowest_clock, 91 * SEC, 101 * SEC, false, 60 * SEC);
    ck_assert_uint_eq(azm_pace_wait_usec(&p, 101 * SEC), 60 * SEC);
    azm_pace_failure(&p, &lowest_clock, 92 * SEC, 102 * SEC, false, 5 * SEC);
    ck_assert_uint_eq(azm_pace_wait_usec(&p, 102 * SEC), 59 * SEC);
    azm_pace_failure(&p, &lowest_clock, 93 * SEC, 103 * SEC, false, 0);
    ck_assert_uint_eq(azm_pace_wait_usec(&p, 103 * SEC), 58 * SEC);
    ck_assert_uint_eq(p.failures, 1);
}
END_TEST

/* The same with dice: whatever jitter each answer draws, the later of two deadlines stands. */
START_TEST(jitter_never_brings_a_deadline_forward)
{
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        struct prng dice_of_seed = {seed};
        struct azm_clock clock = clock_of(&dice_of_seed);
        struct azm_pace p = pace_of(4);
        uint64_t wait;

        azm_pace_failure(&p, &clock, 90 * SEC, 100 * SEC, false, 10 * SEC);
        wait = azm_pace_wait_usec(&p, 100 * SEC);
        azm_pace_failure(&p, &clock, 91 * SEC, 100 * SEC, false, 9500 * MSEC);
        ck_assert_uint_ge(azm_pace_wait_usec(&p, 100 * SEC), wait);
    }
}
END_TEST

START_TEST(an_old_success_proves_nothing)
{
    struct azm_pace p = pace_of(4);

    azm_pace_failure(&p, &lowest_clock, 90 * SEC, 100 * SEC, false, 60 * SEC);
    azm_pace_success(&p, 91 * SEC, 91 * SEC); /* it was under way */
    azm_pace_success(&p, 100 * SEC - 1, 100 * SEC - 1);
    ck_assert_uint_eq(azm_pace_wait_usec(&p, 100 * SEC), 60 * SEC);
    ck_assert_uint_eq(p.window, 1);
    ck_assert_uint_eq(p.failures, 1);

    azm_pace_success(&p, 100 * SEC, 100 * SEC); /* one that began then or later does */
    ck_assert_uint_eq(p.failures, 0);
    ck_assert_uint_eq(p.window, 1);
}
END_TEST

/* What a server has asked for stands, whatever else is known by then. */
START_TEST(neither_success_nor_failure_cancels_a_retry_after)
{
    struct azm_pace p = pace_of(4);

    azm_pace_failure(&p, &lowest_clock, 90 * SEC, 100 * SEC, false, 0);
    azm_pace_failure(&p, &lowest_clock, 91 * SEC, 150 * SEC, false, 60 * SEC);
    azm_pace_success(&p, 120 * SEC, 120 * SEC); /* the probe: the server lives, and yet */
    ck_assert_uint_eq(p.failures, 0);
    ck_assert_uint_eq(azm_pace_wait_usec(&p, 150 * SEC), 60 * SEC);
    azm_pace_failure(&p, &lowest_clock, 121 * SEC, 160 * SEC, false, 0);
    ck_assert_uint_eq(p.failures, 1);
    ck_assert_uint_eq(azm_pace_wait_usec(&p, 160 * SEC), 50 * SEC);
    ck_assert_uint_eq(azm_pace_wait_usec(&p, 210 * SEC), 0);
}
END_TEST

/* The exporter in small, for an hour, against a server that fails at will: it sends only when the pace lets it and
 * fewer than `window` are under way. Whatever the order of the answers, nothing goes out before a Retry-After has
 * passed. */
START_TEST(no_order_of_answers_undercuts_retry_after)
{
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        struct prng throws = {seed};
        struct azm_clock clock = clock_of(&throws);
        struct azm_pace p = pace_of(4);
        uint64_t sent[4], now = 0, not_before = 0;
        size_t in_flight = 0;

        while (now < 3600 * SEC) {
            now += 1 + prng_below(&throws, SEC);
            while (in_flight < p.window && azm_pace_wait_usec(&p, now) == 0) {
                ck_assert_msg(now >= not_before, "seed %d: sent %d us too early", (int)seed, (int)(not_before - now));
                ck_assert_uint_lt(in_flight, ELEMENTSOF(sent));
                sent[in_flight++] = now++;
            }
            if (in_flight > 0 && prng_below(&throws, 2)) { /* one of them is answered */
                size_t i = prng_below(&throws, in_flight);
                uint64_t after = prng_below(&throws, 3) ? 0 : prng_below(&throws, 20 * SEC);

                if (prng_below(&throws, 3))
                    azm_pace_success(&p, sent[i], sent[i]);
                else {
                    azm_pace_failure(&p, &clock, sent[i], now, prng_below(&throws, 2), after);
                    if (after > 0)
                        not_before = MAX(not_before, now + after);
                }
                sent[i] = sent[--in_flight];
            }
        }
    }
}
END_TEST

/* --- 429 --- */

#define MINUTE (60 * SEC)

/* `n` requests pass, evenly within the minute before `now`. */
static void let_pass(struct azm_pace *p, unsigned n, uint64_t now)
{
    for (unsigned i = 0; i < n; i++)
        azm_pace_success(p, now - 50 * SEC + i * (40 * SEC / n), now - 50 * SEC + i * (40 * SEC / n));
}

/* A request that was just sent is answered 429. */
static void throttle(struct azm_pace *p, uint64_t now)
{
    azm_pace_throttled(p, &lowest_clock, now, now, 0);
}

START_TEST(throttled_to_half_of_what_has_passed)
{
    static const struct {
        unsigned passed;
        uint64_t interval;
    } table[] = {
        {0, 0},                                           /* nothing is known, then the backoff has to do */
        {1, 10 * SEC},    {12, 10 * SEC}, {13, 10 * SEC}, /* never slower than one batch in 10 s */
        {14, MINUTE / 7}, {120, SEC},     {1200, SEC / 10},
    };

    for (size_t i = 0; i < ELEMENTSOF(table); i++) {
        struct azm_pace p = pace_of(4);
        uint64_t now = 1000 * SEC;

        let_pass(&p, 500, now - 2 * MINUTE); /* longer ago */
        let_pass(&p, table[i].passed, now);
        throttle(&p, now);
        ck_assert_uint_eq(p.interval_usec, table[i].interval);
        ck_assert_uint_eq(p.window, 1);
        ck_assert_uint_eq(p.window_limit, 2);
        ck_assert_uint_eq(p.batch_delay_usec, 2 * SEC);
        azm_pace_sent(&p, now + 7);
        ck_assert_uint_eq(azm_pace_wait_usec(&p, now + 7), table[i].interval);
        ck_assert_uint_eq(azm_pace_wait_usec(&p, now + 7 + table[i].interval), 0);
    }
}
END_TEST

START_TEST(each_minutes_429_counts_up_to_the_bounds)
{
    static const uint64_t delays[] = {2 * SEC, 4 * SEC, 8 * SEC, 10 * SEC, 10 * SEC};
    static const unsigned limits[] = {4, 2, 1, 1, 1};
    struct azm_pace p = pace_of(8);

    let_pass(&p, 12, 99 * SEC);
    for (size_t i = 0; i < ELEMENTSOF(delays); i++) {
        throttle(&p, (100 + 60 * i) * SEC);
        ck_assert_uint_eq(p.batch_delay_usec, delays[i]);
        ck_assert_uint_eq(p.window_limit, limits[i]);
        ck_assert_uint_eq(p.interval_usec, 10 * SEC);
    }
}
END_TEST

/* What a minute allows is used up, and so every probe is told until the next one begins: no reason to go slower still.
 */
START_TEST(a_minute_that_is_used_up_counts_once)
{
    struct azm_pace p = pace_of(8);
    uint64_t now = 1000 * SEC;

    let_pass(&p, 600, now);
    for (uint64_t i = 0; i < 60; i++) {
        throttle(&p, now + i * SEC);
        if (i % 20 == 19)
            azm_pace_success(&p, now + i * SEC, now + i * SEC); /* one that got through changes nothing */
        ck_assert_uint_eq(p.interval_usec, MINUTE / 300);
        ck_assert_uint_eq(p.window_limit, 4);
        ck_assert_uint_eq(p.batch_delay_usec, 2 * SEC);
    }
    let_pass(&p, 300, now + MINUTE);
    throttle(&p, now + MINUTE); /* half of it is too much as well */
    ck_assert_uint_lt(MINUTE / p.interval_usec, 160);
    ck_assert_uint_eq(p.window_limit, 2);
    ck_assert_uint_eq(p.batch_delay_usec, 4 * SEC);
}
END_TEST

START_TEST(requests_under_way_are_throttled_once)
{
    struct azm_pace p = pace_of(8);
    uint64_t now = 1000 * SEC;

    let_pass(&p, 120, now);
    azm_pace_throttled(&p, &lowest_clock, now - 3, now, 5 * SEC);
    let_pass(&p, 500, now); /* would be another rate */
    azm_pace_throttled(&p, &lowest_clock, now - 2, now + 1, 30 * SEC);
    azm_pace_throttled(&p, &lowest_clock, now - 1, now + 2, 3 * SEC);
    ck_assert_uint_eq(p.failures, 1);
    ck_assert_uint_eq(p.window_limit, 4);
    ck_assert_uint_eq(p.interval_usec, SEC);
    ck_assert_uint_eq(p.batch_delay_usec, 2 * SEC);
    ck_assert_uint_eq(azm_pace_wait_usec(&p, now + 2), 30 * SEC - 1); /* but the longest wait counts */
    azm_pace_throttled(&p, &lowest_clock, now + 61 * SEC, now + 61 * SEC, 0);
    ck_assert_uint_eq(p.window_limit, 2);
}
END_TEST

START_TEST(a_429s_retry_after_is_obeyed)
{
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        struct prng dice_of_seed = {seed};
        struct azm_clock clock = clock_of(&dice_of_seed);
        struct azm_pace p = pace_of(4);
        uint64_t wait;

        azm_pace_throttled(&p, &clock, 999 * SEC, 1000 * SEC, 45 * SEC);
        wait = azm_pace_wait_usec(&p, 1000 * SEC);
        ck_assert_uint_ge(wait, 45 * SEC);
        ck_assert_uint_le(wait, 55 * SEC);
        azm_pace_success(&p, 1001 * SEC, 1001 * SEC); /* whatever is acknowledged meanwhile */
        ck_assert_uint_eq(azm_pace_wait_usec(&p, 1000 * SEC), wait);
    }
}
END_TEST

/* A limit that counts by the minute tells all hosts at once when to come back: they come over ten seconds. */
START_TEST(a_fleet_does_not_come_back_in_one_second)
{
    unsigned in_second[11] = {0};

    for (uint64_t seed = 0; seed < 2000; seed++) {
        struct prng dice_of_seed = {seed};
        struct azm_clock clock = clock_of(&dice_of_seed);
        struct azm_pace p = pace_of(4);

        azm_pace_throttled(&p, &clock, 999 * SEC, 1000 * SEC, 45 * SEC);
        in_second[(azm_pace_wait_usec(&p, 1000 * SEC) - 45 * SEC) / SEC]++;
    }
    for (size_t i = 0; i < 10; i++)
        ck_assert_msg(in_second[i] > 100 && in_second[i] < 300, "%u of 2000 in second %zu", in_second[i], i);
}
END_TEST

/* In each quiet minute the limit of the window grows by one, the rate by a tenth of what passed until it is there and
 * then twofold; the batch delay is halved. */
START_TEST(it_eases_with_every_quiet_minute)
{
    static const uint64_t rates[] = {60, 72, 84, 96, 108, 120, 240, 480, 960, 1920, 3840, 0};
    static const unsigned limits[] = {4, 5, 6, 7, 8, 8, 8, 8, 8, 8, 8, 8};
    struct azm_pace p = pace_of(8);
    uint64_t now = 1000 * SEC;

    let_pass(&p, 120, now);
    throttle(&p, now);
    for (size_t i = 0; i < ELEMENTSOF(rates); i++) {
        for (uint64_t k = 1; k < 6; k++)
            azm_pace_success(&p, now + k, now + k);
        azm_pace_success(&p, now + MINUTE - 1, now + MINUTE - 1);
        ck_assert_uint_eq(p.interval_usec, rates[i] ? MINUTE / rates[i] : 0);
        ck_assert_uint_eq(p.window_limit, limits[i]);
        ck_assert_uint_eq(p.window, limits[i]); /* it opens so far and no farther */
        ck_assert_uint_eq(p.batch_delay_usec, i == 0 ? 2 * SEC : 0);
        now += MINUTE;
        azm_pace_success(&p, now, now);
    }
    ck_assert_uint_eq(p.ease_usec, 0); /* nothing is left of it */
    throttle(&p, now + SEC);           /* and it begins anew */
    ck_assert_uint_eq(p.window_limit, 4);
    ck_assert_uint_gt(p.interval_usec, 0);
    ck_assert_uint_gt(p.ease_usec, 0);
}
END_TEST

/* Where nothing may be sent nothing is proven: a minute counts from when requests may go out again. */
START_TEST(waiting_for_retry_after_is_no_quiet_minute)
{
    struct azm_pace p = pace_of(4);

    azm_pace_throttled(&p, &lowest_clock, 1000 * SEC, 1000 * SEC, 58 * SEC);
    azm_pace_success(&p, 1061 * SEC, 1061 * SEC);
    ck_assert_uint_eq(p.window_limit, 2);
    azm_pace_success(&p, 1118 * SEC - 1, 1118 * SEC - 1);
    ck_assert_uint_eq(p.window_limit, 2);
    azm_pace_success(&p, 1118 * SEC, 1118 * SEC);
    ck_assert_uint_eq(p.window_limit, 3);
}
END_TEST

START_TEST(a_long_quiet_takes_all_of_it_back)
{
    struct azm_pace p = pace_of(64);

    for (uint64_t i = 0; i < 10; i++)
        throttle(&p, (1000 + i) * SEC);
    azm_pace_success(&p, 24 * 3600 * SEC, 24 * 3600 * SEC);
    ck_assert_uint_eq(p.window_limit, 64);
    ck_assert_uint_eq(p.interval_usec, 0);
    ck_assert_uint_eq(p.batch_delay_usec, 0);
    ck_assert_uint_eq(p.ease_usec, 0);
    for (unsigned i = 0; i < 6; i++)
        azm_pace_success(&p, 24 * 3600 * SEC, 24 * 3600 * SEC);
    ck_assert_uint_eq(p.window, 64);
}
END_TEST

static void add_tests(Suite *s)
{
    add_test(s, "begins_wide_open", begins_wide_open);
    add_test(s, "backoff_doubles_up_to_the_maximum", backoff_doubles_up_to_the_maximum);
    add_test(s, "hold_goes_up_to_the_slower_maximum", hold_goes_up_to_the_slower_maximum);
    add_test(s, "backoff_starts_anew_after_a_success", backoff_starts_anew_after_a_success);
    add_test(s, "the_window_opens_step_by_step", the_window_opens_step_by_step);
    add_test(s, "failures_of_requests_under_way_count_once", failures_of_requests_under_way_count_once);
    add_test(s, "retry_after_is_obeyed", retry_after_is_obeyed);
    add_test(s, "a_late_retry_after_lengthens_and_never_shortens", a_late_retry_after_lengthens_and_never_shortens);
    add_test(s, "jitter_never_brings_a_deadline_forward", jitter_never_brings_a_deadline_forward);
    add_test(s, "an_old_success_proves_nothing", an_old_success_proves_nothing);
    add_test(s, "neither_success_nor_failure_cancels_a_retry_after", neither_success_nor_failure_cancels_a_retry_after);
    add_test(s, "no_order_of_answers_undercuts_retry_after", no_order_of_answers_undercuts_retry_after);
    add_test(s, "throttled_to_half_of_what_has_passed", throttled_to_half_of_what_has_passed);
    add_test(s, "each_minutes_429_counts_up_to_the_bounds", each_minutes_429_counts_up_to_the_bounds);
    add_test(s, "a_minute_that_is_used_up_counts_once", a_minute_that_is_used_up_counts_once);
    add_test(s, "requests_under_way_are_throttled_once", requests_under_way_are_throttled_once);
    add_test(s, "a_429s_retry_after_is_obeyed", a_429s_retry_after_is_obeyed);
    add_test(s, "a_fleet_does_not_come_back_in_one_second", a_fleet_does_not_come_back_in_one_second);
    add_test(s, "it_eases_with_every_quiet_minute", it_eases_with_every_quiet_minute);
    add_test(s, "waiting_for_retry_after_is_no_quiet_minute", waiting_for_retry_after_is_no_quiet_minute);
    add_test(s, "a_long_quiet_takes_all_of_it_back", a_long_quiet_takes_all_of_it_back);
}

TEST_MAIN("pace", add_tests)
