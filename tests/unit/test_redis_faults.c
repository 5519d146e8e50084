/* SPDX-License-Identifier: MIT */
#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/buf.h"
#include "export/http.h"
#include "stream/stream.h"
#include "tests/unit/test.h"

/* Redis that does not do what it should, as a relay and a host see it: two nodes that are played here. */

#define TURNS_MAX 60000 /* of a millisecond at least, for what must come to pass */

static unsigned callocs_left = UINT_MAX; /* then one of them fails */

void *__real_calloc(size_t n, size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_calloc(size_t n, size_t size)
{
    return callocs_left-- == 0 ? NULL : __real_calloc(n, size);
}

/* --- time --- */

static uint64_t passed_usec;

static uint64_t monotonic(void *userdata)
{
    (void)userdata;
    return azm_monotonic_usec(&azm_system_clock) + passed_usec;
}

static uint64_t none(void *userdata)
{
    (void)userdata;
    return 0;
}

static const struct azm_clock test_clock = {.monotonic_usec = monotonic, .realtime_usec = none, .random = none};

/* --- nodes --- */

#define CONNECTIONS_MAX 64

static struct node {
    int fd;
    unsigned port;
    const char *(*answer)(unsigned node, const char *command); /* NULL: none */
} nodes[2];

static struct connection {
    int fd;
    unsigned node;
    struct azm_buf in;
} connections[CONNECTIONS_MAX];
static size_t n_connections;

static unsigned commands;
static char last_command[32], last_word[32]; /* the first and the last word of it */
static size_t last_count;                    /* behind COUNT */

static void start_node(unsigned i, const char *(*answer)(unsigned, const char *))
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, len), 0);
    ck_assert_int_eq(listen(fd, CONNECTIONS_MAX), 0);
    ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&address, &len), 0);
    nodes[i] = (struct node){.fd = fd, .port = ntohs(address.sin_port), .answer = answer};
}

/* Takes a number behind `type` off the front of *text; false if it is not all there. */
static bool take_number(struct azm_text *text, char type, size_t *ret)
{
    const char *end = memchr(text->s, '\n', text->len);

    if (!end)
        return false;
    ck_assert_int_eq(*text->s, type);
    *ret = strtoul(text->s + 1, NULL, 10);
    text->len -= (size_t)(end + 1 - text->s);
    text->s = end + 1;
    return true;
}

/* Takes a command: its first word is kept, and its COUNT. False if it is not all there. */
static bool take_command(struct azm_text *text)
{
    size_t words, len;
    bool count = false;

    if (!take_number(text, '*', &words))
        return false;
    for (size_t i = 0; i < words; i++) {
        if (!take_number(text, '$', &len) || text->len < len + 2)
            return false;
        if (i == 0)
            snprintf(last_command, sizeof last_command, "%.*s", (int)len, text->s);
        snprintf(last_word, sizeof last_word, "%.*s", (int)len, text->s);
        if (count)
            last_count = strtoul(text->s, NULL, 10);
        count = len == 5 && memcmp(text->s, "COUNT", 5) == 0;
        text->s += len + 2;
        text->len -= len + 2;
    }
    return true;
}

static void answer(struct connection *c)
{
    struct azm_text text = azm_buf_text(&c->in), rest = text;

    while (rest.len > 0 && take_command(&rest)) {
        const char *words = nodes[c->node].answer(c->node, last_command);

        commands++;
        if (words)
            ck_assert_int_gt(send(c->fd, words, strlen(words), MSG_NOSIGNAL), 0);
        text = rest;
    }
    memmove(c->in.data, text.s, text.len);
    c->in.len = text.len;
}

static void serve(void)
{
    for (unsigned i = 0; i < 2; i++) {
        int fd = nodes[i].fd > 0 ? accept4(nodes[i].fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK) : -1;

        if (fd >= 0) {
            ck_assert_uint_lt(n_connections, CONNECTIONS_MAX);
            connections[n_connections++] = (struct connection){.fd = fd, .node = i};
        }
    }
    for (size_t i = 0; i < n_connections; i++) {
        struct connection *c = &connections[i];
        ssize_t n;

        ck_assert_int_eq(azm_buf_reserve(&c->in, 65536), 0);
        n = recv(c->fd, c->in.data + c->in.len, 65536, 0);
        if (n > 0) {
            c->in.len += (size_t)n;
            answer(c);
        }
    }
}

static void stop_nodes(void)
{
    for (size_t i = 0; i < n_connections; i++) {
        close(connections[i].fd);
        azm_buf_free(&connections[i].in);
    }
    for (unsigned i = 0; i < 2; i++)
        if (nodes[i].fd > 0)
            close(nodes[i].fd);
}

