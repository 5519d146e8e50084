/* SPDX-License-Identifier: MIT */
/* The judgement of one request: a function of what HTTP delivered, and of the time. Nothing is stored or sent here. */
#pragma once

#include "answer.h"
#include "buf.h"
#include "emulator.h"
#include "json.h"
#include "message.h"
#include "tokens.h"
#include "track.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Where a request wants to go. */
enum emu_target {
    EMU_TARGET_UNKNOWN,    /* no such path: 404 */
    EMU_TARGET_LOGS,       /* a log endpoint */
    EMU_TARGET_METRICS,    /* a metrics endpoint */
    EMU_TARGET_BAD_RULE,   /* Azure's path, but the id is none: 404 */
    EMU_TARGET_BAD_STREAM, /* Azure's path with another stream: 400 InvalidStream */
};

/* Tells which endpoint a path names. Azure's has the form
 *   /datacollectionRules/dcr-<32 lowercase hex>/streams/Microsoft-OTLP-Logs/otlp/v1/logs
 *   /datacollectionRules/dcr-<32 lowercase hex>/streams/Custom-Metrics-Otel/otlp/v1/metrics
 * where only the first segment was seen in several spellings. The dialect is Azure's for whatever is below
 * that first segment, so that a client with a wrong path gets errors in the form it expects. Application Insights'
 * is /v2.1/track. */
enum emu_target emu_ingest_target(const char *path, enum emu_dialect *ret_dialect);

/* One request as it came in. Everything is borrowed; a header that was not sent is NULL. */
struct emu_request {
    const char *method;
    const char *path;
    const char *content_length;
    const char *content_type;
    const char *content_encoding;
    const char *transfer_encoding;
    const char *expect;
    const char *user_agent;
    const char *authorization;
    const char *body;    /* what was kept of it: at most EMU_LIMIT_BYTES + 1 bytes */
    size_t kept_bytes;   /* the length of body */
    uint64_t wire_bytes; /* how long the body really was, after chunked decoding, still compressed */
};

/* Who is let in. */
struct emu_admission {
    const struct emu_tokens *tokens; /* what Azure's endpoints ask for; NULL = nothing */
    const char *ikey;                /* the instrumentation key of the resource in Application Insights */
};

/* Zero-initialise it; free it with emu_verdict_free. */
struct emu_verdict {
    enum emu_target target;
    bool accepted;            /* the answer is a success and the lines are to be stored */
    struct emu_answer answer; /* what to say if nothing else happens */
    struct emu_buf unpacked;  /* the decompressed body, if gzip was used */
    const char *plain;        /* the decompressed body, in `unpacked` or in the request; NULL = never got there */
    size_t plain_bytes;
    Otlp__ExportLogsServiceRequest *message;    /* NULL unless it could be unpacked */
    Otlp__ExportMetricsServiceRequest *metrics; /* the same, at a metrics endpoint */
    struct emu_track track;                     /* the items, of a request to Application Insights */
    struct emu_lines lines;                     /* one per record that may be stored, if accepted and fully looked at */
    size_t records;                             /* or data points */
    size_t storable;                            /* how many of them, if accepted */
    size_t resources;
};

/* How much of a request is looked at. */
enum emu_depth {
    EMU_FULLY,      /* everything, as README.md has it */
    EMU_COUNT_ONLY, /* up to where the records are, but not into them: there are no lines, only numbers */
};

/* Judges the request with this number. 0 with a verdict, which may well be a refusal, or -ENOMEM. */
int emu_ingest(const struct emu_request *request, uint64_t number, enum emu_depth depth,
               const struct emu_admission *admission, struct emu_verdict *verdict);

void emu_verdict_free(struct emu_verdict *verdict);
