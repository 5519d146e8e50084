/* SPDX-License-Identifier: MIT */
#include <inttypes.h>
#include <stdio.h>
#include <sys/random.h>
#include <time.h>

#include "core/clock.h"

static uint64_t now_usec(clockid_t id)
{
    struct timespec ts;

    clock_gettime(id, &ts);
    return (uint64_t)ts.tv_sec * AZM_USEC_PER_SEC + (uint64_t)ts.tv_nsec / AZM_NSEC_PER_USEC;
}

static uint64_t system_monotonic(void *userdata)
{
    (void)userdata;
    return now_usec(CLOCK_MONOTONIC);
}

static uint64_t system_realtime(void *userdata)
{
    (void)userdata;
    return now_usec(CLOCK_REALTIME);
}

static uint64_t system_random(void *userdata)
{
    uint64_t v;

    (void)userdata;
    if (getrandom(&v, sizeof v, GRND_NONBLOCK) != (ssize_t)sizeof v)
        v = now_usec(CLOCK_MONOTONIC) * UINT64_C(0x9E3779B97F4A7C15); /* early boot: jitter needs no secret */
    return v;
}

const struct azm_clock azm_system_clock = {
    .monotonic_usec = system_monotonic,
    .realtime_usec = system_realtime,
    .random = system_random,
};

void azm_time_print(uint64_t usec, char ret[static AZM_TIME_TEXT_MAX])
{
    time_t t = (time_t)(usec / AZM_USEC_PER_SEC);
    struct tm tm;
    size_t n;

    *ret = '\0';
    if (usec == 0 || !gmtime_r(&t, &tm))
        return;
    n = strftime(ret, AZM_TIME_TEXT_MAX, "%Y-%m-%dT%H:%M:%S", &tm);
    if (n > 0)
        snprintf(ret + n, AZM_TIME_TEXT_MAX - n, ".%06" PRIu64 "Z", usec % AZM_USEC_PER_SEC);
}
