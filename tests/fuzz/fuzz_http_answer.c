/* SPDX-License-Identifier: MIT */
#include <arpa/inet.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "auth/identity_http.h"
#include "export/http.h"
#include "tests/fuzz/fuzz.h"

/* The bytes that a server sends for an answer, to a request of an identity's endpoint or of the exporter: libcurl's
 * work, and what is taken of its headers and body. */

/* What the server sends; a copy, for it may still be at it when libcurl has seen enough and the target has returned. */
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static char answer[8192]; /* as much as libFuzzer is told to make (fuzz.py) */
static size_t answer_len;
static int listening_fd;
static char url[64];

static void *serve(void *userdata)
{
    char request[4096];

    (void)userdata;
    for (;;) {
        int fd = accept4(listening_fd, NULL, NULL, SOCK_CLOEXEC);

        require(fd >= 0);
        if (recv(fd, request, sizeof request, 0) > 0) {
            pthread_mutex_lock(&mutex);
            (void)!send(fd, answer, answer_len, MSG_NOSIGNAL);
            pthread_mutex_unlock(&mutex);
        }
        shutdown(fd, SHUT_WR);
        while (recv(fd, request, sizeof request, 0) > 0)
            ;
        close(fd);
    }
    return NULL;
}

static void start_server(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof address;
    pthread_t thread;

    listening_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    require(listening_fd >= 0 && bind(listening_fd, (struct sockaddr *)&address, len) == 0);
    require(listen(listening_fd, 16) == 0 && getsockname(listening_fd, (struct sockaddr *)&address, &len) == 0);
    snprintf(url, sizeof url, "http://127.0.0.1:%u/x", ntohs(address.sin_port));
    require(pthread_create(&thread, NULL, serve, NULL) == 0);
    pthread_detach(thread);
}

static void ask_identity(void)
{
    static struct azm_identity_http *h;
    struct azm_identity_answer a;
    const struct azm_identity_request q = {
        .url = url, .header = "Metadata: true", .connect_timeout_usec = 60 * AZM_USEC_PER_SEC, .direct = true};

    if (!h)
        require(azm_identity_http_new("", 60 * AZM_USEC_PER_SEC, &h) == 0);
    require(azm_identity_http_ask(h, &q, &a) == 0);
    require(a.connected);
    require(fuzz_is_line(a.curl_words));
    require(strnlen(a.retry_after, sizeof a.retry_after) < sizeof a.retry_after);
    require(!strpbrk(a.retry_after, "\r\n") && !strpbrk(a.www_authenticate, "\r\n"));
    require(azm_secret_len(a.body) <= AZM_IDENTITY_ANSWER_MAX_BYTES);
    azm_identity_answer_free(&a);
}

static void post(void)
{
    static const char *const no_headers[] = {NULL};
    static int wake_fd = -1;
    struct azm_http *h = NULL; /* its connections end with it */
    struct azm_http_settings *settings = NULL;
    struct azm_http_request *request = NULL;
    const struct azm_http_call call = {0};
    const struct azm_http_options options = {.url = url,
                                             .content_type = "application/x-protobuf",
                                             .headers = no_headers,
                                             .tls_ca_file = "",
                                             .tls_cert_file = "",
                                             .tls_key_file = "",
                                             .connections = 1,
                                             .timeout_usec = 60 * AZM_USEC_PER_SEC};
    const struct azm_attempt attempt = {.origin = url, .records = 2};
    struct azm_verdict v;
    struct azm_answer a;
    struct azm_error err;

    if (wake_fd < 0)
        wake_fd = eventfd(0, EFD_CLOEXEC);
    require(wake_fd >= 0 && azm_http_new(&h, &err) == 0);
    require(azm_http_settings_new(&options, &settings, &err) == 0);
    azm_http_configure(h, settings);
    azm_http_settings_unref(settings);
    require(azm_http_request_new(h, NULL, &request) == 0);
    require(azm_http_post(request, &call, "body", 4) == 0);
    while (!azm_http_next_done(h, &a))
        require(azm_http_run(h, wake_fd, AZM_USEC_PER_SEC) == 0);
    require(a.curl_words && a.content_type && a.retry_after && a.error_code && a.request_id && a.redirect_url);
    azm_delivery_decide(&a, &attempt, FUZZ_NOW_USEC, &v);
    require(fuzz_is_line(v.reason) && fuzz_is_word(v.code));
    /* libcurl reads "HTTP/210" as HTTP/2 and the status 10, and any number there is. */
    require((a.status >= 200 && a.status <= 299) ||
            (v.decision != AZM_ACKNOWLEDGE && v.decision != AZM_ACKNOWLEDGE_PARTIAL));
    azm_http_request_free(request);
    azm_http_free(h);
}

FUZZ_TARGET(http_answer)
{
    struct azm_error err;
    bool identity = fuzz_byte(&in) & 1;
    struct azm_text bytes = fuzz_rest(&in);

    if (!*url) {
        require(azm_http_global_init(&err) == 0);
        start_server();
    }
    pthread_mutex_lock(&mutex);
    answer_len = MIN(bytes.len, sizeof answer);
    memcpy(answer, bytes.s, answer_len);
    pthread_mutex_unlock(&mutex);
    if (identity)
        ask_identity();
    else
        post();
}
