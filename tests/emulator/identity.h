/* SPDX-License-Identifier: MIT */
/* The endpoints that issue tokens: Entra, and the three that know the identity of a machine. */
#pragma once

#include "buf.h"
#include "server.h"

#include <microhttpd.h>
#include <stdbool.h>
#include <stdint.h>

/* Does the path belong to one of these? */
bool emu_identity_owns(const char *path);

/* Answers a complete request to one of them. Runs on the connection's thread and may sleep there. Returns what
 * libmicrohttpd's handler is to return. */
enum MHD_Result emu_identity(const struct emu_service *service, struct MHD_Connection *connection, const char *method,
                             const char *path, const struct emu_buf *body, uint64_t wire_bytes);
