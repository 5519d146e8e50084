/* SPDX-License-Identifier: MIT */
#include "cli/progress.h"
#include "core/clock.h"
#include "tests/unit/test.h"

/* What a long job tells of itself: numbers, a rate over half a minute, the time that is left, and all of it in a line.
 */

#define S AZM_USEC_PER_SEC

static void assert_line(const struct azm_progress *p, uint64_t now, const char *trouble, size_t columns,
                        const char *expected)
{
    _cleanup_(azm_buf_free) struct azm_buf out = {0};

    ck_assert_int_eq(azm_progress_print(p, now, trouble, columns, &out), 0);
    ck_assert_int_eq(azm_buf_append(&out, "", 1), 0);
    ck_assert_str_eq((const char *)out.data, expected);
}

START_TEST(at_the_beginning)
{
    struct azm_progress p = {.total = 200};

    assert_line(&p, 100 * S, NULL, 0, "0 %  0 of 200 records  0/s");
    azm_progress_update(&p, 100 * S, 0);
    assert_line(&p, 100 * S, NULL, 0, "0 %  0 of 200 records  0/s");
    assert_line(&p, 101 * S, NULL, 40, "[...........] 0 %  0 of 200 records  0/s");
}
END_TEST

START_TEST(in_the_middle_and_at_the_end)
{
    struct azm_progress p = {.total = 400};

    azm_progress_update(&p, 100 * S, 0);
    azm_progress_update(&p, 110 * S, 100);
    assert_line(&p, 110 * S, NULL, 0, "25 %  100 of 400 records  10/s  30s left");
    assert_line(&p, 110 * S, NULL, 60, "[####.............] 25 %  100 of 400 records  10/s  30s left");
    azm_progress_update(&p, 140 * S, 399);
    assert_line(&p, 140 * S, NULL, 0, "99 %  399 of 400 records  10/s  0.1s left"); /* it is not done */
    azm_progress_update(&p, 141 * S, 400);
    assert_line(&p, 141 * S, NULL, 0, "100 %  400 of 400 records  10/s  0s left");
    azm_progress_update(&p, 142 * S, 401); /* what is counted twice does not make it more than all */
    assert_line(&p, 142 * S, NULL, 38, "100 %  400 of 400 records  10/s  0s le"); /* all that fits */
}
END_TEST

/* It came back to where it had been: what was done before says nothing of the rate. */
START_TEST(the_rate_begins_with_the_first_sample)
{
    struct azm_progress p = {.total = 1000};

    azm_progress_update(&p, 100 * S, 500);
    azm_progress_update(&p, 102 * S, 520);
    assert_line(&p, 102 * S, NULL, 0, "52 %  520 of 1000 records  10/s  48s left");
}
END_TEST

START_TEST(the_rate_is_that_of_half_a_minute)
{
    struct azm_progress p = {.total = 100000};

    for (uint64_t s = 0; s <= 100; s++) /* fast, then slow; often asked */
        for (uint64_t k = 0; k < 5; k++)
            azm_progress_update(&p, (100 + s) * S + k * S / 5, s < 50 ? s * 1000 : 50000 + (s - 50) * 10);
    assert_line(&p, 200 * S + 4 * S / 5, NULL, 0, "50 %  50500 of 100000 records  10/s  1h 24min left");
}
END_TEST

START_TEST(trouble_stands_instead_of_the_time)
{
    struct azm_progress p = {.total = 400};

    azm_progress_update(&p, 100 * S, 0);
    azm_progress_update(&p, 110 * S, 100);
    assert_line(&p, 110 * S, "HTTP 503", 0, "25 %  100 of 400 records  10/s  waiting: HTTP 503");
    assert_line(&p, 110 * S, "HTTP 503", 60, "[##......] 25 %  100 of 400 records  10/s  waiting: HTTP 503");
    assert_line(&p, 110 * S, "HTTP 503", 50,
                "25 %  100 of 400 records  10/s  waiting: HTTP 503"); /* no room for a bar */
    assert_line(&p, 110 * S, "HTTP 503", 40, "25 %  100 of 400 records  10/s  waiting:");
    assert_line(&p, 110 * S, "a\x1b[2Jb\nc", 0,
                "25 %  100 of 400 records  10/s  waiting: a [2Jb c"); /* moves no cursor */
}
END_TEST

static void add_tests(Suite *s)
{
    add_test(s, "at_the_beginning", at_the_beginning);
    add_test(s, "in_the_middle_and_at_the_end", in_the_middle_and_at_the_end);
    add_test(s, "the_rate_begins_with_the_first_sample", the_rate_begins_with_the_first_sample);
    add_test(s, "the_rate_is_that_of_half_a_minute", the_rate_is_that_of_half_a_minute);
    add_test(s, "trouble_stands_instead_of_the_time", trouble_stands_instead_of_the_time);
}

TEST_MAIN("progress", add_tests)
