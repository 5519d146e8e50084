/* SPDX-License-Identifier: MIT */
/* An application that proves who it is by a certificate's private key. */
#include <errno.h>

#include "auth/assertion.h"
#include "auth/entra.h"
#include "auth/secret_file.h"

#define PEM_MAX_BYTES ((size_t)128 * 1024) /* with a chain */

static int check(const struct azm_credential_options *o, struct azm_error *err)
{
    if (!*o->client_certificate_file)
        return azm_error_set(
            err, EINVAL, "neither client_certificate_file= in [destination] nor $AZURE_CLIENT_CERTIFICATE_PATH is set");
    return azm_entra_check(o, err);
}

static int acquire(struct azm_credential *c, struct azm_token *ret, struct azm_token_failure *f)
{
    const char *file = c->options.client_certificate_file;
    _cleanup_(azm_secret_unrefp) struct azm_secret *pem = NULL, *assertion = NULL;
    struct azm_error err;
    int r = azm_secret_file_read(file, PEM_MAX_BYTES, false, &pem, &err);

    if (r == -ENOMEM)
        return r;
    if (r < 0)
        return azm_token_fail(f, true, "check client_certificate_file= in [destination]", "%s", err.words);
    r = azm_assertion_make(pem, c->options.client_id, (const char *)c->url.data, azm_realtime_usec(&azm_system_clock),
                           &assertion, &err);
    if (r == -ENOMEM)
        return r;
    if (r == -EKEYEXPIRED)
        return azm_token_fail(
            f, true,
            "put a valid certificate and its key into the file of client_certificate_file=, and upload "
            "the certificate to the application",
            "%.90s: %s", file, err.words);
    if (r < 0)
        return azm_token_fail(f, true, "client_certificate_file= is a PEM file with a certificate and its RSA key",
                              "%.90s: %s", file, err.words);
    return azm_entra_ask(c, "client_assertion", assertion, ret, f);
}

const struct azm_credential_kind azm_client_certificate = {
    .name = "client certificate",
    .check = check,
    .url = azm_entra_url,
    .acquire = acquire,
};
