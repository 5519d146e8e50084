/* SPDX-License-Identifier: MIT */
#pragma once

#include "core/record.h"

/* A record that outlives the source's next one. All zero is a valid empty one. */
struct azm_record_copy {
    struct azm_record record; /* without body and line, for which the caller finds a place of his own */
    size_t bytes;             /* of memory */
    void *memory;
};

/* Copies a record that is not encoded; its attributes then have room for `more` of them. 0 or -ENOMEM. */
int azm_record_copy(const struct azm_record *r, size_t more, struct azm_record_copy *ret);
void azm_record_copy_free(struct azm_record_copy *c);
