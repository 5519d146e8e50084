/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "control.h"
#include "identity.h"
#include "raw.h"
#include "server.h"
#include "treat.h"
#include "wait.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    PATIENCE_MSEC = 5000,    /* with requests under way when the certificate is replaced */
    FIRST_WORDS_MSEC = 1000, /* for a client to say something before its connection is reset */
};

/* One libmicrohttpd with its certificate, and the connections it has accepted. */
struct generation {
    struct emu_service service;
    struct emu_tls tls; /* libmicrohttpd does not copy it */
    struct MHD_Daemon *daemon;
    atomic_uint exchanges; /* requests from their headers to the end of their answer */
    atomic_bool ending;
    int64_t end_msec; /* when those that are left are cut off */
};

struct emu_server {
    struct emu_service service;
    int listen_fd;
    uint16_t port;
    struct generation *present;
    struct generation *old; /* NULL = none */
};

/* Whom a request is for. */
enum owner {
    RECORDS,  /* the endpoints that take records, and unknown paths */
    IDENTITY, /* those that issue tokens: counted on their own */
    CONTROL,  /* the emulator itself: not counted */
};

/* One request from its headers to its end. */
struct exchange {
    enum owner owner;
    bool in_flight;      /* the store waits to hear what becomes of it */
    struct emu_buf body; /* at most EMU_LIMIT_BYTES + 1; the rest is read, counted and dropped */
    uint64_t wire_bytes;
};

static const char *header(struct MHD_Connection *connection, const char *name)
{
    return MHD_lookup_connection_value(connection, MHD_HEADER_KIND, name);
}

/* Answers a complete request, or one that is to be answered before its body. */
static enum MHD_Result answer(const struct generation *generation, struct MHD_Connection *connection,
                              const char *method, const char *path, struct exchange *exchange)
{
    const struct emu_service *service = &generation->service;
    if (exchange->owner == CONTROL)
        return emu_control(service, connection, method, path, &exchange->body);
    if (exchange->owner == IDENTITY)
        return emu_identity(service, connection, method, path, &exchange->body, exchange->wire_bytes);

    struct emu_request request = {
        .method = method,
        .path = path,
        .content_length = header(connection, MHD_HTTP_HEADER_CONTENT_LENGTH),
        .content_type = header(connection, MHD_HTTP_HEADER_CONTENT_TYPE),
        .content_encoding = header(connection, MHD_HTTP_HEADER_CONTENT_ENCODING),
        .transfer_encoding = header(connection, MHD_HTTP_HEADER_TRANSFER_ENCODING),
        .expect = header(connection, MHD_HTTP_HEADER_EXPECT),
        .user_agent = header(connection, MHD_HTTP_HEADER_USER_AGENT),
        .authorization = header(connection, MHD_HTTP_HEADER_AUTHORIZATION),
        .body = exchange->body.data,
        .kept_bytes = exchange->body.length,
        .wire_bytes = exchange->wire_bytes,
    };

    exchange->in_flight = false; /* from here on emu_treat answers for it */
    return emu_treat(service, connection, &request);
}

/* The script sees each connection before anything is read from it. */
static void on_connection(void *cls, struct MHD_Connection *connection, void **context,
                          enum MHD_ConnectionNotificationCode what)
{
    const struct generation *generation = cls;

    if (what != MHD_CONNECTION_NOTIFY_STARTED)
        return;
    const struct emu_connection_rule rule = emu_faults_draw_connection(generation->service.faults);
    int fd = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
    switch (rule.action) {
    case EMU_CONNECTION_RESET:
        /* Not before the client knows that it is connected, or it could take the reset for a refusal. It speaks first,
         * in TLS as well; the others wait meanwhile, for this is the thread that accepts. */
        emu_wait_readable(generation->service.stop_fd, fd, FIRST_WORDS_MSEC);
        emu_raw_reset(fd);
        break;
    case EMU_CONNECTION_SLOW_READ:
        *context = (void *)(uintptr_t)rule.pause_msec; /* a number is all there is to remember */
        break;
    case EMU_CONNECTION_NORMAL:
        break;
    }
}

