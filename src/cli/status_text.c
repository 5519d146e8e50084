/* SPDX-License-Identifier: MIT */
#include <ctype.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "cli/status_text.h"
#include "core/buf.h"
#include "core/clock.h"
#include "core/timespan.h"
#include "core/utf8.h"

/* --- pieces of a line, each only if it is known --- */

static const char *string_of(const json_t *object, const char *key)
{
    return json_string_value(json_object_get(object, key));
}

/* An integer, or 0. */
static int64_t count_of(const json_t *object, const char *key)
{
    return json_integer_value(json_object_get(object, key));
}

/* One line. What comes from afar (a reason, a path) moves no cursor and changes no colour here. */
static void row(FILE *f, const char *name, struct azm_buf *text)
{
    if (text->len > 0)
        fprintf(f, "%-12s  ", name);
    for (size_t i = 0; i < text->len; i++) {
        size_t n = azm_utf8_control_len((const char *)text->data + i, text->len - i);

        fputc(n > 0 ? '?' : text->data[i], f);
        i += n > 0 ? n - 1 : 0;
    }
    if (text->len > 0)
        fputc('\n', f);
    azm_buf_clear(text);
}

static void put_string(struct azm_buf *line, const char *s)
{
    if (s)
        azm_buf_printf(line, "%s", s);
}

/* "3 gaps"; `many` is the plural */
static void put_count(struct azm_buf *line, int64_t n, const char *one, const char *many)
{
    azm_buf_printf(line, "%" PRId64 " %s", n, n == 1 ? one : many);
}

static void put_span(struct azm_buf *line, double seconds)
{
    uint64_t s = seconds < 0 ? 0 : seconds < 1e15 ? (uint64_t)seconds : UINT64_C(1000000000000000);

    if (seconds < 1)
        azm_buf_printf(line, "%.1fs", MAX(seconds, 0.0));
    else if (s < 60)
        azm_buf_printf(line, "%" PRIu64 "s", s);
    else if (s < 3600)
        azm_buf_printf(line, "%" PRIu64 "min %" PRIu64 "s", s / 60, s % 60);
    else if (s < 86400)
        azm_buf_printf(line, "%" PRIu64 "h %" PRIu64 "min", s / 3600, s / 60 % 60);
    else
        azm_buf_printf(line, "%" PRIu64 "d %" PRIu64 "h", s / 86400, s / 3600 % 24);
}

/* "2026-01-31 12:00:00 UTC, 5s ago" (or "in 5s") of an RFC 3339 time in UTC */
static void put_time(struct azm_buf *line, const char *time, uint64_t now_usec)
{
    uint64_t usec;

    if (!time)
        return;
    if (strlen(time) < strlen("2026-01-31T12:00:00Z") || time[strlen(time) - 1] != 'Z' ||
        azm_parse_time(time, now_usec, &usec) < 0) {
        azm_buf_printf(line, "%s", time);
        return;
    }
    azm_buf_printf(line, "%.10s %.8s UTC, %s", time, time + 11, usec > now_usec ? "in " : "");
    put_span(line, (double)(usec > now_usec ? usec - now_usec : now_usec - usec) / (double)AZM_USEC_PER_SEC);
    azm_buf_printf(line, "%s", usec > now_usec ? "" : " ago");
}

static void put_bytes(struct azm_buf *line, double bytes)
{
    static const char *const units[] = {"bytes", "KiB", "MiB", "GiB", "TiB"};
    size_t unit = 0;

    while (bytes >= 1024 && unit + 1 < ELEMENTSOF(units)) {
        bytes /= 1024;
        unit++;
    }
    azm_buf_printf(line, "%.*f %s", unit == 0 ? 0 : 1, bytes, units[unit]);
}

static void put_rate(struct azm_buf *line, const json_t *object)
{
    const json_t *rate = json_object_get(object, "per_second");

    if (json_is_number(rate))
        azm_buf_printf(line, ", %.1f/s", json_number_value(rate));
}

/* --- lines --- */

static void print_state(FILE *f, struct azm_buf *line, const json_t *status, uint64_t now_usec)
{
    const json_t *error = json_object_get(status, "error");
    const char *state = string_of(status, "state");
    bool loud = state && (strcmp(state, "held") == 0 || strcmp(state, "retrying") == 0);

    for (const char *p = state; p && *p; p++)
        azm_buf_printf(line, "%c", loud ? toupper((unsigned char)*p) : *p);
    if (string_of(error, "since")) {
        azm_buf_printf(line, "%ssince ", line->len ? " " : "");
        put_time(line, string_of(error, "since"), now_usec);
    }
    row(f, "State", line);
    put_string(line, string_of(error, "reason"));
    row(f, "Reason", line);
    put_string(line, string_of(error, "remedy"));
    row(f, "What to do", line);
}

