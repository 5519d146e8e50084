/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "source/losses.h"

int azm_losses_print(const struct azm_losses *l, struct azm_buf *out)
{
    return azm_buf_printf(out,
                          "losses=gaps %" PRIu64 " gap_entries %" PRIu64 " suppressed %" PRIu64
                          " missed_kernel %" PRIu64 " unreadable %" PRIu64 " damaged_files %" PRIu64 "\n",
                          l->gaps, l->gap_entries, l->suppressed, l->missed_kernel, l->unreadable, l->damaged_files);
}

int azm_losses_parse(struct azm_losses *l, const char *key, const char *value)
{
    struct azm_losses v;
    int end = 0;

    if (strcmp(key, "losses") != 0)
        return 0;
    if (sscanf(value,
               "gaps %" SCNu64 " gap_entries %" SCNu64 " suppressed %" SCNu64 " missed_kernel %" SCNu64
               " unreadable %" SCNu64 " damaged_files %" SCNu64 "%n",
               &v.gaps, &v.gap_entries, &v.suppressed, &v.missed_kernel, &v.unreadable, &v.damaged_files, &end) != 6 ||
        value[end] != '\0')
        return -EBADMSG;
    *l = v;
    return 1;
}
