/* SPDX-License-Identifier: MIT */
#include "core/rfc3339.h"

#define NSEC_PER_SEC INT64_C(1000000000)
#define SECONDS_MAX INT64_C(18446744072) /* of nanoseconds in 64 bits, less one for the fraction */

/* n digits at t.s[*at]; moves on behind them. */
static bool digits(struct azm_text t, size_t *at, size_t n, int *ret)
{
    int value = 0;

    if (t.len - *at < n)
        return false;
    for (size_t i = 0; i < n; i++) {
        char c = t.s[*at + i];

        if (c < '0' || c > '9')
            return false;
        value = value * 10 + (c - '0');
    }
    *at += n;
    *ret = value;
    return true;
}

/* One of these two characters. */
static bool letter(struct azm_text t, size_t *at, char a, char b)
{
    if (*at >= t.len || (t.s[*at] != a && t.s[*at] != b))
        return false;
    ++*at;
    return true;
}

static bool is_leap(int year)
{
    return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

/* Days since 1970-01-01, for 1970 and later. */
static int64_t days_since_1970(int year, int month, int day)
{
    static const int before_month[] = {0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334};
    int64_t y = year - 1; /* whole years, counted from the year 1 */

    return y * 365 + y / 4 - y / 100 + y / 400 + before_month[month - 1] + (month > 2 && is_leap(year)) + day - 1 -
           719162;
}

static bool parse_date(struct azm_text t, size_t *at, int64_t *ret_days)
{
    static const int days_of_month[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int year, month, day;

    if (!digits(t, at, 4, &year) || !letter(t, at, '-', '-') || !digits(t, at, 2, &month) || !letter(t, at, '-', '-') ||
        !digits(t, at, 2, &day))
        return false;
    if (year < 1969 || month < 1 || month > 12 || day < 1 ||
        day > days_of_month[month - 1] + (month == 2 && is_leap(year)))
        return false;
    *ret_days = days_since_1970(year, month, day);
    return true;
}

static bool parse_fraction(struct azm_text t, size_t *at, int64_t *ret_nsec)
{
    int64_t unit = NSEC_PER_SEC;
    int digit;

    *ret_nsec = 0;
    if (!letter(t, at, '.', '.'))
        return true;
    for (size_t first = *at; digits(t, at, 1, &digit);) {
        if (*at - first > 9)
            return false;
        unit /= 10;
        *ret_nsec += digit * unit;
    }
    return unit < NSEC_PER_SEC;
}

static bool parse_zone(struct azm_text t, size_t *at, int64_t *ret_sec)
{
    int hour, minute;
    bool west;

    *ret_sec = 0;
    if (letter(t, at, 'Z', 'z'))
        return true;
    west = *at < t.len && t.s[*at] == '-';
    if (!letter(t, at, '+', '-') || !digits(t, at, 2, &hour) || !letter(t, at, ':', ':') ||
        !digits(t, at, 2, &minute) || hour > 23 || minute > 59)
        return false;
    *ret_sec = (hour * 60 + minute) * INT64_C(60) * (west ? -1 : 1);
    return true;
}

bool azm_rfc3339_parse(struct azm_text t, uint64_t *ret_nsec)
{
    int64_t days, nsec, zone, seconds;
    int hour, minute, second;
    size_t at = 0;

    if (!parse_date(t, &at, &days) || !letter(t, &at, 'T', 't') || !digits(t, &at, 2, &hour) ||
        !letter(t, &at, ':', ':') || !digits(t, &at, 2, &minute) || !letter(t, &at, ':', ':') ||
        !digits(t, &at, 2, &second) || !parse_fraction(t, &at, &nsec) || !parse_zone(t, &at, &zone) || at != t.len)
        return false;
    if (hour > 23 || minute > 59 || second > 60)
        return false;
    seconds = days * 86400 + hour * 3600 + minute * 60 + second - zone;
    if (seconds < 0 || seconds > SECONDS_MAX)
        return false;
    *ret_nsec = (uint64_t)seconds * (uint64_t)NSEC_PER_SEC + (uint64_t)nsec;
    return true;
}