static void print_waiting(FILE *f, struct azm_buf *line, const json_t *status)
{
    const json_t *lag = json_object_get(status, "lag"), *records = json_object_get(lag, "records"),
                 *seconds = json_object_get(lag, "seconds");
    int64_t batches = count_of(json_object_get(status, "in_flight"), "batches");

    if (json_is_integer(records) && json_integer_value(records) == 0)
        azm_buf_printf(line, "nothing");
    else if (json_is_integer(records)) {
        azm_buf_printf(line, "%s", json_is_true(json_object_get(lag, "up_to")) ? "up to " : "");
        put_count(line, json_integer_value(records), "record", "records");
    } else if (lag)
        azm_buf_printf(line, "number of records not known");
    if (json_is_number(seconds) && json_number_value(seconds) > 0) {
        azm_buf_printf(line, "%s", line->len ? ", " : "");
        put_span(line, json_number_value(seconds));
        azm_buf_printf(line, " behind");
    }
    if (batches > 0) {
        azm_buf_printf(line, "%s", line->len ? ", " : "");
        put_count(line, batches, "batch", "batches");
        azm_buf_printf(line, " on the way");
    }
    row(f, "Waiting", line);
}

static void print_counts(FILE *f, struct azm_buf *line, const json_t *status)
{
    const json_t *read = json_object_get(status, "read"), *delivered = json_object_get(status, "delivered"),
                 *bytes = json_object_get(delivered, "bytes");
    int64_t failures = count_of(status, "failures");

    if (json_is_integer(json_object_get(read, "records"))) {
        put_count(line, count_of(read, "records"), "record", "records");
        put_rate(line, read);
    }
    row(f, "Read", line);
    if (json_is_integer(json_object_get(delivered, "records"))) {
        put_count(line, count_of(delivered, "records"), "record", "records");
        put_rate(line, delivered);
    }
    if (json_is_integer(json_object_get(delivered, "requests"))) {
        azm_buf_printf(line, "%s", line->len ? "; " : "");
        put_count(line, count_of(delivered, "requests"), "request", "requests");
    }
    if (json_is_number(bytes)) {
        azm_buf_printf(line, "%s", line->len ? ", " : "");
        put_bytes(line, json_number_value(bytes));
    }
    if (failures > 0) {
        azm_buf_printf(line, "%s", line->len ? "; " : "");
        put_count(line, failures, "failed attempt", "failed attempts");
    }
    row(f, "Delivered", line);
}

static void print_position(FILE *f, struct azm_buf *line, const json_t *status, uint64_t now_usec)
{
    const json_t *acknowledged = json_object_get(status, "acknowledged");
    const char *cursor = string_of(acknowledged, "cursor"), *received = string_of(acknowledged, "received");

    if (received) {
        azm_buf_printf(line, "what was logged up to ");
        put_time(line, received, now_usec);
    } else if (cursor)
        azm_buf_printf(line, "%s", *cursor ? "up to the position below" : "nothing yet");
    row(f, "Acknowledged", line);
    put_string(line, cursor);
    row(f, "Position", line);
}

static void print_token(FILE *f, struct azm_buf *line, const json_t *status, uint64_t now_usec)
{
    const json_t *token = json_object_get(status, "token");
    const char *expires = string_of(token, "expires"), *error = string_of(token, "error"),
               *remedy = string_of(token, "remedy"), *object_id = string_of(token, "object_id");

    put_string(line, string_of(token, "credential"));
    if (object_id && *object_id)
        azm_buf_printf(line, ", object id %s", object_id);
    if (expires) {
        azm_buf_printf(line, "; valid until ");
        put_time(line, expires, now_usec);
    } else if (line->len > 0)
        azm_buf_printf(line, "; no token");
    if (error)
        azm_buf_printf(line, "; REFRESH FAILS: %s%s%s", error, remedy ? "; " : "", remedy ? remedy : "");
    row(f, "Token", line);
}

static void print_losses(FILE *f, struct azm_buf *line, const json_t *status)
{
    static const struct {
        const char *key, *one, *many;
    } kinds[] = {
        {"gaps", "gap in the journal", "gaps in the journal"},
        {"gap_entries", "entry missing in them", "entries missing in them"},
        {"suppressed", "message over journald's rate limit", "messages over journald's rate limit"},
        {"missed_kernel", "kernel message overwritten", "kernel messages overwritten"},
        {"unreadable", "unreadable entry", "unreadable entries"},
        {"damaged_files", "damaged journal file", "damaged journal files"},
    };
    const json_t *losses = json_object_get(status, "losses");

    if (!losses)
        return;
    for (size_t i = 0; i < ELEMENTSOF(kinds); i++)
        if (count_of(losses, kinds[i].key) > 0) {
            azm_buf_printf(line, "%s", line->len ? ", " : "");
            put_count(line, count_of(losses, kinds[i].key), kinds[i].one, kinds[i].many);
        }
    if (line->len == 0)
        azm_buf_printf(line, "none seen");
    row(f, "Losses", line);
}

