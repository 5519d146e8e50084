/* SPDX-License-Identifier: MIT */
#include <math.h>

#include "cli/sparkline.h"

#define LEVELS 8

void azm_put_sparkline(struct azm_buf *line, const double *values, size_t n, double max, bool utf8)
{
    static const char *const blocks[LEVELS] = {"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
    static const char *const ascii[LEVELS] = {"_", ".", ":", "-", "=", "+", "*", "#"};

    for (size_t i = 0; i < n; i++) {
        double share = max > 0 ? values[i] / max : 0;
        size_t level = values[i] > 0 ? (size_t)(1 + MIN(share, 1.0) * (LEVELS - 1.001)) : 0;

        azm_buf_printf(line, "%s", isnan(values[i]) ? " " : utf8 ? blocks[level] : ascii[level]);
    }
}
