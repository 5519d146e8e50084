/* SPDX-License-Identifier: MIT */
#pragma once

#include <sys/socket.h>

#include "core/error.h"

/* "127.0.0.1:9469", "[::1]:9469": an address of this host alone, since whoever may ask is not asked who it is. 0, or
 * -EINVAL with words. */
int azm_listen_address(const char *text, struct sockaddr_storage *ret, socklen_t *ret_len, struct azm_error *err);
