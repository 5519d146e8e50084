/* SPDX-License-Identifier: MIT */
#include <curl/curl.h>
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "core/header.h"
#include "export/http.h"

#define ANSWER_MAX_BYTES ((size_t)4 * 1024 * 1024) /* opentelemetry-proto: client response size limit */
#define ANSWER_KEPT_BYTES ((size_t)64 * 1024)
#define HEADERS_MAX_BYTES ((size_t)256 * 1024) /* of all answers to a request, informational ones and a proxy's too */
#define HEADER_KEPT_BYTES 128
#define USER_AGENT "azmonlog/" PACKAGE_VERSION " OTel-OTLP-Exporter-C/" PACKAGE_VERSION

struct azm_http_settings {
    unsigned references;
    bool gzip;
    unsigned connections;
    CURL *easy; /* requests are duplicates of it */
    char *url;
    struct curl_slist *headers, *headers_abroad; /* abroad: without the configured ones, which may be secrets */
    CURLSH *gathered;
};

struct azm_http {
    CURLM *multi;
    struct azm_http_settings *settings; /* of the requests to come */
};

struct azm_http_request {
    struct azm_http *http;
    struct azm_http_settings *settings;
    void *userdata;
    CURL *easy;
    bool running;
    char error[CURL_ERROR_SIZE];
    char id[AZM_GUID_MAX], id_header[sizeof "x-ms-client-request-id: " + AZM_GUID_MAX];
    struct azm_secret *token;
    struct curl_slist own_headers[2]; /* of this transfer; they lead to the settings' ones */
    struct azm_buf body;
    size_t body_bytes, header_bytes;
    bool body_cut;
    char content_type[HEADER_KEPT_BYTES], retry_after[HEADER_KEPT_BYTES], error_code[HEADER_KEPT_BYTES],
        request_id[HEADER_KEPT_BYTES];
};

int azm_http_global_init(struct azm_error *err)
{
    if (curl_global_init(CURL_GLOBAL_ALL) != CURLE_OK)
        return azm_error_set(err, EIO, "libcurl cannot start");
    return 0;
}

/* --- answers --- */

/* A success may say of each record what came of it. */
static size_t kept_bytes(const struct azm_http_request *r)
{
    long status = 0;

    curl_easy_getinfo(r->easy, CURLINFO_RESPONSE_CODE, &status);
    return status >= 200 && status <= 299 ? ANSWER_MAX_BYTES : ANSWER_KEPT_BYTES;
}

static size_t on_body(char *data, size_t size, size_t n, void *userdata)
{
    struct azm_http_request *r = userdata;
    size_t len = size * n, keep = MIN(len, kept_bytes(r) - r->body.len);

    if (azm_buf_append(&r->body, data, keep) < 0)
        return 0;
    r->body_bytes += len;
    if (r->body_bytes > ANSWER_MAX_BYTES) {
        r->body_cut = true;
        return 0; /* libcurl ends the transfer */
    }
    return len;
}

/* Copies the value of `name` if this header line is it. */
static void keep_header(struct azm_text line, const char *name, char ret[static HEADER_KEPT_BYTES])
{
    struct azm_text value = azm_header_value(line, name);

    if (!value.s)
        return;
    value.len = MIN(value.len, (size_t)HEADER_KEPT_BYTES - 1);
    memcpy(ret, value.s, value.len);
    ret[value.len] = '\0';
}

static size_t on_header(char *data, size_t size, size_t n, void *userdata)
{
    struct azm_http_request *r = userdata;
    struct azm_text line = {data, size * n};

    r->header_bytes += line.len;
    if (r->header_bytes > HEADERS_MAX_BYTES)
        return 0;                                         /* libcurl ends the transfer */
    if (line.len > 5 && strncmp(line.s, "HTTP/", 5) == 0) /* a new answer begins: forget an informational one */
        *r->content_type = *r->retry_after = *r->error_code = *r->request_id = '\0';
    keep_header(line, "Content-Type", r->content_type);
    keep_header(line, "Retry-After", r->retry_after);
    keep_header(line, "x-ms-error-code", r->error_code);
    keep_header(line, "x-ms-request-id", r->request_id);
    keep_header(line, "x-request-id", r->request_id);
    return line.len;
}

