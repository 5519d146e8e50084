/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "gunzip.h"
#include "ingest.h"
#include "points.h"
#include "wire.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

static const char azure_root[] = "/datacollectionRules/";

enum emu_target emu_ingest_target(const char *path, enum emu_dialect *ret_dialect)
{
    static const struct {
        enum emu_target target;
        const char *plain, *stream, *behind_stream;
    } signals[] = {
        {EMU_TARGET_LOGS, "/v1/logs", "Microsoft-OTLP-Logs", "/otlp/v1/logs"},
        {EMU_TARGET_METRICS, "/v1/metrics", "Custom-Metrics-Otel", "/otlp/v1/metrics"},
    };
    enum { SIGNALS = sizeof(signals) / sizeof(signals[0]) };
    static const char before_stream[] = "/streams/";
    const size_t root_length = sizeof(azure_root) - 1, before_length = sizeof(before_stream) - 1;
    size_t s = 0;

    *ret_dialect = EMU_PLAIN;
    for (size_t i = 0; i < SIGNALS; i++)
        if (strcmp(path, signals[i].plain) == 0)
            return signals[i].target;
    if (strcmp(path, "/v2.1/track") == 0) {
        *ret_dialect = EMU_TRACK;
        return EMU_TARGET_LOGS;
    }
    if (strncasecmp(path, azure_root, root_length) != 0)
        return EMU_TARGET_UNKNOWN;
    *ret_dialect = EMU_AZURE;

    const char *id = path + root_length;
    const char *rest = strchrnul(id, '/');
    if (strncmp(rest, before_stream, before_length) != 0)
        return EMU_TARGET_UNKNOWN;
    const char *stream = rest + before_length, *behind = strchrnul(stream, '/');
    while (s < SIGNALS && strcmp(behind, signals[s].behind_stream) != 0)
        s++;
    if (s == SIGNALS)
        return EMU_TARGET_UNKNOWN;
    if (rest - id != 36 || strncmp(id, "dcr-", 4) != 0 || strspn(id + 4, "0123456789abcdef") != 32)
        return EMU_TARGET_BAD_RULE;
    const size_t length = strlen(signals[s].stream);
    return (size_t)(behind - stream) == length && memcmp(stream, signals[s].stream, length) == 0
               ? signals[s].target
               : EMU_TARGET_BAD_STREAM;
}

/* The checks below are run in order until one returns something else than 0: 1 = refused, the answer is written;
 * -ENOMEM. Each sees what the ones before it have found. */
struct context {
    const struct emu_request *request;
    uint64_t number;
    enum emu_depth depth;
    const struct emu_admission *admission;
    enum emu_dialect dialect;
    struct emu_verdict *verdict;
};

#define refuse(context, status, code, ...)                                                                             \
    (emu_answer_error(&(context)->verdict->answer, (context)->dialect, status, code, __VA_ARGS__) < 0 ? -ENOMEM : 1)

static int check_target(struct context *context)
{
    const struct emu_request *request = context->request;

    context->verdict->target = emu_ingest_target(request->path, &context->dialect);
    switch (context->verdict->target) {
    case EMU_TARGET_UNKNOWN:
        return refuse(context, 404, "ResourceNotFound", "No such path: %s", request->path);
    case EMU_TARGET_BAD_RULE:
        return refuse(context, 404, "ResourceNotFound",
                      "The data collection rule must be its immutable id, dcr- and 32 lowercase hex digits: %s",
                      request->path);
    case EMU_TARGET_BAD_STREAM:
        return refuse(context, 400, "InvalidStream",
                      "The stream must be Microsoft-OTLP-Logs, and Custom-Metrics-Otel for metrics, in exactly this"
                      " spelling: %s",
                      request->path);
    case EMU_TARGET_LOGS:
    case EMU_TARGET_METRICS:
        break;
    }
    if (strcmp(request->method, "POST") == 0)
        return 0;
    int r = refuse(context, 405, "MethodNotAllowed", "The method must be POST, not %s", request->method);
    context->verdict->answer.allow = "POST";
    return r;
}

