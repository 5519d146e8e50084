/* SPDX-License-Identifier: MIT */
#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/cleanup.h"
#include "core/clock.h"
#include "core/timespan.h"

static const struct {
    const char *name;
    uint64_t usec;
} units[] = {
    {"us", 1},
    {"ms", AZM_USEC_PER_MSEC},
    {"s", AZM_USEC_PER_SEC},
    {"sec", AZM_USEC_PER_SEC},
    {"m", 60 * AZM_USEC_PER_SEC},
    {"min", 60 * AZM_USEC_PER_SEC},
    {"h", 3600 * AZM_USEC_PER_SEC},
    {"d", 86400 * AZM_USEC_PER_SEC},
    {"w", 7 * 86400 * AZM_USEC_PER_SEC},
};

static const char *skip_space(const char *s)
{
    while (isspace((unsigned char)*s))
        s++;
    return s;
}

/* Reads one number with its unit. Returns the rest of the string, or NULL. */
static const char *parse_term(const char *s, uint64_t bare_unit_usec, double *ret_usec)
{
    uint64_t unit = bare_unit_usec;
    size_t n = 0;
    double value;
    char *end;

    if (!isdigit((unsigned char)*s)) /* strtod would take "inf", "0x1p3" and signs too */
        return NULL;
    if (s[0] == '0' && (s[1] == 'x' || s[1] == 'X'))
        return NULL;
    value = strtod(s, &end);
    s = skip_space(end);
    while (isalpha((unsigned char)s[n]))
        n++;
    if (n > 0) {
        unit = 0;
        for (size_t i = 0; i < ELEMENTSOF(units); i++)
            if (strlen(units[i].name) == n && strncmp(units[i].name, s, n) == 0)
                unit = units[i].usec;
        if (unit == 0)
            return NULL;
    }
    *ret_usec = value * (double)unit;
    return skip_space(s + n);
}

int azm_parse_timespan(const char *s, uint64_t bare_unit_usec, uint64_t *ret_usec)
{
    double sum = 0;

    s = skip_space(s);
    if (!*s)
        return -EINVAL;
    while (*s) {
        double usec;

        s = parse_term(s, bare_unit_usec, &usec);
        if (!s)
            return -EINVAL;
        sum += usec;
    }
    if (sum > 1e17) /* over 3000 years */
        return -ERANGE;
    *ret_usec = (uint64_t)(sum + 0.5);
    return 0;
}

/* Reads exactly n digits and moves on: false if they are not there. */
static bool take_digits(const char **s, int n, int *ret)
{
    int value = 0;

    for (int i = 0; i < n; i++, (*s)++) {
        if (!isdigit((unsigned char)**s))
            return false;
        value = value * 10 + (**s - '0');
    }
    *ret = value;
    return true;
}

static bool take_char(const char **s, char c)
{
    if (**s != c)
        return false;
    (*s)++;
    return true;
}

/* The zone at the end of a date: nothing, "Z", "UTC" or "+HH:MM". */
static bool take_zone(const char *s, bool *ret_local, long *ret_offset_sec)
{
    int sign = *s == '-' ? -1 : 1, hours, minutes;

    *ret_local = *s == '\0';
    *ret_offset_sec = 0;
    if (*s == '\0' || strcmp(s, "Z") == 0 || strcmp(s, "UTC") == 0)
        return true;
    if (!take_char(&s, '+') && !take_char(&s, '-'))
        return false;
    if (!take_digits(&s, 2, &hours) || !take_char(&s, ':') || !take_digits(&s, 2, &minutes) || *s != '\0' ||
        hours > 14 || minutes > 59)
        return false;
    *ret_offset_sec = (hours * 60L + minutes) * 60L * sign;
    return true;
}

/* ".123456" and any number of digits; what is below a microsecond is cut off. */
static bool take_fraction(const char **s, uint64_t *ret_usec)
{
    uint64_t place = AZM_USEC_PER_SEC, usec = 0;

    if (!take_char(s, '.'))
        return true;
    if (!isdigit((unsigned char)**s))
        return false;
    for (; isdigit((unsigned char)**s); (*s)++) {
        place /= 10;
        usec += place * (uint64_t)(**s - '0');
    }
    *ret_usec = usec;
    return true;
}

static bool take_time_of_day(const char **s, struct tm *tm, uint64_t *ret_usec)
{
    if (!take_digits(s, 2, &tm->tm_hour) || !take_char(s, ':') || !take_digits(s, 2, &tm->tm_min))
        return false;
    if (!take_char(s, ':'))
        return true;
    return take_digits(s, 2, &tm->tm_sec) && take_fraction(s, ret_usec);
}

