/* SPDX-License-Identifier: MIT */
#include <curl/curl.h>
#include <errno.h>
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

        const json_t *partial = json_object_get(j, "partialSuccess"),
                     *records = json_object_get(partial, "rejectedLogRecords");

        rejected = to_number(records ? records : json_object_get(partial, "rejectedDataPoints"));
    }
    return rejected;
}

int azm_answer_items(const struct azm_answer *a, struct azm_items *items)
{
    json_t *body = load_json(a);
    const json_t *errors = json_object_get(body, "errors"), *error;
    const json_t *accepted = json_object_get(body, "itemsAccepted");
    size_t i, unnamed = items->n;

    items->body = body;
    if (!json_is_array(errors) || json_integer_value(json_object_get(body, "itemsReceived")) != (json_int_t)items->n)
        return -EBADMSG;
    json_array_foreach(errors, i, error)
    {
        const json_t *index = json_object_get(error, "index"), *status = json_object_get(error, "statusCode");
        struct azm_item *item;

        if (!json_is_integer(index) || !json_is_integer(status) || json_integer_value(index) < 0 ||
            json_integer_value(index) >= (json_int_t)items->n || json_integer_value(status) < 100 ||
            json_integer_value(status) > 599)
            return -EBADMSG;
        item = &items->items[json_integer_value(index)];
        unnamed -= item->status == 0;
        item->status = (long)json_integer_value(status);
        item->message = json_string_value(json_object_get(error, "message"));
    }
    /* What it does not name counts as accepted, but not against its own word. */
    return json_is_integer(accepted) && json_integer_value(accepted) < (json_int_t)unnamed ? -EBADMSG : 0;
}

void azm_answer_items_free(void *body)
{
    json_decref(body);
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

/* What stands in <title>: enough to know the page by. */
static void title_of_page(const struct azm_answer *a, char ret[static AZM_WORDS_MAX])
{
    static const char begin[] = "<title>";
    const char *title = a->body_len > 0 ? memmem(a->body, a->body_len, begin, strlen(begin)) : NULL, *end;
    size_t left;

    if (!title)
        return;
    title += strlen(begin);
    left = a->body_len - (size_t)(title - (const char *)a->body);
    end = memchr(title, '<', left);
    snprintf(ret, AZM_WORDS_MAX, "%.*s", (int)MIN(end ? (size_t)(end - title) : left, (size_t)AZM_WORDS_MAX), title);
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
    if (!words) /* of Application Insights, about the first record that it refuses */
        words = json_string_value(json_object_get(json_array_get(json_object_get(body, "errors"), 0), "message"));
    if (!words)
        words = json_string_value(json_object_get(json_object_get(body, "partialSuccess"), "errorMessage"));
    if (words)
        snprintf(ret, AZM_WORDS_MAX, "%s", words);
    else if (azm_delivery_is_page(a))
        title_of_page(a, ret);
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

static bool ends_in(const char *host, const char *suffix)
{
    size_t n = strlen(suffix), len = strlen(host);

    return n > 0 && len > n && host[len - n - 1] == '.' && strcasecmp(host + len - n, suffix) == 0;
}

bool azm_answer_is_azure(const char *url, const char *suffix)
{
    static const char *const suffixes[] = {
        "ingest.monitor.azure.com",      "ingest.monitor.azure.us", "ingest.monitor.azure.cn",
        "applicationinsights.azure.com", "applicationinsights.us",  "applicationinsights.azure.cn",
        "services.visualstudio.com",
    };
    _cleanup_(free_url) CURLU *u = parse_url(url);
    char *host = NULL;
    bool found;

    if (!u || strncasecmp(url, "https://", 8) != 0 || curl_url_get(u, CURLUPART_HOST, &host, 0) != CURLUE_OK)
        return false;
    found = ends_in(host, suffix);
    for (size_t i = 0; i < ELEMENTSOF(suffixes); i++)
        found |= ends_in(host, suffixes[i]);
    curl_free(host);
    return found;
}

/* `url` with the scheme, host and port of `to`. */
static char *move_url(const char *url, const char *to)
{
    static const CURLUPart parts[] = {CURLUPART_SCHEME, CURLUPART_HOST, CURLUPART_PORT};
    _cleanup_(free_url) CURLU *u = parse_url(url), *v = parse_url(to);
    char *moved = NULL, *copy;
    bool ok = u && v;

    for (size_t i = 0; i < ELEMENTSOF(parts) && ok; i++) {
        char *part = NULL;

        ok = curl_url_get(v, parts[i], &part, CURLU_DEFAULT_PORT) == CURLUE_OK &&
             curl_url_set(u, parts[i], part, 0) == CURLUE_OK;
        curl_free(part);
    }
    if (!ok || curl_url_get(u, CURLUPART_URL, &moved, CURLU_NO_DEFAULT_PORT) != CURLUE_OK)
        return NULL;
    copy = strdup(moved);
    curl_free(moved);
    return copy;
}

char *azm_answer_redirected(enum azm_profile profile, const char *origin, const char *redirect_url)
{
    return profile == AZM_PROFILE_APPINSIGHTS ? move_url(origin, redirect_url) : strdup(redirect_url);
}
