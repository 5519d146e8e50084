/* SPDX-License-Identifier: MIT */
#include <curl/curl.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "auth/secret_file.h"
#include "config/stream_url.h"
#include "core/buf.h"
#include "stream/redis_command.h"
#include "stream/redis_link.h"
#include "stream/redis_socket.h"

#define PASSWORD_MAX 512
#define READ_BYTES ((size_t)128 * 1024)
#define OWN (-1) /* tag: of the link's own commands */
#define REDIRECTS_MAX 5

/* A command that has no reply yet. */
struct waiting {
    struct waiting *next;
    int tag;
    void *item;
    uint64_t deadline_usec; /* monotonic */
};

struct redis_link {
    struct azm_stream_url url;
    char *password_file;
    uint64_t timeout_usec;
    const struct azm_clock *clock;
    size_t reply_max;
    redis_reply_t on_reply;
    void *userdata;

    char place[300];    /* HOST:PORT where a cluster has the stream; "": as the URL says */
    bool asking;        /* it has it for those only who say ASKING */
    bool arrived;       /* it has let us in, and answered, over this connection */
    unsigned redirects; /* without an answer or a failure between them */

    struct redis_socket *socket;
    uint64_t number;
    redisReader *reader;  /* NULL: no connection */
    size_t unread;        /* bytes that were read since the last whole reply */
    struct azm_buf hello; /* what goes out first: who this is */
    struct azm_buf out;   /* what is queued */
    struct azm_buf going; /* what is being written, and so has to stay where it is */
    size_t hello_sent, sent;
    bool greeted; /* Redis knows who this is: before that nothing goes out, which else it might do as somebody else */
    struct waiting *first, **last;
    char *piece; /* READ_BYTES */
};

/* --- the connection goes --- */

static void take_apart(struct redis_link *l)
{
    redis_socket_close(l->socket);
    if (l->reader)
        redisReaderFree(l->reader);
    l->reader = NULL;
    if (l->hello.data)
        explicit_bzero(l->hello.data, l->hello.cap);
    azm_buf_free(&l->hello);
    azm_buf_free(&l->out);
    azm_buf_free(&l->going);
    l->hello_sent = l->sent = l->unread = 0;
    l->greeted = false;
    l->number++;
}

