/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <systemd/sd-id128.h>
#define XXH_INLINE_ALL /* fields are short: the call would cost as much as the hash */
#include <xxhash.h>

#include "core/buf.h"

/* log.record.uid for journal entries: 128 bits that are the same whenever the same entry is read, and
 * differ for different entries, so that duplicates can be removed at the far end.
 *
 * They are a hash of boot id, monotonic and real time, an order-independent hash of the entry's fields, and an
 * ordinal: how many entries with all of that equal came before. (Journald stamps all lines that it reads in one turn
 * with one time, so equal lines are equal entries. Sequence numbers are no help: they are used again after a
 * power loss, and change when a volatile journal is flushed to disk.) The ordinals count within a group of entries
 * with equal boot and times; the state of the last group belongs into the checkpoint. */

struct azm_uid_seen; /* hash -> count; in uid.c */

struct azm_uid_state {
    sd_id128_t boot;
    uint64_t monotonic_usec, realtime_usec;
    struct azm_uid_seen *seen; /* open addressing; a slot is free when its count is 0 */
    size_t n_seen, cap_seen;
};

void azm_uid_state_free(struct azm_uid_state *u);

/* Makes `to`, which is replaced, the same as `from`: 0 or -ENOMEM, and `to` is empty. */
int azm_uid_state_copy(struct azm_uid_state *to, const struct azm_uid_state *from);

static inline void azm_hash_add(XXH128_hash_t *sum, XXH128_hash_t h)
{
    sum->low64 += h.low64;
    sum->high64 += h.high64;
}

/* Adds one field ("NAME=value") to the sum of an entry's fields, which begins with {0, 0}; returns its own hash. */
static inline XXH128_hash_t azm_uid_add_field(XXH128_hash_t *sum, const void *data, size_t len)
{
    XXH128_hash_t h = XXH3_128bits(data, len);

    azm_hash_add(sum, h);
    return h;
}

/* The uid of the next entry in reading order: 0 or -ENOMEM. */
int azm_uid_next(struct azm_uid_state *u, sd_id128_t boot, uint64_t monotonic_usec, uint64_t realtime_usec,
                 XXH128_hash_t fields, uint8_t ret_uid[16]);

/* Appends the state as checkpoint lines (uid_group=, uid_seen=): 0 or -ENOMEM. */
int azm_uid_state_print(const struct azm_uid_state *u, struct azm_buf *out);

/* Takes over one checkpoint line, key and value: 1; 0 if the key is none of ours; -EBADMSG. */
int azm_uid_state_parse(struct azm_uid_state *u, const char *key, const char *value);
