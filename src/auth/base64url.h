/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdint.h>

#include "core/secret.h"

/* base64url without padding (RFC 4648, 5), as JSON Web Tokens have it (RFC 7515). */

#define AZM_BASE64URL_LEN(n) (((n)*4 + 2) / 3)

/* Appends data[0..len) encoded: 0 or -E2BIG. */
int azm_base64url_append(struct azm_secret *out, const void *data, size_t len);

/* Appends what text[0..len) decodes to: 0, -EINVAL or -E2BIG. */
int azm_base64url_decode(struct azm_secret *out, const char *text, size_t len);
