/* SPDX-License-Identifier: MIT */
#include <curl/curl.h>
#include <errno.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>

#include "auth/identity_http.h"
#include "core/clock.h"
#include "core/header.h"

#define TIMEOUT_USEC (10 * AZM_USEC_PER_SEC)

struct azm_identity_http {
    const char *tls_ca_file;
    uint64_t timeout_usec;
    int cancel_fd; /* stays readable once it was written to */
    atomic_bool cancelled;
};

/* A request under way. */
struct transfer {
    CURLM *multi;
    CURL *easy;
    struct azm_identity_answer *answer;
    size_t header_bytes;
    char error[CURL_ERROR_SIZE];
};

int azm_identity_http_new(const char *tls_ca_file, uint64_t timeout_usec, struct azm_identity_http **ret)
{
    struct azm_identity_http *h = calloc(1, sizeof *h);

    if (!h)
        return -ENOMEM;
    h->tls_ca_file = tls_ca_file;
    h->timeout_usec = timeout_usec ? timeout_usec : TIMEOUT_USEC;
    h->cancel_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (h->cancel_fd < 0) {
        int r = -errno;

        free(h);
        return r;
    }
    *ret = h;
    return 0;
}

struct azm_identity_http *azm_identity_http_free(struct azm_identity_http *h)
{
    if (h)
        close(h->cancel_fd);
    free(h);
    return NULL;
}

void azm_identity_http_cancel(struct azm_identity_http *h)
{
    uint64_t one = 1;

    atomic_store(&h->cancelled, true);
    while (write(h->cancel_fd, &one, sizeof one) < 0 && errno == EINTR)
        ;
}

void azm_identity_answer_free(struct azm_identity_answer *a)
{
    a->body = azm_secret_unref(a->body);
}

/* --- the answer --- */

static size_t on_body(char *data, size_t size, size_t n, void *userdata)
{
    struct transfer *t = userdata;

    if (azm_secret_append(t->answer->body, data, size * n) < 0) {
        t->answer->too_long = true;
        return 0; /* libcurl ends the transfer */
    }
    return size * n;
}

static void keep_header(struct azm_text line, const char *name, char *ret, size_t max)
{
    struct azm_text value = azm_header_value(line, name);

    if (!value.s)
        return;
    if (value.len >= max || memchr(value.s, '\0', value.len) || memchr(value.s, '\r', value.len)) /* RFC 9110, 5.5 */
        value.len = 0;
    memcpy(ret, value.s, value.len);
    ret[value.len] = '\0';
}

static size_t on_header(char *data, size_t size, size_t n, void *userdata)
{
    struct transfer *t = userdata;
    struct azm_identity_answer *a = t->answer;
    struct azm_text line = {data, size * n};

    t->header_bytes += line.len;
    if (t->header_bytes > AZM_IDENTITY_ANSWER_MAX_BYTES) {
        a->too_long = true;
        return 0;
    }
    if (line.len > 5 && strncmp(line.s, "HTTP/", 5) == 0) /* a new answer begins: forget an informational one */
        *a->retry_after = *a->www_authenticate = '\0';
    keep_header(line, "Retry-After", a->retry_after, sizeof a->retry_after);
    keep_header(line, "WWW-Authenticate", a->www_authenticate, sizeof a->www_authenticate);
    return line.len;
}

/* --- the request --- */

static long milliseconds(uint64_t usec)
{
    return (long)MAX(MIN(usec / AZM_USEC_PER_MSEC, (uint64_t)INT_MAX), (uint64_t)1);
}

static CURLcode set_options(struct transfer *t, const struct azm_identity_http *h, const struct azm_identity_request *q)
{
    CURLcode r = CURLE_OK;

#define SET(option, value) (r = r == CURLE_OK ? curl_easy_setopt(t->easy, option, value) : r)
    SET(CURLOPT_URL, q->url);
    SET(CURLOPT_USERAGENT, "azmonlog/" PACKAGE_VERSION);
    SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    if (q->form) {
        SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)azm_secret_len(q->form));
        SET(CURLOPT_POSTFIELDS, azm_secret_text(q->form));
    }
    SET(CURLOPT_FOLLOWLOCATION, 0L);
#if LIBCURL_VERSION_NUM >= 0x075500
    SET(CURLOPT_PROTOCOLS_STR, "http,https");
#else
    SET(CURLOPT_PROTOCOLS, (long)(CURLPROTO_HTTP | CURLPROTO_HTTPS));
