/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>

#include "core/record.h"

/* Reads a whole text like "2003-08-24T05:14:15.000003-07:00" (RFC 3339, section 5.6): 0 to 9 fractional digits, Z or
 * an offset; a leap second counts as the second after it. False for anything else, and for what nanoseconds since 1970
 * cannot hold (1970 itself to the year 2554). */
bool azm_rfc3339_parse(struct azm_text t, uint64_t *ret_nsec);
