/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "auth/credential_choice.h"

/* Copies what is borrowed: 0 or -ENOMEM. */
static int copy_options(struct azm_credential *c, const struct azm_credential_options *o)
{
    const char **strings[] = {
        &c->options.authority,
        &c->options.audience,
        &c->options.tenant_id,
        &c->options.client_id,
        &c->options.object_id,
        &c->options.resource_id,
        &c->options.client_secret_file,
        &c->options.client_certificate_file,
        &c->options.federated_token_file,
        &c->options.identity_endpoint,
        &c->options.imds_endpoint,
        &c->options.identity_server_thumbprint,
        &c->options.tls_ca_file,
        &c->options.test_imds_url,
        &c->options.test_arc_root,
    };

    c->options = *o;
    for (size_t i = 0; i < ELEMENTSOF(strings); i++) {
        *strings[i] = azm_arena_copy(&c->strings, *strings[i], strlen(*strings[i]) + 1);
        if (!*strings[i])
            return -ENOMEM;
    }
    return 0;
}

static int copy_secret(const struct azm_secret *s, struct azm_secret **ret)
{
    int r = s ? azm_secret_new(azm_secret_len(s), ret) : 0;

    return s && r == 0 ? azm_secret_append(*ret, azm_secret_text(s), azm_secret_len(s)) : r;
}

static bool arc_is_installed(const struct azm_credential_options *o)
{
    char path[PATH_MAX];

    snprintf(path, sizeof path, "%s/bin/himds", *o->test_arc_root ? o->test_arc_root : AZM_ARC_ROOT);
    return access(path, F_OK) == 0;
}

int azm_credential_new(const struct azm_credential_options *o, struct azm_credential **ret, struct azm_error *err)
{
    struct azm_credential *c = calloc(1, sizeof *c);
    int r;

    if (!c)
        return azm_error_set(err, ENOMEM, "out of memory");
    r = azm_credential_choose(o, arc_is_installed(o), &c->kind, &c->passed_over, err);
    if (r < 0) {
        azm_credential_free(c);
        return r;
    }
    r = copy_options(c, o);
    if (r == 0)
        r = copy_secret(o->client_secret, &c->client_secret);
    if (r == 0)
        r = copy_secret(o->identity_header, &c->identity_header);
    c->options.client_secret = c->client_secret;
    c->options.identity_header = c->identity_header;
    if (r == 0)
        r = c->kind->url(&c->options, &c->url);
    if (r == 0)
        r = azm_buf_append(&c->url, "", 1);
    if (r == 0)
        r = azm_identity_http_new(c->options.tls_ca_file, c->options.timeout_usec, &c->http);
    if (r < 0) {
        azm_credential_free(c);
        return azm_error_set(err, r, "cannot make the credential: %m");
    }
    *ret = c;
    return 0;
}

struct azm_credential *azm_credential_free(struct azm_credential *c)
{
    if (!c)
        return NULL;
    azm_identity_http_free(c->http);
    azm_secret_unref(c->client_secret);
    azm_secret_unref(c->identity_header);
    azm_buf_free(&c->url);
    azm_buf_free(&c->passed_over);
    azm_arena_free(&c->strings);
    free(c);
    return NULL;
}

const char *azm_credential_name(const struct azm_credential *c)
{
    return c->kind->name;
}

int azm_credential_passed_over(const struct azm_credential *c, struct azm_buf *out)
{
    return azm_buf_append(out, c->passed_over.data, c->passed_over.len);
}

const char *azm_credential_url(const struct azm_credential *c)
{
    return (const char *)c->url.data;
}

int azm_credential_acquire(struct azm_credential *c, struct azm_token *ret, struct azm_token_failure *failure)
{
    int r;

    memset(ret, 0, sizeof *ret);
    memset(failure, 0, sizeof *failure);
    r = c->kind->acquire(c, ret, failure);
    if (r == 0)
        return 0;
    azm_token_free(ret);
    if (!*failure->reason)
        azm_token_fail(failure, false, NULL, "%s",
                       r == -ENOMEM      ? "out of memory"
                       : r == -ECANCELED ? "asking for a token was cancelled"
                                         : "the request for a token cannot be made");
    return r;
}

void azm_credential_cancel(struct azm_credential *c)
{
    azm_identity_http_cancel(c->http);
}