/* False when the connection is to end. */
static bool read_slowly(const struct generation *generation, struct MHD_Connection *connection, size_t length)
{
    const void *context = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT)->socket_context;
    const unsigned pause_msec = (unsigned)(uintptr_t)context;
    bool good = true;

    if (pause_msec > 0) {
        int fd = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
        for (size_t read = 0; good && read < length; read += 1024)
            good = emu_sleep(generation->service.stop_fd, fd, pause_msec);
    }
    return good;
}

/* libmicrohttpd calls once for the headers, then for each piece of the body, then once more when all is there; and not
 * again for this request once an answer is queued. */
static enum MHD_Result on_request(void *cls, struct MHD_Connection *connection, const char *path, const char *method,
                                  const char *version, const char *piece, size_t *piece_length, void **state)
{
    struct generation *generation = cls;
    struct exchange *exchange = *state;

    (void)version;
    if (!exchange) {
        exchange = calloc(1, sizeof(*exchange));
        if (!exchange)
            return MHD_NO;
        *state = exchange;
        atomic_fetch_add(&generation->exchanges, 1);
        exchange->owner = emu_control_owns(path) ? CONTROL : emu_identity_owns(path) ? IDENTITY : RECORDS;
        exchange->in_flight = exchange->owner == RECORDS;
        if (exchange->in_flight)
            emu_store_begin(generation->service.store);
        /* A client that sends Expect waits for a word before it sends the body; libmicrohttpd would say 100 after this
         * call, unless it has an answer by then. */
        if (exchange->owner != CONTROL && header(connection, MHD_HTTP_HEADER_EXPECT))
            return answer(generation, connection, method, path, exchange);
        return MHD_YES;
    }
    if (*piece_length > 0) {
        size_t room = EMU_LIMIT_BYTES + 1 - exchange->body.length;
        size_t keep = *piece_length < room ? *piece_length : room;
        exchange->wire_bytes += *piece_length;
        if (!read_slowly(generation, connection, *piece_length))
            return MHD_NO;
        *piece_length = 0;
        return emu_buf_append(&exchange->body, piece, keep) < 0 ? MHD_NO : MHD_YES;
    }
    return answer(generation, connection, method, path, exchange);
}

static void on_completed(void *cls, struct MHD_Connection *connection, void **state,
                         enum MHD_RequestTerminationCode how)
{
    struct generation *generation = cls;
    struct exchange *exchange = *state;

    (void)connection;
    (void)how;
    if (!exchange)
        return;
    if (exchange->in_flight)
        emu_store_forget(generation->service.store);
    atomic_fetch_sub(&generation->exchanges, 1);
    emu_buf_free(&exchange->body);
    free(exchange);
    *state = NULL;
}

static void close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
}

static int listen_on(uint16_t port, int *ret_fd, uint16_t *ret_port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    socklen_t length = sizeof(address);
    const int on = 1;

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    _cleanup_(close_fd) int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
        bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 || listen(fd, SOMAXCONN) < 0 ||
        getsockname(fd, (struct sockaddr *)&address, &length) < 0) {
        int error = errno;
        fprintf(stderr, "azmonlog-emulator: cannot listen on 127.0.0.1:%u: %s\n", port, strerror(error));
        return -error;
    }
    *ret_port = ntohs(address.sin_port);
    *ret_fd = fd;
    fd = -1;
    return 0;
}

void emu_tls_free(struct emu_tls *tls)
{
    emu_buf_free(&tls->certificate);
    emu_buf_free(&tls->key);
}

/* Ends its connections, whatever they are doing. NULL is allowed. */
static void generation_free(struct generation *generation)
{
    if (!generation)
        return;
    if (generation->daemon) {
        eventfd_write(generation->service.stop_fd, 1);
        MHD_stop_daemon(generation->daemon);
    }
    close_fd(&generation->service.stop_fd);
    emu_tls_free(&generation->tls);
    free(generation);
}

static void drop_generation(struct generation **generation)
{
    generation_free(*generation);
}

