/* SPDX-License-Identifier: MIT */
#include <curl/curl.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "auth/credential_internal.h"
#include "auth/form.h"
#include "auth/token_answer.h"
#include "core/retry_after.h"

/* What it means that no whole answer came. All of it may mend itself, as a network does, but a wrong CA file. */
static const struct transfer_rule {
    int code; /* 0: any */
    bool permanent;
    const char *remedy;
} transfer_rules[] = {
    {CURLE_SSL_CACERT_BADFILE, true, "check tls_ca_file= in [destination]"},
    {CURLE_PEER_FAILED_VERIFICATION, false,
     "the certificate of the identity endpoint is not trusted: if a proxy inspects https, name its CA in tls_ca_file= "
     "or let this host pass; check also the clock (timedatectl)"},
    {CURLE_SSL_CONNECT_ERROR, false, "TLS 1.2 or later must come through to the identity endpoint"},
    {CURLE_COULDNT_RESOLVE_PROXY, false, "check the proxy in the environment (https_proxy)"},
    {CURLE_URL_MALFORMAT, true, "check the URL of the identity endpoint"},
    /* The URL was looked at before; libcurl also says so of an answer that is not HTTP. */
    {CURLE_UNSUPPORTED_PROTOCOL, false, "what answers there does not speak HTTP: is it the identity endpoint?"},
    {CURLE_WEIRD_SERVER_REPLY, false, "what answers there does not speak HTTP: is it the identity endpoint?"},
    {0, false, NULL},
};

int azm_token_fail(struct azm_token_failure *f, bool permanent, const char *remedy, const char *reason, ...)
{
    va_list ap;

    f->permanent = permanent;
    va_start(ap, reason);
    vsnprintf(f->reason, sizeof f->reason, reason, ap);
    va_end(ap);
    for (char *p = f->reason; *p; p++)
        if ((unsigned char)*p < 0x20 || *p == 0x7f) /* it is one line for a terminal, whatever paths have in them */
            *p = '?';
    snprintf(f->remedy, sizeof f->remedy, "%s", remedy ? remedy : "");
    return permanent ? -EPERM : -EAGAIN;
}

static int transfer_failed(const struct azm_identity_answer *a, const struct azm_identity_endpoint *e,
                           struct azm_token_failure *f)
{
    const struct transfer_rule *r = transfer_rules;
    bool unreachable;

    if (a->too_long)
        return azm_token_fail(f, false, NULL, "%s answers more than %zu KiB", e->who,
                              AZM_IDENTITY_ANSWER_MAX_BYTES / 1024);
    if (a->connect_code != 0 && (a->connect_code < 200 || a->connect_code > 299))
        return azm_token_fail(
            f, a->connect_code < 500,
            a->connect_code == 407
                ? "check the proxy: it wants other credentials, https_proxy=http://USER:PASSWORD@HOST:PORT in "
                  "azmonlog's environment"
                : "check that the proxy (https_proxy) lets this host through to authority=",
            "no answer from %s: %s", e->who, a->curl_words);
    while (r->code && r->code != a->curl_code)
        r++;
    unreachable = !a->connected && !r->remedy;
    return azm_token_fail(f, r->permanent, unreachable ? e->unreachable : r->remedy, "no answer from %s: %s", e->who,
                          a->curl_words);
}

int azm_credential_request(struct azm_credential *c, const struct azm_identity_request *q,
                           const struct azm_identity_endpoint *e, struct azm_identity_answer *ret,
                           struct azm_token_failure *f)
{
    int r = azm_identity_http_ask(c->http, q, ret);

    if (r == -EIO)
        return azm_token_fail(f, false, NULL, "libcurl fails on the request to %s", e->who);
    return r == 0 && ret->curl_code ? transfer_failed(ret, e, f) : r;
}

int azm_answer_taken(const struct azm_identity_answer *a, const struct azm_identity_endpoint *e, struct azm_token *ret,
                     struct azm_token_failure *f)
{
    const char *why = "";
    int r = azm_token_answer_parse(a->body, azm_realtime_usec(&azm_system_clock), ret, &why);

    if (r == 0 || r == -ENOMEM)
        return r;
    return azm_token_fail(f, false, "is it a proxy or a login page that answers?", "%s answers HTTP 200, but with %s",
                          e->who, why);
}

void azm_keep_retry_after(const struct azm_identity_answer *a, struct azm_token_failure *f)
{
    f->retry_after_usec = azm_retry_after_usec(a->retry_after, azm_realtime_usec(&azm_system_clock));
}

int azm_status_failed(const struct azm_identity_answer *a, const struct azm_identity_endpoint *e,
                      struct azm_token_failure *f)
{
    const struct azm_identity_rule *rule = e->rules;
    struct azm_token_error said;
    const char *remedy;

    while (a->status < rule->first || a->status > rule->last)
        rule++;
    azm_keep_retry_after(a, f);
    azm_token_error_parse(a->body, &said);
    remedy = strcmp(said.error, "invalid_resource") == 0 ? "check audience= in [destination]" : rule->remedy;
    return azm_token_fail(f, rule->permanent, remedy, "%s answers HTTP %ld%s%s%s", e->who, a->status,
                          *said.error ? " (" : "", said.error, *said.error ? ")" : "");
}

int azm_credential_ask(struct azm_credential *c, const struct azm_identity_request *q,
                       const struct azm_identity_endpoint *e, struct azm_token *ret, struct azm_token_failure *f)
{
    _cleanup_(azm_identity_answer_free) struct azm_identity_answer a = {0};
    int r = azm_credential_request(c, q, e, &a, f);

    if (r < 0)
        return r;
    return a.status == 200 ? azm_answer_taken(&a, e, ret, f) : azm_status_failed(&a, e, f);
}

static int add(struct azm_secret *url, int r, const char *key, const char *value)
{
    return r < 0 || !*value ? r : azm_form_add(url, key, value, strlen(value));
}

int azm_managed_identity_url(const struct azm_credential_options *o, const char *base, const char *api_version,
                             const char *object_id_key, const char *resource_id_key, struct azm_secret **ret)
{
    _cleanup_(azm_secret_unrefp) struct azm_secret *url = NULL;
    int r = azm_secret_new(8192, &url);

    if (r == 0)
        r = azm_secret_printf(url, "%s%s", base, strchr(base, '?') ? "" : "?");
    r = add(url, r, "api-version", api_version);
    r = add(url, r, "resource", o->audience);
    r = add(url, r, "client_id", o->client_id);
    r = add(url, r, object_id_key, o->object_id);
    r = add(url, r, resource_id_key, o->resource_id);
    if (r == 0)
        *ret = azm_secret_ref(url);
    return r;
}
