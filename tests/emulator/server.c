/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "control.h"
#include "server.h"
#include "treat.h"

#include <arpa/inet.h>
#include <errno.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

struct emu_server {
    struct emu_service service;
    struct MHD_Daemon *daemon;
    uint16_t port;
};

/* One request from its headers to its end. */
struct exchange {
    bool control;        /* for the emulator itself: not counted */
    bool in_flight;      /* the store waits to hear what becomes of it */
    struct emu_buf body; /* at most EMU_LIMIT_BYTES + 1; the rest is read, counted and dropped */
    uint64_t wire_bytes;
};

static const char *header(struct MHD_Connection *connection, const char *name)
{
    return MHD_lookup_connection_value(connection, MHD_HEADER_KIND, name);
}

static enum MHD_Result treat(const struct emu_server *server, struct MHD_Connection *connection, const char *method,
                             const char *path, struct exchange *exchange)
{
    struct emu_request request = {
        .method = method,
        .path = path,
        .content_length = header(connection, MHD_HTTP_HEADER_CONTENT_LENGTH),
        .content_type = header(connection, MHD_HTTP_HEADER_CONTENT_TYPE),
        .content_encoding = header(connection, MHD_HTTP_HEADER_CONTENT_ENCODING),
        .transfer_encoding = header(connection, MHD_HTTP_HEADER_TRANSFER_ENCODING),
        .expect = header(connection, MHD_HTTP_HEADER_EXPECT),
        .user_agent = header(connection, MHD_HTTP_HEADER_USER_AGENT),
        .body = exchange->body.data,
        .kept_bytes = exchange->body.length,
        .wire_bytes = exchange->wire_bytes,
    };

    exchange->in_flight = false; /* from here on emu_treat answers for it */
    return emu_treat(&server->service, connection, &request);
}

/* libmicrohttpd calls once for the headers, then for each piece of the body, then once more when all is there; and not
 * again for this request once an answer is queued. */
static enum MHD_Result on_request(void *cls, struct MHD_Connection *connection, const char *path, const char *method,
                                  const char *version, const char *piece, size_t *piece_length, void **state)
{
    const struct emu_server *server = cls;
    struct exchange *exchange = *state;

    (void)version;
    if (!exchange) {
        exchange = calloc(1, sizeof(*exchange));
        if (!exchange)
            return MHD_NO;
        *state = exchange;
        exchange->control = emu_control_owns(path);
        exchange->in_flight = !exchange->control;
        if (exchange->in_flight)
            emu_store_begin(server->service.store);
        /* A client that sends Expect waits for a word before it sends the body; libmicrohttpd would say 100 after this
         * call, unless it has an answer by then. */
        if (!exchange->control && header(connection, MHD_HTTP_HEADER_EXPECT))
            return treat(server, connection, method, path, exchange);
        return MHD_YES;
    }
    if (*piece_length > 0) {
        size_t room = EMU_LIMIT_BYTES + 1 - exchange->body.length;
        size_t keep = *piece_length < room ? *piece_length : room;
        exchange->wire_bytes += *piece_length;
        *piece_length = 0;
        return emu_buf_append(&exchange->body, piece, keep) < 0 ? MHD_NO : MHD_YES;
    }
    if (exchange->control)
        return emu_control(&server->service, connection, method, path, &exchange->body);
    return treat(server, connection, method, path, exchange);
}

static void on_completed(void *cls, struct MHD_Connection *connection, void **state,
                         enum MHD_RequestTerminationCode how)
{
    const struct emu_server *server = cls;
    struct exchange *exchange = *state;

    (void)connection;
    (void)how;
    if (!exchange)
        return;
    if (exchange->in_flight)
        emu_store_forget(server->service.store);
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

int emu_server_start(const struct emu_service *service, uint16_t port, const char *certificate, const char *key,
                     struct emu_server **ret)
{
    unsigned flags = MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_THREAD_PER_CONNECTION | MHD_USE_POLL;
    struct MHD_OptionItem tls[] = {
        {MHD_OPTION_HTTPS_MEM_CERT, 0, (void *)certificate},
        {MHD_OPTION_HTTPS_MEM_KEY, 0, (void *)key},
        {MHD_OPTION_END, 0, NULL},
    };
    _cleanup_(close_fd) int fd = -1;

    struct emu_server *server = calloc(1, sizeof(*server));
    if (!server)
        return -ENOMEM;
    server->service = *service;
    int r = listen_on(port, &fd, &server->port);
    if (r < 0) {
        free(server);
        return r;
    }
    snprintf(server->service.base_url, sizeof(server->service.base_url), "%s://127.0.0.1:%u",
             certificate ? "https" : "http", server->port);
    if (certificate)
        flags |= MHD_USE_TLS;
    else
        tls[0].option = MHD_OPTION_END;
    server->daemon =
        MHD_start_daemon(flags, 0, NULL, NULL, on_request, server, /* the port is the socket's */
                         MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_NOTIFY_COMPLETED, on_completed, server,
                         MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)128 * 1024, MHD_OPTION_ARRAY, tls, MHD_OPTION_END);
    if (!server->daemon) {
        fprintf(stderr, "azmonlog-emulator: the HTTP server does not start%s\n",
                certificate ? "; are certificate and key PEM, and do they belong together?" : "");
        free(server);
        return -EINVAL;
    }
    fd = -1; /* the daemon closes it */
    *ret = server;
    return 0;
}

uint16_t emu_server_port(const struct emu_server *server)
{
    return server->port;
}

void emu_server_stop(struct emu_server *server)
{
    if (!server)
        return;
    eventfd_write(server->service.stop_fd, 1);
    MHD_stop_daemon(server->daemon);
    free(server);
}
