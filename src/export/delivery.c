/* SPDX-License-Identifier: MIT */
#include <ctype.h>
#include <curl/curl.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "core/cleanup.h"
#include "core/clock.h"
#include "export/delivery.h"
#include "proto/otlp_logs.pb-c.h"

#define RETRY_AFTER_MAX_USEC (3600 * AZM_USEC_PER_SEC) /* longer is an error, or as good as a hold */

#define REASON_BYTES sizeof(((struct azm_verdict *)NULL)->reason)

static const long retryable[] = {408, 429, 500, 502, 503, 504};

static const struct {
    long first, last;
    const char *remedy;
} remedies[] = {
    {300, 399, "the server redirects: set [destination] endpoint= to the final URL"},
    {401, 401, "the server wants credentials: set them with header= or headers_file= in [destination]"},
    {403, 403, "the server refuses these credentials: check their permissions, and header= or headers_file="},
    {404, 405, "there is no OTLP receiver at this URL: check host and path of [destination] endpoint="},
    {407, 407, "the proxy wants credentials: check the proxy in the environment (https_proxy)"},
    {413, 413, "the server takes only smaller requests: lower [batch] max_request_bytes"},
    {415, 415, "the server does not take OTLP as protobuf: check endpoint= and [export] compression="},
    {400, 599, "the server refuses the request: check endpoint=, and look into the server's own log"},
};

/* Retry-After (RFC 9110, 10.2.3): seconds or a date. 0 if there is none, or none that makes sense. */
static uint64_t parse_retry_after(const char *value, uint64_t now_realtime_usec)
{
    uint64_t seconds = 0;
    time_t date;

    while (isspace((unsigned char)*value))
        value++;
    if (isdigit((unsigned char)*value)) {
        const char *p = value;

        for (; isdigit((unsigned char)*p); p++)
            seconds = MIN(seconds * 10 + (uint64_t)(*p - '0'), (uint64_t)INT32_MAX);
        if (*p != '\0' && !isspace((unsigned char)*p))
            return 0;
        return MIN(seconds * AZM_USEC_PER_SEC, RETRY_AFTER_MAX_USEC);
    }
    date = curl_getdate(value, NULL);
    if (date <= 0 || (uint64_t)date * AZM_USEC_PER_SEC <= now_realtime_usec)
        return 0;
    return MIN((uint64_t)date * AZM_USEC_PER_SEC - now_realtime_usec, RETRY_AFTER_MAX_USEC);
}

static const char *remedy_for(long status)
{
    for (size_t i = 0; i < ELEMENTSOF(remedies); i++)
        if (status >= remedies[i].first && status <= remedies[i].last)
            return remedies[i].remedy;
    return "the server's answer is not HTTP as expected: check [destination] endpoint=";
}

/* An error code is a word such as InvalidStream; anything else could carry contents and is not shown. */
static bool is_word(const char *s)
{
    size_t n = strspn(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-");

    return n > 0 && n <= 64 && s[n] == '\0';
}

/* Azure's error code: header x-ms-error-code, or "code" in the JSON body, flat or within "error". */
static void describe_status(const struct azm_answer *a, char reason[static REASON_BYTES])
{
    json_t *body = NULL, *error;
    const char *code = a->error_code;

    if (!*code && a->body_len > 0 && *a->body == '{') {
        body = json_loadb((const char *)a->body, a->body_len, 0, NULL);
        error = json_object_get(body, "error");
        code = json_string_value(json_object_get(error ? error : body, "code"));
    }
    if (code && is_word(code))
        snprintf(reason, REASON_BYTES, "HTTP %ld (%s)", a->status, code);
    else
        snprintf(reason, REASON_BYTES, "HTTP %ld", a->status);
    json_decref(body);
}

/* The number of records that a 2xx answer rejects. A body that is no ExportLogsServiceResponse says nothing. */
static int64_t rejected_records(const struct azm_answer *a)
{
    Otlp__ExportLogsServiceResponse *r;
    int64_t rejected;

    if (a->body_len == 0 || strncasecmp(a->content_type, "application/x-protobuf", 22) != 0)
        return 0;
    r = otlp__export_logs_service_response__unpack(NULL, a->body_len, a->body);
    rejected = r && r->partial_success ? r->partial_success->rejected_log_records : 0;
    if (r)
        otlp__export_logs_service_response__free_unpacked(r, NULL);
    return rejected;
}

static void decide_success(const struct azm_answer *a, struct azm_verdict *v)
{
    int64_t rejected = rejected_records(a);

    if (a->body_cut) {
        v->decision = AZM_HOLD;
        snprintf(v->reason, sizeof v->reason, "HTTP %ld with an endless answer", a->status);
        v->remedy = "this is no OTLP receiver: check [destination] endpoint=";
    } else if (rejected > 0) {
        v->decision = AZM_HOLD;
        snprintf(v->reason, sizeof v->reason, "HTTP %ld, but %" PRIi64 " records rejected", a->status, rejected);
        v->remedy = "look into the server's log for what it does not like";
    } else if (strncasecmp(a->content_type, "text/html", 9) == 0) {
        v->decision = AZM_HOLD; /* a captive portal or login page, which stores nothing */
        snprintf(v->reason, sizeof v->reason, "HTTP %ld with a web page", a->status);
        v->remedy = "this is no OTLP receiver: check [destination] endpoint= and the proxy";
    } else
        v->decision = AZM_ACKNOWLEDGE;
}

static void decide_failed_transfer(const struct azm_answer *a, struct azm_verdict *v)
{
    snprintf(v->reason, sizeof v->reason, "%.180s", a->curl_words);
    switch (a->curl_code) {
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_CERTPROBLEM:
        v->decision = AZM_HOLD;
        v->remedy = "check tls_ca_file=, tls_cert_file= and tls_key_file= in [destination]";
        break;
    case CURLE_PEER_FAILED_VERIFICATION:
        v->decision = AZM_RETRY;
        v->remedy = "the server's certificate is not trusted: check the host name in endpoint=, and tls_ca_file=";
        break;
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
    case CURLE_COULDNT_CONNECT:
        v->decision = AZM_RETRY;
        v->remedy = "check that the server runs and that endpoint= names it";
        break;
    case CURLE_GOT_NOTHING:
        v->decision = AZM_RETRY;
        v->remedy = "if it goes on: is this an https server, and endpoint= says http?";
        break;
    default:
        v->decision = AZM_RETRY;
        break;
    }
}

void azm_delivery_decide(const struct azm_answer *a, uint64_t now_realtime_usec, struct azm_verdict *ret)
{
    struct azm_verdict v = {.decision = AZM_HOLD};

    if (a->curl_code != CURLE_OK && !a->body_cut)
        decide_failed_transfer(a, &v);
    else if (a->status >= 200 && a->status <= 299)
        decide_success(a, &v);
    else {
        for (size_t i = 0; i < ELEMENTSOF(retryable); i++)
            if (a->status == retryable[i])
                v.decision = AZM_RETRY;
        v.remedy = v.decision == AZM_HOLD ? remedy_for(a->status) : NULL;
        describe_status(a, v.reason);
    }
    if (v.decision != AZM_ACKNOWLEDGE)
        v.retry_after_usec = parse_retry_after(a->retry_after, now_realtime_usec);
    *ret = v;
}
