/* SPDX-License-Identifier: MIT */
#pragma once

#include "auth/credential_internal.h"

/* Microsoft Entra ID's token endpoint, for the credentials of an application: POST
 * <authority>/<tenant>/oauth2/v2.0/token with grant_type=client_credentials. Source: facts/azure.md 2d-2f (Microsoft's
 * v2-oauth2-client-creds-grant-flow.md). */

/* Authority, tenant and client are what they must be: 0 or -EINVAL. The secret must not go out in the clear, so the
 * authority is https, unless it is this machine. */
int azm_entra_check(const struct azm_credential_options *o, struct azm_error *err);

int azm_entra_url(const struct azm_credential_options *o, struct azm_buf *ret);

/* Asks with a proof of who this is: "client_secret", or "client_assertion", a JSON Web Token. 0 or -errno, as
 * azm_credential_acquire. */
int azm_entra_ask(struct azm_credential *c, const char *proof_key, const struct azm_secret *proof,
                  struct azm_token *ret, struct azm_token_failure *f);