/* --- a relay, a host --- */

static char url[64];

static struct azm_stream_options options(void)
{
    ck_assert_int_eq(azm_http_global_init(NULL), 0);
    snprintf(url, sizeof url, "redis://127.0.0.1:%u/x", nodes[0].port);
    return (struct azm_stream_options){.url = url,
                                       .password_file = "",
                                       .tls_ca_file = "",
                                       .tls_cert_file = "",
                                       .tls_key_file = "",
                                       .timeout_usec = 3600 * AZM_USEC_PER_SEC,
                                       .clock = &test_clock,
                                       .replicas = 1,
                                       .group = "g",
                                       .consumer = "c",
                                       .claim_after_usec = 3600 * AZM_USEC_PER_SEC,
                                       .follow = true,
                                       .fetch_bytes = 1000000};
}

static struct azm_stream_reader *begin_reading(void)
{
    const struct azm_stream_options o = options();
    struct azm_stream_reader *r;
    struct azm_stream_entry e;

    ck_assert_int_eq(azm_stream_reader_new(&o, &r, NULL), 0);
    ck_assert_int_eq(r->ops->next(r, &e), 0);
    return r;
}

static void turn(struct azm_stream_reader *r)
{
    struct pollfd p = {.fd = r->fd, .events = POLLIN};

    ck_assert_int_eq(r->ops->process(r), 0);
    serve();
    poll(&p, 1, 1);
}

static bool is_failing(struct azm_stream_reader *r, struct azm_stream_status *s)
{
    r->ops->get_status(r, s);
    return s->failing;
}

/* --- no answer --- */

static bool questioned, fetched;

static const char *answer_no_question(unsigned node, const char *command)
{
    (void)node;
    questioned |= strcmp(command, "XINFO") == 0;
    fetched |= strcmp(command, "XREADGROUP") == 0;
    return strcmp(command, "XGROUP") == 0 ? "+OK\r\n" : NULL;
}

/* An answer that does not come is waited for: there is nothing to do before its timeout. */
START_TEST(waits_for_an_answer)
{
    struct azm_stream_reader *r;

    start_node(0, answer_no_question);
    r = begin_reading();
    for (unsigned i = 0; i < TURNS_MAX && !(questioned && fetched); i++)
        turn(r);
    ck_assert(questioned && fetched);
    for (unsigned i = 0; i < 100; i++) { /* all that the beginning has led to */
        passed_usec += AZM_USEC_PER_SEC;
        ck_assert_int_eq(r->ops->process(r), 0);
    }
    ck_assert_uint_gt(r->ops->wake_usec(r), azm_monotonic_usec(&test_clock));
    azm_stream_reader_free(r);
    stop_nodes();
}
END_TEST

/* --- circles --- */

static bool whole;

static const char *lead_to_the_other(unsigned node, const char *command)
{
    static char moved[64];

    if (whole)
        return strcmp(command, "XGROUP") == 0 ? "+OK\r\n" : "*0\r\n";
    snprintf(moved, sizeof moved, "-MOVED 1 127.0.0.1:%u\r\n", nodes[1 - node].port);
    return moved;
}

/* Nodes that send each other's clients in circles: a relay runs a few times, says so, and waits before the next time.
 */
START_TEST(does_not_run_in_circles)
{
    struct azm_stream_status s = {0};
    struct azm_stream_reader *r;

    start_node(0, lead_to_the_other);
    start_node(1, lead_to_the_other);
    r = begin_reading();
    for (unsigned i = 0; i < TURNS_MAX && !is_failing(r, &s) && n_connections < CONNECTIONS_MAX / 2; i++)
        turn(r);
    ck_assert(s.failing);
    ck_assert_int_eq(s.failure.meaning, AZM_MISCONFIGURED);
    ck_assert_ptr_nonnull(strstr(s.failure.remedy, "in circles"));
    ck_assert_uint_gt(r->ops->wake_usec(r), azm_monotonic_usec(&test_clock));

    whole = true; /* and gets out of it, when the cluster does */
    passed_usec += 60 * AZM_USEC_PER_SEC;
    for (unsigned i = 0; i < TURNS_MAX && is_failing(r, &s); i++)
        turn(r);
    ck_assert(!s.failing);
    azm_stream_reader_free(r);
    stop_nodes();
}
END_TEST

/* --- sizes --- */