/* --- settings --- */

static bool add_header(struct curl_slist **list, const char *line)
{
    struct curl_slist *l = curl_slist_append(*list, line);

    if (!l)
        return false;
    *list = l;
    return true;
}

static bool add_own_headers(struct curl_slist **list, const struct azm_http_options *o)
{
    char type[HEADER_KEPT_BYTES];

    snprintf(type, sizeof type, "Content-Type: %s", o->content_type);
    return add_header(list, type) && add_header(list, "Expect:") &&
           (!o->gzip || add_header(list, "Content-Encoding: gzip"));
}

static bool make_headers(struct azm_http_settings *s, const struct azm_http_options *o)
{
    bool ok = add_own_headers(&s->headers, o) && add_own_headers(&s->headers_abroad, o);

    for (size_t i = 0; ok && o->headers[i]; i++)
        ok = add_header(&s->headers, o->headers[i]);
    return ok;
}

/* Only one thread uses it at a time, so it needs no locks. */
static bool make_share(struct azm_http_settings *s)
{
    s->gathered = curl_share_init();
    return s->gathered && curl_share_setopt(s->gathered, CURLSHOPT_SHARE, CURL_LOCK_DATA_CONNECT) == CURLSHE_OK &&
           curl_share_setopt(s->gathered, CURLSHOPT_SHARE, CURL_LOCK_DATA_DNS) == CURLSHE_OK &&
           curl_share_setopt(s->gathered, CURLSHOPT_SHARE, CURL_LOCK_DATA_SSL_SESSION) == CURLSHE_OK;
}

