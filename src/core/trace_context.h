/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>

#include "core/record.h"

/* The parts of a trace context as text. Source: W3C Trace Context, section 3.2, "traceparent header"; capital letters
 * are taken as well. */

/* An id of exactly n bytes, 2 * n hexadecimal digits; all zeros means "no id" and is none. */
bool azm_trace_parse_id(struct azm_text hex, uint8_t *ret, size_t n);

/* Two hexadecimal digits. */
bool azm_trace_parse_flags(struct azm_text hex, uint32_t *ret);
