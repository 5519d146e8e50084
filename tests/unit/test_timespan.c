/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/clock.h"
#include "core/timespan.h"
#include "tests/unit/test.h"

#define US UINT64_C(1)
#define MS AZM_USEC_PER_MSEC
#define S AZM_USEC_PER_SEC
#define MIN_ (60 * S)
#define H (60 * MIN_)
#define D (24 * H)

/* 2024-03-15T12:34:56.789012Z, a Friday in a leap year */
#define NOW UINT64_C(1710506096789012)

/* Zones by rule, so that the tests need no tzdata: Berlin; Sao Paulo until 2018, where the clock went from
 * 00:00 to 01:00; Kathmandu. */
#define BERLIN "CET-1CEST,M3.5.0,M10.5.0/3"
#define SAO_PAULO "<-03>3<-02>,M11.1.0/0,M2.3.0/0"
#define KATHMANDU "<+0545>-5:45"

static void set_zone(const char *tz)
{
    setenv("TZ", tz, 1);
    tzset();
}

START_TEST(good_durations)
{
    static const struct {
        const char *s;
        uint64_t usec;
    } table[] = {
        {"0", 0},
        {"1us", 1},
        {"500ms", 500 * MS},
        {"1s", S},
        {"1sec", S},
        {"2m", 2 * MIN_},
        {"2min", 2 * MIN_},
        {"3h", 3 * H},
        {"1d", D},
        {"1w", 7 * D},
        {"1.5s", 1500 * MS},
        {"0.000001s", 1},
        {"1.001s", 1001 * MS}, /* 1000999.9999999999 microseconds in binary */
        {"2min 30s", 150 * S},
        {"1h30m", 90 * MIN_},
        {"1h 30m 5s 250ms 7us", 90 * MIN_ + 5 * S + 250 * MS + 7},
        {"5 s", 5 * S}, /* spaces around each part */
        {"  5s\t", 5 * S},
        {"1s1s", 2 * S},
        {"010s", 10 * S}, /* decimal, not octal */
        {"3000w", 21000 * D},
    };

    for (size_t i = 0; i < ELEMENTSOF(table); i++) {
        uint64_t usec = 42;

        ck_assert_msg(azm_parse_timespan(table[i].s, S, &usec) == 0, "'%s' was refused", table[i].s);
        ck_assert_msg(usec == table[i].usec, "'%s' gave %llu", table[i].s, (unsigned long long)usec);
    }
}
END_TEST

START_TEST(a_bare_number_counts_in_the_given_unit)
{
    static const struct {
        const char *s;
        uint64_t unit, usec;
    } table[] = {
        {"5", S, 5 * S},       {"5", MS, 5 * MS},        {"5", US, 5},
        {"1.5", S, 1500 * MS}, {"1h 5", MS, H + 5 * MS}, {"5s", MS, 5 * S},
    };

    for (size_t i = 0; i < ELEMENTSOF(table); i++) {
        uint64_t usec = 42;

        ck_assert_int_eq(azm_parse_timespan(table[i].s, table[i].unit, &usec), 0);
        ck_assert_uint_eq(usec, table[i].usec);
    }
}
END_TEST

START_TEST(bad_durations)
{
    static const struct {
        const char *s;
        int error;
    } table[] = {
        {"", EINVAL},
        {"  ", EINVAL},
        {"s", EINVAL},
        {"abc", EINVAL},
        {"-1s", EINVAL},
        {"+1s", EINVAL},
        {"1h -1m", EINVAL},
        {"1x", EINVAL},
        {"1S", EINVAL},
        {"1Min", EINVAL},
        {"1mins", EINVAL},
        {"1mi", EINVAL},
        {"1se", EINVAL},
        {"1u", EINVAL},
        {"1 fortnight", EINVAL},
        {"1,5s", EINVAL},
        {".5s", EINVAL},
        {"1..5s", EINVAL},
        {"1s,2s", EINVAL},
        {"0x10s", EINVAL},
        {"0X1", EINVAL},
        {"inf", EINVAL},
        {"infinity", EINVAL},
        {"nan", EINVAL},
        {"1s;", EINVAL},
        {"5%", EINVAL},
        {"1:30", EINVAL},
        {"ten s", EINVAL},
        {"1\xC2\xB5s", EINVAL},
        {"1000000w", ERANGE},
        {"99999999999999999999999999s", ERANGE},
    };

    for (size_t i = 0; i < ELEMENTSOF(table); i++) {
        uint64_t usec = 42;

        ck_assert_msg(azm_parse_timespan(table[i].s, S, &usec) == -table[i].error, "'%s'", table[i].s);
    }
}
END_TEST

struct good_time {
    const char *zone, *s;
    uint64_t usec;
};

static void assert_good_times(const struct good_time *table, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        uint64_t usec = 42;

        set_zone(table[i].zone);
        ck_assert_msg(azm_parse_time(table[i].s, NOW, &usec) == 0, "'%s' was refused", table[i].s);
        ck_assert_msg(usec == table[i].usec, "'%s' with TZ=%s gave %llu, not %llu", table[i].s, table[i].zone,
                      (unsigned long long)usec, (unsigned long long)table[i].usec);
    }
}

