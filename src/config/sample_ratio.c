/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <string.h>

#include "config/sample_ratio.h"

#define BILLION UINT64_C(1000000000)

int azm_sample_ratio_parse(const char *words, uint64_t *ret_threshold)
{
    uint64_t billionths = 0, unit = BILLION, whole = 0;
    const char *s = words;

    if (*s < '0' || *s > '9')
        return -EINVAL;
    for (; *s >= '0' && *s <= '9' && whole <= 100; s++)
        whole = whole * 10 + (uint64_t)(*s - '0');
    if (*s == '.') {
        if (s[1] < '0' || s[1] > '9')
            return -EINVAL;
        for (s++; *s >= '0' && *s <= '9'; s++) {
            unit /= 10;
            billionths += (uint64_t)(*s - '0') * unit;
        }
    }
    billionths += whole * BILLION;
    if (strcmp(s, "%") == 0)
        billionths /= 100;
    else if (*s != '\0')
        return -EINVAL;
    if (billionths > BILLION)
        return -EINVAL;
    *ret_threshold = ((BILLION - billionths) << 30) / BILLION * (AZM_SAMPLE_NONE >> 30); /* as exact as the ratio is */
    return 0;
}
