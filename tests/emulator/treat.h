/* SPDX-License-Identifier: MIT */
/* What becomes of one complete request to a log endpoint: judged, run through the script, stored, answered. */
#pragma once

#include "ingest.h"
#include "server.h"

#include <microhttpd.h>

/* Runs on the connection's thread and may sleep there. Ends what emu_store_begin began. Returns what libmicrohttpd's
 * handler is to return: MHD_YES when an answer is queued, MHD_NO when the connection is to end. */
enum MHD_Result emu_treat(const struct emu_service *service, struct MHD_Connection *connection,
                          const struct emu_request *request);
