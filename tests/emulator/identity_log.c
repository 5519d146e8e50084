/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "identity_log.h"
#include "json.h"
#include "line_file.h"
#include "rfc3339.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

struct emu_identity_log {
    pthread_mutex_t lock; /* for everything below */
    struct emu_line_file file;
    uint64_t requests, faults;
    json_t *by_kind; /* kind -> number of requests */
};

int emu_identity_log_open(const char *path, struct emu_identity_log **ret)
{
    struct emu_identity_log *log = calloc(1, sizeof(*log));
    if (!log)
        return -ENOMEM;
    pthread_mutex_init(&log->lock, NULL); /* cannot fail with default attributes */
    log->file.fd = -1;
    log->by_kind = json_object();
    int r = log->by_kind ? 0 : -ENOMEM;
    if (r >= 0 && path)
        r = emu_line_file_open(&log->file, path, NULL);
    if (r < 0) {
        emu_identity_log_close(log);
        return r;
    }
    *ret = log;
    return 0;
}

static int set_text(json_t *json, const char *key, const char *text)
{
    return text ? json_object_set_new(json, key, emu_json_text(text)) : 0;
}

/* The receipt's line. A token is known by its hash, and only if the client has got it. */
static int receipt_to_line(const struct emu_identity_receipt *receipt, uint64_t number, struct emu_buf *line)
{
    const struct emu_token_call *call = receipt->call;
    const struct emu_asked *asked = &call->asked;
    char received[EMU_RFC3339_BYTES], hash[EMU_TOKEN_HASH_BYTES];
    const bool issued = call->known && !call->played;

    emu_rfc3339_format(&receipt->received, received);
    if (issued)
        emu_token_hash(call->token.text.data, hash);
    _cleanup_(emu_json_decref) json_t *json =
        json_pack("{s:I, s:s, s:s, s:o, s:i}", "identity", (json_int_t)number, "time", received, "kind",
                  call->endpoint->kind, "path", emu_json_text(call->path), "status", (int)receipt->status);
    const struct {
        const char *key, *text;
    } texts[] = {
        {"api_version", asked->api_version},
        {"resource", asked->resource},
        {"scope", asked->scope},
        {"client_id", asked->client_id},
        {"object_id", asked->object_id},
        {"resource_id", asked->resource_id},
        {"credential", issued ? emu_credential_name(call->credential) : NULL},
        {"token", issued ? hash : NULL},
        {"failure", call->problem[0] ? call->problem : NULL},
        {"user_agent", receipt->user_agent},
        {"fault", receipt->fault},
    };
    int r = json ? 0 : -1;
    for (size_t i = 0; r >= 0 && i < sizeof(texts) / sizeof(texts[0]); i++)
        r = set_text(json, texts[i].key, texts[i].text);
    return r < 0 ? -ENOMEM : emu_json_append_line(line, json);
}

static void unlock(pthread_mutex_t **lock)
{
    pthread_mutex_unlock(*lock);
}

/* Holds the log's lock until the end of the scope. */
#define hold(log)                                                                                                      \
    _cleanup_(unlock) pthread_mutex_t *held = &(log)->lock;                                                            \
    pthread_mutex_lock(held)

void emu_identity_log_add(struct emu_identity_log *log, const struct emu_identity_receipt *receipt)
{
    _cleanup_(emu_buf_free) struct emu_buf line = {0};
    const char *kind = receipt->call->endpoint->kind;

    hold(log);
    log->requests++;
    log->faults += receipt->fault != NULL;
    int r = json_object_set_new(log->by_kind, kind,
                                json_integer(json_integer_value(json_object_get(log->by_kind, kind)) + 1));
    if (r >= 0)
        r = receipt_to_line(receipt, log->requests, &line);
    if (r < 0)
        fprintf(stderr, "azmonlog-emulator: out of memory, a request for a token is not logged\n");
    emu_line_file_append(&log->file, line.data, line.length);
}

void emu_identity_log_stats(struct emu_identity_log *log, json_t *stats)
{
    hold(log);
    json_object_set_new(stats, "identity_requests", json_integer((json_int_t)log->requests));
    json_object_set_new(stats, "identity_faults", json_integer((json_int_t)log->faults));
    json_object_set_new(stats, "identity_by_kind", json_copy(log->by_kind));
}

int emu_identity_log_reset(struct emu_identity_log *log)
{
    hold(log);
    log->requests = log->faults = 0;
    json_object_clear(log->by_kind);
    return emu_line_file_clear(&log->file);
}

void emu_identity_log_close(struct emu_identity_log *log)
{
    if (!log)
        return;
    emu_line_file_close(&log->file);
    json_decref(log->by_kind);
    pthread_mutex_destroy(&log->lock);
    free(log);
}
