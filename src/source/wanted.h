/* SPDX-License-Identifier: MIT */
#pragma once

#include "config/config.h"
#include "core/arena.h"
#include "core/record.h"

/* The fields of an entry that rules of [filter] ask for, by the names that rules have for them. */

struct azm_wanted_field {
    struct azm_text name;  /* how a rule calls it; owned */
    struct azm_text field; /* and the journal */
};

struct azm_wanted {
    struct azm_wanted_field *fields;
    size_t n_fields;
    struct azm_attribute *found; /* of the entry in hand; kept from entry to entry */
    size_t n_found, cap_found;
};

/* What the configuration's rules ask for: 0 or -ENOMEM. To be freed in either case. */
int azm_wanted_init(struct azm_wanted *w, const struct azm_config *config);
void azm_wanted_free(struct azm_wanted *w);

/* Another entry. */
static inline void azm_wanted_begin(struct azm_wanted *w)
{
    w->n_found = 0;
}

/* One field of it; if it is asked for, up to `keep_bytes` of its value are copied into the arena: 0 or -ENOMEM. */
int azm_wanted_add(struct azm_wanted *w, struct azm_text field, struct azm_text value, size_t keep_bytes,
                   struct azm_arena *arena);
