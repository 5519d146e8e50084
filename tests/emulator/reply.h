/* SPDX-License-Identifier: MIT */
/* An answer on its way out: through libmicrohttpd, or as text for those who send it in a way that libmicrohttpd would
 * not. */
#pragma once

#include "answer.h"
#include "script.h"

#include <microhttpd.h>
#include <stdbool.h>

/* Everything is borrowed. Azure's dialect adds x-ms-request-id, fresh each time, and x-ms-error-code. */
struct emu_reply {
    enum emu_dialect dialect;
    const struct emu_answer *answer;
    const struct emu_header *headers; /* further ones */
    size_t header_count;
    bool last;            /* the connection is to end behind it */
    const char *base_url; /* what $URL in the values of these stands for; NULL = for itself */
};

/* Queues the answer. The reply may go away afterwards. */
enum MHD_Result emu_reply(struct MHD_Connection *connection, const struct emu_reply *reply);

/* Appends the head of the answer: status, headers, and the empty line. `framing` is the header that says where the body
 * ends ("Content-Length: 7"), or NULL. 0 or -ENOMEM. */
int emu_reply_head(const struct emu_reply *reply, const char *framing, struct emu_buf *text);

/* Appends the whole answer, with its Content-Length. 0 or -ENOMEM. */
int emu_reply_text(const struct emu_reply *reply, struct emu_buf *text);
