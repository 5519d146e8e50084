/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>

#include "auth/credential.h"
#include "auth/identity_http.h"
#include "core/arena.h"

/* What the kinds of credentials have in common, and what each one does in its own way. */

#define AZM_ARC_ROOT "/var/opt/azcmagent"

struct azm_credential_kind {
    const char *name; /* for messages */

    /* Is there what it needs? Looks at the options only: 0 or -EINVAL. */
    int (*check)(const struct azm_credential_options *o, struct azm_error *err);

    /* Writes the URL that it asks: 0 or -ENOMEM. */
    int (*url)(const struct azm_credential_options *o, struct azm_buf *ret);

    /* As azm_credential_acquire; the words for -ENOMEM and -ECANCELED are the caller's. */
    int (*acquire)(struct azm_credential *c, struct azm_token *ret, struct azm_token_failure *failure);
};

extern const struct azm_credential_kind azm_imds, azm_arc, azm_app_service, azm_client_secret, azm_client_certificate,
    azm_workload_identity;

struct azm_credential {
    const struct azm_credential_kind *kind;
    struct azm_credential_options options; /* its strings are in the arena, its secrets are the ones below */
    struct azm_arena strings;
    struct azm_secret *client_secret, *identity_header; /* NULL: none */
    struct azm_buf url, passed_over;                    /* text, with a NUL behind it */
    struct azm_identity_http *http;
};

/* Fills in why there is no token, and returns -EPERM if that is permanent, else -EAGAIN. `remedy` may be NULL. */
int azm_token_fail(struct azm_token_failure *f, bool permanent, const char *remedy, const char *reason, ...)
    _printf_(4, 5);

/* --- checks of options: 0 or -EINVAL --- */

int azm_check_tenant_and_client(const struct azm_credential_options *o, struct azm_error *err);
/* client_id, object_id or resource_id, at most one */
int azm_check_identity_selector(const struct azm_credential_options *o, struct azm_error *err);
bool azm_is_http_url(const char *url);
/* A URL whose host is this machine: localhost, 127.0.0.1 or ::1. */
bool azm_is_loopback_url(const char *url);

/* --- asking --- */

/* One row of what a status means; the first one that fits counts, and the last one fits all. */
struct azm_identity_rule {
    long first, last;
    bool permanent;
    const char *remedy; /* NULL: none */
};

struct azm_identity_endpoint {
    const char *who;         /* how a sentence names it */
    const char *unreachable; /* what to do when there is no connection to it; NULL: what anybody would */
    const struct azm_identity_rule *rules;
};

/* Asks, and makes a token of the answer, or words of a failure: 0 or -errno. */
int azm_credential_ask(struct azm_credential *c, const struct azm_identity_request *q,
                       const struct azm_identity_endpoint *e, struct azm_token *ret, struct azm_token_failure *f);

/* The same in steps: to ask for an answer; what to make of one with status 200, and of one with another status. */
int azm_credential_request(struct azm_credential *c, const struct azm_identity_request *q,
                           const struct azm_identity_endpoint *e, struct azm_identity_answer *ret,
                           struct azm_token_failure *f);
int azm_answer_taken(const struct azm_identity_answer *a, const struct azm_identity_endpoint *e, struct azm_token *ret,
                     struct azm_token_failure *f);
int azm_status_failed(const struct azm_identity_answer *a, const struct azm_identity_endpoint *e,
                      struct azm_token_failure *f);
/* What Retry-After says goes into the failure. */
void azm_keep_retry_after(const struct azm_identity_answer *a, struct azm_token_failure *f);

/* Makes the URL of a managed identity's request: `base`?api-version=... with the resource and the identity, whose
 * names of object_id and resource_id differ from endpoint to endpoint. 0, -ENOMEM or -E2BIG. */
int azm_managed_identity_url(const struct azm_credential_options *o, const char *base, const char *api_version,
                             const char *object_id_key, const char *resource_id_key, struct azm_secret **ret);
