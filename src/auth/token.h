/* SPDX-License-Identifier: MIT */
#pragma once

#include "auth/credential.h"
#include "core/clock.h"

/* The token, kept fresh: one thread asks the credential for it, early and one request at a time, so that whoever sends
 * never waits for an identity endpoint while a token is valid.
 *
 * It is refreshed at `refresh_in` where the endpoint says so, at half its life if that is two hours or more, and in any
 * case five minutes before its end (half its life, if it is shorter than ten minutes). When a refresh fails, the token
 * is used until it ends. Sources: facts/azure.md 2a (retries of IMDS), 2d, 2h.
 *
 * Threads: everything here may be called from any thread. */

struct azm_tokens;

enum azm_tokens_state {
    AZM_TOKENS_FETCHING, /* one is under way: the first one, or another one for one that was refused */
    AZM_TOKENS_VALID,
    AZM_TOKENS_AGEING,   /* there is a valid one, and the last refresh has failed */
    AZM_TOKENS_RETRYING, /* there is none, and it may work soon */
    AZM_TOKENS_HELD,     /* there is none, and it needs a person */
};

struct azm_tokens_status {
    enum azm_tokens_state state;
    struct azm_token_failure failure; /* of the last attempt; reason "" if it succeeded */
    uint64_t expires_realtime_usec;   /* 0: there is none */
    uint64_t acquired;                /* tokens, since the start */
    char object_id[40], app_id[40];   /* of the last token */
};

/* Starts the thread, which asks at once: 0 or -errno. The credential is taken over when it succeeds. The clock must
 * outlive it. */
int azm_tokens_new(struct azm_credential *c, const struct azm_clock *clock, struct azm_tokens **ret,
                   struct azm_error *err);

/* Counted; the last unref ends the thread, within a second whatever the identity endpoint does. */
struct azm_tokens *azm_tokens_ref(struct azm_tokens *t);
struct azm_tokens *azm_tokens_unref(struct azm_tokens *t);

const char *azm_tokens_credential_name(const struct azm_tokens *t);

/* This eventfd is written to at once, and whenever the token or the status changes; -1: none any more. One at a time.
 */
void azm_tokens_notify(struct azm_tokens *t, int event_fd);

/* The header line with a token that is valid now: 1, with a reference that the caller releases and the number of this
 * token; 0 if there is none. */
int azm_tokens_get(struct azm_tokens *t, struct azm_secret **ret_header, uint64_t *ret_number);

/* The server has refused the token with this number: if it is still the one, it is forgotten and another one asked for;
 * at once, and then not again within 30 seconds. Returns whether another one is there or on its way. */
bool azm_tokens_refused(struct azm_tokens *t, uint64_t number);

/* A person may have mended what was wrong: asks at once, if the last attempt has failed or there is no token. */
void azm_tokens_mended(struct azm_tokens *t);

void azm_tokens_get_status(struct azm_tokens *t, struct azm_tokens_status *ret);
