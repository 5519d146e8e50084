/* SPDX-License-Identifier: MIT */
#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
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

/* The zone at the end of a date: "Z" or "+HH:MM"; false if there is something else. */
static bool parse_zone(const char *s, bool *ret_local, long *ret_offset_sec)
{
    int hours, minutes, n = 0;

    *ret_local = *s == '\0';
    *ret_offset_sec = 0;
    if (*s == '\0' || strcmp(s, "Z") == 0 || strcmp(s, "UTC") == 0)
        return true;
    if ((*s != '+' && *s != '-') || sscanf(s + 1, "%2d:%2d%n", &hours, &minutes, &n) != 2 || s[1 + n] != '\0' ||
        hours < 0 || hours > 14 || minutes < 0 || minutes > 59)
        return false;
    *ret_offset_sec = (hours * 60L + minutes) * 60L * (*s == '-' ? -1 : 1);
    return true;
}

static int parse_date(const char *s, uint64_t *ret_usec)
{
    int year, month, day, hour = 0, minute = 0, second = 0, n = 0;
    uint64_t usec = 0;
    struct tm tm;
    bool local;
    long offset;
    time_t t;

    if (sscanf(s, "%4d-%2d-%2d%n", &year, &month, &day, &n) != 3 || n == 0)
        return -EINVAL;
    s += n;
    if ((*s == 'T' || *s == ' ') && isdigit((unsigned char)s[1])) {
        n = 0;
        if (sscanf(s + 1, "%2d:%2d%n", &hour, &minute, &n) != 2 || n == 0)
            return -EINVAL;
        s += 1 + n;
        if (*s == ':') {
            n = 0;
            if (sscanf(s + 1, "%2d%n", &second, &n) != 1 || n == 0)
                return -EINVAL;
            s += 1 + n;
            if (*s == '.') {
                uint64_t place = AZM_USEC_PER_SEC;

                for (s++; isdigit((unsigned char)*s); s++) {
                    place /= 10;
                    usec += place * (uint64_t)(*s - '0');
                }
            }
        }
    }
    if (!parse_zone(skip_space(s), &local, &offset))
        return -EINVAL;
    if (year < 1970 || month < 1 || month > 12 || day < 1 || day > 31 || hour < 0 || hour > 23 || minute < 0 ||
        minute > 59 || second < 0 || second > 60)
        return -EINVAL;

    tm = (struct tm){.tm_year = year - 1900,
                     .tm_mon = month - 1,
                     .tm_mday = day,
                     .tm_hour = hour,
                     .tm_min = minute,
                     .tm_sec = second,
                     .tm_isdst = -1};
    t = local ? mktime(&tm) : timegm(&tm) - offset;
    if (tm.tm_mday != day || t < 0) /* the 31st of a shorter month was carried over */
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
    *ret_usec = (uint64_t)mktime(&tm) * AZM_USEC_PER_SEC;
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
    return parse_date(s, ret_usec);
}
