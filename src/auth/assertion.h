/* SPDX-License-Identifier: MIT */
#pragma once

#include "core/clock.h"
#include "core/error.h"
#include "core/secret.h"

#define AZM_ASSERTION_LIFETIME_SEC 600

/* Makes the JSON Web Token by which an application shows that it has the private key of a certificate: PS256, with the
 * certificate's SHA-256 (x5t#S256). `pem` holds the certificate and an RSA key, in any order; other certificates, as of
 * a chain, are left out. `audience` is the URL that it is sent to. Source: facts/azure.md 2e (Microsoft's
 * certificate-credentials.md), RFC 7515, RFC 7518 3.5.
 *
 * 0, -ENOMEM, or -EINVAL with words: no key, no certificate, they do not belong together, the key is encrypted or of
 * another kind; -EKEYEXPIRED for a certificate that is not valid now. */
int azm_assertion_make(const struct azm_secret *pem, const char *client_id, const char *audience,
                       uint64_t now_realtime_usec, struct azm_secret **ret, struct azm_error *err);
