/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "reply.h"
#include "uuid.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* Where a header goes. */
typedef bool (*taker)(void *to, const char *name, const char *value);

/* A header of the script, with the emulator's own address in place of $URL. */
static bool give_expanded(const struct emu_header *header, const char *base_url, taker take, void *to)
{
    static const char name[] = "$URL";
    _cleanup_(emu_buf_free) struct emu_buf value = {0};
    const char *from = header->value, *found;
    int r = 0;

    while (r >= 0 && base_url && (found = strstr(from, name))) {
        r = emu_buf_append(&value, from, (size_t)(found - from));
        if (r >= 0)
            r = emu_buf_append(&value, base_url, strlen(base_url));
        from = found + strlen(name);
    }
    if (r >= 0)
        r = emu_buf_append(&value, from, strlen(from) + 1);
    return r >= 0 && take(to, header->name, value.data);
}

static bool give_headers(const struct emu_reply *reply, taker take, void *to)
{
    const struct emu_answer *answer = reply->answer;
    char request_id[EMU_UUID_BYTES];
    bool good = true;

    if (answer->content_type)
        good &= take(to, MHD_HTTP_HEADER_CONTENT_TYPE, answer->content_type);
    if (answer->allow)
        good &= take(to, MHD_HTTP_HEADER_ALLOW, answer->allow);
    if (answer->authenticate)
        good &= take(to, MHD_HTTP_HEADER_WWW_AUTHENTICATE, answer->authenticate);
    if (answer->error_code)
        good &= take(to, "x-ms-error-code", answer->error_code);
    if (reply->dialect == EMU_AZURE)
        good &= emu_uuid(request_id) && take(to, "x-ms-request-id", request_id);
    if (reply->last)
        good &= take(to, MHD_HTTP_HEADER_CONNECTION, "close");
    for (size_t i = 0; i < reply->header_count; i++)
        good &= give_expanded(&reply->headers[i], reply->base_url, take, to);
    return good;
}

static bool to_response(void *response, const char *name, const char *value)
{
    return MHD_add_response_header(response, name, value) == MHD_YES;
}

enum MHD_Result emu_reply(struct MHD_Connection *connection, const struct emu_reply *reply)
{
    const struct emu_answer *answer = reply->answer;
    enum MHD_Result result = MHD_NO;
    struct MHD_Response *response =
        MHD_create_response_from_buffer(answer->body.length, answer->body.data, MHD_RESPMEM_MUST_COPY);
    if (!response)
        return MHD_NO;
    if (give_headers(reply, to_response, response))
        result = MHD_queue_response(connection, answer->status, response);
    else
        fprintf(stderr, "azmonlog-emulator: libmicrohttpd does not take the headers of an answer\n");
    MHD_destroy_response(response);
    return result;
}

static bool to_text(void *text, const char *name, const char *value)
{
    return emu_buf_append(text, name, strlen(name)) >= 0 && emu_buf_append(text, ": ", 2) >= 0 &&
           emu_buf_append(text, value, strlen(value)) >= 0 && emu_buf_append(text, "\r\n", 2) >= 0;
}

int emu_reply_head(const struct emu_reply *reply, const char *framing, struct emu_buf *text)
{
    const unsigned status = reply->answer->status;
    char line[128];
    int n = snprintf(line, sizeof(line), "HTTP/1.1 %u %s\r\n%s%s", status, MHD_get_reason_phrase_for(status),
                     framing ? framing : "", framing ? "\r\n" : "");
    if (emu_buf_append(text, line, (size_t)n) < 0 || !give_headers(reply, to_text, text))
        return -ENOMEM;
    return emu_buf_append(text, "\r\n", 2);
}

int emu_reply_text(const struct emu_reply *reply, struct emu_buf *text)
{
    const struct emu_buf *body = &reply->answer->body;
    char framing[64];

    snprintf(framing, sizeof(framing), "Content-Length: %zu", body->length);
    /* RFC 9110, 8.6: a 204 has no Content-Length */
    int r = emu_reply_head(reply, reply->answer->status == 204 ? NULL : framing, text);
    return r < 0 ? r : emu_buf_append(text, body->data, body->length);
}
