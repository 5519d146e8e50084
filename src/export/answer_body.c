/* SPDX-License-Identifier: MIT */
#include <curl/curl.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/cleanup.h"
#include "export/answer_body.h"
#include "proto/otlp_logs.pb-c.h"

/* --- bodies --- */

static bool has_type(const struct azm_answer *a, const char *type)
{
    return strncasecmp(a->content_type, type, strlen(type)) == 0;
}

static void free_json(json_t **j)
{
    json_decref(*j);
}

/* The body if it is a JSON object, else NULL. jansson bounds the depth. */
static json_t *load_json(const struct azm_answer *a)
{
    json_t *j;

    if (a->body_len == 0 || !memchr(a->body, '{', MIN(a->body_len, (size_t)16)))
        return NULL;
    j = json_loadb((const char *)a->body, a->body_len, JSON_REJECT_DUPLICATES, NULL);
    if (j && !json_is_object(j)) {
        json_decref(j);
        return NULL;
    }
    return j;
}

/* A 64-bit number, which JSON's protobuf form may write as a string. */
static int64_t to_number(const json_t *j)
{
    return json_is_string(j) ? strtoll(json_string_value(j), NULL, 10) : (int64_t)json_integer_value(j);
}

static Otlp__ExportLogsServiceResponse *unpack_response(const struct azm_answer *a)
{
    return a->body_len > 0 ? otlp__export_logs_service_response__unpack(NULL, a->body_len, a->body) : NULL;
}

int64_t azm_answer_rejected(const struct azm_answer *a)
{
    int64_t rejected = 0;

    if (has_type(a, "application/x-protobuf")) {
        Otlp__ExportLogsServiceResponse *r = unpack_response(a);

        rejected = r && r->partial_success ? r->partial_success->rejected_log_records : 0;
        if (r)
            otlp__export_logs_service_response__free_unpacked(r, NULL);
    } else if (has_type(a, "application/json")) {
        _cleanup_(free_json) json_t *j = load_json(a);

        rejected = to_number(json_object_get(json_object_get(j, "partialSuccess"), "rejectedLogRecords"));
    }
    return rejected;
}

static bool is_word(const char *s)
{
    size_t n = strspn(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-");

    return n > 0 && n <= 64 && s[n] == '\0';
}

/* A member of the error in a JSON body, flat or within "error". */
static const char *error_member(const json_t *body, const char *key)
{
    const json_t *error = json_object_get(body, "error");

    return json_string_value(json_object_get(json_is_object(error) ? error : body, key));
}

void azm_answer_code(const struct azm_answer *a, char ret[static AZM_CODE_MAX])
{
    _cleanup_(free_json) json_t *body = *a->error_code ? NULL : load_json(a);
    const char *code = *a->error_code ? a->error_code : error_member(body, "code");

    snprintf(ret, AZM_CODE_MAX, "%s", code && is_word(code) ? code : "");
}

static void message_of_protobuf(const struct azm_answer *a, char ret[static AZM_WORDS_MAX])
{
    if (a->status >= 200 && a->status <= 299) {
        Otlp__ExportLogsServiceResponse *r = unpack_response(a);

        snprintf(ret, AZM_WORDS_MAX, "%s", r && r->partial_success ? r->partial_success->error_message : "");
        if (r)
            otlp__export_logs_service_response__free_unpacked(r, NULL);
    } else {
        Otlp__Status *s = a->body_len > 0 ? otlp__status__unpack(NULL, a->body_len, a->body) : NULL;

        snprintf(ret, AZM_WORDS_MAX, "%s", s ? s->message : "");
        if (s)
            otlp__status__free_unpacked(s, NULL);
    }
}

void azm_answer_message(const struct azm_answer *a, char ret[static AZM_WORDS_MAX])
{
    _cleanup_(free_json) json_t *body = NULL;
    const char *words;

    *ret = '\0';
    if (has_type(a, "application/x-protobuf")) {
        message_of_protobuf(a, ret);
        return;
    }
    body = load_json(a);
    words = error_member(body, "message");
    if (!words)
        words = json_string_value(json_object_get(json_object_get(body, "partialSuccess"), "errorMessage"));
    if (words)
        snprintf(ret, AZM_WORDS_MAX, "%s", words);
    else if (has_type(a, "text/plain"))
        snprintf(ret, AZM_WORDS_MAX, "%.*s", (int)MIN(a->body_len, (size_t)AZM_WORDS_MAX), (const char *)a->body);
}

/* --- URLs --- */

static void free_url(CURLU **u)
{
    curl_url_cleanup(*u);
}

static CURLU *parse_url(const char *s)
{
    CURLU *u = curl_url();

    if (u && curl_url_set(u, CURLUPART_URL, s, 0) != CURLUE_OK) {
        curl_url_cleanup(u);
        return NULL;
    }
    return u;
}

static bool same_part(CURLU *a, CURLU *b, CURLUPart part)
{
    char *x = NULL, *y = NULL;
    bool same = curl_url_get(a, part, &x, CURLU_DEFAULT_PORT) == CURLUE_OK &&
                curl_url_get(b, part, &y, CURLU_DEFAULT_PORT) == CURLUE_OK && strcasecmp(x, y) == 0;

    curl_free(x);
    curl_free(y);
    return same;
}

bool azm_answer_same_origin(const char *a, const char *b)
{
    _cleanup_(free_url) CURLU *u = parse_url(a), *v = parse_url(b);

    return u && v && same_part(u, v, CURLUPART_SCHEME) && same_part(u, v, CURLUPART_HOST) &&
           same_part(u, v, CURLUPART_PORT);
}

bool azm_answer_is_azure(const char *url)
{
    static const char *const suffixes[] = {
        ".ingest.monitor.azure.com",      ".ingest.monitor.azure.us", ".ingest.monitor.azure.cn",
        ".applicationinsights.azure.com", ".applicationinsights.us",  ".applicationinsights.azure.cn",
        ".services.visualstudio.com",
    };
    _cleanup_(free_url) CURLU *u = parse_url(url);
    char *host = NULL;
    bool found = false;

    if (!u || strncasecmp(url, "https://", 8) != 0 || curl_url_get(u, CURLUPART_HOST, &host, 0) != CURLUE_OK)
        return false;
    for (size_t i = 0; i < ELEMENTSOF(suffixes); i++) {
        size_t n = strlen(suffixes[i]), len = strlen(host);

        found |= len > n && strcasecmp(host + len - n, suffixes[i]) == 0;
    }
    curl_free(host);
    return found;
}
