/* SPDX-License-Identifier: MIT */
#include <curl/curl.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "stream/redis_socket.h"

struct redis_socket {
    const struct azm_clock *clock;
    uint64_t timeout_usec;
    bool tls;
    char *tls_ca_file, *tls_cert_file, *tls_key_file;

    int epoll_fd;
    CURLM *multi;
    CURL *easy;         /* NULL: no connection */
    curl_socket_t fd;   /* CURL_SOCKET_BAD: there is none yet */
    bool writing;       /* it is watched for room to write */
    uint64_t curl_usec; /* monotonic: when libcurl wants to be called; AZM_USEC_INFINITY */
    char words[CURL_ERROR_SIZE];
};

/* --- failures --- */

static void explain(const struct redis_socket *s, CURLcode code, struct azm_stream_answer *ret)
{
    *ret = (struct azm_stream_answer){.meaning = AZM_FAILED, .curl_code = (int)code};
    snprintf(ret->words, sizeof ret->words, "%.180s", *s->words ? s->words : curl_easy_strerror(code));
    if (code == CURLE_SSL_CONNECT_ERROR)
        ret->remedy = "does Redis speak TLS on this port, 1.2 or newer (rediss:// is for TLS, redis:// for none), and "
                      "does it want a certificate (tls_cert_file=)?";
    else if (code == CURLE_COULDNT_CONNECT)
        ret->remedy = "check that Redis runs and listens there, and that a firewall lets this host reach it";
}

static void explain_watch(struct azm_stream_answer *ret)
{
    *ret = (struct azm_stream_answer){.meaning = AZM_UNREACHABLE, .words = "the connection cannot be waited for"};
}

/* --- connecting --- */

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *userdata, void *known)
{
    struct redis_socket *s = userdata;
    struct epoll_event e = {.events = (what & CURL_POLL_IN ? EPOLLIN : 0) | (what & CURL_POLL_OUT ? EPOLLOUT : 0),
                            .data.fd = fd};

    (void)easy;
    (void)known;
    if (what == CURL_POLL_REMOVE)
        epoll_ctl(s->epoll_fd, EPOLL_CTL_DEL, fd, NULL);
    else if (epoll_ctl(s->epoll_fd, EPOLL_CTL_MOD, fd, &e) < 0)
        epoll_ctl(s->epoll_fd, EPOLL_CTL_ADD, fd, &e); /* without it the timer looks */
    return 0;
}

static int on_timer(CURLM *multi, long timeout_ms, void *userdata)
{
    struct redis_socket *s = userdata;

    (void)multi;
    s->curl_usec =
        timeout_ms < 0 ? AZM_USEC_INFINITY : azm_monotonic_usec(s->clock) + (uint64_t)timeout_ms * AZM_USEC_PER_MSEC;
    return 0;
}

