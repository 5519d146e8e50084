/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "reply.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/random.h>

enum { UUID_BYTES = 37 };

/* A random UUID (version 4). */
static bool new_request_id(char text[static UUID_BYTES])
{
    uint8_t id[16];
    if (getrandom(id, sizeof(id), 0) != (ssize_t)sizeof(id))
        return false;
    id[6] = (uint8_t)((id[6] & 0x0F) | 0x40);
    id[8] = (uint8_t)((id[8] & 0x3F) | 0x80);
    char *out = text;
    for (size_t i = 0; i < sizeof(id); i++)
        out += sprintf(out, "%s%02x", i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "", id[i]);
    return true;
}

static bool add_headers(struct MHD_Response *response, enum emu_dialect dialect, const struct emu_answer *answer,
                        const struct emu_header *headers, size_t header_count)
{
    bool good = true;

    if (answer->content_type)
        good &= MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, answer->content_type) == MHD_YES;
    if (answer->allow)
        good &= MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, answer->allow) == MHD_YES;
    if (answer->error_code)
        good &= MHD_add_response_header(response, "x-ms-error-code", answer->error_code) == MHD_YES;
    if (dialect == EMU_AZURE) {
        char request_id[UUID_BYTES];
        good &=
            new_request_id(request_id) && MHD_add_response_header(response, "x-ms-request-id", request_id) == MHD_YES;
    }
    for (size_t i = 0; i < header_count; i++)
        good &= MHD_add_response_header(response, headers[i].name, headers[i].value) == MHD_YES;
    return good;
}

enum MHD_Result emu_reply(struct MHD_Connection *connection, enum emu_dialect dialect, const struct emu_answer *answer,
                          const struct emu_header *headers, size_t header_count)
{
    enum MHD_Result result = MHD_NO;
    struct MHD_Response *response =
        MHD_create_response_from_buffer(answer->body.length, answer->body.data, MHD_RESPMEM_MUST_COPY);
    if (!response)
        return MHD_NO;
    if (add_headers(response, dialect, answer, headers, header_count))
        result = MHD_queue_response(connection, answer->status, response);
    else
        fprintf(stderr, "azmonlog-emulator: libmicrohttpd does not take the headers of an answer\n");
    MHD_destroy_response(response);
    return result;
}
