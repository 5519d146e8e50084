/* SPDX-License-Identifier: MIT */
/* The emulator's own endpoints, under /emulator/, for whoever drives a test. */
#pragma once

#include "buf.h"
#include "server.h"

#include <microhttpd.h>
#include <stdbool.h>

/* Is the path one of these, known or not? */
bool emu_control_owns(const char *path);

/* Answers a complete control request; a body longer than EMU_LIMIT_BYTES is refused. Returns what libmicrohttpd's
 * handler is to return. */
enum MHD_Result emu_control(const struct emu_service *service, struct MHD_Connection *connection, const char *method,
                            const char *path, const struct emu_buf *body);
