/* SPDX-License-Identifier: MIT */
/* The managed identity in App Service, Functions and Container Apps: an endpoint that the platform names in the
 * environment, with a header to show. Source: facts/azure.md 2c (Microsoft's overview-managed-identity.md). */
#include <errno.h>
#include <limits.h>

#include "auth/credential_internal.h"
#include "core/clock.h"

static const struct azm_identity_rule rules[] = {
    {400, 400, true,
     "assign an identity to this app (az webapp identity assign, az containerapp identity assign); if it has several, "
     "say which one by client_id= in [destination], and check that it is one of them"},
    {401, 401, true, "the platform has renewed $IDENTITY_HEADER, which a process sees only when it is started again"},
    {403, 403, true, "the platform has renewed $IDENTITY_HEADER, which a process sees only when it is started again"},
    {404, 404, false, NULL},
    {408, 408, false, NULL},
    {429, 429, false, NULL},
    {500, 599, false, "if it goes on: check audience= in [destination], which is answered so when it is wrong"},
    {LONG_MIN, LONG_MAX, true, "check $IDENTITY_ENDPOINT, which the platform sets"},
};

static const struct azm_identity_endpoint endpoint = {
    .who = "the identity endpoint of App Service",
    .unreachable = "check $IDENTITY_ENDPOINT, which the platform sets",
    .rules = rules,
};

static int check(const struct azm_credential_options *o, struct azm_error *err)
{
    if (!azm_is_http_url(o->identity_endpoint) || !o->identity_header)
        return azm_error_set(err, EINVAL,
                             "the identity of App Service needs $IDENTITY_ENDPOINT (an http URL) and $IDENTITY_HEADER, "
                             "which the platform sets");
    for (const char *p = azm_secret_text(o->identity_header); *p; p++)
        if ((unsigned char)*p <= 0x20 || *p == 0x7f)
            return azm_error_set(err, EINVAL, "$IDENTITY_HEADER is not as the platform sets it");
    return azm_check_identity_selector(o, err);
}

static int url(const struct azm_credential_options *o, struct azm_buf *ret)
{
    return azm_buf_printf(ret, "%s", o->identity_endpoint);
}

static int acquire(struct azm_credential *c, struct azm_token *ret, struct azm_token_failure *f)
{
    _cleanup_(azm_secret_unrefp) struct azm_secret *query = NULL, *header = NULL;
    struct azm_identity_request q = {.connect_timeout_usec = 5 * AZM_USEC_PER_SEC, .direct = true};
    int r = azm_managed_identity_url(&c->options, c->options.identity_endpoint, "2019-08-01", "principal_id",
                                     "mi_res_id", &query);

    if (r == 0)
        r = azm_secret_new(azm_secret_len(c->identity_header) + 32, &header);
    if (r == 0)
        r = azm_secret_printf(header, "X-IDENTITY-HEADER: %s", azm_secret_text(c->identity_header));
    if (r < 0)
        return r;
    q.url = azm_secret_text(query);
    q.secret_header = header;
    return azm_credential_ask(c, &q, &endpoint, ret, f);
}

const struct azm_credential_kind azm_app_service = {
    .name = "managed identity of App Service",
    .check = check,
    .url = url,
    .acquire = acquire,
};