static const char *give_small_ones(unsigned node, const char *command)
{
    static unsigned n;
    static char entry[128];

    (void)node;
    if (strcmp(command, "XGROUP") == 0)
        return "+OK\r\n";
    if (strcmp(command, "XREADGROUP") != 0)
        return "*0\r\n";
    snprintf(entry, sizeof entry, "*1\r\n*2\r\n$1\r\nx\r\n*1\r\n*2\r\n$6\r\n%04u-1\r\n*2\r\n$1\r\nv\r\n$1\r\n1\r\n",
             ++n);
    return entry;
}

/* What follows the small ones may be large, and the reply has to find room. */
START_TEST(does_not_fetch_too_many)
{
    struct azm_stream_reader *r;
    struct azm_stream_entry e;
    uint64_t number = 0;

    start_node(0, give_small_ones);
    r = begin_reading();
    for (unsigned i = 0; i < TURNS_MAX && number < 100; i++) {
        turn(r);
        while (r->ops->next(r, &e) > 0)
            number = e.number;
    }
    ck_assert_uint_eq(number, 100);
    ck_assert_uint_gt(last_count, 10);
    ck_assert_uint_le(last_count, 100);
    azm_stream_reader_free(r);
    stop_nodes();
}
END_TEST

/* --- acknowledgements that do not get through --- */

static bool acknowledging;

/* Nothing gets through on the connection of XACK, nor what follows it there. */
static const char *give_and_keep(unsigned node, const char *command)
{
    static bool stuck;

    stuck = !acknowledging && (stuck || strcmp(command, "XACK") == 0);
    if (strcmp(command, "XACK") == 0 || strcmp(command, "XINFO") == 0)
        return stuck ? NULL : ":1\r\n";
    return give_small_ones(node, command);
}

/* Takes and acknowledges messages up to that one, or as long as there are some; the last one. */
static uint64_t take_up_to(struct azm_stream_reader *r, uint64_t number)
{
    struct azm_stream_entry e = {0};

    for (unsigned i = 0, idle = 0; i < TURNS_MAX && idle < 500 && e.number < number; i++, idle++) {
        turn(r);
        while (r->ops->next(r, &e) > 0) {
            ck_assert_int_eq(r->ops->acknowledge(r, e.number), 0);
            idle = 0;
        }
    }
    return e.number;
}

/* While Redis does not take acknowledgements no more is read than it can be told in a while. */
START_TEST(waits_for_acknowledgements)
{
    struct azm_stream_reader *r;
    uint64_t n;

    start_node(0, give_and_keep);
    r = begin_reading();
    n = take_up_to(r, 5000);
    ck_assert_uint_ge(n, 1000);
    ck_assert_uint_lt(n, 1100);
    ck_assert_uint_gt(r->ops->wake_usec(r), azm_monotonic_usec(&test_clock));
    acknowledging = true;
    passed_usec += 2 * 3600 * AZM_USEC_PER_SEC; /* the one on its way is given up */
    ck_assert_uint_eq(take_up_to(r, 2000), 2000);
    azm_stream_reader_free(r);
    stop_nodes();
}
END_TEST

/* --- no memory --- */

static unsigned adds, waits;

static const char *store(unsigned node, const char *command)
{
    (void)node;
    if (strcmp(command, "WAIT") == 0) {
        waits++;
        return ":1\r\n";
    }
    adds++;
    return "$3\r\n1-1\r\n";
}

static bool answered(struct azm_stream_writer *w, struct azm_stream_answer *ret)
{
    for (unsigned i = 0; i < TURNS_MAX; i++) {
        struct pollfd p = {.fd = w->fd, .events = POLLIN};

        ck_assert_int_eq(w->ops->process(w), 0);
        serve();
        if (w->ops->next_done(w, ret))
            return true;
        poll(&p, 1, 1);
    }
    return false;
}

/* Memory is out when one of the two commands of a message is queued: there is one answer, and what is stored is not
 * stored once more. */
START_TEST(half_a_send)
{
    const struct azm_stream_message m = {.body = "body", .len = 4, .records = 1};
    struct azm_stream_options o;
    struct azm_stream_writer *w;
    struct azm_stream_send *send;
    struct azm_stream_answer a;

    start_node(0, store);
    o = options();
    ck_assert_int_eq(azm_stream_writer_new(&o, &w, NULL), 0);
    send = w->ops->send_new(w, NULL);
    callocs_left = 1;
    ck_assert_int_eq(w->ops->post(send, &m), 0);
    callocs_left = UINT_MAX;
    ck_assert(answered(w, &a));
    ck_assert_int_eq(a.meaning, AZM_UNREACHABLE);
    ck_assert_str_eq(a.words, "out of memory");
    ck_assert_ptr_null(w->ops->next_done(w, &a));
    ck_assert_int_eq(w->ops->post(send, &m), 0);
    ck_assert(answered(w, &a));
    ck_assert_int_eq(a.meaning, AZM_TAKEN);
    ck_assert_uint_eq(adds, 1);
    ck_assert_uint_eq(waits, 1);

    callocs_left = 0; /* not even half */
    ck_assert_int_eq(w->ops->post(send, &m), -ENOMEM);
    callocs_left = UINT_MAX;
    ck_assert_ptr_null(w->ops->next_done(w, &a));
    w->ops->send_free(send);
    azm_stream_writer_free(w);
    stop_nodes();
}
END_TEST

