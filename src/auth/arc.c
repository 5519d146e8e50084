/* SPDX-License-Identifier: MIT */
/* The managed identity of a server under Azure Arc: the agent (himds) on this machine has the caller prove that it may
 * read a file, whose path the agent names. Whoever stands in for the agent must not have any other file read and sent
 * to it: hence the checks in arc_key.h. Source: facts/azure.md 2b. */
#include <errno.h>
#include <limits.h>
#include <string.h>
#include <strings.h>

#include "auth/arc_key.h"
#include "auth/credential_internal.h"
#include "core/clock.h"

static const struct azm_identity_rule rules[] = {
    {400, 400, true, "check that this server is connected to Azure Arc (azcmagent show)"},
    {401, 401, true,
     "the agent does not take its own key: restart it (systemctl restart himdsd), and look into "
     "/var/opt/azcmagent/log/himds.log"},
    {404, 404, false, NULL},
    {408, 408, false, NULL},
    {410, 410, false, NULL},
    {429, 429, false, NULL},
    {500, 599, false, "if it goes on: look into /var/opt/azcmagent/log/himds.log"},
    {LONG_MIN, LONG_MAX, true, "check that this server is connected to Azure Arc (azcmagent show)"},
};

static const struct azm_identity_endpoint endpoint = {
    .who = "the agent of Azure Arc",
    .unreachable = "check that the agent runs (systemctl status himdsd) and is connected (azcmagent show)",
    .rules = rules,
};

static int check(const struct azm_credential_options *o, struct azm_error *err)
{
    if (*o->client_id || *o->object_id || *o->resource_id)
        return azm_error_set(err, EINVAL,
                             "Azure Arc gives out the identity of the server only: take client_id= ($AZURE_CLIENT_ID), "
                             "object_id= and resource_id= out of [destination], or set another auth=");
    return 0;
}

static int url(const struct azm_credential_options *o, struct azm_buf *ret)
{
    return azm_buf_printf(ret, "%s",
                          *o->identity_endpoint ? o->identity_endpoint
                                                : "http://localhost:40342/metadata/identity/oauth2/token");
}

/* Reads the key that the agent's challenge names, into a header line: 0 or -errno, with words. */
static int answer_challenge(struct azm_credential *c, const struct azm_identity_answer *a, struct azm_secret *header,
                            struct azm_token_failure *f)
{
    static const char basic[] = "Basic realm=";
    const char *root = *c->options.test_arc_root ? c->options.test_arc_root : AZM_ARC_ROOT;
    struct azm_error err;
    int r;

    if (strncasecmp(a->www_authenticate, basic, strlen(basic)) != 0)
        return azm_token_fail(f, true, "check $IDENTITY_ENDPOINT: is it Azure Arc's agent?",
                              "the agent of Azure Arc names no key to prove that it may be asked");
    r = azm_secret_printf(header, "Authorization: Basic ");
    if (r == 0)
        r = azm_arc_key_read(root, a->www_authenticate + strlen(basic), header, &err);
    if (r == 0 || r == -ENOMEM)
        return r;
    if (r == -EACCES)
        return azm_token_fail(f, true,
                              "add azmonlog's user to the group himds (usermod -aG himds azmonlog), or set "
                              "SupplementaryGroups=himds, and restart azmonlog",
                              "%s", err.words);
    return azm_token_fail(f, r != -ENOENT, NULL, "%s", err.words); /* a key lives for a moment only */
}

static int acquire(struct azm_credential *c, struct azm_token *ret, struct azm_token_failure *f)
{
    _cleanup_(azm_identity_answer_free) struct azm_identity_answer a = {0};
    _cleanup_(azm_secret_unrefp) struct azm_secret *query = NULL, *header = NULL;
    struct azm_identity_request q = {
        .header = "Metadata: true", .connect_timeout_usec = 5 * AZM_USEC_PER_SEC, .direct = true};
    const char *base = (const char *)c->url.data;
    int r;

    if (!azm_is_loopback_url(base))
        return azm_token_fail(f, true, "$IDENTITY_ENDPOINT must be http://localhost, or unset",
                              "the agent of Azure Arc is asked on this machine only, not at %.100s", base);
    r = azm_managed_identity_url(&c->options, base, "2020-06-01", "object_id", "msi_res_id", &query);
    if (r == 0)
        r = azm_secret_new(AZM_ARC_KEY_MAX_BYTES + 64, &header);
    if (r < 0)
        return r;
    q.url = azm_secret_text(query);
    r = azm_credential_request(c, &q, &endpoint, &a, f);
    if (r < 0)
        return r;
    if (a.status == 200)
        return azm_token_fail(f, true, "check $IDENTITY_ENDPOINT: is it Azure Arc's agent?",
                              "the agent of Azure Arc answers without asking for a proof");
    if (a.status != 401)
        return azm_status_failed(&a, &endpoint, f);
    r = answer_challenge(c, &a, header, f);
    if (r < 0)
        return r;
    q.secret_header = header;
    return azm_credential_ask(c, &q, &endpoint, ret, f);
}

const struct azm_credential_kind azm_arc = {
    .name = "managed identity of Azure Arc",
    .check = check,
    .url = url,
    .acquire = acquire,
};
