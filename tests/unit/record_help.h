/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdio.h>

#include "core/record.h"
#include "tests/unit/test.h"

/* An attribute of a record, as text that is good until the next call; NULL if it has none of this name. */
static const char *attribute_of(const struct azm_record *r, const char *key)
{
    static char text[4200];

    for (size_t i = 0; i < r->n_attributes; i++) {
        const struct azm_attribute *a = &r->attributes[i];

        if (!azm_text_equal(a->key, azm_text_of(key)))
            continue;
        if (a->type == AZM_VALUE_INT)
            snprintf(text, sizeof text, "%lld", (long long)a->integer);
        else
            snprintf(text, sizeof text, "%.*s", (int)a->text.len, a->text.s);
        return text;
    }
    return NULL;
}
