/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdint.h>
#include <sys/socket.h>
#include <sys/un.h>

/* UNIX sockets at a path of any length. All return 0 (or a descriptor), or -errno. */

/* The address of `path`. A path that does not fit into sun_path is reached through its folder's descriptor in /proc:
 * that is then in `ret_dir_fd` and stays open as long as the address is used; else -1 is.
 * -ENAMETOOLONG: the last component alone is too long. */
int azm_unix_address(const char *path, struct sockaddr_un *ret, int *ret_dir_fd);

/* Connects; `type` may hold SOCK_NONBLOCK. Waits up to `deadline_usec` (monotonic clock) for a listener whose queue is
 * full: -ETIMEDOUT, with SOCK_NONBLOCK at once -EAGAIN. -ENOENT, -ECONNREFUSED: nobody listens. */
int azm_unix_connect(const char *path, int type, uint64_t deadline_usec);