static int check_token(struct context *context)
{
    char problem[EMU_PROBLEM_BYTES];
    const char *code;

    if (!context->admission->tokens || context->dialect == EMU_PLAIN)
        return 0;
    int r = emu_tokens_check(context->admission->tokens, context->request->authorization, &code, problem);
    if (r != -EACCES)
        return r;
    r = refuse(context, 401, code, "%s", problem);
    context->verdict->answer.authenticate = strdup("Bearer error=\"invalid_token\"");
    return r < 0 || !context->verdict->answer.authenticate ? -ENOMEM : 1;
}

static int check_length(struct context *context)
{
    const struct emu_request *request = context->request;

    if (request->expect)
        return refuse(context, 417, "ExpectationFailed", "The header 'Expect: %s' is not supported", request->expect);
    if (request->transfer_encoding || !request->content_length)
        return refuse(context, 400, "MissingContentLengthHeader",
                      "Invalid request. Header 'Content-Length' must be specified.");
    if (request->wire_bytes > EMU_LIMIT_BYTES)
        return refuse(context, 413, "ContentLengthLimitExceeded",
                      "Maximum allowed content length: %zu bytes (1 MB). Provided content length: %" PRIu64 " bytes.",
                      EMU_LIMIT_BYTES, request->wire_bytes);
    return 0;
}

static bool has_encoding(const struct emu_request *request, const char *encoding)
{
    return request->content_encoding && strcasecmp(request->content_encoding, encoding) == 0;
}

static bool has_type(const struct emu_request *request, const char *type)
{
    return request->content_type && strcasecmp(request->content_type, type) == 0;
}

static int check_encoding(struct context *context)
{
    const struct emu_request *request = context->request;

    if (request->content_encoding && !has_encoding(request, "identity") && !has_encoding(request, "gzip"))
        return refuse(context, 415, "UnsupportedContentEncoding",
                      "The Content-Encoding must be gzip, identity or absent, not '%s'", request->content_encoding);
    return 0;
}

static int check_headers(struct context *context)
{
    const struct emu_request *request = context->request;

    if (!request->user_agent || !request->user_agent[0])
        return refuse(context, 400, "MissingUserAgent", "OTLP exporters send a User-Agent with their name");
    if (!has_type(request, "application/x-protobuf"))
        return refuse(context, 415, "UnsupportedMediaType", "The Content-Type must be application/x-protobuf, not '%s'",
                      request->content_type ? request->content_type : "");
    return 0;
}

static int unpack_gzip(struct context *context)
{
    const struct emu_request *request = context->request;
    struct emu_verdict *verdict = context->verdict;

    if (!has_encoding(request, "gzip")) {
        verdict->plain = request->body;
        verdict->plain_bytes = request->kept_bytes;
        return 0;
    }
    int (*const gunzip)(const void *, size_t, size_t, struct emu_buf *) =
        context->depth == EMU_COUNT_ONLY ? emu_gunzip_fast : emu_gunzip;
    const size_t limit = context->dialect == EMU_TRACK ? EMU_TRACK_PLAIN_BYTES : EMU_LIMIT_BYTES;
    int r = gunzip(request->body, request->kept_bytes, limit, &verdict->unpacked);
    if (r == -EFBIG)
        return refuse(context, 413, "ContentLengthLimitExceeded",
                      "Maximum allowed content length: %zu bytes (%zu MB). Provided content length: %zu bytes, and"
                      " more than the maximum after decompression.",
                      limit, limit >> 20, request->kept_bytes);
    if (r == -EBADMSG)
        return refuse(context, 400, "InvalidGzip", "The body is not one complete gzip member and nothing else");
    if (r < 0)
        return r;
    verdict->plain = verdict->unpacked.data;
    verdict->plain_bytes = verdict->unpacked.length;
    return 0;
}

