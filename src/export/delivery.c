/* SPDX-License-Identifier: MIT */
#include <curl/curl.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/cleanup.h"
#include "core/clock.h"
#include "core/retry_after.h"
#include "export/answer_body.h"
#include "export/delivery.h"

#define REASON_BYTES sizeof(((struct azm_verdict *)NULL)->reason)

#define OTLP (1 << AZM_PROFILE_OTLP)
#define AZURE (1 << AZM_PROFILE_AZURE)
#define INSIGHTS (1 << AZM_PROFILE_APPINSIGHTS)
#define CLOUD (AZURE | INSIGHTS)
#define ALL (OTLP | CLOUD)

/* What a status means; the first row that fits counts. */
static const struct status_rule {
    long first, last;
    int profiles;
    const char *code; /* NULL: any */
    enum azm_meaning meaning;
    const char *remedy;
} status_rules[] = {
    {307, 308, ALL, NULL, AZM_REDIRECTED, "the server redirects: set <section> endpoint= to the final URL (https)"},
    {300, 399, ALL, NULL, AZM_MISCONFIGURED, "the server redirects: set <section> endpoint= to the final URL"},
    {400, 400, AZURE, "InvalidStream", AZM_MISCONFIGURED,
     "the stream is wrong: endpoint= must end in /streams/<stream>; dce= and dcr= build it"},
    {400, 400, CLOUD, "MissingContentLengthHeader", AZM_MISCONFIGURED,
     "a proxy between here and Azure takes the Content-Length away; check the proxy (https_proxy)"},
    {400, 400, INSIGHTS, NULL, AZM_REFUSED,
     "if nothing at all is taken: is the instrumentation key in connection_string= that of the resource? az "
     "monitor app-insights component show --query '[].connectionString' prints the string; what only one record is "
     "refused for goes into quarantine as soon as others are taken"},
    {400, 400, ALL, NULL, AZM_REFUSED,
     "if the server takes nothing at all, check <section> endpoint= and the proxy; what only it refuses goes into "
     "quarantine as soon as it takes something else"},
    {401, 401, CLOUD, NULL, AZM_UNAUTHORIZED,
     "the endpoint does not accept the token: are cloud= and audience= in [destination] those of the endpoint, and is "
     "this machine's clock right (timedatectl)? azmonlog check shows whose token it is"},
    {401, 401, OTLP, NULL, AZM_UNAUTHORIZED,
     "the server wants credentials: set them with header= or headers_file= in <section>"},
    {402, 402, CLOUD, NULL, AZM_MISCONFIGURED, "the quota is used up: raise the daily cap of the workspace, or wait"},
    {403, 403, AZURE, NULL, AZM_MISCONFIGURED,
     "the identity lacks its role on the data collection rule; this gives it, and may take 30 minutes: az role "
     "assignment create --assignee-object-id <principal> --assignee-principal-type ServicePrincipal --role 'Monitoring "
     "Metrics Publisher' --scope $(az monitor data-collection rule list --query \"[?immutableId=='<rule>'].id\" -o "
     "tsv)"},
    {403, 403, INSIGHTS, NULL, AZM_MISCONFIGURED,
     "the identity lacks its role on the Application Insights resource; this gives it, and may take 30 minutes: az "
     "role "
     "assignment create --assignee-object-id <principal> --assignee-principal-type ServicePrincipal --role 'Monitoring "
     "Metrics Publisher' --scope <resource id of the Application Insights resource>"},
    {403, 403, OTLP, NULL, AZM_MISCONFIGURED,
     "the server refuses these credentials: check their permissions, and header= or headers_file="},
    {404, 404, AZURE, NULL, AZM_MISCONFIGURED,
     "no such endpoint or rule; these show which there are, for dce= and dcr=: az monitor data-collection endpoint "
     "list "
     "--query '[].<ingestion>.endpoint'; az monitor data-collection rule list --query '[].immutableId'"},
    {404, 404, INSIGHTS, NULL, AZM_MISCONFIGURED,
     "this endpoint does not know the resource; this prints the connection string that does: az monitor app-insights "
     "component show --query '[].connectionString'"},
    {404, 405, ALL, NULL, AZM_MISCONFIGURED,
     "there is no OTLP receiver at this URL: check host and path of <section> endpoint="},
    {407, 407, ALL, NULL, AZM_MISCONFIGURED,
     "the proxy wants credentials: check the proxy in the environment (https_proxy)"},
    {408, 408, ALL, NULL, AZM_FAILED, NULL},
    {413, 413, ALL, NULL, AZM_TOO_LARGE, "the server takes only smaller requests: lower [batch] max_request_bytes"},
    {415, 415, AZURE, NULL, AZM_MISCONFIGURED,
     "the endpoint takes OTLP only as protobuf: endpoint= must end in /streams/<stream>, and "
     "no "
     "proxy may change the Content-Type (try curl -v https://HOST/ through it)"},
    {415, 415, INSIGHTS, NULL, AZM_MISCONFIGURED,
     "the endpoint does not take lines of JSON: check connection_string= and [export] compression="},
    {415, 415, ALL, NULL, AZM_MISCONFIGURED,
     "the server does not take OTLP as protobuf: check endpoint= and [export] compression="},
    {422, 422, ALL, NULL, AZM_REFUSED, "the server refuses the data: check endpoint=, and look into the server's log"},
    {429, 429, ALL, NULL, AZM_THROTTLED, NULL},
    {439, 439, CLOUD, NULL, AZM_MISCONFIGURED, "the quota is used up: raise the daily cap, or wait"},
    {500, 500, ALL, NULL, AZM_FAILED, NULL},
    {503, 503, ALL, NULL, AZM_OVERLOADED, NULL},
    {502, 504, ALL, NULL, AZM_FAILED, NULL},
    {500, 599, CLOUD, NULL, AZM_FAILED, NULL},
    {400, 599, ALL, NULL, AZM_MISCONFIGURED,
     "the server refuses the request: check endpoint=, and look into the server's own log"},
    {LONG_MIN, LONG_MAX, ALL, NULL, AZM_MISCONFIGURED,
     "the server's answer is not HTTP as expected: check <section> endpoint="},
};

