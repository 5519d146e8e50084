/* SPDX-License-Identifier: MIT */
/* Hands an answer over to libmicrohttpd. */
#pragma once

#include "answer.h"
#include "script.h"

#include <microhttpd.h>

/* Queues the answer with the further headers, if any. Azure's dialect adds x-ms-request-id, fresh each time, and
 * x-ms-error-code. The answer may be freed afterwards. */
enum MHD_Result emu_reply(struct MHD_Connection *connection, enum emu_dialect dialect, const struct emu_answer *answer,
                          const struct emu_header *headers, size_t header_count);
