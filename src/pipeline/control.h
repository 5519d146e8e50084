/* SPDX-License-Identifier: MIT */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <systemd/sd-event.h>

#include "core/error.h"

/* The control socket of a running azmonlog: a UNIX stream socket with one JSON object a line each way. A client is
 * answered in the order of its requests; the next one is read when the one before is answered. Everything runs in the
 * event loop and never holds it up: clients that send nothing or take no answer are dropped. A line that is no
 * JSON object is answered with {"error": "..."}.
 *
 * Who may ask is a matter of file permissions: the socket is for its owner and its group. */

#define AZM_CONTROL_LINE_MAX 4096 /* bytes of a request without its newline */
#define AZM_CONTROL_CONNECTIONS_MAX 64

struct azm_control;

/* One request that waits for its answer. */
struct azm_control_request;

/* Called for each request; `message` is an object and borrowed. azm_control_reply answers, from in here or later. It
 * must not call azm_control_free. */
typedef void (*azm_control_handler_t)(struct azm_control_request *rq, const json_t *message, void *userdata);

/* Listens on `path` (absolute) with mode 0660; creates the folder of the socket (0750), but none above it. A socket
 * that nobody listens on is replaced: 0, or -EADDRINUSE when somebody does, or another -errno. */
int azm_control_new(sd_event *event, const char *path, azm_control_handler_t handler, void *userdata,
                    struct azm_control **ret, struct azm_error *err);

/* Drops the clients and removes the socket; returns NULL. Answers that were given go out as far as the clients'
 * buffers take them. Requests without an answer stay valid: the handler's owner still answers each of them, which then
 * only frees it. */
struct azm_control *azm_control_free(struct azm_control *c);

/* Answers the request and frees it: exactly once for each, at once or much later, also after azm_control_free.
 * Owns `answer`; NULL stands for "out of memory". */
void azm_control_reply(struct azm_control_request *rq, json_t *answer);

/* {"error": words} for azm_control_reply; NULL when memory is out. */
json_t *azm_control_error(const char *words);

/* Is the client still there? One that keeps requests for long asks this from time to time, and answers those that
 * nobody waits for; then there are never more than AZM_CONTROL_CONNECTIONS_MAX others. */
bool azm_control_wanted(const struct azm_control_request *rq);