static void print_spool(FILE *f, struct azm_buf *line, const json_t *status, uint64_t now_usec)
{
    const json_t *spool = json_object_get(status, "spool");
    const char *full = string_of(spool, "full");

    if (json_is_true(json_object_get(spool, "active"))) {
        put_count(line, count_of(spool, "records"), "record", "records");
        azm_buf_printf(line, ", ");
        put_bytes(line, (double)count_of(spool, "bytes"));
        azm_buf_printf(line, " of ");
        put_bytes(line, (double)count_of(spool, "max_bytes"));
        if (string_of(spool, "since")) {
            azm_buf_printf(line, "; since ");
            put_time(line, string_of(spool, "since"), now_usec);
        }
        if (full)
            azm_buf_printf(line, "; FULL (%s): READING STOPS", full);
    }
    if (count_of(spool, "lost_batches") > 0) {
        azm_buf_printf(line, "%s", line->len ? "; " : "");
        put_count(line, count_of(spool, "lost_batches"), "damaged batch lost", "damaged batches lost");
    }
    row(f, "Spool", line);
}

static void print_refused(FILE *f, struct azm_buf *line, const json_t *status)
{
    const json_t *quarantine = json_object_get(status, "quarantine"),
                 *throttling = json_object_get(status, "throttling"),
                 *delay = json_object_get(throttling, "batch_delay");

    if (count_of(quarantine, "records") > 0) {
        put_count(line, count_of(quarantine, "records"), "record", "records");
        azm_buf_printf(line, ", ");
        put_bytes(line, (double)count_of(quarantine, "bytes"));
        azm_buf_printf(line, " of ");
        put_bytes(line, (double)count_of(quarantine, "max_bytes"));
        azm_buf_printf(line, "; azmonlog quarantine list");
    }
    if (count_of(quarantine, "truncated") > 0) {
        azm_buf_printf(line, "%s", line->len ? "; " : "");
        put_count(line, count_of(quarantine, "truncated"), "record sent truncated", "records sent truncated");
    }
    row(f, "Quarantine", line);
    if (count_of(throttling, "answers") > 0) {
        put_count(line, count_of(throttling, "answers"), "answer 429", "answers 429");
        if (json_number_value(delay) > 0) {
            azm_buf_printf(line, "; batches wait ");
            put_span(line, json_number_value(delay));
        }
    }
    row(f, "Throttled", line);
}

static void print_config(FILE *f, struct azm_buf *line, const json_t *status)
{
    const json_t *config = json_object_get(status, "config");
    const char *error = string_of(config, "last_reload_error");

    if (count_of(config, "reloads") > 0) {
        azm_buf_printf(line, "reloaded ");
        put_count(line, count_of(config, "reloads"), "time", "times");
    }
    if (error)
        azm_buf_printf(line, "%sTHE LAST RELOAD FAILED: %s", line->len ? "; " : "", error);
    row(f, "Config", line);
}

static void print_process(FILE *f, struct azm_buf *line, const json_t *status, uint64_t now_usec)
{
    const json_t *pid = json_object_get(status, "pid");

    if (string_of(status, "version"))
        azm_buf_printf(line, "azmonlog %s", string_of(status, "version"));
    if (json_is_integer(pid))
        azm_buf_printf(line, "%spid %" PRId64, line->len ? ", " : "", (int64_t)json_integer_value(pid));
    if (string_of(status, "started")) {
        azm_buf_printf(line, "%ssince ", line->len ? ", " : "");
        put_time(line, string_of(status, "started"), now_usec);
    }
    row(f, "Process", line);
}

void azm_status_print(FILE *f, const json_t *status, uint64_t now_usec)
{
    _cleanup_(azm_buf_free) struct azm_buf line = {0};
    const char *action = string_of(status, "action");

    put_string(&line, action);
    row(f, "Action", &line);
    if (action && string_of(status, "error")) { /* it could not be asked */
        put_string(&line, string_of(status, "error"));
        row(f, "Error", &line);
        return;
    }
    print_state(f, &line, status, now_usec);
    put_string(&line, string_of(status, "destination"));
    row(f, "Destination", &line);
    print_token(f, &line, status, now_usec);
    print_waiting(f, &line, status);
    print_position(f, &line, status, now_usec);
    put_string(&line, string_of(status, "journal"));
    row(f, action ? "Spool in" : "Journal", &line);
    print_counts(f, &line, status);
    print_losses(f, &line, status);
    print_spool(f, &line, status, now_usec);
    print_refused(f, &line, status);
    print_config(f, &line, status);
    print_process(f, &line, status, now_usec);
}