static int unpack_protobuf(struct context *context)
{
    struct emu_verdict *verdict = context->verdict;
    const bool metrics = verdict->target == EMU_TARGET_METRICS;
    char where[EMU_PROBLEM_BYTES];

    int r = emu_wire_check(metrics ? &otlp__export_metrics_service_request__descriptor
                                   : &otlp__export_logs_service_request__descriptor,
                           verdict->plain, verdict->plain_bytes, where);
    if (r == -EILSEQ)
        return refuse(context, 400, "InvalidUtf8", "The string %s is not valid UTF-8", where);
    if (r == -ELOOP)
        return refuse(context, 400, "InvalidProtobuf", "The message is nested too deeply at %s", where);
    if (r == 0)
        r = metrics ? emu_message_unpack_metrics(verdict->plain, verdict->plain_bytes, &verdict->metrics)
                    : emu_message_unpack(verdict->plain, verdict->plain_bytes, &verdict->message);
    if (r < 0)
        return refuse(context, 400, "InvalidProtobuf", "The body is not an Export%sServiceRequest%s%s",
                      metrics ? "Metrics" : "Logs", where[0] ? ": damaged at " : "", where);
    return 0;
}

static int check_record(struct context *context, const Otlp__LogRecord *record, const char *where)
{
    if (record->trace_id.len != 0 && record->trace_id.len != 16)
        return refuse(context, 400, "InvalidRecord", "%s.trace_id has %zu bytes instead of 16 or none", where,
                      record->trace_id.len);
    if (record->span_id.len != 0 && record->span_id.len != 8)
        return refuse(context, 400, "InvalidRecord", "%s.span_id has %zu bytes instead of 8 or none", where,
                      record->span_id.len);
    if (context->dialect == EMU_AZURE && record->time_unix_nano == 0)
        return refuse(context, 400, "InvalidRecord",
                      "%s.time_unix_nano is 0, and then it is not known what TimeGenerated Azure would invent", where);
    return 0;
}

static int check_presence(struct context *context)
{
    if (context->verdict->records == 0 && context->dialect == EMU_AZURE)
        return refuse(context, 400, "EmptyRequest", "The request has no %s",
                      context->verdict->target == EMU_TARGET_METRICS ? "data point" : "log record");
    return 0;
}

static int judge_points(struct context *context)
{
    struct emu_verdict *verdict = context->verdict;
    char problem[EMU_PROBLEM_BYTES];

    verdict->resources = verdict->metrics->n_resource_metrics;
    verdict->records = emu_points_count(verdict->metrics);
    int r = emu_points_render(verdict->metrics, context->number, &verdict->lines, problem);
    if (r == -EINVAL)
        return refuse(context, 400, "InvalidMetrics", "Refused: %s", problem);
    return r < 0 ? r : check_presence(context);
}

static int check_records(struct context *context)
{
    struct emu_verdict *verdict = context->verdict;
    const Otlp__ExportLogsServiceRequest *message = verdict->message;
    int r = 0;

    verdict->resources = message->n_resource_logs;
    for (size_t g = 0; g < message->n_resource_logs; g++)
        for (size_t s = 0; s < message->resource_logs[g]->n_scope_logs; s++) {
            const Otlp__ScopeLogs *scope = message->resource_logs[g]->scope_logs[s];
            verdict->records += scope->n_log_records;
            for (size_t i = 0; r == 0 && i < scope->n_log_records; i++) {
                char where[EMU_PROBLEM_BYTES];
                snprintf(where, sizeof(where), "resource_logs[%zu].scope_logs[%zu].log_records[%zu]", g, s, i);
                r = check_record(context, scope->log_records[i], where);
            }
        }
    return r ? r : check_presence(context);
}

