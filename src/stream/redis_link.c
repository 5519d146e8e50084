/* SPDX-License-Identifier: MIT */
#include <curl/curl.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "auth/secret_file.h"
#include "config/stream_url.h"
#include "core/buf.h"
#include "stream/redis_link.h"

#define PASSWORD_MAX 512
#define READ_BYTES ((size_t)128 * 1024)
#define OWN (-1) /* tag: of the link's own commands */

/* A command that has no reply yet. */
struct waiting {
    struct waiting *next;
    int tag;
    void *item;
    uint64_t deadline_usec; /* monotonic */
};

struct redis_link {
    struct azm_stream_url url;
    char *password_file, *tls_ca_file, *tls_cert_file, *tls_key_file;
    uint64_t timeout_usec;
    const struct azm_clock *clock;
    redis_reply_t on_reply;
    void *userdata;

    char place[300]; /* HOST:PORT where a cluster has the stream; "": as the URL says */
    bool asking;     /* it has it for those only who say ASKING */
    bool arrived;    /* it has answered since it was redirected */

    int epoll_fd;
    CURLM *multi;
    CURL *easy;           /* NULL: no connection */
    curl_socket_t socket; /* CURL_SOCKET_BAD: there is none yet */
    bool writing;         /* it is watched for room to write */
    uint64_t curl_usec;   /* monotonic: when libcurl wants to be called; AZM_USEC_INFINITY */
    char words[CURL_ERROR_SIZE];
    uint64_t number;
    redisReader *reader;
    struct azm_buf hello; /* what goes out first: who this is */
    struct azm_buf out;   /* what is queued */
    struct azm_buf going; /* what is being written: TLS wants to be called again with the same bytes in the same place */
    size_t hello_sent, sent;
    bool greeted; /* Redis knows who this is: before that nothing goes out, which else it might do as somebody else */
    struct waiting *first, **last;
    char *piece; /* READ_BYTES */
};

/* --- the connection goes --- */

static void take_apart(struct redis_link *l)
{
    if (l->easy) {
        if (l->socket != CURL_SOCKET_BAD)
            epoll_ctl(l->epoll_fd, EPOLL_CTL_DEL, l->socket, NULL);
        curl_multi_remove_handle(l->multi, l->easy);
        curl_easy_cleanup(l->easy);
    }
    l->easy = NULL;
    l->socket = CURL_SOCKET_BAD;
    l->writing = false;
    l->curl_usec = AZM_USEC_INFINITY;
    if (l->reader)
        redisReaderFree(l->reader);
    l->reader = NULL;
    if (l->hello.data)
        explicit_bzero(l->hello.data, l->hello.cap);
    azm_buf_free(&l->hello);
    azm_buf_free(&l->out);
    azm_buf_free(&l->going);
    l->hello_sent = l->sent = 0;
    l->greeted = false;
}

/* All that wait get this. Whoever is told may send again, on another connection. */
static void fail(struct redis_link *l, const struct azm_stream_answer *why)
{
    struct waiting *first = l->first;

    take_apart(l);
    if (!l->arrived)
        *l->place = '\0'; /* where that node leads to is of no use: ask the first one again */
    l->first = NULL;
    l->last = &l->first;
    while (first) {
        struct waiting *w = first;

        first = w->next;
        if (w->tag != OWN)
            l->on_reply(l->userdata, w->tag, w->item, NULL, why);
        free(w);
    }
}

static void fail_curl(struct redis_link *l, CURLcode code)
{
    struct azm_stream_answer why = {.meaning = AZM_FAILED, .curl_code = (int)code};

    snprintf(why.words, sizeof why.words, "%.180s", *l->words ? l->words : curl_easy_strerror(code));
    if (code == CURLE_SSL_CONNECT_ERROR)
        why.remedy = "does Redis speak TLS on this port, 1.2 or newer (rediss:// is for TLS, redis:// for none), and "
                     "does it want a certificate (tls_cert_file=)?";
    else if (code == CURLE_COULDNT_CONNECT)
        why.remedy = "check that Redis runs and listens there, and that a firewall lets this host reach it";
    fail(l, &why);
}

static void fail_words(struct redis_link *l, enum azm_meaning meaning, const char *words, const char *remedy)
{
    struct azm_stream_answer why = {.meaning = meaning, .remedy = remedy};

    snprintf(why.words, sizeof why.words, "%.180s", words);
    fail(l, &why);
}

