/* SPDX-License-Identifier: MIT */
#include "auth/token_schedule.h"
#include "tests/unit/test.h"

#define SEC AZM_USEC_PER_SEC
#define START (1000 * SEC)

static uint64_t now, random_bits; /* what the clock says */

static uint64_t fake_now(void *userdata)
{
    (void)userdata;
    return now;
}

static uint64_t fake_random(void *userdata)
{
    (void)userdata;
    return random_bits;
}

static const struct azm_clock fake_clock = {fake_now, fake_now, fake_random, NULL};

/* Seconds until there is something to do, which must be whole ones. */
static uint64_t wait_sec(const struct azm_token_schedule *s)
{
    uint64_t wait = azm_token_schedule_wait_usec(s, now);

    ck_assert_uint_eq(wait % SEC, 0);
    return wait / SEC;
}

static void attempt_succeeds(struct azm_token_schedule *s, uint64_t expires_in_sec, uint64_t refresh_in_sec)
{
    azm_token_schedule_asked(s, now);
    azm_token_schedule_success(s, expires_in_sec * SEC, refresh_in_sec * SEC);
}

static void attempt_fails(struct azm_token_schedule *s, bool permanent, uint64_t retry_after_sec)
{
    azm_token_schedule_asked(s, now);
    azm_token_schedule_failure(s, &fake_clock, permanent, retry_after_sec * SEC);
}

START_TEST(begins_at_once)
{
    struct azm_token_schedule s = {0};

    now = START;
    ck_assert_uint_eq(wait_sec(&s), 0);
    ck_assert(!azm_token_schedule_valid(&s, now));
}
END_TEST

START_TEST(when_to_refresh)
{
    static const struct {
        uint64_t expires_in, refresh_in, want;
    } rows[] = {
        {3600, 0, 3300},       /* five minutes before the end */
        {3599, 0, 3299},       /* as IMDS says it */
        {7199, 0, 6899},       /* the longest that is not refreshed at half its life */
        {7200, 0, 3600},       /* half its life */
        {86400, 0, 43200},     /* a day */
        {86400, 43200, 43200}, /* refresh_in */
        {86400, 80000, 80000}, /* refresh_in counts before half its life */
        {3600, 1800, 1800},    /* refresh_in */
        {3600, 3599, 3300},    /* refresh_in, but five minutes before the end */
        {600, 0, 300},         /* ten minutes: five before the end */
        {599, 0, 299},         /* shorter: half its life (and half a second, see below) */
        {60, 0, 30},           /* half its life */
        {60, 10, 10},          /* refresh_in */
        {2, 0, 1},             /* half its life */
        {1, 0, 1},             /* not more often than every second */
    };

    for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
        struct azm_token_schedule s = {0};

        now = START;
        attempt_succeeds(&s, rows[i].expires_in, rows[i].refresh_in);
        ck_assert_msg(azm_token_schedule_wait_usec(&s, now) / SEC == rows[i].want, "row %zu", i);
        now = START + rows[i].expires_in * SEC - 1;
        ck_assert(azm_token_schedule_valid(&s, now));
        now++;
        ck_assert(!azm_token_schedule_valid(&s, now));
    }
}
END_TEST

/* The answer may have taken its time; the token has not got younger by it. */
START_TEST(life_counts_from_the_question)
{
    struct azm_token_schedule s = {0};

    now = START;
    azm_token_schedule_asked(&s, now);
    now += 9 * SEC;
    azm_token_schedule_success(&s, 3600 * SEC, 0);
    ck_assert_uint_eq(wait_sec(&s), 3300 - 9);
    ck_assert(!azm_token_schedule_valid(&s, START + 3600 * SEC));
}
END_TEST

/* Fails again and again, and checks each wait with the least and the most jitter. */
static void assert_waits(struct azm_token_schedule s, bool permanent, const uint64_t *want_sec, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct azm_token_schedule other = s;

        random_bits = want_sec[i] * SEC / 4;
        attempt_fails(&other, permanent, 0);
        ck_assert_uint_eq(azm_token_schedule_wait_usec(&other, now), want_sec[i] * SEC / 4 * 5);
        random_bits = 0;
        attempt_fails(&s, permanent, 0);
        ck_assert_msg(wait_sec(&s) == want_sec[i], "failure %zu: %ju s", i, (uintmax_t)wait_sec(&s));
        now += want_sec[i] * SEC;
    }
}

START_TEST(failures_without_a_token)
{
    static const uint64_t soon[] = {2, 4, 8, 16, 32, 60, 60, 60}, by_a_person[] = {60, 120, 240, 300, 300, 300};

    now = START;
    assert_waits((struct azm_token_schedule){0}, false, soon, ELEMENTSOF(soon));
    assert_waits((struct azm_token_schedule){0}, true, by_a_person, ELEMENTSOF(by_a_person));
    assert_waits((struct azm_token_schedule){.failures = UINT32_MAX - 10}, false, (uint64_t[]){60, 60}, 2);
    assert_waits((struct azm_token_schedule){.failures = UINT32_MAX - 10, .permanent = true}, true,
                 (uint64_t[]){300, 300}, 2);
}
END_TEST