/* What it means that no whole answer came; everything else is AZM_FAILED. */
static const struct transfer_rule {
    int code;
    enum azm_meaning meaning;
    const char *remedy;
} transfer_rules[] = {
    {CURLE_SSL_CACERT_BADFILE, AZM_MISCONFIGURED, "check tls_ca_file= in [destination]"},
    {CURLE_SSL_CERTPROBLEM, AZM_MISCONFIGURED, "check tls_cert_file= and tls_key_file= in [destination]"},
    {CURLE_PEER_FAILED_VERIFICATION, AZM_UNREACHABLE,
     "the name in <section> has to be the certificate's, this machine's clock right (timedatectl), the issuer "
     "known (package ca-certificates, or tls_ca_file=), and no proxy may inspect TLS"},
    {CURLE_SSL_CONNECT_ERROR, AZM_UNREACHABLE,
     "check that this is an https server with TLS 1.2 or newer, and whether it wants a certificate (tls_cert_file=)"},
    {CURLE_COULDNT_RESOLVE_HOST, AZM_UNREACHABLE,
     "check the host name in <section>, and the resolver (getent hosts HOST)"},
    {CURLE_COULDNT_RESOLVE_PROXY, AZM_UNREACHABLE, "check the proxy in the environment (https_proxy)"},
    {CURLE_COULDNT_CONNECT, AZM_UNREACHABLE,
     "check that the server runs, that <section> names it, and that a firewall or proxy (https_proxy) lets this "
     "host reach it; azmonlog check tells more"},
    {CURLE_GOT_NOTHING, AZM_FAILED, "if it goes on: is this an https server, and endpoint= says http?"},
};

/* --- what is in the way --- */

const char *azm_delivery_proxy_remedy(long connect_code)
{
    if (connect_code == 407)
        return "check the proxy: it wants other credentials, https_proxy=http://USER:PASSWORD@HOST:PORT in azmonlog's "
               "environment";
    if (connect_code >= 500 && connect_code <= 599)
        return "check the proxy (https_proxy): it does not reach the destination; is the host in [destination] right?";
    return "check the proxy (https_proxy): it does not let this host through to the destination; have its rules "
           "changed, "
           "or name the destination in no_proxy";
}

const char *azm_delivery_certificate_remedy(const char *curl_words)
{
    /* TLS alerts, in OpenSSL's words. With TLS 1.3 they come when the connection is already up. */
    static const char *const alerts[] = {"alert certificate", "alert bad certificate", "alert unsupported certificate",
                                         "alert unknown ca", "alert access denied"};

    for (size_t i = 0; i < ELEMENTSOF(alerts); i++)
        if (strstr(curl_words, alerts[i]))
            return "the server wants a certificate that it knows: check tls_cert_file= and tls_key_file= in "
                   "[destination], and which issuer the server trusts";
    return NULL;
}

