/* SPDX-License-Identifier: MIT */
#pragma once

#include "core/arena.h"
#include "core/record.h"

/* The attributes of one record while they are collected: first our own, whose number is known, then those that the
 * sender chose the names of, which are bounded: whatever he sends, the work and the memory for one record are. What is
 * left out is counted. Keys are unique: ours win over the sender's, and the sender's equal ones become an array.
 *
 * A record of an ordinary size allocates nothing once the arena has its first block. */

#define AZM_OWN_ATTRIBUTES_MAX 12
#define AZM_SENT_ATTRIBUTES_MAX 256            /* different names */
#define AZM_SENT_VALUES_MAX 1024               /* also in arrays, and nested JSON */
#define AZM_SENT_BYTES_MAX ((size_t)256 << 10) /* keys and values; the encoder cuts and bounds further */
#define AZM_SENT_KEY_MAX 256                   /* what the encoder takes */

struct azm_attributes {
    struct azm_arena arena; /* until the next begin */
    struct azm_attribute items[AZM_OWN_ATTRIBUTES_MAX + AZM_SENT_ATTRIBUTES_MAX];
    size_t n_own, n;                  /* the own ones stand first */
    size_t n_sent_values, sent_bytes; /* so far */
    int64_t n_dropped;
};

void azm_attributes_begin(struct azm_attributes *a);
void azm_attributes_free(struct azm_attributes *a);

/* Own ones: at most AZM_OWN_ATTRIBUTES_MAX of different names; may come after the sender's (they stand before them all
 * the same). Texts are borrowed. */
void azm_attributes_own_text(struct azm_attributes *a, const char *key, struct azm_text value);
void azm_attributes_own_int(struct azm_attributes *a, const char *key, int64_t value);

/* The sender's: 0, also if it was left out; or -ENOMEM. Key and texts are borrowed, not the array; the key is valid
 * UTF-8. Not to be had by him: names that an own attribute has, those that syslog5424.c adds last, and the encoder's
 * (`log.record.uid`, `azmonlog.*`). */
int azm_attributes_add_text(struct azm_attributes *a, struct azm_text key, struct azm_text value);
int azm_attributes_add_int(struct azm_attributes *a, struct azm_text key, int64_t value);
int azm_attributes_add_texts(struct azm_attributes *a, struct azm_text key, const struct azm_text *items, size_t n);

/* No more of the sender's are taken: the caller may spare himself the work, and count n_dropped. */
static inline bool azm_attributes_full(const struct azm_attributes *a)
{
    return a->n_sent_values >= AZM_SENT_VALUES_MAX;
}

/* Forgets those of the sender, and what was left out of them. */
void azm_attributes_forget_sent(struct azm_attributes *a);
