/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdint.h>

#define AZM_SAMPLE_NONE (UINT64_C(1) << 56)

/* "0.1", "10%", "12.5%", "1", "0": the rejection threshold of 56 bits that goes with it (process/sample.h): 0, or
 * -EINVAL for anything else. Up to nine decimals count. Independent of the locale, which is rsyslogd's there. */
int azm_sample_ratio_parse(const char *words, uint64_t *ret_threshold);