/* Memory is out when a message is to go to another node: it is not taken for stored. */
START_TEST(no_memory_to_follow)
{
    const struct azm_stream_message m = {.body = "body", .len = 4, .records = 1};
    struct azm_stream_options o;
    struct azm_stream_writer *w;
    struct azm_stream_send *send;
    struct azm_stream_answer a;

    start_node(0, lead_to_the_other);
    start_node(1, store);
    o = options();
    ck_assert_int_eq(azm_stream_writer_new(&o, &w, NULL), 0);
    send = w->ops->send_new(w, NULL);
    ck_assert_int_eq(w->ops->post(send, &m), 0);
    callocs_left = 0;
    ck_assert(answered(w, &a));
    ck_assert_uint_eq(adds, 0);
    ck_assert_int_eq(a.meaning, AZM_UNREACHABLE);
    callocs_left = UINT_MAX;
    ck_assert_int_eq(w->ops->post(send, &m), 0);
    ck_assert(answered(w, &a));
    ck_assert_int_eq(a.meaning, AZM_TAKEN);
    ck_assert_uint_eq(adds, 1);
    w->ops->send_free(send);
    azm_stream_writer_free(w);
    stop_nodes();
}
END_TEST

/* --- replicas --- */

/* In the place of the node comes one that knows nothing of what was stored there. */
static const char *store_and_die(unsigned node, const char *command)
{
    if (strcmp(command, "WAIT") == 0 && n_connections == 1) {
        shutdown(connections[0].fd, SHUT_RDWR);
        return NULL;
    }
    return store(node, command);
}

/* What replicas have of one connection says nothing about what was stored over another one. */
START_TEST(stored_before_the_connection_ended)
{
    const struct azm_stream_message m = {.body = "body", .len = 4, .records = 1};
    struct azm_stream_options o;
    struct azm_stream_writer *w;
    struct azm_stream_send *send;
    struct azm_stream_answer a;

    start_node(0, store_and_die);
    o = options();
    ck_assert_int_eq(azm_stream_writer_new(&o, &w, NULL), 0);
    send = w->ops->send_new(w, NULL);
    ck_assert_int_eq(w->ops->post(send, &m), 0);
    ck_assert(answered(w, &a));
    ck_assert_int_ne(a.meaning, AZM_TAKEN);
    ck_assert_uint_eq(adds, 1);
    ck_assert_int_eq(w->ops->post(send, &m), 0);
    ck_assert(answered(w, &a));
    ck_assert_int_eq(a.meaning, AZM_TAKEN);
    ck_assert_uint_eq(adds, 2);
    w->ops->send_free(send);
    azm_stream_writer_free(w);
    stop_nodes();
}
END_TEST

/* The replicas are away: each WAIT is answered when its time is over, and what is behind it waits for that. */
static const char *store_and_wait(unsigned node, const char *command)
{
    if (whole || strcmp(command, "WAIT") != 0)
        return store(node, command);
    waits++;
    return NULL;
}

