/* SPDX-License-Identifier: MIT */
#pragma once

#include <stddef.h>

#include "config/config.h"
#include "source/service_name.h"

/* What becomes of each field of a journal entry, by its name: one table (field.c), of which docs/mapping.md is the copy
 * for users. */

/* What a record needs besides attributes. */
struct azm_entry_special {
    struct azm_identity identity;
    struct azm_text message, priority, source_time, trace_id, span_id, trace_flags, syslog_pid;
    struct azm_text message_id, n_dropped, invocation, line_break, partial;
};

#define AZM_FIELD_STANDARD (AZM_FIELDS_STANDARD | AZM_FIELDS_FULL)
#define AZM_NOT_SPECIAL SIZE_MAX

/* A field that has a meaning of its own. (The identity is in the resource: service_name.c.) Others: sent by the
 * application (no leading underscore) -> an attribute, name in lower case; trusted (leading underscore) ->
 * "journald.<name>" with fields=full. */
struct azm_field {
    struct azm_text name;
    size_t special;            /* where the record needs it: offset in struct azm_entry_special, or AZM_NOT_SPECIAL */
    struct azm_text attribute; /* len 0: none */
    unsigned profiles;         /* in which the attribute is sent */
    bool integer;
    bool stream; /* it tells whose lines these are (struct azm_entry_line) */
};

#define AZM_FIELD_ROWS 33
extern const struct azm_field azm_fields[AZM_FIELD_ROWS];

#define AZM_FIELD_SLOTS 128 /* several times the rows */

/* Finds a row by its name's hash. */
struct azm_field_index {
    uint8_t row[AZM_FIELD_SLOTS]; /* number of a row, from 1; 0: none */
};

void azm_field_index_init(struct azm_field_index *x);

/* Of `len` bytes, more than none. The third letter from the end is where names of equal length differ most. */
static inline size_t azm_field_slot(const char *name, size_t len)
{
    return (len * 8 + (uint8_t)name[len < 3 ? 0 : len - 3]) % AZM_FIELD_SLOTS;
}

/* The row of a name, which is not empty; NULL: it has none. Here, as it is asked for each field of each entry. */
static inline const struct azm_field *azm_field_find(const struct azm_field_index *x, const char *name, size_t len)
{
    for (size_t i = azm_field_slot(name, len); x->row[i] > 0; i = (i + 1) % AZM_FIELD_SLOTS) {
        const struct azm_field *f = &azm_fields[x->row[i] - 1];

        if (azm_text_equal(f->name, (struct azm_text){name, len}))
            return f;
    }
    return NULL;
}
