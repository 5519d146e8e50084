/* SPDX-License-Identifier: MIT */
/* The managed identity of a virtual machine or scale set: the instance metadata service (IMDS) at a link-local address.
 * Source: facts/azure.md 2a (Microsoft's how-to-use-vm-token). */
#include <limits.h>

#include "auth/credential_internal.h"
#include "core/clock.h"

static const struct azm_identity_rule rules[] = {
    {400, 400, true,
     "assign an identity to this machine (az vm identity assign --resource-group GROUP --name VM); if it has several, "
     "say which one by client_id= in [destination], and check that it is one of them"},
    {404, 404, false, NULL},
    {408, 408, false, NULL},
    {410, 410, false, "IMDS is being upgraded and comes back within 70 seconds"},
    {429, 429, false, NULL},
    {500, 599, false, NULL},
    {403, 403, true, "nothing may stand between here and 169.254.169.254: check firewall, proxy and network policies"},
    {LONG_MIN, LONG_MAX, true, "check that 169.254.169.254 is Azure's instance metadata service"},
};

static const struct azm_identity_endpoint endpoint = {
    .who = "the identity endpoint of the virtual machine (IMDS)",
    .unreachable =
        "no managed identity endpoint at 169.254.169.254: is this an Azure virtual machine? else set auth= in "
        "[destination]",
    .rules = rules,
};

static const char *base_url(const struct azm_credential_options *o)
{
    return *o->test_imds_url ? o->test_imds_url : "http://169.254.169.254";
}

static int url(const struct azm_credential_options *o, struct azm_buf *ret)
{
    return azm_buf_printf(ret, "%s/metadata/identity/oauth2/token", base_url(o));
}

static int acquire(struct azm_credential *c, struct azm_token *ret, struct azm_token_failure *f)
{
    _cleanup_(azm_secret_unrefp) struct azm_secret *query = NULL;
    struct azm_identity_request q = {
        .header = "Metadata: true", .connect_timeout_usec = 2 * AZM_USEC_PER_SEC, .direct = true};
    int r = azm_managed_identity_url(&c->options, (const char *)c->url.data, "2018-02-01", "object_id", "msi_res_id",
                                     &query);

    if (r < 0)
        return r;
    q.url = azm_secret_text(query);
    return azm_credential_ask(c, &q, &endpoint, ret, f);
}

const struct azm_credential_kind azm_imds = {
    .name = "managed identity of the virtual machine",
    .check = azm_check_identity_selector,
    .url = url,
    .acquire = acquire,
};