/* --- the connection comes --- */

static int append_word(struct azm_buf *b, struct azm_text word)
{
    int r = azm_buf_printf(b, "$%zu\r\n", word.len);

    if (r >= 0)
        r = azm_buf_append(b, word.s, word.len);
    return r < 0 ? r : azm_buf_append(b, "\r\n", 2);
}

/* Appends a command, or nothing. */
static int append_command(struct azm_buf *b, const struct azm_text *words, size_t n)
{
    size_t before = b->len, size = 32;
    int r;

    for (size_t i = 0; i < n; i++)
        size += words[i].len + 32;
    r = azm_buf_reserve(b, size); /* at once, so that no copy of a secret stays behind */
    if (r >= 0)
        r = azm_buf_printf(b, "*%zu\r\n", n);
    for (size_t i = 0; i < n && r >= 0; i++)
        r = append_word(b, words[i]);
    if (r < 0)
        b->len = before;
    return r;
}

static int add_waiting(struct redis_link *l, int tag, void *item, uint64_t block_usec)
{
    struct waiting *w = calloc(1, sizeof *w);

    if (!w)
        return -ENOMEM;
    w->tag = tag;
    w->item = item;
    w->deadline_usec = azm_monotonic_usec(l->clock) + l->timeout_usec + block_usec;
    *l->last = w;
    l->last = &w->next;
    return 0;
}

static int append_auth(struct redis_link *l, const struct azm_secret *password)
{
    const struct azm_text words[] = {AZM_TEXT("AUTH"), azm_text_of(*l->url.user ? l->url.user : "default"),
                                     azm_text_of(azm_secret_text(password))};

    return append_command(&l->hello, words, ELEMENTSOF(words));
}

/* The password is read anew for each connection. 0, or -errno and words. */
static int say_who(struct redis_link *l, struct azm_error *err)
{
    _cleanup_(azm_secret_unrefp) struct azm_secret *read = NULL;
    const struct azm_secret *password = l->url.password;
    int r;

    if (*l->password_file) {
        r = azm_secret_file_read(l->password_file, PASSWORD_MAX, false, &read, err);
        if (r < 0)
            return r;
        password = read;
    }
    if (!password) {
        l->greeted = true;
        return 0;
    }
    r = append_auth(l, password);
    if (r >= 0)
        r = add_waiting(l, OWN, NULL, 0);
    return r < 0 ? azm_error_set(err, r, "out of memory") : 0;
}

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *userdata, void *known)
{
    struct redis_link *l = userdata;
    struct epoll_event e = {.events = (what & CURL_POLL_IN ? EPOLLIN : 0) | (what & CURL_POLL_OUT ? EPOLLOUT : 0),
                            .data.fd = fd};

    (void)easy;
    (void)known;
    if (what == CURL_POLL_REMOVE)
        epoll_ctl(l->epoll_fd, EPOLL_CTL_DEL, fd, NULL);
    else if (epoll_ctl(l->epoll_fd, EPOLL_CTL_MOD, fd, &e) < 0)
        epoll_ctl(l->epoll_fd, EPOLL_CTL_ADD, fd, &e); /* without it the timer looks */
    return 0;
}

static int on_timer(CURLM *multi, long timeout_ms, void *userdata)
{
    struct redis_link *l = userdata;

    (void)multi;
    l->curl_usec =
        timeout_ms < 0 ? AZM_USEC_INFINITY : azm_monotonic_usec(l->clock) + (uint64_t)timeout_ms * AZM_USEC_PER_MSEC;
    return 0;
}

/* Only the scheme is HTTP's: libcurl connects, and is done. */
static char *make_url(const struct redis_link *l)
{
    const char *place = *l->place ? l->place : l->url.host;
    size_t host = strlen(l->url.host) - strlen(strrchr(l->url.host, ':'));
    char *url = NULL;

    return asprintf(&url, "http%s://%.*s%s/", l->url.tls ? "s" : "", *place == ':' ? (int)host : 0, l->url.host,
                    place) < 0
               ? NULL
               : url;
}

