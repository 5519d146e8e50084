/* SPDX-License-Identifier: MIT */
#include <ctype.h>
#include <curl/curl.h>
#include <time.h>

#include "core/cleanup.h"
#include "core/retry_after.h"

uint64_t azm_retry_after_usec(const char *value, uint64_t now_realtime_usec)
{
    uint64_t seconds = 0;
    time_t date;

    while (isspace((unsigned char)*value))
        value++;
    if (isdigit((unsigned char)*value)) {
        const char *p = value;

        for (; isdigit((unsigned char)*p); p++)
            seconds = MIN(seconds * 10 + (uint64_t)(*p - '0'), (uint64_t)INT32_MAX);
        if (*p != '\0' && !isspace((unsigned char)*p))
            return 0;
        return MIN(seconds * AZM_USEC_PER_SEC, AZM_RETRY_AFTER_MAX_USEC);
    }
    date = curl_getdate(value, NULL);
    if (date <= 0 || (uint64_t)date * AZM_USEC_PER_SEC <= now_realtime_usec)
        return 0;
    return MIN((uint64_t)date * AZM_USEC_PER_SEC - now_realtime_usec, AZM_RETRY_AFTER_MAX_USEC);
}