/* Only the scheme is HTTP's: libcurl connects, and is done. */
static CURLcode set_options(struct redis_socket *s, const char *url)
{
    long timeout_ms = (long)MIN(s->timeout_usec / AZM_USEC_PER_MSEC, (uint64_t)INT_MAX);
    CURLcode r = CURLE_OK;

#define SET(option, value) (r = r == CURLE_OK ? curl_easy_setopt(s->easy, option, value) : r)
    SET(CURLOPT_URL, url);
    SET(CURLOPT_CONNECT_ONLY, 1L);
    SET(CURLOPT_PROXY, ""); /* those of the environment are for HTTP */
    SET(CURLOPT_SSL_ENABLE_ALPN, 0L);
#if LIBCURL_VERSION_NUM >= 0x075700
    SET(CURLOPT_QUICK_EXIT, 1L);
    SET(CURLOPT_CA_CACHE_TIMEOUT, 0L);
#endif
    SET(CURLOPT_NOSIGNAL, 1L);
    SET(CURLOPT_CONNECTTIMEOUT_MS, timeout_ms);
    SET(CURLOPT_TCP_KEEPALIVE, 1L);
    SET(CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    SET(CURLOPT_ERRORBUFFER, s->words);
    if (*s->tls_ca_file)
        SET(CURLOPT_CAINFO, s->tls_ca_file);
    if (*s->tls_cert_file)
        SET(CURLOPT_SSLCERT, s->tls_cert_file);
    if (*s->tls_key_file)
        SET(CURLOPT_SSLKEY, s->tls_key_file);
#undef SET
    return r;
}

int redis_socket_open(struct redis_socket *s, const char *server)
{
    _cleanup_free_ char *url = NULL;

    if (asprintf(&url, "http%s://%s/", s->tls ? "s" : "", server) < 0) {
        url = NULL;
        return -ENOMEM;
    }
    *s->words = '\0';
    s->easy = curl_easy_init();
    if (!s->easy || set_options(s, url) != CURLE_OK || curl_multi_add_handle(s->multi, s->easy) != CURLM_OK) {
        redis_socket_close(s);
        return -ENOMEM;
    }
    return 0;
}

void redis_socket_close(struct redis_socket *s)
{
    if (s->easy) {
        if (s->fd != CURL_SOCKET_BAD)
            epoll_ctl(s->epoll_fd, EPOLL_CTL_DEL, s->fd, NULL);
        curl_multi_remove_handle(s->multi, s->easy);
        curl_easy_cleanup(s->easy);
    }
    s->easy = NULL;
    s->fd = CURL_SOCKET_BAD;
    s->writing = false;
    s->curl_usec = AZM_USEC_INFINITY;
}

bool redis_socket_is_open(const struct redis_socket *s)
{
    return s->easy;
}

static int watch(struct redis_socket *s)
{
    struct epoll_event e = {.events = EPOLLIN | (s->writing ? EPOLLOUT : 0), .data.fd = s->fd};

    if (epoll_ctl(s->epoll_fd, EPOLL_CTL_MOD, s->fd, &e) == 0)
        return 0;
    return epoll_ctl(s->epoll_fd, EPOLL_CTL_ADD, s->fd, &e) < 0 ? -errno : 0;
}

static int go_on_connecting(struct redis_socket *s, int fd, int events, struct azm_stream_answer *ret_why)
{
    CURLMsg *m;
    int running, left;

    curl_multi_socket_action(s->multi, fd, events, &running);
    m = curl_multi_info_read(s->multi, &left);
    if (!m || m->msg != CURLMSG_DONE)
        return 0;
    if (m->data.result != CURLE_OK) {
        explain(s, m->data.result, ret_why);
        return -1;
    }
    if (curl_easy_getinfo(s->easy, CURLINFO_ACTIVESOCKET, &s->fd) != CURLE_OK || s->fd == CURL_SOCKET_BAD ||
        watch(s) < 0) {
        s->fd = CURL_SOCKET_BAD;
        explain_watch(ret_why);
        return -1;
    }
    return 1;
}

int redis_socket_connect(struct redis_socket *s, struct azm_stream_answer *ret_why)
{
    struct epoll_event events[8];
    int n, r = 0;

    if (s->fd != CURL_SOCKET_BAD)
        return 1;
    n = epoll_wait(s->epoll_fd, events, ELEMENTSOF(events), 0);
    for (int i = 0; i < n && r == 0; i++)
        r = go_on_connecting(s, events[i].data.fd,
                             (events[i].events & EPOLLIN ? CURL_CSELECT_IN : 0) |
                                 (events[i].events & EPOLLOUT ? CURL_CSELECT_OUT : 0) |
                                 (events[i].events & (EPOLLERR | EPOLLHUP) ? CURL_CSELECT_ERR : 0),
                             ret_why);
    if (r == 0 && azm_monotonic_usec(s->clock) >= s->curl_usec) {
        s->curl_usec = AZM_USEC_INFINITY; /* it sets another one */
        r = go_on_connecting(s, CURL_SOCKET_TIMEOUT, 0, ret_why);
    }
    return r;
}

/* --- what goes over it --- */

int redis_socket_write(struct redis_socket *s, const struct azm_buf *b, size_t *sent, struct azm_stream_answer *ret_why)
{
    CURLcode r = CURLE_OK;

    while (*sent < b->len && r == CURLE_OK) {
        size_t n = 0;

        r = curl_easy_send(s->easy, b->data + *sent, b->len - *sent, &n);
        if (r == CURLE_OK)
            *sent += n;
    }
    if (r != CURLE_OK && r != CURLE_AGAIN) {
        explain(s, r, ret_why);
        return -1;
    }
    if (s->writing != (r == CURLE_AGAIN)) {
        s->writing = r == CURLE_AGAIN;
        if (watch(s) < 0) {
            explain_watch(ret_why);
            return -1;
        }
    }
    return r == CURLE_OK;
}

ssize_t redis_socket_read(struct redis_socket *s, void *data, size_t size, struct azm_stream_answer *ret_why)
{
    size_t n = 0;
    CURLcode r = curl_easy_recv(s->easy, data, size, &n);

    if (r == CURLE_OK)
        return (ssize_t)n;
    if (r == CURLE_AGAIN)
        return -EAGAIN;
    explain(s, r, ret_why);
    return -EIO;
}

int redis_socket_fd(const struct redis_socket *s)
{
    return s->epoll_fd;
}

uint64_t redis_socket_wake_usec(const struct redis_socket *s)
{
    return s->curl_usec;
}

bool redis_socket_has_room(const struct redis_socket *s)
{
    return s->fd != CURL_SOCKET_BAD && !s->writing;
}

/* --- life --- */

int redis_socket_new(const struct azm_stream_options *o, bool tls, struct redis_socket **ret, struct azm_error *err)
{
    struct redis_socket *s = calloc(1, sizeof *s);

    if (!s)
        return azm_error_set(err, ENOMEM, "out of memory");
    s->fd = CURL_SOCKET_BAD;
    s->curl_usec = AZM_USEC_INFINITY;
    s->clock = o->clock;
    s->timeout_usec = o->timeout_usec;
    s->tls = tls;
    s->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (s->epoll_fd < 0) {
        int r = azm_error_set(err, errno, "cannot wait for events: %m");

        redis_socket_free(s);
        return r;
    }
    s->tls_ca_file = strdup(o->tls_ca_file);
    s->tls_cert_file = strdup(o->tls_cert_file);
    s->tls_key_file = strdup(o->tls_key_file);
    s->multi = curl_multi_init();
    if (!s->tls_ca_file || !s->tls_cert_file || !s->tls_key_file || !s->multi ||
        curl_multi_setopt(s->multi, CURLMOPT_SOCKETFUNCTION, on_socket) != CURLM_OK ||
        curl_multi_setopt(s->multi, CURLMOPT_SOCKETDATA, s) != CURLM_OK ||
        curl_multi_setopt(s->multi, CURLMOPT_TIMERFUNCTION, on_timer) != CURLM_OK ||
        curl_multi_setopt(s->multi, CURLMOPT_TIMERDATA, s) != CURLM_OK) {
        redis_socket_free(s);
        return azm_error_set(err, ENOMEM, "out of memory");
    }
    *ret = s;
    return 0;
}

struct redis_socket *redis_socket_free(struct redis_socket *s)
{
    if (!s)
        return NULL;
    redis_socket_close(s);
    curl_multi_cleanup(s->multi);
    free(s->tls_ca_file);
    free(s->tls_cert_file);
    free(s->tls_key_file);
    azm_closep(&s->epoll_fd);
    free(s);
    return NULL;
}