static CURLcode set_options(struct redis_link *l, const char *url)
{
    long timeout_ms = (long)MIN(l->timeout_usec / AZM_USEC_PER_MSEC, (uint64_t)INT_MAX);
    CURLcode r = CURLE_OK;

#define SET(option, value) (r = r == CURLE_OK ? curl_easy_setopt(l->easy, option, value) : r)
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
    SET(CURLOPT_ERRORBUFFER, l->words);
    if (*l->tls_ca_file)
        SET(CURLOPT_CAINFO, l->tls_ca_file);
    if (*l->tls_cert_file)
        SET(CURLOPT_SSLCERT, l->tls_cert_file);
    if (*l->tls_key_file)
        SET(CURLOPT_SSLKEY, l->tls_key_file);
#undef SET
    return r;
}

/* Begins to connect: 0 or -ENOMEM. */
static int begin(struct redis_link *l)
{
    _cleanup_free_ char *url = make_url(l);

    *l->words = '\0';
    l->number++;
    l->reader = redisReaderCreate();
    l->easy = curl_easy_init();
    if (!url || !l->reader || !l->easy || set_options(l, url) != CURLE_OK ||
        curl_multi_add_handle(l->multi, l->easy) != CURLM_OK) {
        take_apart(l);
        return -ENOMEM;
    }
    l->reader->maxbuf = 0; /* keeps its buffer */
    return 0;
}

static int watch(struct redis_link *l)
{
    struct epoll_event e = {.events = EPOLLIN | (l->writing ? EPOLLOUT : 0), .data.fd = l->socket};

    if (epoll_ctl(l->epoll_fd, EPOLL_CTL_MOD, l->socket, &e) == 0)
        return 0;
    return epoll_ctl(l->epoll_fd, EPOLL_CTL_ADD, l->socket, &e) < 0 ? -errno : 0;
}

/* Moves the connecting on. */
static void go_on_connecting(struct redis_link *l, int fd, int events)
{
    CURLMsg *m;
    int running, left;

    curl_multi_socket_action(l->multi, fd, events, &running);
    m = curl_multi_info_read(l->multi, &left);
    if (!m || m->msg != CURLMSG_DONE)
        return;
    if (m->data.result != CURLE_OK)
        fail_curl(l, m->data.result);
    else if (curl_easy_getinfo(l->easy, CURLINFO_ACTIVESOCKET, &l->socket) != CURLE_OK ||
             l->socket == CURL_SOCKET_BAD || watch(l) < 0) {
        l->socket = CURL_SOCKET_BAD;
        fail_words(l, AZM_UNREACHABLE, "the connection cannot be waited for", NULL);
    }
}

/* --- what goes over it --- */

/* Writes what there is; true if all of it is written. A failure ends the connection. */
static bool write_buf(struct redis_link *l, const struct azm_buf *b, size_t *sent)
{
    while (*sent < b->len) {
        size_t n = 0;
        CURLcode r = curl_easy_send(l->easy, b->data + *sent, b->len - *sent, &n);

        if (r == CURLE_AGAIN)
            return false;
        if (r != CURLE_OK) {
            fail_curl(l, r);
            return false;
        }
        *sent += n;
    }
    return true;
}

/* The same of all that is queued. */
static bool write_queued(struct redis_link *l)
{
    while (write_buf(l, &l->going, &l->sent)) {
        struct azm_buf written = l->going;

        if (l->out.len == 0)
            return true;
        l->going = l->out;
        l->out = written;
        azm_buf_clear(&l->out);
        l->sent = 0;
    }
    return false;
}

static void write_out(struct redis_link *l)
{
    uint64_t number = l->number;
    bool all;

    if (!l->easy || l->socket == CURL_SOCKET_BAD)
        return;
    all = l->greeted ? write_queued(l) : write_buf(l, &l->hello, &l->hello_sent);
    if (!l->easy || l->number != number)
        return; /* it has failed */
    if (l->writing == !all)
        return;
    l->writing = !all;
    if (watch(l) < 0)
        fail_words(l, AZM_UNREACHABLE, "the connection cannot be waited for", NULL);
}

/* The reply to the link's own command: who this is, or ASKING. */
static void on_own_reply(struct redis_link *l, const redisReply *reply)
{
    struct azm_stream_answer why;

    if (!redis_is_error(reply)) {
        if (!l->greeted && l->hello.data)
            explicit_bzero(l->hello.data, l->hello.cap);
        l->greeted = true;
        return;
    }
    azm_redis_understand(reply->str, reply->len, &why);
    fail(l, &why);
}