static CURLcode set_options(const struct azm_http_settings *s, const struct azm_http_options *o)
{
    long timeout_ms = (long)MIN(o->timeout_usec / AZM_USEC_PER_MSEC, (uint64_t)INT_MAX);
    CURLcode r = CURLE_OK;

#define SET(option, value) (r = r == CURLE_OK ? curl_easy_setopt(s->easy, option, value) : r)
    SET(CURLOPT_URL, o->url);
    SET(CURLOPT_HTTPHEADER, s->headers);
    SET(CURLOPT_USERAGENT, USER_AGENT);
    SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    SET(CURLOPT_POST, 1L);
    SET(CURLOPT_FOLLOWLOCATION, 0L);
#if LIBCURL_VERSION_NUM >= 0x075500
    SET(CURLOPT_PROTOCOLS_STR, "http,https");
#else
    SET(CURLOPT_PROTOCOLS, (long)(CURLPROTO_HTTP | CURLPROTO_HTTPS));
#endif
#if LIBCURL_VERSION_NUM >= 0x075700
    SET(CURLOPT_QUICK_EXIT, 1L);       /* shutting down must not wait for a resolver thread that hangs */
    SET(CURLOPT_CA_CACHE_TIMEOUT, 0L); /* else a CA file that was repaired would not be read for a day */
#endif
    SET(CURLOPT_NOSIGNAL, 1L);
    SET(CURLOPT_TIMEOUT_MS, timeout_ms);
    SET(CURLOPT_CONNECTTIMEOUT_MS, timeout_ms);
    SET(CURLOPT_TCP_KEEPALIVE, 1L);
    SET(CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    if (*o->tls_ca_file)
        SET(CURLOPT_CAINFO, o->tls_ca_file);
    if (*o->tls_cert_file)
        SET(CURLOPT_SSLCERT, o->tls_cert_file);
    if (*o->tls_key_file)
        SET(CURLOPT_SSLKEY, o->tls_key_file);
    SET(CURLOPT_WRITEFUNCTION, on_body);
    SET(CURLOPT_HEADERFUNCTION, on_header);
#undef SET
    return r;
}

int azm_http_settings_new(const struct azm_http_options *o, struct azm_http_settings **ret, struct azm_error *err)
{
    struct azm_http_settings *s = calloc(1, sizeof *s);
    CURLcode r = CURLE_OUT_OF_MEMORY;

    if (!s)
        return azm_error_set(err, ENOMEM, "out of memory");
    s->references = 1;
    s->gzip = o->gzip;
    s->connections = o->connections;
    s->url = strdup(o->url);
    s->easy = curl_easy_init();
    if (s->url && s->easy && make_headers(s, o) && make_share(s))
        r = set_options(s, o);
    if (r != CURLE_OK) {
        azm_http_settings_unref(s);
        return azm_error_set(err, r == CURLE_OUT_OF_MEMORY ? ENOMEM : EINVAL,
                             "libcurl does not take the options of the destination: %s", curl_easy_strerror(r));
    }
    *ret = s;
    return 0;
}

static struct azm_http_settings *settings_ref(struct azm_http_settings *s)
{
    s->references++;
    return s;
}

struct azm_http_settings *azm_http_settings_unref(struct azm_http_settings *s)
{
    if (!s || --s->references > 0)
        return NULL;
    curl_easy_cleanup(s->easy);
    curl_share_cleanup(s->gathered);
    curl_slist_free_all(s->headers);
    curl_slist_free_all(s->headers_abroad);
    free(s->url);
    free(s);
    return NULL;
}

/* --- requests --- */

int azm_http_new(struct azm_http **ret, struct azm_error *err)
{
    struct azm_http *h = calloc(1, sizeof *h);

    if (h)
        h->multi = curl_multi_init();
    if (!h || !h->multi) {
        azm_http_free(h);
        return azm_error_set(err, ENOMEM, "out of memory");
    }
    *ret = h;
    return 0;
}

struct azm_http *azm_http_free(struct azm_http *h)
{
    if (!h)
        return NULL;
    curl_multi_cleanup(h->multi);
    azm_http_settings_unref(h->settings);
    free(h);
    return NULL;
}

void azm_http_configure(struct azm_http *h, struct azm_http_settings *s)
{
    azm_http_settings_unref(h->settings);
    h->settings = settings_ref(s);
    curl_multi_setopt(h->multi, CURLMOPT_MAXCONNECTS, (long)s->connections + 1);
}

int azm_http_request_new(struct azm_http *h, void *userdata, struct azm_http_request **ret)
{
    struct azm_http_request *r = calloc(1, sizeof *r);

    if (!r)
        return -ENOMEM;
    r->http = h;
    r->settings = settings_ref(h->settings);
    r->userdata = userdata;
    r->easy = curl_easy_duphandle(h->settings->easy);
    if (!r->easy || curl_easy_setopt(r->easy, CURLOPT_SHARE, h->settings->gathered) != CURLE_OK ||
        curl_easy_setopt(r->easy, CURLOPT_ERRORBUFFER, r->error) != CURLE_OK ||
        curl_easy_setopt(r->easy, CURLOPT_WRITEDATA, r) != CURLE_OK ||
        curl_easy_setopt(r->easy, CURLOPT_HEADERDATA, r) != CURLE_OK ||
        curl_easy_setopt(r->easy, CURLOPT_PRIVATE, r) != CURLE_OK) {
        azm_http_request_free(r);
        return -ENOMEM;
    }
    *ret = r;
    return 0;
}

struct azm_http_request *azm_http_request_free(struct azm_http_request *r)
{
    if (!r)
        return NULL;
    if (r->running)
        curl_multi_remove_handle(r->http->multi, r->easy);
    curl_easy_cleanup(r->easy);
    azm_http_settings_unref(r->settings);
    azm_secret_unref(r->token);
    azm_buf_free(&r->body);
    free(r);
    return NULL;
}

void *azm_http_request_userdata(const struct azm_http_request *r)
{
    return r->userdata;
}

bool azm_http_request_is_current(const struct azm_http_request *r)
{
    return r->settings == r->http->settings;
}

bool azm_http_request_gzip(const struct azm_http_request *r)
{
    return r->settings->gzip;
}

const char *azm_http_request_id(const struct azm_http_request *r)
{
    return r->id;
}

/* The headers of this transfer: its own ones in front of the settings' list, which stays as it is. */
static struct curl_slist *make_list(struct azm_http_request *r, const struct azm_http_call *call)
{
    struct curl_slist *list = call->abroad ? r->settings->headers_abroad : r->settings->headers;

    azm_secret_unref(r->token);
    r->token = call->token && !call->abroad ? azm_secret_ref(call->token) : NULL;
    if (r->token) {
        r->own_headers[0] = (struct curl_slist){(char *)azm_secret_text(r->token), list};
        list = &r->own_headers[0];
    }
    snprintf(r->id, sizeof r->id, "%s", call->id ? call->id : "");
    if (*r->id) {
        snprintf(r->id_header, sizeof r->id_header, "x-ms-client-request-id: %s", r->id);
        r->own_headers[1] = (struct curl_slist){r->id_header, list};
        list = &r->own_headers[1];
    }
    return list;
}

int azm_http_post(struct azm_http_request *r, const struct azm_http_call *call, const void *body, size_t len)
{
    azm_buf_clear(&r->body);
    r->body_bytes = r->header_bytes = 0;
    r->body_cut = false;
    *r->error = *r->content_type = *r->retry_after = *r->error_code = *r->request_id = '\0';
    if (curl_easy_setopt(r->easy, CURLOPT_URL, call->url ? call->url : r->settings->url) != CURLE_OK ||
        curl_easy_setopt(r->easy, CURLOPT_HTTPHEADER, make_list(r, call)) != CURLE_OK ||
        curl_easy_setopt(r->easy, CURLOPT_POSTFIELDS, body) != CURLE_OK ||
        curl_easy_setopt(r->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)len) != CURLE_OK ||
        curl_multi_add_handle(r->http->multi, r->easy) != CURLM_OK)
        return -ENOMEM; /* options and handle are good: libcurl has no other reason */
    r->running = true;
    return 0;
}

