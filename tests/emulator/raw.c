/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "raw.h"
#include "wait.h"

#include <errno.h>
#include <gnutls/gnutls.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

struct emu_raw emu_raw_open(struct MHD_Connection *connection, int stop_fd)
{
    const union MHD_ConnectionInfo *tls = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_GNUTLS_SESSION);
    struct emu_raw raw = {
        .fd = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd,
        .tls = tls ? tls->tls_session : NULL,
        .stop_fd = stop_fd,
    };
    const int on = 1;
    setsockopt(raw.fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)); /* so that a single byte is not held back */
    return raw;
}

/* How many bytes were taken, 0 if none can be at the moment, or negative. */
static ssize_t send_some(const struct emu_raw *raw, const char *bytes, size_t length)
{
    if (raw->tls) {
        ssize_t n = gnutls_record_send(raw->tls, bytes, length);
        return n == GNUTLS_E_AGAIN || n == GNUTLS_E_INTERRUPTED ? 0 : n;
    }
    ssize_t n = send(raw->fd, bytes, length, MSG_NOSIGNAL | MSG_DONTWAIT);
    return n < 0 && (errno == EAGAIN || errno == EINTR) ? 0 : n;
}

bool emu_raw_send(const struct emu_raw *raw, const void *bytes, size_t length)
{
    const char *at = bytes;
    while (length > 0) {
        if (!emu_wait_writable(raw->stop_fd, raw->fd))
            return false;
        ssize_t n = send_some(raw, at, length);
        if (n < 0)
            return false;
        at += n;
        length -= (size_t)n;
    }
    return true;
}

/* SO_LINGER with 0 seconds turns the close of a connection into a reset, but libmicrohttpd calls shutdown(SHUT_WR)
 * first, and the client would read an orderly end before the reset arrives. Dissolving the association with
 * connect(AF_UNSPEC), which Linux answers with a reset at once, leaves it nothing to shut down. */
void emu_raw_reset(int fd)
{
    const struct linger at_once = {.l_onoff = 1, .l_linger = 0};
    const struct sockaddr nobody = {.sa_family = AF_UNSPEC};
    if (setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once)) < 0 ||
        connect(fd, &nobody, sizeof(nobody)) < 0)
        fprintf(stderr, "azmonlog-emulator: cannot reset a connection: %s\n", strerror(errno));
}