static void on_reply(struct redis_link *l, redisReply *reply)
{
    struct waiting *w = l->first;
    bool taken = false;

    if (!w) { /* "-ERR max number of clients reached", say */
        struct azm_stream_answer why = {.meaning = AZM_FAILED,
                                        .words = "Redis said something that nobody has asked for"};

        if (redis_is_error(reply))
            azm_redis_understand(reply->str, reply->len, &why);
        fail(l, &why);
    } else {
        l->first = w->next;
        if (!l->first)
            l->last = &l->first;
        l->arrived = true;
        if (w->tag == OWN)
            on_own_reply(l, reply);
        else
            taken = l->on_reply(l->userdata, w->tag, w->item, reply, NULL);
        free(w);
    }
    if (!taken)
        freeReplyObject(reply);
}

static void read_replies(struct redis_link *l, uint64_t number)
{
    void *reply;

    while (l->easy && l->number == number) {
        if (redisReaderGetReply(l->reader, &reply) != REDIS_OK) {
            fail_words(l, AZM_MISCONFIGURED, "the server does not speak the protocol of Redis",
                       "is there a Redis at this port, and does it want TLS (rediss://)?");
            return;
        }
        if (!reply)
            return;
        on_reply(l, reply);
    }
}

static void read_in(struct redis_link *l)
{
    uint64_t number = l->number;

    while (l->easy && l->number == number && l->socket != CURL_SOCKET_BAD) {
        size_t n = 0;
        CURLcode r = curl_easy_recv(l->easy, l->piece, READ_BYTES, &n);

        if (r == CURLE_AGAIN)
            return;
        if (r != CURLE_OK || n == 0) {
            if (r != CURLE_OK)
                fail_curl(l, r);
            else if (l->first)
                fail_words(l, AZM_FAILED, "Redis has closed the connection", NULL);
            else
                take_apart(l); /* it was idle for long */
            return;
        }
        if (redisReaderFeed(l->reader, l->piece, n) != REDIS_OK) {
            fail_words(l, AZM_FAILED, "out of memory", NULL);
            return;
        }
        read_replies(l, number);
    }
}

int redis_link_send(struct redis_link *l, int tag, void *item, uint64_t block_usec, const struct azm_text *words,
                    size_t n)
{
    static const struct azm_text asking[] = {{"ASKING", 6}};
    size_t before = l->out.len;
    int r = append_command(&l->out, words, n);

    if (r >= 0 && l->asking && *l->place) { /* before it */
        l->out.len = before;
        r = append_command(&l->out, asking, 1);
        if (r >= 0)
            r = append_command(&l->out, words, n);
        if (r >= 0)
            r = add_waiting(l, OWN, NULL, 0);
    }
    if (r >= 0)
        r = add_waiting(l, tag, item, block_usec);
    if (r < 0)
        l->out.len = before;
    return r;
}

void redis_link_forget(struct redis_link *l, const void *item)
{
    for (struct waiting *w = l->first; w; w = w->next)
        if (w->item == item)
            w->item = NULL;
}

uint64_t redis_link_number(const struct redis_link *l)
{
    return l->number;
}

bool redis_link_redirect(struct redis_link *l, const redisReply *error)
{
    static const struct azm_stream_answer why = {.meaning = AZM_REDIRECTED, .words = "Redis redirects"};
    char place[sizeof l->place];
    bool ask;

    if (!azm_redis_place(error->str, error->len, place, &ask))
        return false;
    l->arrived = true; /* so that the place stays */
    fail(l, &why);
    memcpy(l->place, place, sizeof place);
    l->asking = ask;
    l->arrived = false;
    return true;
}

/* --- the loop --- */

uint64_t redis_link_wake_usec(const struct redis_link *l)
{
    uint64_t usec = l->curl_usec;

    if (l->first && !l->easy)
        return 0;
    if (l->first)
        usec = MIN(usec, l->first->deadline_usec);
    if (l->socket != CURL_SOCKET_BAD && !l->writing && l->greeted && l->out.len > 0)
        return 0;
    return usec;
}

static void connect_if_needed(struct redis_link *l)
{
    struct azm_error err;
    struct waiting *mine = l->first;
    int r;

    if (!l->first || l->easy)
        return;
    if (begin(l) < 0) {
        fail_words(l, AZM_UNREACHABLE, "out of memory", NULL);
        return;
    }
    l->first = NULL; /* who this is goes first */
    l->last = &l->first;
    r = say_who(l, &err);
    *l->last = mine;
    while (*l->last)
        l->last = &(*l->last)->next;
    if (r < 0)
        fail_words(l, r == -ENOMEM ? AZM_UNREACHABLE : AZM_MISCONFIGURED, err.words, NULL);
}

