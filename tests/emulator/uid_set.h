/* SPDX-License-Identifier: MIT */
/* The set of log.record.uid values seen so far: exact bytes, open addressing. Zero-initialise it; not thread-safe. */
#pragma once

#include "buf.h"

#include <stddef.h>

struct emu_uid_set {
    struct emu_buf bytes; /* the uids, each behind its length (size_t) */
    size_t *slots;        /* 1 + the place of a uid in bytes, or 0 */
    size_t slot_count;    /* a power of two */
    size_t count;
};

/* 1 when the uid is new and now in the set, 0 when it was there already, or -ENOMEM. */
int emu_uid_set_add(struct emu_uid_set *set, const char *uid, size_t length);

void emu_uid_set_clear(struct emu_uid_set *set);