bool azm_delivery_is_page(const struct azm_answer *a)
{
    return strncasecmp(a->content_type, "text/html", 9) == 0;
}

/* --- what the answer means --- */

/* --- items --- */

static const struct status_rule *find_rule(long status, enum azm_profile profile, const char *code)
{
    const struct status_rule *r = status_rules;

    while (status < r->first || status > r->last || !(r->profiles & 1 << profile) ||
           (r->code && strcmp(r->code, code) != 0))
        r++; /* the last row fits every status */
    return r;
}

/* An item that was accepted and then left out by the destination's own sampling has a status 2xx. */
static enum azm_meaning item_meaning(long status)
{
    enum azm_meaning m =
        status >= 200 && status <= 299 ? AZM_TAKEN : find_rule(status, AZM_PROFILE_APPINSIGHTS, "")->meaning;

    switch (m) {
    case AZM_UNAUTHORIZED:
    case AZM_REDIRECTED:
    case AZM_TOO_LARGE:
        return AZM_REFUSED; /* of one record among others that were taken, it is about the record */
    case AZM_MISCONFIGURED:
        return status == 402 || status == 439 ? AZM_MISCONFIGURED : AZM_REFUSED;
    default:
        return m;
    }
}

int azm_delivery_items(const struct azm_answer *a, size_t n, struct azm_items *ret)
{
    int r;

    *ret = (struct azm_items){.items = calloc(n, sizeof *ret->items), .n = n};
    if (!ret->items)
        return -ENOMEM;
    r = azm_answer_items(a, ret);
    for (size_t i = 0; i < n; i++) {
        if (ret->items[i].status == 0)
            ret->items[i].status = 200;
        ret->items[i].meaning = item_meaning(ret->items[i].status);
    }
    return r;
}

void azm_items_free(struct azm_items *items)
{
    free(items->items);
    azm_answer_items_free(items->body);
    *items = (struct azm_items){0};
}

/* Worse ones are further down. */
static const enum azm_meaning by_weight[] = {AZM_TAKEN,      AZM_REFUSED,   AZM_FAILED,
                                             AZM_OVERLOADED, AZM_THROTTLED, AZM_MISCONFIGURED};

/* 206 of Application Insights: some were accepted, as a rule. */
static void understand_items(const struct azm_answer *a, size_t records, struct azm_verdict *v)
{
    _cleanup_(azm_items_free) struct azm_items items = {0};
    size_t count[ELEMENTSOF(by_weight)] = {0};

    if (azm_delivery_items(a, records, &items) < 0) {
        v->meaning = AZM_FAILED;
        snprintf(v->reason, sizeof v->reason, "HTTP %ld without a word on which records were accepted", a->status);
        return;
    }
    for (size_t i = 0; i < records; i++)
        for (size_t w = 0; w < ELEMENTSOF(by_weight); w++)
            count[w] += items.items[i].meaning == by_weight[w];
    v->meaning = count[0] == records ? AZM_TAKEN : AZM_TAKEN_PARTLY;
    if (v->meaning == AZM_TAKEN)
        return;
    snprintf(v->reason, sizeof v->reason, "HTTP %ld: %zu of %zu records accepted", a->status, count[0], records);
    for (size_t w = 1; w < ELEMENTSOF(by_weight) && count[0] == 0; w++)
        if (count[w] > 0)
            v->meaning = by_weight[w]; /* of all of it: none was accepted */
    if (v->meaning == AZM_MISCONFIGURED)
        v->remedy = find_rule(402, AZM_PROFILE_APPINSIGHTS, "")->remedy;
}

static void understand_success(const struct azm_answer *a, const struct azm_attempt *t, struct azm_verdict *v)
{
    size_t records = t->records;

    int64_t rejected = a->body_cut ? 0 : azm_answer_rejected(a);

    v->meaning = AZM_MISCONFIGURED;
    if (a->body_cut) {
        snprintf(v->reason, sizeof v->reason, "HTTP %ld with an endless answer", a->status);
        v->remedy = "this is no OTLP receiver: check <section> endpoint=";
    } else if (azm_delivery_is_page(a)) {
        /* a captive portal or login page, which stores nothing */
        snprintf(v->reason, sizeof v->reason, "HTTP %ld with a web page", a->status);
        v->remedy = "this is no OTLP receiver: check <section> endpoint= and the proxy";
    } else if (t->profile == AZM_PROFILE_APPINSIGHTS && a->status == 206) {
        understand_items(a, records, v);
    } else if (rejected > 0) {
        v->meaning = AZM_TAKEN_PARTLY;
        v->rejected = MIN((uint64_t)rejected, (uint64_t)records);
        snprintf(v->reason, sizeof v->reason, "HTTP %ld, but %" PRIu64 " of %zu records rejected", a->status,
                 v->rejected, records);
    } else
        v->meaning = AZM_TAKEN;
}

