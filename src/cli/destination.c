/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cli/destination.h"
#include "config/azure_endpoint.h"

/* The endpoint without its query, which may hold a secret. */
static char *make_name(const char *endpoint)
{
    char *s = strdup(endpoint);

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

int cli_destination_init(struct cli_destination *d, const struct azm_config *c)
{
    *d = (struct cli_destination){.name = make_name(c->endpoint), .headers = make_headers(c)};
    if (!d->name || !d->headers) {
        cli_destination_free(d);
        return -ENOMEM;
    }
    d->profile = azm_is_azure_endpoint(c->endpoint) ? AZM_PROFILE_AZURE : AZM_PROFILE_OTLP;
    d->http = (struct azm_http_options){
        .url = c->endpoint,
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

void cli_destination_free(struct cli_destination *d)
{
    for (char **h = d->headers; h && *h; h++)
        free(*h);
    free(d->headers);
    free(d->name);
    *d = (struct cli_destination){0};
}
