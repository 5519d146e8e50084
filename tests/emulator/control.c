/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "control.h"
#include "json.h"
#include "reply.h"
#include "script.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct call {
    const struct emu_service *service;
    struct MHD_Connection *connection;
    const struct emu_buf *body;
};

/* Answers with the JSON value, and releases it. */
static enum MHD_Result reply_json(const struct call *call, unsigned status, json_t *value)
{
    _cleanup_(emu_json_decref) json_t *json = value;
    _cleanup_(emu_answer_free) struct emu_answer answer = {.status = status, .content_type = "application/json"};
    if (!json || emu_json_append_line(&answer.body, json) < 0)
        return MHD_NO;
    const struct emu_reply reply = {
        .dialect = EMU_PLAIN,
        .answer = &answer,
        .last = atomic_load(call->service->ending),
    };
    return emu_reply(call->connection, &reply);
}

static enum MHD_Result reply_error(const struct call *call, unsigned status, const char *message)
{
    return reply_json(call, status, json_pack("{s:o}", "message", emu_json_text(message)));
}

static enum MHD_Result get_stats(const struct call *call)
{
    json_t *stats = emu_store_stats(call->service->store);
    emu_identity_log_stats(call->service->identity_log, stats);
    json_object_set_new(stats, "tokens", emu_tokens_stats(call->service->desk->tokens));
    return reply_json(call, 200, stats);
}

/* The argument ?from=K, 1 if it is not there, 0 if it is no line number. */
static uint64_t from_argument(const struct call *call)
{
    const char *text = MHD_lookup_connection_value(call->connection, MHD_GET_ARGUMENT_KIND, "from");
    if (!text)
        return 1;
    if (text[0] == '\0' || text[strspn(text, "0123456789")] != '\0')
        return 0;
    errno = 0;
    unsigned long long number = strtoull(text, NULL, 10);
    return errno ? 0 : number;
}

static enum MHD_Result get_records(const struct call *call)
{
    uint64_t from = from_argument(call), offset, length;
    int fd;

    if (from == 0)
        return reply_error(call, 400, "from must be the number of a line, counted from 1");
    int r = emu_store_read_from(call->service->store, from, &fd, &offset, &length);
    if (r < 0)
        return reply_error(call, 500, strerror(-r));

    struct MHD_Response *response = MHD_create_response_from_fd_at_offset64(length, fd, offset);
    if (!response) {
        close(fd);
        return MHD_NO;
    }
    enum MHD_Result result = MHD_NO;
    if (MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, "application/x-ndjson") == MHD_YES)
        result = MHD_queue_response(call->connection, 200, response);
    MHD_destroy_response(response); /* closes the descriptor once the answer is sent */
    return result;
}

static enum MHD_Result post_script(const struct call *call)
{
    struct emu_script *script = NULL;
    struct emu_script_error error;

    int r = emu_script_parse(call->body->data, call->body->length, &script, &error);
    if (r == -EINVAL)
        return reply_json(call, 400,
                          json_pack("{s:i, s:o}", "line", (int)error.line, "message", emu_json_text(error.problem)));
    int rules = script ? (int)(script->requests.count + script->identity.count + script->connection_count) : 0;
    if (r >= 0)
        r = emu_faults_load(call->service->faults, script);
    if (r < 0)
        return reply_error(call, 500, strerror(-r));
    return reply_json(call, 200, json_pack("{s:i}", "rules", rules));
}

static enum MHD_Result post_limit(const struct call *call)
{
    _cleanup_(emu_buf_free) struct emu_buf text = {0};
    struct emu_rate rate;

    if (emu_buf_append(&text, call->body->data, call->body->length) < 0 || emu_buf_append(&text, "", 1) < 0)
        return MHD_NO;
    if (!emu_parse_rate(text.data, &rate))
        return reply_error(call, 400, "a limit is a number of requests in a duration, such as 100/1s, or none");
    emu_limit_set(call->service->limit, rate);
    return reply_json(call, 200, json_object());
}

static enum MHD_Result post_reset(const struct call *call)
{
    int r = emu_store_reset(call->service->store);
    if (r >= 0)
        r = emu_identity_log_reset(call->service->identity_log);
    if (r < 0)
        return reply_error(call, 500, strerror(-r));
    emu_faults_restart(call->service->faults);
    emu_limit_restart(call->service->limit);
    emu_tokens_reset(call->service->desk->tokens);
    return reply_json(call, 200, json_object());
}

static const char root[] = "/emulator/";

static const struct {
    const char *name;
    const char *method;
    enum MHD_Result (*answer)(const struct call *);
} endpoints[] = {
    {"stats", "GET", get_stats},   {"records", "GET", get_records}, {"script", "POST", post_script},
    {"limit", "POST", post_limit}, {"reset", "POST", post_reset},
};

bool emu_control_owns(const char *path)
{
    return strncmp(path, root, sizeof(root) - 1) == 0;
}

enum MHD_Result emu_control(const struct emu_service *service, struct MHD_Connection *connection, const char *method,
                            const char *path, const struct emu_buf *body)
{
    const struct call call = {service, connection, body};

    if (body->length > EMU_LIMIT_BYTES)
        return reply_error(&call, 413, "the body is longer than 1048576 bytes");
    for (size_t i = 0; i < sizeof(endpoints) / sizeof(endpoints[0]); i++) {
        if (strcmp(path + sizeof(root) - 1, endpoints[i].name) != 0)
            continue;
        if (strcmp(method, endpoints[i].method) != 0)
            return reply_error(&call, 405, "this endpoint has another method");
        return endpoints[i].answer(&call);
    }
    return reply_error(&call, 404, "there are /emulator/stats, records, script, limit and reset");
}
