/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>

#include "core/buf.h"

/* Appends one character for each value, the higher the larger: the lowest one is for 0 (and less) only, the highest for
 * `max` and more; a blank for NAN. `utf8`: block elements (U+2581 to U+2588), else ASCII. */
void azm_put_sparkline(struct azm_buf *line, const double *values, size_t n, double max, bool utf8);