/* All that wait get this. Whoever is told may send again, on another connection. */
static void fail(struct redis_link *l, const struct azm_stream_answer *why)
{
    struct waiting *first = l->first;

    take_apart(l);
    if (!l->arrived)
        *l->place = '\0'; /* where that node leads to is of no use, or it is gone: ask the first one again */
    l->arrived = false;
    if (why->meaning != AZM_REDIRECTED)
        l->redirects = 0;
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

static void fail_words(struct redis_link *l, enum azm_meaning meaning, const char *words, const char *remedy)
{
    struct azm_stream_answer why = {.meaning = meaning, .remedy = remedy};

    snprintf(why.words, sizeof why.words, "%.180s", words);
    fail(l, &why);
}

/* --- the connection comes --- */

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

/* Nobody waits for what this and all behind it were to be told. */
static void drop_waiting(struct redis_link *l, struct waiting **from)
{
    while (*from) {
        struct waiting *w = *from;

        *from = w->next;
        free(w);
    }
    l->last = from;
}

static int append_auth(struct redis_link *l, const struct azm_secret *password)
{
    const struct azm_text words[] = {AZM_TEXT("AUTH"), azm_text_of(*l->url.user ? l->url.user : "default"),
                                     azm_text_of(azm_secret_text(password))};

    return redis_command_append(&l->hello, words, ELEMENTSOF(words));
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

/* Begins to connect: 0, or -ENOMEM and half of it. */
static int begin(struct redis_link *l)
{
    const char *place = *l->place ? l->place : l->url.host;
    size_t host = *place == ':' ? strlen(l->url.host) - strlen(strrchr(l->url.host, ':')) : 0;
    _cleanup_free_ char *server = NULL;

    if (asprintf(&server, "%.*s%s", (int)host, l->url.host, place) < 0) {
        server = NULL;
        return -ENOMEM;
    }
    l->reader = redisReaderCreate();
    if (!l->reader || redis_socket_open(l->socket, server) < 0)
        return -ENOMEM;
    l->reader->maxbuf = 0; /* keeps its buffer */
    return 0;
}

static void connect_if_needed(struct redis_link *l)
{
    struct azm_error err;
    struct waiting *mine = l->first;
    int r;

    if (!l->first || redis_socket_is_open(l->socket))
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

/* --- what goes over it --- */

/* All that is queued: as redis_socket_write. */
static int write_queued(struct redis_link *l, struct azm_stream_answer *ret_why)
{
    int r;

    while ((r = redis_socket_write(l->socket, &l->going, &l->sent, ret_why)) > 0 && l->out.len > 0) {
        struct azm_buf written = l->going;

        l->going = l->out;
        l->out = written;
        azm_buf_clear(&l->out);
        l->sent = 0;
    }
    return r;
}

static void write_out(struct redis_link *l)
{
    struct azm_stream_answer why;
    int r;

    if (!redis_socket_is_open(l->socket))
        return;
    r = l->greeted ? write_queued(l, &why) : redis_socket_write(l->socket, &l->hello, &l->hello_sent, &why);
    if (r < 0)
        fail(l, &why);
}

/* A reply has come, and so the next one may take its time from now on: it had to wait for this one. */
static void take_first(struct redis_link *l)
{
    l->first = l->first->next;
    if (l->first)
        l->first->deadline_usec = MAX(l->first->deadline_usec, azm_monotonic_usec(l->clock) + l->timeout_usec);
    else
        l->last = &l->first;
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

/* MOVED and ASK: goes to the place that these name, until that fails. All that wait, also for this reply, get a
 * failure: to send again, or, if one place has led to the next for too long, to do that later. False: it is another
 * error. */
static bool redirect(struct redis_link *l, const redisReply *error)
{
    struct azm_stream_answer why = {.meaning = AZM_REDIRECTED, .words = "Redis redirects"};
    char place[sizeof l->place];
    bool ask, in_circles = l->redirects == REDIRECTS_MAX;

    if (!azm_redis_place(error->str, error->len, place, &ask))
        return false;
    if (in_circles)
        azm_redis_understand(error->str, error->len, &why);
    else { /* before they send again: ASKING depends on it */
        memcpy(l->place, place, sizeof place);
        l->asking = ask;
    }
    l->redirects++;
    l->arrived = !in_circles; /* then the place stays */
    fail(l, &why);
    return true;
}

/* A master that has become a replica keeps its connections, and a node that is cut off from its cluster does so, too:
 * only another connection, by the name in the URL, may lead to who is the master now. As redirect. */
static bool leave(struct redis_link *l, const redisReply *error)
{
    static const char *const codes[] = {"READONLY ", "MASTERDOWN ", "CLUSTERDOWN "};
    struct azm_stream_answer why;
    bool is = false;

    for (size_t i = 0; i < ELEMENTSOF(codes); i++)
        is |= strncmp(error->str, codes[i], strlen(codes[i])) == 0;
    if (!is)
        return false;
    azm_redis_understand(error->str, error->len, &why);
    l->arrived = false;
    fail(l, &why);
    return true;
}

static void on_reply(struct redis_link *l, redisReply *reply)
{
    struct waiting *w = l->first;
    bool taken = false;

    if (w && w->tag != OWN && redis_is_error(reply) && (redirect(l, reply) || leave(l, reply))) {
        freeReplyObject(reply);
        return;
    }
    if (!w) { /* "-ERR max number of clients reached", say */
        struct azm_stream_answer why = {.meaning = AZM_FAILED,
                                        .words = "Redis said something that nobody has asked for"};

        if (redis_is_error(reply))
            azm_redis_understand(reply->str, reply->len, &why);
        fail(l, &why);
    } else {
        take_first(l);
        l->arrived = w->tag != OWN || !redis_is_error(reply);
        if (w->tag == OWN)
            on_own_reply(l, reply);
        else {
            if (!redis_is_error(reply))
                l->redirects = 0;
            taken = l->on_reply(l->userdata, w->tag, w->item, reply, NULL);
        }
        free(w);
    }
    if (!taken)
        freeReplyObject(reply);
}

static void read_replies(struct redis_link *l)
{
    void *reply;

    while (redis_socket_is_open(l->socket)) { /* a reply may end it */
        if (redisReaderGetReply(l->reader, &reply) != REDIS_OK) {
            fail_words(l, AZM_MISCONFIGURED, "the server does not speak the protocol of Redis",
                       "is there a Redis at this port, and does it want TLS (rediss://)?");
            return;
        }
        if (!reply)
            return;
        l->unread = 0;
        on_reply(l, reply);
    }
}

static void read_in(struct redis_link *l)
{
    struct azm_stream_answer why;

    while (redis_socket_is_open(l->socket)) {
        ssize_t n = redis_socket_read(l->socket, l->piece, READ_BYTES, &why);

        if (n == -EAGAIN)
            return;
        if (n < 0)
            fail(l, &why);
        else if (n == 0 && l->first)
            fail_words(l, AZM_FAILED, "Redis has closed the connection", NULL);
        else if (n == 0)
            take_apart(l); /* it was idle for long */
        else if ((l->unread += (size_t)n) > l->reply_max)
            fail_words(l, AZM_FAILED, "the server's answer is too long", "is there a Redis at this port?");
        else if (redisReaderFeed(l->reader, l->piece, (size_t)n) != REDIS_OK)
            fail_words(l, AZM_FAILED, "out of memory", NULL);
        else
            read_replies(l);
    }
}

int redis_link_send(struct redis_link *l, int tag, void *item, uint64_t block_usec, const struct azm_text *words,
                    size_t n)
{
    static const struct azm_text asking[] = {{"ASKING", 6}};
    size_t before = l->out.len;
    struct waiting **end = l->last;
    int r = redis_command_append(&l->out, words, n);

    if (r >= 0 && l->asking && *l->place) { /* before it */
        l->out.len = before;
        r = redis_command_append(&l->out, asking, 1);
        if (r >= 0)
            r = redis_command_append(&l->out, words, n);
        if (r >= 0)
            r = add_waiting(l, OWN, NULL, 0);
    }
    if (r >= 0)
        r = add_waiting(l, tag, item, block_usec);
    if (r < 0) {
        l->out.len = before;
        drop_waiting(l, end); /* for ASKING: its answer does not come */
    }
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

/* --- the loop --- */

uint64_t redis_link_wake_usec(const struct redis_link *l)
{
    uint64_t usec = redis_socket_wake_usec(l->socket);

    if (l->first && !redis_socket_is_open(l->socket))
        return 0;
    if (l->first)
        usec = MIN(usec, l->first->deadline_usec);
    if (l->greeted && l->out.len > 0 && redis_socket_has_room(l->socket))
        return 0;
    return usec;
}

static void fail_if_late(struct redis_link *l)
{
    struct azm_stream_answer why = {.meaning = AZM_FAILED, .curl_code = CURLE_OPERATION_TIMEDOUT};

    if (!redis_socket_is_open(l->socket) || !l->first || azm_monotonic_usec(l->clock) < l->first->deadline_usec)
        return;
    snprintf(why.words, sizeof why.words, "no answer within %.1f s",
             (double)l->timeout_usec / (double)AZM_USEC_PER_SEC);
    fail(l, &why);
}

void redis_link_process(struct redis_link *l)
{
    struct azm_stream_answer why;
    int r;

    connect_if_needed(l);
    if (!redis_socket_is_open(l->socket))
        return;
    r = redis_socket_connect(l->socket, &why);
    if (r < 0)
        fail(l, &why);
    else if (r > 0) {
        write_out(l);
        read_in(l);
        write_out(l); /* what the replies have led to */
    }
    fail_if_late(l);
    connect_if_needed(l);
}

int redis_link_fd(const struct redis_link *l)
{
    return redis_socket_fd(l->socket);
}

struct azm_text redis_link_stream(const struct redis_link *l)
{
    return azm_text_of(l->url.stream);
}

/* --- life --- */

int redis_link_new(const struct azm_stream_options *o, size_t reply_max, redis_reply_t on_reply_, void *userdata,
                   struct redis_link **ret, struct azm_error *err)
{
    struct redis_link *l = calloc(1, sizeof *l);
    int r;

    if (!l)
        return azm_error_set(err, ENOMEM, "out of memory");
    l->last = &l->first;
    l->number = 1;
    l->reply_max = reply_max;
    l->on_reply = on_reply_;
    l->userdata = userdata;
    l->timeout_usec = o->timeout_usec;
    l->clock = o->clock;
    l->password_file = strdup(o->password_file);
    l->piece = malloc(READ_BYTES);
    r = l->password_file && l->piece ? azm_stream_url_parse(o->url, &l->url, err)
                                     : azm_error_set(err, ENOMEM, "out of memory");
    if (r >= 0)
        r = redis_socket_new(o, l->url.tls, &l->socket, err);
    if (r < 0) {
        redis_link_free(l);
        return r;
    }
    *ret = l;
    return 0;
}

struct redis_link *redis_link_free(struct redis_link *l)
{
    if (!l)
        return NULL;
    if (l->socket)
        take_apart(l);
    drop_waiting(l, &l->first);
    redis_socket_free(l->socket);
    azm_stream_url_free(&l->url);
    free(l->password_file);
    free(l->piece);
    free(l);
    return NULL;
}
