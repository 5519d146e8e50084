/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "config/azure_endpoint.h"
#include "config/connection_string.h"
#include "export/destination.h"

/* The URL without its query, which may hold a secret. */
static char *make_name(const char *url)
{
    char *s = strdup(url);

    if (s)
        s[strcspn(s, "?#")] = '\0';
    return s;
}

static char **make_headers(const struct azm_config *c)
{
    char **headers = calloc(c->headers.n + 1, sizeof *headers);

    for (size_t i = 0; headers && i < c->headers.n; i++)
        if (asprintf(&headers[i], "%s: %s", c->headers.items[i].key, c->headers.items[i].value) < 0) {
            while (i > 0)
                free(headers[--i]);
            free(headers);
            return NULL;
        }
    return headers;
}

static const char *or_cloud(const char *configured, const char *of_cloud)
{
    return *configured ? configured : of_cloud;
}

/* --- where --- */

static int set_application_insights(struct azm_destination *d, const struct azm_config *c, struct azm_error *err)
{
    const struct azm_cloud_names *cloud = azm_cloud_names(c->cloud);
    struct azm_connection_string s;
    int r = azm_connection_string_parse(c->connection_string, cloud->application_suffix, &s, err);

    if (r < 0)
        return r;
    d->profile = AZM_PROFILE_APPINSIGHTS;
    d->url = s.track_url;
    d->ikey = s.ikey;
    d->audience = s.audience;
    s.track_url = s.ikey = s.audience = NULL;
    azm_connection_string_free(&s);
    return 0;
}

static int set_place(struct azm_destination *d, const struct azm_config *c, struct azm_error *err)
{
    int r = 0;

    d->trusted_suffix = or_cloud(c->ingest_suffix, azm_cloud_names(c->cloud)->ingest_suffix);
    if (*c->connection_string)
        r = set_application_insights(d, c, err);
    else {
        d->url = *c->endpoint ? strdup(c->endpoint) : azm_azure_logs_url(c->dce, c->dcr, d->trusted_suffix);
        d->profile = d->url && azm_is_azure_endpoint(d->url) ? AZM_PROFILE_AZURE : AZM_PROFILE_OTLP;
    }
    if (r < 0)
        return r;
    d->name = d->url ? make_name(d->url) : NULL;
    d->headers = make_headers(c);
    if (!d->url || !d->name || !d->headers)
        return azm_error_set(err, ENOMEM, "out of memory");
    d->http = (struct azm_http_options){
        .url = d->url,
        .headers = (const char *const *)d->headers,
        .tls_ca_file = c->tls_ca_file,
        .tls_cert_file = c->tls_cert_file,
        .tls_key_file = c->tls_key_file,
        .gzip = c->gzip,
        .connections = (unsigned)c->concurrency,
        .timeout_usec = c->timeout_usec,
    };
    return 0;
}

/* --- who --- */

static bool has_authorization(const struct azm_config *c)
{
    for (size_t i = 0; i < c->headers.n; i++)
        if (strcasecmp(c->headers.items[i].key, "Authorization") == 0)
            return true;
    return false;
}

static enum azm_auth resolve_auth(const struct azm_destination *d, const struct azm_config *c)
{
    if (c->auth != AZM_AUTH_AUTO)
        return c->auth;
    return d->profile == AZM_PROFILE_AZURE && strncasecmp(d->url, "https://", 8) == 0 && !has_authorization(c)
               ? AZM_AUTH_DEFAULT
               : AZM_AUTH_NONE;
}

static const char *or_empty(const char *s)
{
    return s ? s : "";
}

