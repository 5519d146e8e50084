/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "config/azure_endpoint.h"
#include "config/connection_string.h"
#include "config/places.h"
#include "config/stream_url.h"
#include "export/destination.h"

/* The URL without its query, or user and password: they may be secret. */
static char *make_name(const char *url)
{
    char *s = azm_stream_url_name(url);

    if (s)
        s[strcspn(s, "?#")] = '\0';
    return s;
}

static char **make_headers(const struct azm_key_values *configured)
{
    char **headers = calloc(configured->n + 1, sizeof *headers);

    for (size_t i = 0; headers && i < configured->n; i++)
        if (asprintf(&headers[i], "%s: %s", configured->items[i].key, configured->items[i].value) < 0) {
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

/* Those of [destination] stay away from where metrics go, and the other way round: they may be secrets. */
static const struct azm_key_values *own_headers(const struct azm_destination *d, const struct azm_config *c)
{
    return d->signal == AZM_METRICS ? &c->metrics_headers : &c->headers;
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

static const char *list_of_places(const struct azm_config *c)
{
    return *c->endpoint ? c->endpoint : c->dcr;
}

/* That of this host. */
static size_t choose_place(const struct azm_config *c)
{
    const char *name = azm_key_values_get(&c->resource, "host.name");
    char host[HOST_NAME_MAX + 1] = "";

    if (!name && gethostname(host, sizeof host - 1) == 0)
        name = host;
    return azm_places_choose(list_of_places(c), name ? name : "");
}

static int set_place_of_logs(struct azm_destination *d, const struct azm_config *c, const char *place,
                             struct azm_error *err)
{
    if (*c->connection_string)
        return set_application_insights(d, c, err);
    d->url = *c->endpoint ? strdup(place) : azm_azure_logs_url(c->dce, place, d->trusted_suffix);
    return 0;
}

/* By default the same rule takes both. */
static void set_place_of_metrics(struct azm_destination *d, const struct azm_config *c, const char *place)
{
    d->url = *c->metrics_endpoint
                 ? strdup(c->metrics_endpoint)
                 : azm_azure_metrics_url(c->metrics_dce, or_cloud(c->metrics_dcr, place), d->trusted_suffix);
}

/* The rest, when the URL is known. */
static int set_http(struct azm_destination *d, const struct azm_config *c, struct azm_error *err)
{
    if (!d->ikey)
        d->profile = d->url && azm_is_azure_endpoint(d->url) ? AZM_PROFILE_AZURE : AZM_PROFILE_OTLP;
    d->name = d->url ? make_name(d->url) : NULL;
    d->headers = make_headers(own_headers(d, c));
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

/* A stream of an engine: what of HTTP's options is for every destination (compression, window) goes for it as well. */
static void set_stream(struct azm_destination *d, const struct azm_config *c)
{
    if (azm_stream_engine_of(d->url) == AZM_STREAM_NONE)
        return;
    d->stream = (struct azm_stream_options){
        .url = d->url,
        .password_file = c->password_file,
        .sasl_mechanism = c->sasl_mechanism,
        .tls_ca_file = c->tls_ca_file,
        .tls_cert_file = c->tls_cert_file,
        .tls_key_file = c->tls_key_file,
        .timeout_usec = c->timeout_usec,
        .clock = &azm_system_clock,
        .host = azm_key_values_get(&c->resource, "host.name"),
        .replicas = (unsigned)c->replicas,
    };
}

/* --- who --- */

static bool has_authorization(const struct azm_destination *d, const struct azm_config *c)
{
    const struct azm_key_values *headers = own_headers(d, c);

    for (size_t i = 0; i < headers->n; i++)
        if (strcasecmp(headers->items[i].key, "Authorization") == 0)
            return true;
    return false;
}

/* auth= is about the destination of logs: where metrics go to somebody else, no token goes along. */
static enum azm_auth resolve_auth(const struct azm_destination *d, const struct azm_config *c)
{
    bool is_azure = d->profile == AZM_PROFILE_AZURE;

    if (d->signal == AZM_METRICS && (!is_azure || has_authorization(d, c)))
        return AZM_AUTH_NONE;
    if (c->auth != AZM_AUTH_AUTO)
        return c->auth;
    return is_azure && strncasecmp(d->url, "https://", 8) == 0 && !has_authorization(d, c) ? AZM_AUTH_DEFAULT
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
    if (has_authorization(d, c))
        return azm_error_set(err, EINVAL,
                             "[destination] auth= and a header Authorization contradict each other; take one away");
    if (!azm_url_is_private(d->url))
        return azm_error_set(err, EINVAL, "%s a token must not travel over plain http to %s; use https, or auth=none",
                             d->signal == AZM_METRICS ? "[metrics]" : "[destination]", d->name);
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

static int init(struct azm_destination *d, const struct azm_config *c, enum azm_signal signal, size_t place,
                struct azm_error *err)
{
    const struct azm_text word = azm_places_get(list_of_places(c), place);
    _cleanup_free_ char *one = strndup(word.s, word.len);
    int r = 0;

    *d = (struct azm_destination){.signal = signal, .place = place};
    d->n_places = MAX(azm_places_count(list_of_places(c)), (size_t)1);
    if (!one)
        return azm_error_set(err, ENOMEM, "out of memory");
    d->trusted_suffix = or_cloud(c->ingest_suffix, azm_cloud_names(c->cloud)->ingest_suffix);
    if (signal == AZM_METRICS)
        set_place_of_metrics(d, c, one);
    else
        r = set_place_of_logs(d, c, one, err);
    if (r >= 0)
        r = set_http(d, c, err);
    if (r >= 0)
        set_stream(d, c);
    if (r >= 0)
        r = set_identity(d, c, err);
    if (r < 0)
        azm_destination_free(d);
    return r;
}

int azm_destination_init(struct azm_destination *d, const struct azm_config *c, enum azm_signal signal,
                         struct azm_error *err)
{
    return init(d, c, signal, choose_place(c), err);
}

int azm_destination_init_place(struct azm_destination *d, const struct azm_config *c, size_t place,
                               struct azm_error *err)
{
    return init(d, c, AZM_LOGS, place, err);
}

void azm_destination_free(struct azm_destination *d)
{
    for (char **h = d->headers; h && *h; h++) {
        explicit_bzero(*h, strlen(*h));
        free(*h);
    }
    free(d->headers);
    free(d->name);
    if (d->url)
        explicit_bzero(d->url, strlen(d->url)); /* there may be a password in it */
    free(d->url);
    free(d->ikey);
    free(d->audience);
    free(d->identity);
    *d = (struct azm_destination){0};
}

static int check_place(const struct azm_config *c, enum azm_signal signal, size_t place, size_t *ret_n,
                       struct azm_error *err)
{
    _cleanup_(azm_destination_free) struct azm_destination d = {0};
    struct azm_credential *credential;
    int r = init(&d, c, signal, place, err);

    *ret_n = d.n_places;
    if (r < 0 || !d.has_credential)
        return r;
    r = azm_credential_new(&d.credential, &credential, err);
    if (r >= 0)
        azm_credential_free(credential);
    return r;
}

int azm_destination_check(const struct azm_config *c, enum azm_signal signal, struct azm_error *err)
{
    size_t n = 1;
    int r = 0;

    for (size_t i = 0; i < n && r >= 0; i++)
        r = check_place(c, signal, i, &n, err);
    return r;
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
        .stream = d->stream,
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
