/* SPDX-License-Identifier: MIT */
#pragma once

#include "auth/credential.h"
#include "tests/unit/identity_server.h"

/* Stands in secrets, and must not turn up in words for people. */
#define MARKER "M4rk3r-S3cr3t"
#define GUID_1 "11111111-2222-3333-4444-555555555555"
#define GUID_2 "66666666-7777-8888-9999-aaaaaaaaaaaa"

/* Nothing set but what config always sets. */
static inline struct azm_credential_options no_options(enum azm_auth auth)
{
    return (struct azm_credential_options){
        .auth = auth,
        .authority = "https://login.microsoftonline.com",
        .audience = "https://monitor.azure.com",
        .tenant_id = "",
        .client_id = "",
        .object_id = "",
        .resource_id = "",
        .client_secret_file = "",
        .client_certificate_file = "",
        .federated_token_file = "",
        .identity_endpoint = "",
        .imds_endpoint = "",
        .identity_server_thumbprint = "",
        .tls_ca_file = "",
        .test_imds_url = "",
        .test_arc_root = "/nonexistent/azcmagent",
    };
}

static inline struct azm_secret *make_secret(const char *text)
{
    struct azm_secret *s;

    ck_assert_int_eq(azm_secret_new(strlen(text), &s), 0);
    ck_assert_int_eq(azm_secret_append(s, text, strlen(text)), 0);
    return s;
}

static inline struct azm_credential *make_credential(const struct azm_credential_options *o)
{
    struct azm_credential *c;
    struct azm_error err;
    int r = azm_credential_new(o, &c, &err);

    ck_assert_msg(r == 0, "%s", err.words);
    return c;
}

static inline void assert_no_marker(const char *text)
{
    ck_assert_msg(!strstr(text, MARKER), "the secret shows: %s", text);
}

/* Asks once, by a credential made for it. */
static inline int acquire_once(const struct azm_credential_options *o, struct azm_token *token,
                               struct azm_token_failure *f)
{
    struct azm_credential *c = make_credential(o);
    int r = azm_credential_acquire(c, token, f);

    ck_assert(r == 0 || (*f->reason && !token->header));
    ck_assert(!strchr(f->reason, '\n'));
    assert_no_marker(f->reason);
    assert_no_marker(f->remedy);
    azm_credential_free(c);
    return r;
}

/* There is a token, and it is this one. */
static inline void assert_token(const struct azm_credential_options *o, const char *token_text)
{
    struct azm_token token;
    struct azm_token_failure f;
    int r = acquire_once(o, &token, &f);
    char want[256];

    ck_assert_msg(r == 0, "%s", f.reason);
    snprintf(want, sizeof want, "Authorization: Bearer %s", token_text);
    ck_assert_str_eq(azm_secret_text(token.header), want);
    azm_token_free(&token);
}

/* There is none, and the words hold these. */
static inline void assert_failure(const struct azm_credential_options *o, bool permanent, const char *reason,
                                  const char *remedy)
{
    struct azm_token token;
    struct azm_token_failure f;

    ck_assert_int_lt(acquire_once(o, &token, &f), 0);
    ck_assert_msg(f.permanent == permanent, "%s", f.reason);
    ck_assert_msg(strstr(f.reason, reason) != NULL, "%s", f.reason);
    ck_assert_msg(strstr(f.remedy, remedy) != NULL, "%s", f.remedy);
}
