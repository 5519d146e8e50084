/* SPDX-License-Identifier: MIT */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "core/buf.h"

/* UNIX sockets at a path of any length, and nothing that waits for ever. All return 0 (or a descriptor), or -errno.
 * Deadlines are times of the monotonic clock; -ETIMEDOUT says that one has passed. */

/* The address of `path`. A path that does not fit into sun_path is reached through its folder's descriptor in /proc:
 * that is then in `ret_dir_fd` and stays open as long as the address is used; else -1 is.
 * -ENAMETOOLONG: the last component alone is too long. */
int azm_unix_address(const char *path, struct sockaddr_un *ret, int *ret_dir_fd);

/* Connects; `type` may hold SOCK_NONBLOCK. Waits for a listener whose queue is full; with SOCK_NONBLOCK it does not:
 * -EAGAIN. -ENOENT, -ECONNREFUSED: nobody listens. */
int azm_unix_connect(const char *path, int type, uint64_t deadline_usec);

/* Sends all of it (of a datagram socket: as one datagram). */
int azm_unix_send(int fd, const void *data, size_t len, uint64_t deadline_usec);

/* Receives up to the first byte `end` and leaves that away. -ECONNRESET: the other side has closed before it;
 * -EMSGSIZE: it does not come within 1 MiB. */
int azm_unix_receive(int fd, char end, uint64_t deadline_usec, struct azm_buf *ret);