/* As long as Redis answers, one after the other, it is not late: what is stored stays stored. */
START_TEST(replicas_are_away)
{
    const struct azm_stream_message m = {.body = "body", .len = 4, .records = 1};
    struct azm_stream_options o;
    struct azm_stream_send *sends[4];
    struct azm_stream_writer *w;
    struct azm_stream_answer a;
    unsigned n = 0, times_over = 0;

    start_node(0, store_and_wait);
    o = options();
    o.timeout_usec = 10 * AZM_USEC_PER_SEC; /* half of it is for WAIT */
    ck_assert_int_eq(azm_stream_writer_new(&o, &w, NULL), 0);
    for (unsigned i = 0; i < ELEMENTSOF(sends); i++) {
        sends[i] = w->ops->send_new(w, NULL);
        ck_assert_int_eq(w->ops->post(sends[i], &m), 0);
    }
    for (unsigned i = 0; i < TURNS_MAX && n < ELEMENTSOF(sends); i++) {
        struct pollfd p = {.fd = w->fd, .events = POLLIN};

        ck_assert_int_eq(w->ops->process(w), 0);
        serve();
        for (; w->ops->next_done(w, &a); n++)
            ck_assert_int_eq(a.meaning, AZM_OVERLOADED);
        poll(&p, 1, 1);
        if (times_over > n || n == ELEMENTSOF(sends) || waits < ELEMENTSOF(sends))
            continue;
        times_over++;
        passed_usec += o.timeout_usec / 2;
        ck_assert_int_eq(send(connections[0].fd, ":0\r\n", 4, MSG_NOSIGNAL), 4);
    }
    ck_assert_uint_eq(n, ELEMENTSOF(sends));
    whole = true;
    for (unsigned i = 0; i < ELEMENTSOF(sends); i++) {
        ck_assert_int_eq(w->ops->post(sends[i], &m), 0);
        ck_assert(answered(w, &a));
        ck_assert_int_eq(a.meaning, AZM_TAKEN);
    }
    ck_assert_uint_eq(adds, ELEMENTSOF(sends));
    for (unsigned i = 0; i < ELEMENTSOF(sends); i++)
        w->ops->send_free(sends[i]);
    azm_stream_writer_free(w);
    stop_nodes();
}
END_TEST

/* --- a host is sent elsewhere --- */

#define SENDS 8

static struct azm_stream_writer *begin_writing(struct azm_stream_send *sends[static SENDS])
{
    const struct azm_stream_options o = options();
    struct azm_stream_writer *w;

    ck_assert_int_eq(azm_stream_writer_new(&o, &w, NULL), 0);
    for (unsigned i = 0; i < SENDS; i++)
        sends[i] = w->ops->send_new(w, NULL);
    return w;
}

/* All of a window at once; what its answers mean. */
static void post_all(struct azm_stream_writer *w, struct azm_stream_send *sends[static SENDS], enum azm_meaning meaning)
{
    const struct azm_stream_message m = {.body = "body", .len = 4, .records = 1};
    struct azm_stream_answer a;

    for (unsigned i = 0; i < SENDS; i++)
        ck_assert_int_eq(w->ops->post(sends[i], &m), 0);
    for (unsigned i = 0; i < SENDS; i++) {
        ck_assert(answered(w, &a));
        ck_assert_int_eq(a.meaning, meaning);
    }
}

static void end_writing(struct azm_stream_writer *w, struct azm_stream_send *sends[static SENDS])
{
    for (unsigned i = 0; i < SENDS; i++)
        w->ops->send_free(sends[i]);
    azm_stream_writer_free(w);
    stop_nodes();
}

/* Many messages on their way are not many times as many connections. When the cluster gets out of it they go on. */
START_TEST(host_does_not_run_in_circles)
{
    struct azm_stream_send *sends[SENDS];
    struct azm_stream_writer *w;

    start_node(0, lead_to_the_other);
    start_node(1, lead_to_the_other);
    w = begin_writing(sends);
    post_all(w, sends, AZM_MISCONFIGURED);
    ck_assert_uint_eq(n_connections, 6);
    nodes[1].answer = store; /* the first one still leads to it */
    post_all(w, sends, AZM_TAKEN);
    ck_assert_uint_eq(adds, SENDS);
    end_writing(w, sends);
}
END_TEST

static const char *store_if_asked(unsigned node, const char *command)
{
    static bool asked;
    static char moved[64];
    bool was_asked = asked;

    asked = strcmp(command, "ASKING") == 0;
    if (asked)
        return "+OK\r\n";
    if (was_asked || strcmp(command, "WAIT") == 0)
        return store(node, command);
    snprintf(moved, sizeof moved, "-MOVED 1 127.0.0.1:%u\r\n", nodes[0].port);
    return moved;
}

static const char *lead_on_its_way(unsigned node, const char *command)
{
    static char ask[64];

    (void)node;
    (void)command;
    snprintf(ask, sizeof ask, "-ASK 1 127.0.0.1:%u\r\n", nodes[1].port);
    return ask;
}

/* A stream that is on its way from one node to another: all messages say ASKING. */
START_TEST(all_ask)
{
    struct azm_stream_send *sends[SENDS];
    struct azm_stream_writer *w;

    start_node(0, lead_on_its_way);
    start_node(1, store_if_asked);
    w = begin_writing(sends);
    post_all(w, sends, AZM_TAKEN);
    ck_assert_uint_eq(adds, SENDS);
    ck_assert_uint_eq(n_connections, 2);
    end_writing(w, sends);
}
END_TEST

/* --- nodes that come and go --- */

static struct azm_stream_answer post_one(struct azm_stream_writer *w, struct azm_stream_send *send)
{
    const struct azm_stream_message m = {.body = "body", .len = 4, .records = 1};
    struct azm_stream_answer a;

