/* SPDX-License-Identifier: MIT */
/* Bytes that go to the client past libmicrohttpd, which only ever sends proper HTTP. */
#pragma once

#include "buf.h"

#include <microhttpd.h>
#include <stdbool.h>
#include <stddef.h>

/* A connection whose request has been read and is not answered by libmicrohttpd, or not yet. For the connection's own
 * thread. */
struct emu_raw {
    int fd;
    void *tls; /* gnutls_session_t; NULL = none */
    int stop_fd;
};

struct emu_raw emu_raw_open(struct MHD_Connection *connection, int stop_fd);

/* Sends the bytes, through TLS if there is TLS, and waits as long as the client does not take them. False when the
 * client hangs up or the emulator is to end. */
bool emu_raw_send(const struct emu_raw *raw, const void *bytes, size_t length);

/* Makes the client see ECONNRESET. */
void emu_raw_reset(int fd);