#endif
#if LIBCURL_VERSION_NUM >= 0x075700
    SET(CURLOPT_QUICK_EXIT, 1L); /* cancelling must not wait for a resolver thread that hangs */
#endif
    SET(CURLOPT_NOSIGNAL, 1L);
    SET(CURLOPT_TIMEOUT_MS, milliseconds(h->timeout_usec));
    SET(CURLOPT_CONNECTTIMEOUT_MS, milliseconds(MIN(q->connect_timeout_usec, h->timeout_usec)));
    SET(CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    SET(CURLOPT_SSL_VERIFYPEER, 1L);
    SET(CURLOPT_SSL_VERIFYHOST, 2L);
    if (*h->tls_ca_file)
        SET(CURLOPT_CAINFO, h->tls_ca_file);
    if (q->direct)
        SET(CURLOPT_NOPROXY, "*");
    SET(CURLOPT_ERRORBUFFER, t->error);
    SET(CURLOPT_WRITEFUNCTION, on_body);
    SET(CURLOPT_WRITEDATA, t);
    SET(CURLOPT_HEADERFUNCTION, on_header);
    SET(CURLOPT_HEADERDATA, t);
#undef SET
    return r;
}

/* Moves the transfer on until it is done: 0, -ECANCELED or -EIO. */
static int run(struct transfer *t, const struct azm_identity_http *h)
{
    struct curl_waitfd cancel = {.fd = h->cancel_fd, .events = CURL_WAIT_POLLIN};
    int running = 1;

    if (curl_multi_add_handle(t->multi, t->easy) != CURLM_OK)
        return -EIO;
    for (;;) {
        if (atomic_load(&h->cancelled))
            return -ECANCELED;
        if (curl_multi_perform(t->multi, &running) != CURLM_OK)
            return -EIO;
        if (running == 0)
            return 0;
        if (curl_multi_wait(t->multi, &cancel, 1, 1000, NULL) != CURLM_OK)
            return -EIO;
    }
}

static void understand(struct transfer *t)
{
    struct azm_identity_answer *a = t->answer;
    int left;
    CURLMsg *m = curl_multi_info_read(t->multi, &left);
    CURLcode code = m ? m->data.result : CURLE_GOT_NOTHING;
    double connect_seconds = 0;

    a->curl_code = (int)code;
    if (code != CURLE_OK)
        snprintf(a->curl_words, sizeof a->curl_words, "%s", *t->error ? t->error : curl_easy_strerror(code));
    curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &a->status);
    curl_easy_getinfo(t->easy, CURLINFO_HTTP_CONNECTCODE, &a->connect_code);
    curl_easy_getinfo(t->easy, CURLINFO_CONNECT_TIME, &connect_seconds);
    a->connected = connect_seconds > 0;
}

static void end(struct transfer *t)
{
    if (t->multi && t->easy)
        curl_multi_remove_handle(t->multi, t->easy);
    curl_easy_cleanup(t->easy);
    if (t->multi)
        curl_multi_cleanup(t->multi);
}

int azm_identity_http_ask(struct azm_identity_http *h, const struct azm_identity_request *q,
                          struct azm_identity_answer *ret)
{
    _cleanup_(end) struct transfer t = {.answer = ret};
    /* libcurl's list, but no copies of the lines: one of them is a secret. It only reads them. */
    struct curl_slist lines[4] = {{.data = (char *)"Accept: application/json"}, {.data = (char *)"Expect:"}};
    size_t n = 2;
    int r;

    memset(ret, 0, sizeof *ret);
    if (q->header)
        lines[n++].data = (char *)q->header;
    if (q->secret_header)
        lines[n++].data = (char *)azm_secret_text(q->secret_header);
    for (size_t i = 0; i + 1 < n; i++)
        lines[i].next = lines + i + 1;
    t.multi = curl_multi_init();
    t.easy = curl_easy_init();
    r = t.multi && t.easy ? azm_secret_new(AZM_IDENTITY_ANSWER_MAX_BYTES, &ret->body) : -ENOMEM;
    if (r == 0 &&
        (set_options(&t, h, q) != CURLE_OK || curl_easy_setopt(t.easy, CURLOPT_HTTPHEADER, lines) != CURLE_OK))
        r = -EIO;
    if (r == 0)
        r = run(&t, h);
    if (r == 0)
        understand(&t);
    else
        azm_identity_answer_free(ret);
    return r;
}
