/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <string.h>
#include <strings.h>

#include "auth/entra.h"
#include "auth/entra_error.h"
#include "auth/form.h"
#include "core/clock.h"

static const struct azm_identity_endpoint endpoint = {
    .who = "Microsoft Entra ID",
    .unreachable = "check that authority= in [destination] can be reached from here, and the proxy (https_proxy)",
};

int azm_entra_check(const struct azm_credential_options *o, struct azm_error *err)
{
    if (!azm_is_http_url(o->authority) || strpbrk(o->authority, "?#"))
        return azm_error_set(err, EINVAL,
                             "[destination] authority= or $AZURE_AUTHORITY_HOST is not a URL such as "
                             "https://login.microsoftonline.com");
    if (strncasecmp(o->authority, "https:", 6) != 0 && !azm_is_loopback_url(o->authority))
        return azm_error_set(err, EINVAL,
                             "[destination] authority= or $AZURE_AUTHORITY_HOST must begin with https://, since a "
                             "secret goes there");
    return azm_check_tenant_and_client(o, err);
}

int azm_entra_url(const struct azm_credential_options *o, struct azm_buf *ret)
{
    size_t len = strlen(o->authority);

    while (len > 0 && o->authority[len - 1] == '/')
        len--;
    return azm_buf_printf(ret, "%.*s/%s/oauth2/v2.0/token", (int)len, o->authority, o->tenant_id);
}

static int add(struct azm_secret *form, int r, const char *key, const char *value, size_t len)
{
    return r < 0 ? r : azm_form_add(form, key, value, len);
}

static int make_form(const struct azm_credential_options *o, const char *proof_key, const struct azm_secret *proof,
                     struct azm_secret **ret)
{
    static const char grant[] = "client_credentials";
    static const char jwt[] = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"; /* RFC 7523, 2.2 */
    _cleanup_(azm_secret_unrefp) struct azm_secret *form = NULL;
    _cleanup_(azm_buf_free) struct azm_buf scope = {0};
    int r = azm_buf_printf(&scope, "%s/.default", o->audience);

    if (r == 0)
        r = azm_secret_new(1024 + 3 * (scope.len + azm_secret_len(proof)), &form);
    r = add(form, r, "grant_type", grant, strlen(grant));
    r = add(form, r, "client_id", o->client_id, strlen(o->client_id));
    r = add(form, r, "scope", (const char *)scope.data, scope.len);
    if (strcmp(proof_key, "client_assertion") == 0)
        r = add(form, r, "client_assertion_type", jwt, strlen(jwt));
    r = add(form, r, proof_key, azm_secret_text(proof), azm_secret_len(proof));
    if (r == 0)
        *ret = azm_secret_ref(form);
    return r;
}

int azm_entra_ask(struct azm_credential *c, const char *proof_key, const struct azm_secret *proof,
                  struct azm_token *ret, struct azm_token_failure *f)
{
    _cleanup_(azm_identity_answer_free) struct azm_identity_answer a = {0};
    _cleanup_(azm_secret_unrefp) struct azm_secret *form = NULL;
    struct azm_identity_request q = {.url = (const char *)c->url.data, .connect_timeout_usec = 5 * AZM_USEC_PER_SEC};
    int r = make_form(&c->options, proof_key, proof, &form);

    if (r < 0)
        return r;
    q.form = form;
    r = azm_credential_request(c, &q, &endpoint, &a, f);
    if (r < 0)
        return r;
    return a.status == 200 ? azm_answer_taken(&a, &endpoint, ret, f) : azm_entra_failed(&a, f);
}
