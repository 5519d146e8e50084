/* SPDX-License-Identifier: MIT */
#pragma once

#include "core/record.h"

/* The value of the header `name` in one line of the head of an HTTP answer, without the space around it; its s is NULL
 * if the line is something else. It may hold any byte. Source: RFC 9110, 5.1 and 5.5. */
struct azm_text azm_header_value(struct azm_text line, const char *name);