/* Azure's 403 also says, in words, that the rule does not belong to this endpoint. */
static bool is_unbound(const struct azm_answer *a)
{
    static const char key[] = "IsDcrDceBindingValid";
    const char *p = a->body_len > 0 ? memmem(a->body, a->body_len, key, strlen(key)) : NULL;
    size_t left;

    if (!p)
        return false;
    p += strlen(key);
    left = a->body_len - (size_t)(p - (const char *)a->body);
    for (; left > 0 && strchr("\\\": =", *p) && *p; p++)
        left--;
    return left >= 5 && strncasecmp(p, "false", 5) == 0;
}

static void understand_status(const struct azm_answer *a, const struct azm_attempt *t, struct azm_verdict *v)
{
    const struct status_rule *r;

    azm_answer_code(a, v->code);
    r = find_rule(a->status, t->profile, v->code);
    v->meaning = r->meaning;
    v->remedy = r->remedy;
    if (v->meaning == AZM_UNAUTHORIZED && t->profile != AZM_PROFILE_OTLP && !t->token && !t->renewable)
        v->remedy =
            "the endpoint wants a token: set auth=default, or the kind of identity that there is, in [destination]";
    if (a->status == 403 && t->profile == AZM_PROFILE_AZURE && is_unbound(a))
        v->remedy = "dce= is not the endpoint that the rule belongs to; this prints the one that is: az monitor "
                    "data-collection rule list --query \"[?immutableId=='<rule>'].dataCollectionEndpointId\" -o tsv";
    if (azm_delivery_is_page(a) && (v->meaning == AZM_REFUSED || (t->profile != AZM_PROFILE_OTLP && a->status < 407))) {
        snprintf(v->reason, sizeof v->reason, "HTTP %ld with a web page", a->status);
        v->remedy = "a proxy or web server answers instead of a receiver: check <section> endpoint= and the proxy, and "
                    "whether it wants a certificate (tls_cert_file=); azmonlog check --send shows the page's title";
    } else if (*v->code)
        snprintf(v->reason, sizeof v->reason, "HTTP %ld (%s)", a->status, v->code);
    else
        snprintf(v->reason, sizeof v->reason, "HTTP %ld", a->status);
}

static void understand_failed_transfer(const struct azm_answer *a, struct azm_verdict *v)
{
    const char *certificate = azm_delivery_certificate_remedy(a->curl_words);

    snprintf(v->reason, sizeof v->reason, "%.180s", a->curl_words);
    v->meaning = AZM_FAILED;
    if (a->connect_code != 0 && (a->connect_code < 200 || a->connect_code > 299)) {
        /* it never got to the destination, whatever is in it */
        v->meaning = a->connect_code >= 500 && a->connect_code <= 599 ? AZM_UNREACHABLE : AZM_MISCONFIGURED;
        v->remedy = azm_delivery_proxy_remedy(a->connect_code);
        return;
    }
    if (certificate) {
        v->meaning = AZM_MISCONFIGURED;
        v->remedy = certificate;
        return;
    }
    for (size_t i = 0; i < ELEMENTSOF(transfer_rules); i++)
        if (a->curl_code == transfer_rules[i].code) {
            v->meaning = transfer_rules[i].meaning;
            v->remedy = transfer_rules[i].remedy;
        }
}

/* What an engine says it has understood already, but for libcurl's failures. */
static void understand_stream(const struct azm_answer *a, struct azm_verdict *v)
{
    v->meaning = a->stream->meaning;
    v->remedy = a->stream->remedy;
    snprintf(v->reason, sizeof v->reason, "%s", a->stream->words);
}

/* --- what to do --- */

/* Refused data is refused for itself only if the destination takes other data; else it is a wrong proxy or path that
 * refuses everything. */
