/* SPDX-License-Identifier: MIT */
/* How an answer leaves, or does not: the faults of a script that are the same for every kind of request. Those that
 * return an MHD_Result return what libmicrohttpd's handler is to return: MHD_YES when an answer is queued, MHD_NO when
 * the connection is to end. */
#pragma once

#include "reply.h"
#include "server.h"

#include <microhttpd.h>
#include <stdbool.h>

/* For the connection's thread, which may sleep there. Everything is borrowed. */
struct emu_delivery {
    const struct emu_service *service;
    struct MHD_Connection *connection;
    const struct emu_rule *rule; /* NULL = none */
    enum emu_dialect dialect;
};

/* What goes before the fault: delay and interim. False when the emulator is to end. A client that gives up meanwhile is
 * not noticed: a slow server goes on with what it has read. */
bool emu_deliver_prelude(const struct emu_delivery *delivery);

/* The answer, with the headers of the rule. */
enum MHD_Result emu_deliver(const struct emu_delivery *delivery, const struct emu_answer *answer);

/* What `status` says. */
enum MHD_Result emu_deliver_status(const struct emu_delivery *delivery);

/* The answer, with these headers instead. */
enum MHD_Result emu_deliver_with(const struct emu_delivery *delivery, const struct emu_answer *answer,
                                 const struct emu_header *headers, size_t count);

/* Waits as long as `stall` says, or until the client hangs up. */
void emu_deliver_stall(const struct emu_delivery *delivery);

/* No answer, but a reset if the rule wants one. */
enum MHD_Result emu_deliver_nothing(const struct emu_delivery *delivery);

/* What `garbage` sends. */
enum MHD_Result emu_deliver_garbage(const struct emu_delivery *delivery);

/* Does this action send the normal answer, in an odd way? */
bool emu_deliver_is_own(enum emu_action action);

/* The answer in the way of `close-unsaid`, `endless`, `gzip-bomb`, `truncated` or `trickle`. */
enum MHD_Result emu_deliver_hurting(const struct emu_delivery *delivery, const struct emu_answer *answer);
