/* SPDX-License-Identifier: MIT */
#pragma once

#include "core/secret.h"

/* Appends key=value, percent-encoded (RFC 3986: all but letters, digits and -._~), for a query or a body of
 * application/x-www-form-urlencoded; '&' stands before it unless it is the first (the text is empty or ends in '?').
 * 0 or -E2BIG. */
int azm_form_add(struct azm_secret *form, const char *key, const char *value, size_t len);
