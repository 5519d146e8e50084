/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "rfc3339.h"

#include <stdio.h>
#include <string.h>

void emu_rfc3339_format(const struct timespec *time, char text[static EMU_RFC3339_BYTES])
{
    struct tm utc;
    char seconds[24];

    gmtime_r(&time->tv_sec, &utc);
    strftime(seconds, sizeof(seconds), "%Y-%m-%dT%H:%M:%S", &utc);
    snprintf(text, EMU_RFC3339_BYTES, "%s.%03dZ", seconds, (int)(time->tv_nsec / 1000000));
}

/* Nanoseconds from ".5Z", or from "Z". */
static bool parse_fraction(const char *text, size_t length, int64_t *ret)
{
    int64_t value = 0, unit = 1000000000;
    size_t at = 0;

    if (length > 1 && text[at] == '.') {
        for (at++; at < length && text[at] >= '0' && text[at] <= '9' && unit > 1; at++) {
            unit /= 10;
            value += unit * (text[at] - '0');
        }
        if (at == 1)
            return false;
    }
    *ret = value;
    return at + 1 == length && text[at] == 'Z';
}

bool emu_rfc3339_parse(const char *text, size_t length, int64_t *ret_nsec)
{
    static const char pattern[] = "dddd-dd-ddTdd:dd:dd";
    const size_t whole = sizeof(pattern) - 1;
    int64_t fraction;
    char normal[24];
    struct tm utc = {0};

    if (length <= whole || !parse_fraction(text + whole, length - whole, &fraction))
        return false;
    for (size_t i = 0; i < whole; i++)
        if (pattern[i] == 'd' ? text[i] < '0' || text[i] > '9' : text[i] != pattern[i])
            return false;
    sscanf(text, "%4d-%2d-%2dT%2d:%2d:%2d", &utc.tm_year, &utc.tm_mon, &utc.tm_mday, &utc.tm_hour, &utc.tm_min,
           &utc.tm_sec);
    if (utc.tm_year < 1970 || utc.tm_year > 2261)
        return false;
    utc.tm_year -= 1900;
    utc.tm_mon -= 1;
    const time_t seconds = timegm(&utc);
    gmtime_r(&seconds, &utc); /* a 31st of February comes back as something else */
    strftime(normal, sizeof(normal), "%Y-%m-%dT%H:%M:%S", &utc);
    *ret_nsec = (int64_t)seconds * 1000000000 + fraction;
    return memcmp(normal, text, whole) == 0;
}
