/* SPDX-License-Identifier: MIT */
/* What goes back to the client, still independent of the HTTP library. */
#pragma once

#include "buf.h"
#include "emulator.h"

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

/* Zero-initialise it; free it with emu_answer_free. */
struct emu_answer {
    unsigned status;
    const char *content_type; /* static, or NULL: no such header */
    char *error_code;         /* owned: for the x-ms-error-code header; NULL on success and on the plain path */
    const char *allow;        /* static: the methods a 405 names, or NULL */
    char *authenticate;       /* owned: what a 401 asks for in WWW-Authenticate, or NULL */
    struct emu_buf body;
};

/* All of these replace what was in the answer, and return 0 or -ENOMEM. */

/* Everything was taken: 200 with an empty ExportLogsServiceResponse (which has no bytes), or Azure's 204. */
int emu_answer_success(struct emu_answer *answer, enum emu_dialect dialect);

/* 200 with ExportLogsPartialSuccess, on both paths: Azure is not known to send one. */
int emu_answer_partial_success(struct emu_answer *answer, int64_t rejected, const char *message);

/* An error in the words of the dialect. `code` is Azure's kind of code and unused on the plain path. What a client
 * sent may be formatted into the message, valid UTF-8 or not. */
int emu_answer_error(struct emu_answer *answer, enum emu_dialect dialect, unsigned status, const char *code,
                     const char *format, ...) __attribute__((format(printf, 5, 6)));

/* JSON, which is released; NULL is a lack of memory. */
int emu_answer_json(struct emu_answer *answer, unsigned status, json_t *value);

void emu_answer_free(struct emu_answer *answer);
