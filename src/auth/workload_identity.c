/* SPDX-License-Identifier: MIT */
/* Workload identity on Kubernetes: a token of the cluster, which it renews in a file, is exchanged for one of Entra.
 * Source: facts/azure.md 2f. */
#include <errno.h>

#include "auth/entra.h"
#include "auth/secret_file.h"

#define TOKEN_MAX_BYTES ((size_t)16384)

static int check(const struct azm_credential_options *o, struct azm_error *err)
{
    if (!*o->federated_token_file)
        return azm_error_set(err, EINVAL,
                             "neither federated_token_file= in [destination] nor $AZURE_FEDERATED_TOKEN_FILE is set");
    return azm_entra_check(o, err);
}

static int acquire(struct azm_credential *c, struct azm_token *ret, struct azm_token_failure *f)
{
    _cleanup_(azm_secret_unrefp) struct azm_secret *assertion = NULL;
    struct azm_error err;
    int r = azm_secret_file_read(c->options.federated_token_file, TOKEN_MAX_BYTES, true, &assertion, &err);

    if (r == -ENOMEM)
        return r;
    if (r < 0)
        return azm_token_fail(
            f, true,
            "check federated_token_file= ($AZURE_FEDERATED_TOKEN_FILE), and that the pod has the label "
            "azure.workload.identity/use: \"true\"",
            "%s", err.words);
    return azm_entra_ask(c, "client_assertion", assertion, ret, f);
}

const struct azm_credential_kind azm_workload_identity = {
    .name = "workload identity",
    .check = check,
    .url = azm_entra_url,
    .acquire = acquire,
};
