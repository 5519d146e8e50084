/* SPDX-License-Identifier: MIT */
/* An application that proves who it is by a secret. */
#include <errno.h>

#include "auth/entra.h"
#include "auth/secret_file.h"

#define SECRET_MAX_BYTES ((size_t)4096)

static int check(const struct azm_credential_options *o, struct azm_error *err)
{
    if (!o->client_secret && !*o->client_secret_file)
        return azm_error_set(err, EINVAL,
                             "neither client_secret_file= in [destination] nor $AZURE_CLIENT_SECRET is set");
    return azm_entra_check(o, err);
}

static int acquire(struct azm_credential *c, struct azm_token *ret, struct azm_token_failure *f)
{
    _cleanup_(azm_secret_unrefp) struct azm_secret *secret = NULL;
    struct azm_error err;
    int r;

    if (!*c->options.client_secret_file)
        return azm_entra_ask(c, "client_secret", c->client_secret, ret, f);
    r = azm_secret_file_read(c->options.client_secret_file, SECRET_MAX_BYTES, false, &secret, &err);
    if (r == -ENOMEM)
        return r;
    if (r < 0)
        return azm_token_fail(f, true, "check client_secret_file= in [destination]", "%s", err.words);
    return azm_entra_ask(c, "client_secret", secret, ret, f);
}

const struct azm_credential_kind azm_client_secret = {
    .name = "client secret",
    .check = check,
    .url = azm_entra_url,
    .acquire = acquire,
};
