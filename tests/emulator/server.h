/* SPDX-License-Identifier: MIT */
/* The HTTP server.
 *
 * Threads. libmicrohttpd accepts on one thread and runs each connection on a thread of its own, so a request
 * that sleeps because the script says so holds up its own connection only. What belongs to one request
 * (struct exchange in server.c, and everything treat.c has on its stack) is touched by its connection's
 * thread alone. What is shared guards itself: struct emu_store, emu_faults, emu_limit, emu_identity_log and
 * what a struct emu_desk has, with a lock each, never one inside the other; a loaded script does not change. The main
 * thread waits for signals, starts, replaces and stops.
 *
 * Certificates. libmicrohttpd keeps the one it was started with. A new one is a new daemon on the same socket; the old
 * daemon accepts no more, finishes what it has begun, and goes. */
#pragma once

#include "buf.h"
#include "faults.h"
#include "identity_log.h"
#include "ingest.h"
#include "limit.h"
#include "store.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* What every request may use; borrowed by the server for as long as it runs. */
struct emu_service {
    struct emu_store *store;
    struct emu_faults *faults;
    struct emu_limit *limit;
    struct emu_desk *desk;
    struct emu_identity_log *identity_log;
    struct emu_admission admission;
    bool fast; /* count the records and keep none */

    /* The server writes these. */
    int stop_fd; /* an eventfd: readable once the connection is to end, so that sleeping threads wake up */
    const atomic_bool *ending; /* no further requests on this connection */
    char base_url[32];         /* "http://127.0.0.1:4318" */
};

/* PEM texts, NUL-terminated; empty = no TLS. */
struct emu_tls {
    struct emu_buf certificate, key;
};

void emu_tls_free(struct emu_tls *tls);

struct emu_server;

/* Listens on 127.0.0.1:port (0 = any free port) and serves from then on. Takes over `tls`. 0, or -errno with an error
 * printed. */
int emu_server_start(const struct emu_service *service, uint16_t port, struct emu_tls *tls, struct emu_server **ret);

uint16_t emu_server_port(const struct emu_server *server);

/* New connections get this certificate, which is taken over. Requests that have begun are finished, see below. 0; or
 * -errno with an error printed, and then the old one stays. */
int emu_server_set_tls(struct emu_server *server, struct emu_tls *tls);

/* Ends the connections that have the certificate before: once no request is under way on them, or after a few seconds.
 * To be called now and then while it returns true: there are still some. */
bool emu_server_end_old(struct emu_server *server);

/* Wakes whoever sleeps, ends all connections and waits for their threads. NULL is allowed. */
void emu_server_stop(struct emu_server *server);