int azm_http_run(struct azm_http *h, int wake_fd, uint64_t timeout_usec)
{
    struct curl_waitfd wake = {.fd = wake_fd, .events = CURL_WAIT_POLLIN};
    int timeout_ms = (int)MIN((timeout_usec + AZM_USEC_PER_MSEC - 1) / AZM_USEC_PER_MSEC, (uint64_t)INT_MAX);
    CURLMcode code;
    int running;

    /* Wait first: a transfer that ended before the wait would be seen after it only. One just added has a timer of
     * zero, so the wait does not hold it up. */
    code = curl_multi_wait(h->multi, &wake, 1, timeout_ms, NULL);
    if (code == CURLM_OK)
        code = curl_multi_perform(h->multi, &running);
    switch (code) {
    case CURLM_OK:
        return 0;
    case CURLM_OUT_OF_MEMORY:
#if LIBCURL_VERSION_NUM >= 0x075400
    case CURLM_UNRECOVERABLE_POLL: /* poll(2) has no memory, or may not look at so many descriptors */
#endif
        return -ENOMEM;
    default:
        return -EIO;
    }
}

struct azm_http_request *azm_http_next_done(struct azm_http *h, struct azm_answer *ret_answer)
{
    struct azm_http_request *r = NULL;
    char *redirect_url = NULL; /* libcurl's */
    CURLMsg *m;
    int left;

    do {
        m = curl_multi_info_read(h->multi, &left);
        if (!m)
            return NULL;
    } while (m->msg != CURLMSG_DONE);
    curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, (char **)&r);
    *ret_answer = (struct azm_answer){
        .curl_code = (int)m->data.result,
        .curl_words = r->header_bytes > HEADERS_MAX_BYTES ? "the headers of the answer do not end"
                      : *r->error                         ? r->error
                                                          : curl_easy_strerror(m->data.result),
        .content_type = r->content_type,
        .retry_after = r->retry_after,
        .error_code = r->error_code,
        .request_id = r->request_id,
        .body = r->body.data,
        .body_len = r->body.len,
        .body_cut = r->body_cut,
    };
    curl_easy_getinfo(r->easy, CURLINFO_RESPONSE_CODE, &ret_answer->status);
    curl_easy_getinfo(r->easy, CURLINFO_HTTP_CONNECTCODE, &ret_answer->connect_code);
    curl_easy_getinfo(r->easy, CURLINFO_REDIRECT_URL, &redirect_url);
    ret_answer->redirect_url = redirect_url ? redirect_url : "";
    curl_multi_remove_handle(h->multi, r->easy);
    r->running = false;
    return r;
}
