/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdint.h>

#include "core/clock.h"

#define AZM_RETRY_AFTER_MAX_USEC (3600 * AZM_USEC_PER_SEC) /* longer is an error, or as good as a hold */

/* Retry-After (RFC 9110, 10.2.3), seconds or a date, as a span from now. 0 if there is none, or none that makes sense.
 */
uint64_t azm_retry_after_usec(const char *value, uint64_t now_realtime_usec);