    ck_assert_int_eq(w->ops->post(send, &m), 0);
    ck_assert(answered(w, &a));
    return a;
}

static void stop_node(unsigned i)
{
    for (size_t k = 0; k < n_connections; k++)
        if (connections[k].node == i)
            shutdown(connections[k].fd, SHUT_RDWR);
    close(nodes[i].fd);
    nodes[i].fd = -1;
}

/* The node where a cluster had the stream is gone for good: the first one knows where it is now. */
START_TEST(the_node_elsewhere_goes)
{
    struct azm_stream_send *sends[SENDS];
    struct azm_stream_writer *w;

    start_node(0, lead_to_the_other);
    start_node(1, store);
    w = begin_writing(sends);
    ck_assert_int_eq(post_one(w, sends[0]).meaning, AZM_TAKEN);
    stop_node(1);
    nodes[0].answer = store;
    ck_assert_int_ne(post_one(w, sends[0]).meaning, AZM_TAKEN); /* the connection has ended */
    ck_assert_int_ne(post_one(w, sends[0]).meaning, AZM_TAKEN); /* it may be there again, and is not */
    ck_assert_int_eq(post_one(w, sends[0]).meaning, AZM_TAKEN);
    end_writing(w, sends);
}
END_TEST

static const char *be_down(unsigned node, const char *command)
{
    (void)node;
    (void)command;
    return "-CLUSTERDOWN The cluster is down\r\n";
}

/* Again and again to a node that is not well is no circle. */
START_TEST(the_node_elsewhere_is_not_well)
{
    struct azm_stream_send *sends[SENDS];
    struct azm_stream_writer *w;

    start_node(0, lead_to_the_other);
    start_node(1, be_down);
    w = begin_writing(sends);
    for (unsigned i = 0; i < 8; i++)
        ck_assert_int_eq(post_one(w, sends[0]).meaning, AZM_OVERLOADED);
    stop_node(1);
    for (unsigned i = 0; i < 8; i++)
        ck_assert_int_eq(post_one(w, sends[0]).meaning, AZM_FAILED);
    end_writing(w, sends);
}
END_TEST

static const char *let_nobody_in(unsigned node, const char *command)
{
    (void)node;
    (void)command;
    return "-NOAUTH Authentication required.\r\n";
}

/* A node to which another one has led, and which lets nobody in, is not gone to once the other one leads elsewhere. */
START_TEST(the_node_elsewhere_lets_nobody_in)
{
    struct azm_stream_send *sends[SENDS];
    struct azm_stream_writer *w;

    start_node(0, lead_on_its_way);
    start_node(1, let_nobody_in);
    w = begin_writing(sends);
    ck_assert_int_eq(post_one(w, sends[0]).meaning, AZM_UNAUTHORIZED);
    nodes[0].answer = store;
    ck_assert_int_eq(post_one(w, sends[0]).meaning, AZM_TAKEN);
    end_writing(w, sends);
}
END_TEST

static const char *be_a_replica_at_first(unsigned node, const char *command)
{
    return n_connections > 1 ? store(node, command) : "-READONLY You can't write against a read only replica.\r\n";
}

/* A master that has become a replica keeps its connections: another one, by the same name, leads to the new master. */
START_TEST(the_master_is_a_replica_now)
{
    struct azm_stream_send *sends[SENDS];
    struct azm_stream_writer *w;
    struct azm_stream_answer a;

    start_node(0, be_a_replica_at_first);
    w = begin_writing(sends);
    a = post_one(w, sends[0]);
    ck_assert_int_eq(a.meaning, AZM_MISCONFIGURED);
    ck_assert_ptr_nonnull(strstr(a.words, "READONLY"));
    ck_assert_int_eq(post_one(w, sends[0]).meaning, AZM_TAKEN);
    end_writing(w, sends);
}
END_TEST

/* Memory is out behind an ASKING: nobody waits for its answer, which does not come. */
START_TEST(no_memory_to_ask)
{
    const struct azm_stream_message m = {.body = "body", .len = 4, .records = 1};
    struct azm_stream_send *sends[SENDS];
    struct azm_stream_writer *w;

    start_node(0, lead_on_its_way);
    start_node(1, store_if_asked);
    w = begin_writing(sends);
    ck_assert_int_eq(post_one(w, sends[0]).meaning, AZM_TAKEN);
    callocs_left = 1;
    ck_assert_int_eq(w->ops->post(sends[0], &m), -ENOMEM);
    callocs_left = UINT_MAX;
    ck_assert_int_eq(post_one(w, sends[0]).meaning, AZM_TAKEN);
    ck_assert_uint_eq(adds, 2);
    end_writing(w, sends);
}
END_TEST

