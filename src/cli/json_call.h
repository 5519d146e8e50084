/* SPDX-License-Identifier: MIT */
#pragma once

#include <jansson.h>
#include <stdint.h>

/* Asks over a UNIX stream socket: one JSON object there and one back, each ended by the byte `end` ('\n' on the control
 * socket, NUL in varlink). Waits until `deadline_usec` (monotonic clock). 0 and the answer, which the caller releases;
 * or what azm_unix_connect, _send and _receive say, or -EBADMSG for an answer that is no JSON object. */
int azm_json_call(const char *path, const json_t *message, char end, uint64_t deadline_usec, json_t **ret);
