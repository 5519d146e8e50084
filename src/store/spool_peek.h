/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct azm_spool_peek {
    uint64_t bytes;   /* of its files */
    bool known;       /* is the following? Not when its owner did not end in good order */
    uint64_t records; /* not acknowledged */
};

/* Looks at the spool of a process that does not run, without a lock and without a trace: if one opens it meanwhile, the
 * numbers may be wrong, and nothing else is. 1; 0 if there is none; -errno. */
int azm_spool_peek(const char *path, struct azm_spool_peek *ret);
