/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "answer.h"
#include "json.h"
#include "utf8.h"

#include "proto/otlp_logs.pb-c.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char protobuf_type[] = "application/x-protobuf", json_content[] = "application/json; charset=utf-8";

static void start(struct emu_answer *answer, unsigned status, const char *content_type)
{
    emu_answer_free(answer);
    answer->status = status;
    answer->content_type = content_type;
}

static int set_protobuf(struct emu_answer *answer, const ProtobufCMessage *message)
{
    int r = emu_buf_reserve(&answer->body, protobuf_c_message_get_packed_size(message));
    if (r < 0)
        return r;
    answer->body.length = protobuf_c_message_pack(message, (uint8_t *)answer->body.data);
    return 0;
}

int emu_answer_success(struct emu_answer *answer, enum emu_dialect dialect)
{
    if (dialect == EMU_AZURE)
        start(answer, 204, NULL);
    else
        start(answer, 200, protobuf_type);
    return 0;
}

int emu_answer_partial_success(struct emu_answer *answer, int64_t rejected, const char *message)
{
    Otlp__ExportLogsPartialSuccess partial = OTLP__EXPORT_LOGS_PARTIAL_SUCCESS__INIT;
    Otlp__ExportLogsServiceResponse response = OTLP__EXPORT_LOGS_SERVICE_RESPONSE__INIT;

    partial.rejected_log_records = rejected;
    partial.error_message = (char *)message;
    response.partial_success = &partial;
    start(answer, 200, protobuf_type);
    return set_protobuf(answer, &response.base);
}

/* google.rpc.Code: https://github.com/googleapis/googleapis/blob/master/google/rpc/code.proto */
static int rpc_code(unsigned status)
{
    switch (status) {
    case 401:
        return 16; /* UNAUTHENTICATED */
    case 403:
        return 7; /* PERMISSION_DENIED */
    case 404:
        return 5; /* NOT_FOUND */
    case 405:
        return 12; /* UNIMPLEMENTED */
    case 413:
    case 429:
        return 8; /* RESOURCE_EXHAUSTED */
    case 502:
    case 503:
    case 504:
        return 14; /* UNAVAILABLE */
    default:
        return status < 500 ? 3 /* INVALID_ARGUMENT */ : 13 /* INTERNAL */;
    }
}

/* Azure nests its errors in "error", except that the gateway in front of it answers a missing length with the bare
 * object. Both were seen in the wild: Azure/azure-sdk-for-net#37173 and anthropics/claude-code#72671. */
static int set_azure_error(struct emu_answer *answer, unsigned status, const char *code, const char *message)
{
    json_t *error = json_pack("{s:s, s:s}", "code", code, "message", message);
    if (error && strcmp(code, "MissingContentLengthHeader") != 0)
        error = json_pack("{s:o}", "error", error);
    int r = emu_answer_json(answer, status, error);
    if (r < 0)
        return r;
    answer->error_code = strdup(code);
    return answer->error_code ? 0 : -ENOMEM;
}

/* Application Insights has one form for all: as if there had been one item, with this error. */
static int set_track_error(struct emu_answer *answer, unsigned status, const char *message)
{
    return emu_answer_json(answer, status,
                           json_pack("{s:i, s:i, s:[{s:i, s:i, s:s}]}", "itemsReceived", 0, "itemsAccepted", 0,
                                     "errors", "index", 0, "statusCode", (int)status, "message", message));
}

static void free_text(char **text)
{
    free(*text);
}

int emu_answer_error(struct emu_answer *answer, enum emu_dialect dialect, unsigned status, const char *code,
                     const char *format, ...)
{
    _cleanup_(free_text) char *message = NULL;
    va_list arguments;

    va_start(arguments, format);
    int n = vasprintf(&message, format, arguments);
    va_end(arguments);
    if (n < 0) {
        message = NULL;
        return -ENOMEM;
    }
    emu_utf8_repair(message);

    if (dialect == EMU_AZURE)
        return set_azure_error(answer, status, code, message);
    if (dialect == EMU_TRACK)
        return set_track_error(answer, status, message);
    Otlp__Status rpc_status = OTLP__STATUS__INIT;
    rpc_status.code = rpc_code(status);
    rpc_status.message = message;
    start(answer, status, protobuf_type);
    return set_protobuf(answer, &rpc_status.base);
}

int emu_answer_json(struct emu_answer *answer, unsigned status, json_t *value)
{
    _cleanup_(emu_json_decref) json_t *json = value;
    char *text = json ? json_dumps(json, JSON_COMPACT) : NULL;
    if (!text)
        return -ENOMEM;
    start(answer, status, json_content);
    int r = emu_buf_append(&answer->body, text, strlen(text));
    free(text);
    return r;
}

void emu_answer_free(struct emu_answer *answer)
{
    free(answer->error_code);
    free(answer->authenticate);
    emu_buf_free(&answer->body);
    *answer = (struct emu_answer){0};
}