void redis_link_process(struct redis_link *l)
{
    struct epoll_event events[8];
    int n;

    connect_if_needed(l);
    if (!l->easy)
        return;
    if (l->socket == CURL_SOCKET_BAD) {
        n = epoll_wait(l->epoll_fd, events, ELEMENTSOF(events), 0);
        for (int i = 0; i < n && l->easy && l->socket == CURL_SOCKET_BAD; i++)
            go_on_connecting(l, events[i].data.fd,
                             (events[i].events & EPOLLIN ? CURL_CSELECT_IN : 0) |
                                 (events[i].events & EPOLLOUT ? CURL_CSELECT_OUT : 0) |
                                 (events[i].events & (EPOLLERR | EPOLLHUP) ? CURL_CSELECT_ERR : 0));
        if (l->easy && l->socket == CURL_SOCKET_BAD && azm_monotonic_usec(l->clock) >= l->curl_usec) {
            l->curl_usec = AZM_USEC_INFINITY; /* it sets another one */
            go_on_connecting(l, CURL_SOCKET_TIMEOUT, 0);
        }
    }
    write_out(l);
    read_in(l);
    write_out(l); /* what the replies have led to */
    if (l->easy && l->first && azm_monotonic_usec(l->clock) >= l->first->deadline_usec) {
        snprintf(l->words, sizeof l->words, "no answer within %.1f s",
                 (double)l->timeout_usec / (double)AZM_USEC_PER_SEC);
        fail_curl(l, CURLE_OPERATION_TIMEDOUT);
    }
    connect_if_needed(l);
}

int redis_link_fd(const struct redis_link *l)
{
    return l->epoll_fd;
}

struct azm_text redis_link_stream(const struct redis_link *l)
{
    return azm_text_of(l->url.stream);
}

/* --- life --- */

int redis_link_new(const struct azm_stream_options *o, redis_reply_t on_reply_, void *userdata, struct redis_link **ret,
                   struct azm_error *err)
{
    struct redis_link *l = calloc(1, sizeof *l);
    int r;

    if (!l)
        return azm_error_set(err, ENOMEM, "out of memory");
    l->socket = CURL_SOCKET_BAD;
    l->curl_usec = AZM_USEC_INFINITY;
    l->last = &l->first;
    l->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    r = l->epoll_fd < 0 ? azm_error_set(err, errno, "cannot wait for events: %m")
                        : azm_stream_url_parse(o->url, &l->url, err);
    if (r < 0) {
        redis_link_free(l);
        return r;
    }
    l->on_reply = on_reply_;
    l->userdata = userdata;
    l->timeout_usec = o->timeout_usec;
    l->clock = o->clock;
    l->password_file = strdup(o->password_file);
    l->tls_ca_file = strdup(o->tls_ca_file);
    l->tls_cert_file = strdup(o->tls_cert_file);
    l->tls_key_file = strdup(o->tls_key_file);
    l->piece = malloc(READ_BYTES);
    l->multi = curl_multi_init();
    if (!l->password_file || !l->tls_ca_file || !l->tls_cert_file || !l->tls_key_file || !l->piece || !l->multi ||
        curl_multi_setopt(l->multi, CURLMOPT_SOCKETFUNCTION, on_socket) != CURLM_OK ||
        curl_multi_setopt(l->multi, CURLMOPT_SOCKETDATA, l) != CURLM_OK ||
        curl_multi_setopt(l->multi, CURLMOPT_TIMERFUNCTION, on_timer) != CURLM_OK ||
        curl_multi_setopt(l->multi, CURLMOPT_TIMERDATA, l) != CURLM_OK) {
        redis_link_free(l);
        return azm_error_set(err, ENOMEM, "out of memory");
    }
    *ret = l;
    return 0;
}

struct redis_link *redis_link_free(struct redis_link *l)
{
    if (!l)
        return NULL;
    take_apart(l);
    while (l->first) {
        struct waiting *w = l->first;

        l->first = w->next;
        free(w);
    }
    curl_multi_cleanup(l->multi);
    azm_stream_url_free(&l->url);
    free(l->password_file);
    free(l->tls_ca_file);
    free(l->tls_cert_file);
    free(l->tls_key_file);
    free(l->piece);
    azm_closep(&l->epoll_fd);
    free(l);
    return NULL;
}
