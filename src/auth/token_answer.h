/* SPDX-License-Identifier: MIT */
#pragma once

#include "auth/credential.h"

/* What identity endpoints answer (RFC 6749, 5.1; facts/azure.md 2): JSON with access_token, expires_in (seconds),
 * expires_on (since 1970) and refresh_in (seconds), as numbers or as text. */

/* A lifetime that nobody names, or that makes no sense, counts as so long: Microsoft's are an hour at least. */
#define AZM_TOKEN_LIFETIME_UNKNOWN_USEC (600 * AZM_USEC_PER_SEC)
/* The longest that is believed; Microsoft's are 28 hours at most (facts/azure.md 2h). */
#define AZM_TOKEN_LIFETIME_MAX_USEC (48 * 3600 * AZM_USEC_PER_SEC)

/* Makes a token of an answer's body: 0, -ENOMEM, or -EINVAL with words in `ret_why`. expires_in counts before
 * expires_on, since the clock of the machine may be wrong; without both, the token's own claim "exp" does. */
int azm_token_answer_parse(const struct azm_secret *body, uint64_t now_realtime_usec, struct azm_token *ret,
                           const char **ret_why);

/* What an error answer says, "" if it does not: plain words (letters, digits, '.', '_', '-'), never its sentences. */
struct azm_token_error {
    char error[64];    /* "invalid_client" */
    char trace_id[64]; /* for Microsoft's support */
    uint64_t aadsts;   /* the number of Entra's error, AADSTS7000215; 0: none */
};

void azm_token_error_parse(const struct azm_secret *body, struct azm_token_error *ret);