/* --- a server that means harm --- */

static const char *begin_without_end(unsigned node, const char *command)
{
    (void)node;
    return strcmp(command, "XADD") == 0 ? "$1000000000\r\n" : NULL;
}

/* An answer that goes on and on: a host waits for a short one, and keeps no more of it than that. */
START_TEST(endless_answer)
{
    static const char piece[65536];
    struct azm_stream_send *sends[SENDS];
    const struct azm_stream_message m = {.body = "body", .len = 4, .records = 1};
    struct azm_stream_writer *w;
    struct azm_stream_answer a;
    size_t sent = 0;

    start_node(0, begin_without_end);
    w = begin_writing(sends);
    ck_assert_int_eq(w->ops->post(sends[0], &m), 0);
    for (unsigned i = 0; i < TURNS_MAX && !w->ops->next_done(w, &a) && sent < 64 * 1024 * 1024; i++) {
        struct pollfd p = {.fd = w->fd, .events = POLLIN};

        ck_assert_int_eq(w->ops->process(w), 0);
        serve();
        for (ssize_t n = 0; commands > 0 && n >= 0; sent += (size_t)MAX(n, 0))
            n = send(connections[0].fd, piece, sizeof piece, MSG_NOSIGNAL);
        poll(&p, 1, 1);
    }
    ck_assert_uint_lt(sent, 32 * 1024 * 1024); /* the kernel has some of it */
    ck_assert_int_eq(a.meaning, AZM_FAILED);
    ck_assert_ptr_nonnull(strstr(a.words, "too long"));
    end_writing(w, sends);
}
END_TEST

/* --- what a relay makes of it --- */

static unsigned claims, acknowledged;

/* A message was deleted while another relay had it: before Redis 7.0 XAUTOCLAIM has nil in its place, and it is pending
 * still. */
static const char *claim_what_is_gone(unsigned node, const char *command)
{
    (void)node;
    if (strcmp(command, "XGROUP") == 0)
        return "+OK\r\n";
    if (strcmp(command, "XAUTOCLAIM") == 0 && claims++ == 0)
        return "*2\r\n$3\r\n0-0\r\n*1\r\n$-1\r\n";
    if (strcmp(command, "XREADGROUP") == 0 && strcmp(last_word, "0-0") == 0 && claims > 0 && acknowledged == 0)
        return "*1\r\n*2\r\n$1\r\nx\r\n*1\r\n*2\r\n$3\r\n5-1\r\n*-1\r\n";
    acknowledged += strcmp(command, "XACK") == 0 && strcmp(last_word, "5-1") == 0;
    return strcmp(command, "XACK") == 0 ? ":1\r\n" : "*0\r\n";
}

/* It is acknowledged, and so nobody claims it again and again, and what follows it may be removed. */
START_TEST(claims_what_is_gone)
{
    struct azm_stream_status s;
    struct azm_stream_reader *r;
    struct azm_stream_entry e = {0};

    start_node(0, claim_what_is_gone);
    r = begin_reading();
    for (unsigned i = 0; i < 2000 && e.number == 0; i++) {
        turn(r);
        r->ops->next(r, &e);
    }
    ck_assert_uint_eq(e.number, 1);
    ck_assert_ptr_null(e.message.body);
    ck_assert_int_eq(r->ops->acknowledge(r, 1), 0);
    for (unsigned i = 0; i < 2000 && !r->ops->settled(r); i++)
        turn(r);
    ck_assert_uint_eq(acknowledged, 1);
    r->ops->get_status(r, &s);
    ck_assert_uint_eq(s.gone, 0); /* the one that was given says it */
    azm_stream_reader_free(r);
    stop_nodes();
}
END_TEST

/* The connection for questions ends, with all of them. */
static const char *end_when_asked(unsigned node, const char *command)
{
    if (strcmp(command, "XINFO") != 0 && strcmp(command, "XCLAIM") != 0 && strcmp(command, "XACK") != 0)
        return give_small_ones(node, command);
    if (whole)
        return "*0\r\n";
    if (strcmp(command, "XACK") == 0) /* it comes last */
        for (size_t i = 0; i < n_connections; i++)
            shutdown(connections[i].fd, SHUT_RDWR);
    return NULL;
}

/* A connection that ends is one failure, however many wait for answers. A relay that is full, as Azure is away, fetches
 * nothing: that Redis is well again it sees from what else it asks. */
