/* SPDX-License-Identifier: MIT */
#pragma once

#include "auth/credential_internal.h"

/* What Microsoft Entra ID means by an answer other than 200, and what to do. Returns -EAGAIN, or -EPERM if it is
 * permanent. Numbers: facts/azure.md 2d and Microsoft's reference-error-codes.md. */
int azm_entra_failed(const struct azm_identity_answer *a, struct azm_token_failure *f);
