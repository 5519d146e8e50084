/* SPDX-License-Identifier: MIT */
#pragma once

#include <jansson.h>
#include <stdint.h>

#include "core/error.h"

/* The other end of pipeline/control.h: asks the azmonlog that listens on `path`. Owns `message`; NULL stands for "out
 * of memory". Waits until `deadline_usec` (monotonic clock). 0 and the answer, which the caller releases; or
 *   -ECONNREFUSED  no azmonlog runs there
 *   -EACCES        the socket is not for this user
 *   -ETIMEDOUT     no answer in time
 *   -ECONNRESET    it went away before it answered
 *   -EBADMSG       what came is no JSON object
 * or another -errno. An {"error": ...} of azmonlog is an answer. */
int azm_control_call(const char *path, json_t *message, uint64_t deadline_usec, json_t **ret, struct azm_error *err);