START_TEST(is_well_without_fetching)
{
    struct azm_stream_status s = {0};
    struct azm_stream_reader *r;
    struct azm_stream_entry e = {0};

    start_node(0, end_when_asked);
    r = begin_reading();
    for (unsigned i = 0; i < TURNS_MAX && e.number < 2; i++) {
        turn(r);
        r->ops->next(r, &e);
    }
    ck_assert_uint_eq(e.number, 2);
    passed_usec += 1800 * AZM_USEC_PER_SEC; /* time for a sign of life */
    for (unsigned i = 0; i < 20; i++)
        turn(r);
    ck_assert(!is_failing(r, &s));
    ck_assert_int_eq(r->ops->acknowledge(r, 1), 0);
    for (unsigned i = 0; i < TURNS_MAX && !is_failing(r, &s); i++)
        turn(r);
    ck_assert(s.failing);
    ck_assert_uint_le(r->ops->wake_usec(r), azm_monotonic_usec(&test_clock) + 200 * AZM_USEC_PER_MSEC);
    whole = true;
    for (unsigned i = 0; i < 2000 && is_failing(r, &s); i++) {
        passed_usec += 100 * AZM_USEC_PER_MSEC;
        turn(r);
    }
    ck_assert(!s.failing);
    azm_stream_reader_free(r);
    stop_nodes();
}
END_TEST

static unsigned trims;

static const char *load_at_first(unsigned node, const char *command)
{
    (void)node;
    if (strcmp(command, "XGROUP") == 0)
        return "+OK\r\n";
    trims += strcmp(command, "XTRIM") == 0;
    if (strcmp(command, "XINFO") != 0)
        return "*0\r\n";
    return whole ? "*1\r\n*4\r\n$4\r\nname\r\n$1\r\ng\r\n$17\r\nlast-delivered-id\r\n$3\r\n5-1\r\n"
                 : "-LOADING Redis is loading the dataset in memory\r\n";
}

/* What passes by itself is no refusal: what is to be removed still is, and before that the relay is not settled. */
START_TEST(loading_passes)
{
    struct azm_stream_options o;
    struct azm_stream_status s = {0};
    struct azm_stream_reader *r;
    struct azm_stream_entry e;

    start_node(0, load_at_first);
    o = options();
    o.trim = true;
    ck_assert_int_eq(azm_stream_reader_new(&o, &r, NULL), 0);
    ck_assert_int_eq(r->ops->next(r, &e), 0);
    for (unsigned i = 0; i < 2000 && !is_failing(r, &s); i++)
        turn(r);
    ck_assert(s.failing);
    ck_assert(!r->ops->settled(r));
    ck_assert_uint_gt(r->ops->wake_usec(r), azm_monotonic_usec(&test_clock)); /* it waits before it asks again */
    whole = true;
    for (unsigned i = 0; i < 2000 && trims == 0; i++) {
        passed_usec += 100 * AZM_USEC_PER_MSEC;
        turn(r);
    }
    ck_assert_uint_eq(trims, 1);
    azm_stream_reader_free(r);
    stop_nodes();
}
END_TEST

static void add_tests(Suite *suite)
{
    add_test(suite, "a relay waits for an answer that does not come", waits_for_an_answer);
    add_test(suite, "nodes that send a relay in circles", does_not_run_in_circles);
    add_test(suite, "small messages, before large ones", does_not_fetch_too_many);
    add_test(suite, "acknowledgements that do not get through", waits_for_acknowledgements);
    add_test(suite, "memory is out between the two commands of a message", half_a_send);
    add_test(suite, "memory is out when a message is to go to another node", no_memory_to_follow);
    add_test(suite, "a connection ends before replicas are sure", stored_before_the_connection_ended);
    add_test(suite, "replicas that are away", replicas_are_away);
    add_test(suite, "nodes that send a host in circles", host_does_not_run_in_circles);
    add_test(suite, "many messages for a stream that is on its way to another node", all_ask);
    add_test(suite, "the node where a stream was is gone", the_node_elsewhere_goes);
    add_test(suite, "the node where a stream is is not well", the_node_elsewhere_is_not_well);
    add_test(suite, "the node where a stream is lets nobody in", the_node_elsewhere_lets_nobody_in);
    add_test(suite, "a master that has become a replica", the_master_is_a_replica_now);
    add_test(suite, "memory is out behind an ASKING", no_memory_to_ask);
    add_test(suite, "an answer without an end", endless_answer);
    add_test(suite, "messages that were deleted, of a relay that is gone", claims_what_is_gone);
    add_test(suite, "Redis is well again, and a relay is full", is_well_without_fetching);
    add_test(suite, "Redis loads its data", loading_passes);
}

TEST_MAIN("redis_faults", add_tests)
