/* SPDX-License-Identifier: MIT */
#pragma once

#include "config/config.h"
#include "core/buf.h"
#include "core/error.h"
#include "core/secret.h"

/* A credential: whom Microsoft Entra ID knows this azmonlog as, and how a token is asked for. One file for each kind.
 *
 * azm_credential_acquire blocks: it belongs on a thread of its own (auth/token.h), or into a command for people. One
 * thread at a time uses a credential; azm_credential_cancel may be called by any other one. */

/* Strings and secrets are borrowed until azm_credential_new has returned. A string that is "" is not set. */
struct azm_credential_options {
    enum azm_auth auth;    /* not AZM_AUTH_AUTO, not AZM_AUTH_NONE */
    const char *authority; /* "https://login.microsoftonline.com" */
    const char *audience;  /* "https://monitor.azure.com": the resource; its scope is audience/.default */
    const char *tenant_id, *client_id;
    const char *object_id, *resource_id; /* with client_id: which of several managed identities; at most one of them */
    const struct azm_secret *client_secret; /* from the environment; NULL: none */
    /* Files are read anew for each token, so that who rotates them need not tell anybody. */
    const char *client_secret_file, *client_certificate_file, *federated_token_file;
    /* What the platform puts into the environment (IDENTITY_ENDPOINT, ...). */
    const char *identity_endpoint, *imds_endpoint, *identity_server_thumbprint;
    const struct azm_secret *identity_header;
    const char *tls_ca_file;
    uint64_t timeout_usec; /* of one request; 0: as the kind of credential has it */
    /* Only for tests: "" is http://169.254.169.254, /var/opt/azcmagent. */
    const char *test_imds_url, *test_arc_root;
};

struct azm_token {
    struct azm_secret *header;      /* "Authorization: Bearer ..." */
    uint64_t expires_in_usec;       /* from now */
    uint64_t refresh_in_usec;       /* 0: nothing was said about it */
    uint64_t expires_realtime_usec; /* for people */
    /* What the token says of itself, "" if it is none that can be read: for people, never checked. */
    char object_id[40], app_id[40], tenant_id[40], audience[128];
};

void azm_token_free(struct azm_token *t);

/* Why there is no token. */
struct azm_token_failure {
    bool permanent;            /* a person has to mend it; else it may work soon */
    uint64_t retry_after_usec; /* 0: nothing was said about it */
    char reason[224];          /* for people, one line; never secrets */
    char remedy[320];          /* what to do; "" */
};

struct azm_credential;

/* Chooses and makes the credential: 0, -ENOMEM, or -EINVAL if something is not set that it needs. Reads no secret yet.
 */
int azm_credential_new(const struct azm_credential_options *o, struct azm_credential **ret, struct azm_error *err);
struct azm_credential *azm_credential_free(struct azm_credential *c);

/* "client secret", "managed identity of the virtual machine": how messages name it. */
const char *azm_credential_name(const struct azm_credential *c);

/* With AZM_AUTH_DEFAULT and AZM_AUTH_MANAGED_IDENTITY: one line for each kind that was passed over, and why; lines end
 * with '\n'. 0 or -ENOMEM. */
int azm_credential_passed_over(const struct azm_credential *c, struct azm_buf *out);

/* Whom it asks: an http or https URL, for messages and for a check of the connection. */
const char *azm_credential_url(const struct azm_credential *c);

/* Asks for a token, once: 0; or -errno, and then `failure` says why (-ECANCELED: cancelled). */
int azm_credential_acquire(struct azm_credential *c, struct azm_token *ret, struct azm_token_failure *failure);

/* Ends a running acquire soon, and every later one. Any thread. */
void azm_credential_cancel(struct azm_credential *c);
