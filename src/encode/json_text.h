/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>

#include "core/buf.h"
#include "core/record.h"

/* Text as the content of a JSON string (RFC 8259), written without a JSON library: quotes, backslashes and control
 * characters are escaped, bad UTF-8 and NUL become U+FFFD (core/utf8.h says why), the rest stays as it is. */

/* As much of a text as fits. */
struct azm_json_text {
    struct azm_text text; /* borrowed: a prefix, which ends at a character's end */
    size_t json_bytes;    /* of the escaped prefix, without quotes */
    bool cut;
};

/* The longest prefix of at most `max_units` UTF-16 code units (what .NET and Java count as characters) that takes at
 * most `max_json_bytes`. */
struct azm_json_text azm_json_fit(struct azm_text t, size_t max_units, size_t max_json_bytes);

/* Appends the escaped text, without quotes: 0 or -ENOMEM. */
int azm_json_append(struct azm_buf *out, struct azm_text t);