static int parse_date(const char *s, uint64_t *ret_usec)
{
    struct tm tm = {.tm_isdst = -1};
    uint64_t usec = 0;
    bool local, leap;
    long offset;
    time_t t;
    int day;

    if (!take_digits(&s, 4, &tm.tm_year) || !take_char(&s, '-') || !take_digits(&s, 2, &tm.tm_mon) ||
        !take_char(&s, '-') || !take_digits(&s, 2, &tm.tm_mday))
        return -EINVAL;
    if ((*s == 'T' || *s == ' ') && isdigit((unsigned char)s[1])) {
        s++;
        if (!take_time_of_day(&s, &tm, &usec))
            return -EINVAL;
    }
    if (!take_zone(skip_space(s), &local, &offset))
        return -EINVAL;
    if (tm.tm_year < 1970 || tm.tm_mon < 1 || tm.tm_mon > 12 || tm.tm_mday < 1 || tm.tm_hour > 23 || tm.tm_min > 59 ||
        tm.tm_sec > 60)
        return -EINVAL;

    tm.tm_year -= 1900;
    tm.tm_mon--;
    day = tm.tm_mday;
    leap = tm.tm_sec == 60; /* the clock knows no leap seconds: the next second, then */
    tm.tm_sec -= leap;
    t = local ? mktime(&tm) : timegm(&tm) - offset;
    if (tm.tm_mday != day || t < 0) /* the 31st of a shorter month was carried over */
        return -EINVAL;
    *ret_usec = ((uint64_t)t + leap) * AZM_USEC_PER_SEC + usec;
    return 0;
}

/* "HH:MM[:SS[.fraction]]" of today, local time */
static int parse_time_of_day(const char *s, uint64_t now_usec, uint64_t *ret_usec)
{
    time_t t = (time_t)(now_usec / AZM_USEC_PER_SEC);
    uint64_t usec = 0;
    struct tm tm;

    if (!localtime_r(&t, &tm))
        return -EINVAL;
    tm.tm_sec = 0;
    tm.tm_isdst = -1;
    if (!take_time_of_day(&s, &tm, &usec) || *s != '\0' || tm.tm_hour > 23 || tm.tm_min > 59 || tm.tm_sec > 59)
        return -EINVAL;
    t = mktime(&tm);
    if (t < 0)
        return -EINVAL;
    *ret_usec = (uint64_t)t * AZM_USEC_PER_SEC + usec;
    return 0;
}

static int midnight(uint64_t now_usec, int days_back, uint64_t *ret_usec)
{
    time_t t = (time_t)(now_usec / AZM_USEC_PER_SEC);
    struct tm tm;

    if (!localtime_r(&t, &tm))
        return -EINVAL;
    tm.tm_hour = tm.tm_min = tm.tm_sec = 0;
    tm.tm_mday -= days_back;
    tm.tm_isdst = -1;
    t = mktime(&tm);
    *ret_usec = t > 0 ? (uint64_t)t * AZM_USEC_PER_SEC : 0; /* a clock that is not set stands near 1970 */
    return 0;
}

static int back_from(uint64_t now_usec, const char *span, uint64_t *ret_usec)
{
    uint64_t usec;
    int r = azm_parse_timespan(span, AZM_USEC_PER_SEC, &usec);

    if (r < 0)
        return r;
    *ret_usec = usec < now_usec ? now_usec - usec : 0;
    return 0;
}

int azm_parse_time(const char *s, uint64_t now_usec, uint64_t *ret_usec)
{
    size_t n = strlen(s);

    if (strcmp(s, "now") == 0) {
        *ret_usec = now_usec;
        return 0;
    }
    if (strcmp(s, "today") == 0)
        return midnight(now_usec, 0, ret_usec);
    if (strcmp(s, "yesterday") == 0)
        return midnight(now_usec, 1, ret_usec);
    if (*s == '@')
        return azm_parse_timespan(s + 1, AZM_USEC_PER_SEC, ret_usec);
    if (*s == '-')
        return back_from(now_usec, s + 1, ret_usec);
    if (n > 4 && strcmp(s + n - 4, " ago") == 0) {
        char span[64];

        if (n - 4 >= sizeof span)
            return -EINVAL;
        memcpy(span, s, n - 4);
        span[n - 4] = '\0';
        return back_from(now_usec, span, ret_usec);
    }
    if (n > 2 && s[2] == ':')
        return parse_time_of_day(s, now_usec, ret_usec);
    return parse_date(s, ret_usec);
}
