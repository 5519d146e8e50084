/* SPDX-License-Identifier: MIT */
/* The HTTP server.
 *
 * Threads. libmicrohttpd accepts on one thread and runs each connection on a thread of its own, so a request
 * that sleeps because the script says so holds up its own connection only. What belongs to one request
 * (struct exchange in server.c, and everything treat.c has on its stack) is touched by its connection's
 * thread alone. What is shared guards itself: struct emu_store, emu_faults and emu_limit with a lock each, never
 * one inside the other, and a loaded script does not change. The main thread only waits for signals, starts
 * and stops. */
#pragma once

#include "faults.h"
#include "limit.h"
#include "store.h"

#include <stdbool.h>
#include <stdint.h>

/* What every request may use; borrowed by the server for as long as it runs. */
struct emu_service {
    struct emu_store *store;
    struct emu_faults *faults;
    struct emu_limit *limit;
    bool fast;         /* count the records and keep none */
    int stop_fd;       /* an eventfd: readable once the server is to stop, so that sleeping threads wake up */
    char base_url[32]; /* "http://127.0.0.1:4318"; the server writes it */
};

struct emu_server;

/* Listens on 127.0.0.1:port (0 = any free port) and serves from then on; with TLS if certificate and key, both PEM
 * texts, are given. 0, or -errno with an error printed. */
int emu_server_start(const struct emu_service *service, uint16_t port, const char *certificate, const char *key,
                     struct emu_server **ret);

uint16_t emu_server_port(const struct emu_server *server);

/* Wakes whoever sleeps, ends all connections and waits for their threads. NULL is allowed. */
void emu_server_stop(struct emu_server *server);