/* Starts a daemon on the server's socket, beside the one that may be there. */
static int generation_new(const struct emu_server *server, struct emu_tls *tls, struct generation **ret)
{
    unsigned flags = MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_THREAD_PER_CONNECTION | MHD_USE_POLL | MHD_USE_ITC;
    _cleanup_(drop_generation) struct generation *generation = calloc(1, sizeof(*generation));
    if (!generation) {
        emu_tls_free(tls);
        return -ENOMEM;
    }
    generation->tls = *tls;
    *tls = (struct emu_tls){0};
    generation->service = server->service;
    generation->service.ending = &generation->ending;
    generation->service.stop_fd = eventfd(0, EFD_CLOEXEC);
    _cleanup_(close_fd) int fd = fcntl(server->listen_fd, F_DUPFD_CLOEXEC, 0);
    if (generation->service.stop_fd < 0 || fd < 0) {
        int error = errno;
        fprintf(stderr, "azmonlog-emulator: no more file descriptors: %s\n", strerror(error));
        return -error;
    }
    struct MHD_OptionItem options[] = {
        {MHD_OPTION_HTTPS_MEM_CERT, 0, generation->tls.certificate.data},
        {MHD_OPTION_HTTPS_MEM_KEY, 0, generation->tls.key.data},
        {MHD_OPTION_END, 0, NULL},
    };
    if (generation->tls.certificate.data)
        flags |= MHD_USE_TLS;
    else
        options[0].option = MHD_OPTION_END;
    generation->daemon =
        MHD_start_daemon(flags, 0, NULL, NULL, on_request, generation, /* the port is the socket's */
                         MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_NOTIFY_COMPLETED, on_completed, generation,
                         MHD_OPTION_NOTIFY_CONNECTION, on_connection, generation, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
                         (size_t)128 * 1024, MHD_OPTION_ARRAY, options, MHD_OPTION_END);
    if (!generation->daemon) {
        fprintf(stderr, "azmonlog-emulator: the HTTP server does not start%s\n",
                generation->tls.certificate.data ? "; are certificate and key PEM, and do they belong together?" : "");
        return -EINVAL;
    }
    fd = -1; /* the daemon closes it */
    *ret = generation;
    generation = NULL;
    return 0;
}

int emu_server_start(const struct emu_service *service, uint16_t port, struct emu_tls *tls, struct emu_server **ret)
{
    struct emu_server *server = calloc(1, sizeof(*server));
    if (!server) {
        emu_tls_free(tls);
        return -ENOMEM;
    }
    server->service = *service;
    server->listen_fd = -1;
    int r = listen_on(port, &server->listen_fd, &server->port);
    if (r < 0) {
        emu_tls_free(tls);
        free(server);
        return r;
    }
    snprintf(server->service.base_url, sizeof(server->service.base_url), "%s://127.0.0.1:%u",
             tls->certificate.data ? "https" : "http", server->port);
    r = generation_new(server, tls, &server->present);
    if (r < 0) {
        emu_server_stop(server);
        return r;
    }
    *ret = server;
    return 0;
}

uint16_t emu_server_port(const struct emu_server *server)
{
    return server->port;
}

int emu_server_set_tls(struct emu_server *server, struct emu_tls *tls)
{
    struct generation *generation = NULL;
    int r = generation_new(server, tls, &generation);
    if (r < 0)
        return r;

    generation_free(server->old);
    server->old = server->present;
    server->present = generation;
    int fd = MHD_quiesce_daemon(server->old->daemon);
    close_fd(&fd);
    atomic_store(&server->old->ending, true);
    server->old->end_msec = emu_now_msec() + PATIENCE_MSEC;
    return 0;
}

bool emu_server_end_old(struct emu_server *server)
{
    struct generation *old = server->old;
    if (old && atomic_load(&old->exchanges) > 0 && emu_now_msec() < old->end_msec)
        return true;
    generation_free(old);
    server->old = NULL;
    return false;
}

void emu_server_stop(struct emu_server *server)
{
    if (!server)
        return;
    generation_free(server->old);
    generation_free(server->present);
    close_fd(&server->listen_fd);
    free(server);
}
