/* SPDX-License-Identifier: MIT */
#pragma once

#include <sys/types.h>

#include "core/buf.h"
#include "stream/stream.h"

/* A connection by TCP or TLS that does not block. libcurl makes it, as it does for every other destination, so that
 * names, certificates and failures are treated alike; what is said over it is the caller's business. It may be opened
 * and closed any number of times, and belongs to the thread that made it.
 *
 * What fails says why in `ret_why`, and is to be closed then. */
struct redis_socket;

/* Of the options it copies what is about connecting. 0 or -ENOMEM. */
int redis_socket_new(const struct azm_stream_options *o, bool tls, struct redis_socket **ret, struct azm_error *err);
struct redis_socket *redis_socket_free(struct redis_socket *s);

/* Begins to connect to HOST:PORT: 0 or -ENOMEM. It must be closed. */
int redis_socket_open(struct redis_socket *s, const char *server);
void redis_socket_close(struct redis_socket *s);
bool redis_socket_is_open(const struct redis_socket *s); /* or on the way there */

/* Moves the connecting on: 1 if there is a connection, 0 if not yet, -1 if it fails. Not where it is not open. */
int redis_socket_connect(struct redis_socket *s, struct azm_stream_answer *ret_why);

/* With a connection. Writes what is in `b` from `sent` on: 1 when all is written, 0 if there was no room for it, which
 * the descriptor tells from then on, -1 if it fails. After 0 it is to be called again with the same bytes in the same
 * place: TLS wants that. */
int redis_socket_write(struct redis_socket *s, const struct azm_buf *b, size_t *sent,
                       struct azm_stream_answer *ret_why);

/* The same. The number of bytes that were read, 0 if the other side has closed; -EAGAIN: there are none now; another
 * one if it fails. */
ssize_t redis_socket_read(struct redis_socket *s, void *data, size_t size, struct azm_stream_answer *ret_why);

int redis_socket_fd(const struct redis_socket *s); /* to be watched for input, whatever it waits for */

/* Monotonic: when to call again even if the descriptor is silent. AZM_USEC_INFINITY: not by itself. */
uint64_t redis_socket_wake_usec(const struct redis_socket *s);

/* Is there a connection over which something may be written now, as far as is known? */
bool redis_socket_has_room(const struct redis_socket *s);