static int set_identity(struct azm_destination *d, const struct azm_config *c, struct azm_error *err)
{
    const struct azm_cloud_names *cloud = azm_cloud_names(c->cloud);
    struct azm_credential_options *o = &d->credential;
    enum azm_auth auth = resolve_auth(d, c);

    if (auth == AZM_AUTH_NONE)
        return 0;
    if (has_authorization(c))
        return azm_error_set(err, EINVAL,
                             "[destination] auth= and a header Authorization contradict each other; take one away");
    if (!azm_url_is_private(d->url))
        return azm_error_set(err, EINVAL,
                             "[destination] a token must not travel over plain http to %s; use https, or auth=none",
                             d->name);
    *o = (struct azm_credential_options){
        .auth = auth,
        .authority = or_cloud(c->authority, cloud->authority),
        .audience = or_cloud(c->audience, or_cloud(or_empty(d->audience), cloud->audience)),
        .tenant_id = c->tenant_id,
        .client_id = c->client_id,
        .object_id = c->object_id,
        .resource_id = c->resource_id,
        .client_secret = c->client_secret,
        .client_secret_file = c->client_secret_file,
        .client_certificate_file = c->client_certificate_file,
        .federated_token_file = c->federated_token_file,
        .identity_endpoint = or_empty(c->identity_endpoint),
        .imds_endpoint = or_empty(c->imds_endpoint),
        .identity_server_thumbprint = or_empty(c->identity_server_thumbprint),
        .identity_header = c->identity_header,
        .tls_ca_file = c->tls_ca_file,
        .test_imds_url = or_empty(secure_getenv("AZMONLOG_TEST_IMDS_URL")),
        .test_arc_root = or_empty(secure_getenv("AZMONLOG_TEST_ARC_ROOT")),
    };
    d->has_credential = true;
    /* The environment stays what it is while the process lives, and files are read for each token. */
    if (asprintf(&d->identity, "%d\n%s\n%s\n%s\n%s\n%s\n%s\n%s\n%s\n%s\n%s", (int)o->auth, o->authority, o->audience,
                 o->tenant_id, o->client_id, o->object_id, o->resource_id, o->client_secret_file,
                 o->client_certificate_file, o->federated_token_file, o->tls_ca_file) < 0) {
        d->identity = NULL;
        return azm_error_set(err, ENOMEM, "out of memory");
    }
    return 0;
}

int azm_destination_init(struct azm_destination *d, const struct azm_config *c, struct azm_error *err)
{
    int r;

    *d = (struct azm_destination){0};
    r = set_place(d, c, err);
    if (r >= 0)
        r = set_identity(d, c, err);
    if (r < 0)
        azm_destination_free(d);
    return r;
}

void azm_destination_free(struct azm_destination *d)
{
    for (char **h = d->headers; h && *h; h++) {
        explicit_bzero(*h, strlen(*h));
        free(*h);
    }
    free(d->headers);
    free(d->name);
    free(d->url);
    free(d->ikey);
    free(d->audience);
    free(d->identity);
    *d = (struct azm_destination){0};
}

int azm_destination_tokens(const struct azm_destination *d, struct azm_tokens **ret, struct azm_error *err)
{
    struct azm_credential *credential;
    int r;

    *ret = NULL;
    if (!d->has_credential)
        return 0;
    r = azm_credential_new(&d->credential, &credential, err);
    if (r < 0)
        return r;
    r = azm_tokens_new(credential, &azm_system_clock, ret, err);
    if (r < 0)
        azm_credential_free(credential);
    return r;
}

struct azm_exporter_options azm_destination_exporter(const struct azm_destination *d, const struct azm_config *c)
{
    return (struct azm_exporter_options){
        .http = d->http,
        .profile = d->profile,
        .ikey = d->ikey,
        .trusted_suffix = d->trusted_suffix,
        .max_body_bytes = c->max_request_bytes,
        .renewable = c->headers_from_file,
        .destination = d->name,
        .clock = &azm_system_clock,
        .retry_initial_delay_usec = c->retry_initial_delay_usec,
        .retry_max_delay_usec = c->retry_max_delay_usec,
        .hold_max_delay_usec = c->hold_max_delay_usec,
    };
}