START_TEST(times_relative_to_now)
{
    static const struct good_time table[] = {
        {BERLIN, "now", NOW},
        {BERLIN, "-1h", NOW - H},
        {BERLIN, "-1h30m", NOW - 90 * MIN_},
        {BERLIN, "-90", NOW - 90 * S}, /* bare numbers are seconds */
        {BERLIN, "1h30m ago", NOW - 90 * MIN_},
        {BERLIN, "2min 30s ago", NOW - 150 * S},
        {BERLIN, "0s ago", NOW},
        {BERLIN, "-5000w", 0}, /* before 1970: the beginning */
        {BERLIN, "5000w ago", 0},
        {"UTC0", "today", UINT64_C(1710460800) * S},
        {"UTC0", "yesterday", UINT64_C(1710374400) * S},
        {BERLIN, "today", UINT64_C(1710457200) * S}, /* 2024-03-15T00:00+01:00 */
        {BERLIN, "yesterday", UINT64_C(1710370800) * S},
        {KATHMANDU, "today", UINT64_C(1710440100) * S},
        {"UTC0", "00:00", UINT64_C(1710460800) * S},
        {"UTC0", "09:30", UINT64_C(1710460800) * S + 9 * H + 30 * MIN_},
        {"UTC0", "23:59:59.5", UINT64_C(1710460800) * S + 24 * H - S / 2}, /* also what is still to come */
        {BERLIN, "09:30:01", UINT64_C(1710457200) * S + 9 * H + 30 * MIN_ + S},
        {KATHMANDU, "00:00", UINT64_C(1710440100) * S},
    };

    assert_good_times(table, ELEMENTSOF(table));
}
END_TEST

START_TEST(yesterday_over_a_change_of_clocks_and_a_month)
{
    uint64_t usec;

    set_zone(BERLIN);
    /* 2024-03-31 lasts 23 hours in Berlin. */
    ck_assert_int_eq(azm_parse_time("yesterday", UINT64_C(1711969200) * S, &usec), 0); /* 2024-04-01T13:00+02:00 */
    ck_assert_uint_eq(usec, UINT64_C(1711839600) * S);                                 /* 2024-03-31T00:00+01:00 */
    ck_assert_int_eq(azm_parse_time("today", UINT64_C(1711969200) * S, &usec), 0);
    ck_assert_uint_eq(usec, UINT64_C(1711922400) * S); /* 2024-04-01T00:00+02:00, 23 hours later */
}
END_TEST

START_TEST(good_dates)
{
    static const struct good_time table[] = {
        {BERLIN, "@0", 0},
        {BERLIN, "@1700000000", UINT64_C(1700000000) * S},
        {BERLIN, "@1700000000.123456", UINT64_C(1700000000123456)},
        {BERLIN, "1970-01-01T00:00:00Z", 0},
        {BERLIN, "2024-02-29T00:00:00Z", UINT64_C(1709164800) * S}, /* leap days */
        {BERLIN, "2000-02-29T00:00:00Z", UINT64_C(951782400) * S},
        {BERLIN, "2026-01-31T12:00:00Z", UINT64_C(1769860800) * S},
        {BERLIN, "2026-01-31T12:00:00UTC", UINT64_C(1769860800) * S},
        {BERLIN, "2026-01-31 12:00:00 Z", UINT64_C(1769860800) * S},
        {BERLIN, "2026-01-31T12:00Z", UINT64_C(1769860800) * S},
        {BERLIN, "2026-01-31Z", UINT64_C(1769817600) * S},
        {BERLIN, "2026-01-31T12:00:00.5Z", UINT64_C(1769860800500000)},
        {BERLIN, "2026-01-31T12:00:00.000001Z", UINT64_C(1769860800000001)},
        {BERLIN, "2026-01-31T12:00:00.123456789Z", UINT64_C(1769860800123456)}, /* cut to microseconds */
        {BERLIN, "2026-01-31T12:00:00+00:00", UINT64_C(1769860800) * S},
        {BERLIN, "2026-01-31T17:45:00+05:45", UINT64_C(1769860800) * S},
        {BERLIN, "2026-01-31T08:30:00-03:30", UINT64_C(1769860800) * S},
        {BERLIN, "2026-02-01T00:30:00.25+14:00", UINT64_C(1769855400250000)}, /* another day there */
        {"UTC0", "2026-01-31", UINT64_C(1769817600) * S},
        {BERLIN, "2026-01-31", UINT64_C(1769814000) * S}, /* without a zone: local time, here winter */
        {BERLIN, "2026-01-31 13:00", UINT64_C(1769860800) * S},
        {BERLIN, "2024-07-01 13:00:00", UINT64_C(1719831600) * S}, /* and summer */
        {KATHMANDU, "2026-01-31T17:45", UINT64_C(1769860800) * S},
        {SAO_PAULO, "2018-11-04", UINT64_C(1541300400) * S}, /* there was no 00:00: it began at 01:00 */
        {BERLIN, "9999-12-31T23:59:59Z", UINT64_C(253402300799) * S},
    };

    assert_good_times(table, ELEMENTSOF(table));
}
END_TEST