static int count_records(struct context *context)
{
    struct emu_verdict *verdict = context->verdict;
    struct emu_wire_counts counts;

    if (emu_wire_records(verdict->plain, verdict->plain_bytes, &counts, NULL, NULL) < 0)
        return refuse(context, 400, "InvalidProtobuf", "The body is not an ExportLogsServiceRequest");
    verdict->resources = counts.resources;
    verdict->records = counts.records;
    return check_presence(context);
}

static int render(struct context *context)
{
    struct emu_verdict *verdict = context->verdict;
    char problem[EMU_PROBLEM_BYTES];

    int r = emu_json_render(verdict->message, context->number, &verdict->lines, problem);
    if (r == -EINVAL)
        return refuse(context, 400, "InvalidAttributes", "Refused: %s", problem);
    return r;
}

static int success(struct context *context)
{
    context->verdict->accepted = true;
    context->verdict->storable = context->verdict->records;
    return emu_answer_success(&context->verdict->answer, context->dialect);
}

static int judge_items(struct context *context)
{
    const struct emu_request *request = context->request;
    struct emu_verdict *verdict = context->verdict;
    struct emu_track *track = &verdict->track;
    const bool stream = has_type(request, "application/x-json-stream");
    char problem[EMU_PROBLEM_BYTES];

    if (!stream && !has_type(request, "application/json"))
        return refuse(context, 415, "UnsupportedMediaType",
                      "The Content-Type must be application/x-json-stream or application/json, not '%s'",
                      request->content_type ? request->content_type : "");
    int r = emu_track_parse(track, verdict->plain, verdict->plain_bytes, stream, problem);
    if (r == -EINVAL)
        return refuse(context, 400, "InvalidJson", "%s", problem);
    if (r == -E2BIG)
        return refuse(context, 413, "TooManyItems", "At most %d items are allowed in one request", EMU_TRACK_ITEMS);
    if (r >= 0 && track->count == 0)
        return refuse(context, 400, "EmptyRequest", "The request has no item");
    if (r >= 0)
        r = emu_track_judge(track, context->admission->ikey, context->number, &verdict->lines);
    if (r < 0)
        return r;
    verdict->records = track->count;
    verdict->storable = track->accepted;
    verdict->accepted = track->accepted > 0;
    return emu_track_answer(track, emu_track_status(track), &verdict->answer);
}

typedef int (*check)(struct context *);

static int run(struct context *context, const check *checks)
{
    int r = 0;
    while (r == 0 && *checks)
        r = (*checks++)(context);
    return r;
}

int emu_ingest(const struct emu_request *request, uint64_t number, enum emu_depth depth,
               const struct emu_admission *admission, struct emu_verdict *verdict)
{
    static const check before[] = {check_target, check_token, check_length, NULL};
    static const check fully[] = {check_headers, check_encoding, unpack_gzip, unpack_protobuf,
                                  check_records, render,         success,     NULL};
    static const check count_only[] = {check_headers, check_encoding, unpack_gzip, count_records, success, NULL};
    static const check points[] = {check_headers, check_encoding, unpack_gzip, unpack_protobuf,
                                   judge_points,  success,        NULL};
    static const check items[] = {check_encoding, unpack_gzip, judge_items, NULL};
    struct context context = {
        .request = request,
        .number = number,
        .depth = depth,
        .admission = admission,
        .verdict = verdict,
    };

    int r = run(&context, before);
    if (r == 0)
        r = run(&context, verdict->target == EMU_TARGET_METRICS ? points
                          : context.dialect == EMU_TRACK        ? items
                          : depth == EMU_COUNT_ONLY             ? count_only
                                                                : fully);
    return r < 0 ? r : 0;
}

void emu_verdict_free(struct emu_verdict *verdict)
{
    emu_answer_free(&verdict->answer);
    emu_lines_free(&verdict->lines);
    emu_track_free(&verdict->track);
    if (verdict->message)
        emu_message_free(verdict->message);
    if (verdict->metrics)
        emu_message_free_metrics(verdict->metrics);
    emu_buf_free(&verdict->unpacked);
    *verdict = (struct emu_verdict){0};
}