static enum azm_decision decide_refused(const struct azm_attempt *t, bool too_large)
{
    if (!t->proven)
        return AZM_HOLD;
    if (t->records > 1)
        return AZM_SPLIT;
    return too_large && !t->truncated ? AZM_TRUNCATE : AZM_QUARANTINE;
}

/* A request that fails time and again while others pass may hold a record that breaks the server. */
static enum azm_decision decide_failed(const struct azm_attempt *t, struct azm_verdict *v)
{
    if (t->failures > 0 && !t->others_passed)
        return AZM_RETRY; /* an outage, as far as anybody knows */
    v->failures = t->failures + 1;
    if (v->failures < (t->suspect && t->records > 1 ? AZM_SUSPECT_FAILURES_MAX : AZM_FAILURES_MAX))
        return AZM_RETRY;
    v->suspect = true;
    return t->records > 1 ? AZM_SPLIT : AZM_QUARANTINE;
}

static enum azm_decision decide_redirected(const struct azm_answer *a, const struct azm_attempt *t,
                                           struct azm_verdict *v)
{
    if (strncasecmp(a->redirect_url, "https://", 8) != 0)
        return AZM_HOLD;
    if (t->redirects >= AZM_REDIRECTS_MAX) {
        v->remedy = "the server redirects again and again: check <section> endpoint=";
        return AZM_HOLD;
    }
    v->keep_credentials = azm_answer_same_origin(t->origin, a->redirect_url) ||
                          (t->profile != AZM_PROFILE_OTLP &&
                           azm_answer_is_azure(a->redirect_url, t->trusted_suffix ? t->trusted_suffix : ""));
    return AZM_FOLLOW;
}

static enum azm_decision decide(const struct azm_answer *a, const struct azm_attempt *t, struct azm_verdict *v)
{
    switch (v->meaning) {
    case AZM_TAKEN:
        return AZM_ACKNOWLEDGE;
    case AZM_TAKEN_PARTLY:
        return t->profile == AZM_PROFILE_APPINSIGHTS && a->status == 206 ? AZM_SORT : AZM_ACKNOWLEDGE_PARTIAL;
    case AZM_UNREACHABLE:
    case AZM_OVERLOADED:
    case AZM_THROTTLED:
        return AZM_RETRY;
    case AZM_FAILED:
        return decide_failed(t, v);
    case AZM_UNAUTHORIZED:
        return t->renewable ? AZM_RENEW : AZM_HOLD;
    case AZM_MISCONFIGURED:
        return AZM_HOLD;
    case AZM_REFUSED:
        return decide_refused(t, false);
    case AZM_TOO_LARGE:
        return decide_refused(t, true);
    case AZM_REDIRECTED:
        return decide_redirected(a, t, v);
    }
    return AZM_HOLD;
}

void azm_delivery_decide(const struct azm_answer *a, const struct azm_attempt *t, uint64_t now_realtime_usec,
                         struct azm_verdict *ret)
{
    struct azm_verdict v = {.failures = t->failures};

    if (a->curl_code != CURLE_OK && !a->body_cut)
        understand_failed_transfer(a, &v);
    else if (a->stream)
        understand_stream(a, &v);
    else if (a->status >= 200 && a->status <= 299)
        understand_success(a, t, &v);
    else
        understand_status(a, t, &v);
    v.decision = decide(a, t, &v);
    if (v.decision != AZM_ACKNOWLEDGE && v.decision != AZM_ACKNOWLEDGE_PARTIAL)
        v.retry_after_usec = azm_retry_after_usec(a->retry_after, now_realtime_usec);
    *ret = v;
}

void azm_delivery_decide_item(const struct azm_item *item, const struct azm_attempt *t, struct azm_verdict *ret)
{
    struct azm_verdict v = {.meaning = item->meaning, .failures = t->failures};

    snprintf(v.reason, sizeof v.reason, "status %ld for %zu of the records in a request", item->status, t->records);
    if (v.meaning == AZM_MISCONFIGURED)
        v.remedy = find_rule(item->status, AZM_PROFILE_APPINSIGHTS, "")->remedy;
    v.decision = v.meaning == AZM_REFUSED ? AZM_QUARANTINE : decide(NULL, t, &v);
    *ret = v;
}

void azm_delivery_words(const struct azm_answer *a, char ret[static AZM_WORDS_MAX])
{
    if ((a->curl_code != CURLE_OK && !a->body_cut) || a->stream)
        snprintf(ret, AZM_WORDS_MAX, "%s", a->curl_words);
    else
        azm_answer_message(a, ret);
}