static void assert_refused(const char *const *table, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        uint64_t usec = 42;
        int r = azm_parse_time(table[i], NOW, &usec);

        ck_assert_msg(r == -EINVAL, "'%s' gave %d, %llu", table[i], r, (unsigned long long)usec);
    }
}

START_TEST(bad_times)
{
    static const char *const table[] = {
        "",
        " ",
        "-",
        "@",
        "@-5",
        "@now",
        "ago",
        " ago",
        "1h ago ago",
        "-1h ago",
        "1xyz ago",
        "-1x",
        "Now",
        "tomorrow",
        "noon",
        "0000000000000000000000000000000000000000000000000000000000000000000000000001h ago", /* longer than any span */
        "31 April",
        "2024-04-31",
        "2023-02-29",
        "2100-02-29T00:00:00Z",
        "2024-00-10",
        "2024-13-10",
        "2024-01-00",
        "2024-01-32",
        "1969-12-31",
        "1970-01-01T00:00:00+02:00" /* before 1970 */,
        "24-01-01",
        "2024-01",
        "2024/01/01",
        "20240101",
        "02024-01-01",
        "2024-01-01T",
        "2024-01-01T12",
        "2024-01-01T24:00",
        "2024-01-01T12:60",
        "2024-01-01T12:00:61",
        "2024-01-01T12:00:",
        "2024-01-01T12:00:00,5Z",
        "2024-01-01T12:00:00 PM",
        "2024-01-01T12:00:00CET",
        "2024-01-01T12:00:00z0",
        "2024-01-01T12:00+0200",
        "2024-01-01T12:00+02",
        "2024-01-01T12:00+02:60",
        "2024-01-01T12:00+15:00",
        "2024-01-01T12:00+02:00x",
        "2024-01-01x",
        "2024-01-01 now",
        "24:00",
        "12:60",
        "12:00:60",
        "12:0",
        "12:",
        "1:00",
        "12:00Z",
        "12:00:00.",
        "12:00 x",
    };

    set_zone("UTC0");
    assert_refused(table, ELEMENTSOF(table));
}
END_TEST

START_TEST(signs_and_spaces_inside_a_date_are_refused)
{
    static const char *const table[] = {
        "2024-+1-01",
        "2024- 1-01",
        "+024-01-01",
        "2024-01-01T+1:00",
        "2024-01-01T12:+5",
        "2024-01-01T12:00:+5",
        "2024-01-01T12:00:-0Z",
        "2024-01-01T12:00+-0:30",
        "2024-01-01T12:00+01:+5",
        "2024-01-01T12:00:00.Z",
    };

    set_zone("UTC0");
    assert_refused(table, ELEMENTSOF(table));
}
END_TEST

/* RFC 3339 writes a leap second as 60; the only ones there were stood at the end of a day in UTC. */
START_TEST(the_leap_second_of_2016)
{
    static const struct good_time table[] = {
        {"UTC0", "2016-12-31T23:59:60Z", UINT64_C(1483228800) * S},
        {"UTC0", "2017-01-01T00:59:60+01:00", UINT64_C(1483228800) * S},
    };

    assert_good_times(table, ELEMENTSOF(table));
}
END_TEST

/* A machine without a clock of its own begins in 1970: "today" may then not lie in the far future. */
START_TEST(today_and_yesterday_before_the_clock_is_set)
{
    static const char *const words[] = {"today", "yesterday", "-1h", "1d ago"};

    set_zone(BERLIN);
    for (size_t i = 0; i < ELEMENTSOF(words); i++) {
        uint64_t usec = 42;

        ck_assert_int_eq(azm_parse_time(words[i], 10 * S, &usec), 0);
        ck_assert_msg(usec == 0, "'%s' gave %llu", words[i], (unsigned long long)usec);
    }
}
END_TEST

static void add_tests(Suite *s)
{
    add_test(s, "good_durations", good_durations);
    add_test(s, "a_bare_number_counts_in_the_given_unit", a_bare_number_counts_in_the_given_unit);
    add_test(s, "bad_durations", bad_durations);
    add_test(s, "times_relative_to_now", times_relative_to_now);
    add_test(s, "yesterday_over_a_change_of_clocks_and_a_month", yesterday_over_a_change_of_clocks_and_a_month);
    add_test(s, "good_dates", good_dates);
    add_test(s, "bad_times", bad_times);
    add_test(s, "signs_and_spaces_inside_a_date_are_refused", signs_and_spaces_inside_a_date_are_refused);
    add_test(s, "the_leap_second_of_2016", the_leap_second_of_2016);
    add_test(s, "today_and_yesterday_before_the_clock_is_set", today_and_yesterday_before_the_clock_is_set);
}

TEST_MAIN("timespan", add_tests)