START_TEST(failures_with_a_token)
{
    static const uint64_t soon[] = {30, 60, 60, 60}, by_a_person[] = {60, 120};
    struct azm_token_schedule s = {0};

    now = START;
    attempt_succeeds(&s, 3600, 0);
    now += 3300 * SEC;
    assert_waits(s, false, soon, ELEMENTSOF(soon)); /* 210 s of the 300 */
    now = START + 3300 * SEC;
    assert_waits(s, true, by_a_person, ELEMENTSOF(by_a_person));
}
END_TEST

START_TEST(other_sort_of_failure_begins_anew)
{
    struct azm_token_schedule s = {0};

    now = START;
    random_bits = 0;
    for (int i = 0; i < 6; i++)
        attempt_fails(&s, false, 0);
    attempt_fails(&s, true, 0);
    ck_assert_uint_eq(wait_sec(&s), 60);
    attempt_fails(&s, true, 0);
    ck_assert_uint_eq(wait_sec(&s), 120);
    attempt_fails(&s, false, 0);
    ck_assert_uint_eq(wait_sec(&s), 2);
    attempt_succeeds(&s, 3600, 0);
    now += 3600 * SEC;
    attempt_fails(&s, false, 0);
    ck_assert_uint_eq(wait_sec(&s), 2);
}
END_TEST

/* It is a moment without a token as soon as possible. */
START_TEST(asks_again_when_the_token_ends)
{
    struct azm_token_schedule s = {0};

    now = START;
    random_bits = 0;
    attempt_succeeds(&s, 3600, 0);
    now += 3590 * SEC;
    attempt_fails(&s, false, 0);
    ck_assert_uint_eq(wait_sec(&s), 10);
    now += 9 * SEC;
    attempt_fails(&s, false, 0);
    ck_assert_uint_eq(s.next_usec - now, 2 * SEC);
    ck_assert_uint_eq(wait_sec(&s), 1); /* to forget the token */
}
END_TEST

START_TEST(retry_after)
{
    struct azm_token_schedule s = {0};

    now = START;
    random_bits = 0;
    attempt_fails(&s, false, 1); /* shorter than the backoff */
    ck_assert_uint_eq(wait_sec(&s), 2);
    attempt_fails(&s, false, 1234);
    ck_assert_uint_eq(wait_sec(&s), 1234);
    attempt_fails(&s, true, 400);
    ck_assert_uint_eq(wait_sec(&s), 400);
    attempt_succeeds(&s, 3600, 0);
    attempt_fails(&s, false, 4000); /* also beyond the token's end */
    ck_assert_uint_eq(s.next_usec - now, 4000 * SEC);
    azm_token_schedule_refused(&s, now); /* and if it is refused */
    ck_assert_uint_eq(wait_sec(&s), 4000);
    now += 4000 * SEC;
    attempt_succeeds(&s, 3600, 0);
    now += 60 * SEC;
    azm_token_schedule_refused(&s, now);
    ck_assert_uint_eq(wait_sec(&s), 0);
}
END_TEST

START_TEST(refused)
{
    struct azm_token_schedule s = {0};

    now = START;
    attempt_succeeds(&s, 3600, 0);
    now += 100 * SEC;
    azm_token_schedule_refused(&s, now);
    ck_assert(!azm_token_schedule_valid(&s, now));
    ck_assert_uint_eq(wait_sec(&s), 0);
    attempt_succeeds(&s, 3600, 0);
    now += 10 * SEC;
    azm_token_schedule_refused(&s, now); /* 30 s after it was asked for */
    ck_assert_uint_eq(wait_sec(&s), 20);
}
END_TEST

START_TEST(mended)
{
    struct azm_token_schedule s = {0};

    now = START;
    attempt_fails(&s, true, 0);
    now += 10 * SEC;
    azm_token_schedule_mended(&s, now);
    ck_assert_uint_eq(wait_sec(&s), 0);
    attempt_fails(&s, true, 0); /* it was not: the waits begin anew */
    ck_assert_uint_eq(wait_sec(&s), 60);
    attempt_fails(&s, false, 1000);
    azm_token_schedule_mended(&s, now);
    ck_assert_uint_eq(wait_sec(&s), 1000); /* nobody can mend a Retry-After */
}
END_TEST

static void add_tests(Suite *s)
{
    add_test(s, "begins_at_once", begins_at_once);
    add_test(s, "when_to_refresh", when_to_refresh);
    add_test(s, "life_counts_from_the_question", life_counts_from_the_question);
    add_test(s, "failures_without_a_token", failures_without_a_token);
    add_test(s, "failures_with_a_token", failures_with_a_token);
    add_test(s, "other_sort_of_failure_begins_anew", other_sort_of_failure_begins_anew);
    add_test(s, "asks_again_when_the_token_ends", asks_again_when_the_token_ends);
    add_test(s, "retry_after", retry_after);
    add_test(s, "refused", refused);
    add_test(s, "mended", mended);
}

TEST_MAIN("token_schedule", add_tests)
