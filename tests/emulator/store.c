/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "emulator.h"
#include "line_file.h"
#include "rfc3339.h"
#include "store.h"
#include "tokens.h"
#include "uid_set.h"
#include "utf8.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* About requests since the start or the last reset. */
struct request_counters {
    uint64_t requests, accepted, refused, throttled, faults;
    uint64_t not_kept; /* records that were counted only */
    uint64_t points;
    uint64_t wire_bytes, bytes;
    uint64_t in_flight, max_in_flight;
};

struct emu_store {
    pthread_mutex_t lock; /* for everything below */
    struct emu_line_file records;
    struct emu_line_file requests;
    struct emu_line_file metrics;
    uint64_t *line_starts; /* the offset of each line in the file of records */
    size_t line_count;
    size_t lines_allocated;
    struct emu_uid_set uids;
    uint64_t without_uid, duplicates;
    json_t *by_path;    /* path -> number of requests */
    json_t *by_service; /* name -> number of records; "" for records without a service.name */
    uint64_t last_number;
    struct request_counters counters;
};

static void unlock(pthread_mutex_t **lock)
{
    pthread_mutex_unlock(*lock);
}

/* Holds the store's lock until the end of the scope. */
#define hold(store)                                                                                                    \
    _cleanup_(unlock) pthread_mutex_t *held = &(store)->lock;                                                          \
    pthread_mutex_lock(held)

/* Adds one to a number by name. */
static int count_name(json_t *numbers, const char *name)
{
    json_t *number = json_object_get(numbers, name);
    if (number)
        return json_integer_set(number, json_integer_value(number) + 1);
    return json_object_set_new(numbers, name, json_integer(1)) < 0 ? -ENOMEM : 0;
}

/* Makes room for the starts of more lines, so that counting cannot fail once the lines are in the file. */
static int reserve_lines(struct emu_store *store, size_t more)
{
    if (store->lines_allocated - store->line_count >= more)
        return 0;
    size_t wanted = (store->line_count + more) * 2;
    uint64_t *starts = reallocarray(store->line_starts, wanted, sizeof(*starts));
    if (!starts)
        return -ENOMEM;
    store->line_starts = starts;
    store->lines_allocated = wanted;
    return 0;
}

static int count_line(struct emu_store *store, uint64_t start, const struct emu_line *line)
{
    int r = 0;

    store->line_starts[store->line_count++] = start;
    if (!line->uid) {
        store->without_uid++;
    } else {
        r = emu_uid_set_add(&store->uids, line->uid, line->uid_length);
        store->duplicates += r == 0;
    }
    int counted = count_name(store->by_service, line->service ? line->service : "");
    return r < 0 ? r : counted;
}

/* Counts the lines that the file had before. */
static int count_old_lines(struct emu_store *store, const struct emu_buf *text, const char *path)
{
    for (size_t start = 0; start < text->length;) {
        const char *line = text->data + start;
        size_t length = (size_t)((char *)memchr(line, '\n', text->length - start) - line);
        json_error_t error;
        _cleanup_(emu_json_decref) json_t *json = json_loadb(line, length, JSON_ALLOW_NUL, &error);
        if (!json_is_object(json)) {
            fprintf(stderr, "azmonlog-emulator: line %zu of %s is not a record\n", store->line_count + 1, path);
            return -EINVAL;
        }
        const json_t *uid = json_object_get(json, "uid");
        struct emu_line facts = {
            .uid = json_string_value(uid),
            .uid_length = json_string_length(uid),
            .service = json_string_value(json_object_get(json, "service")),
        };
        int r = reserve_lines(store, 1);
        if (r >= 0)
            r = count_line(store, start, &facts);
        if (r < 0)
            return r;
        start += length + 1;
    }
    return 0;
}

int emu_store_open(const char *store_path, const char *requests_path, const char *metrics_path, struct emu_store **ret)
{
    _cleanup_(emu_buf_free) struct emu_buf text = {0};
    struct emu_store *store = calloc(1, sizeof(*store));
    if (!store)
        return -ENOMEM;
    pthread_mutex_init(&store->lock, NULL); /* cannot fail with default attributes */
    store->records.fd = store->requests.fd = store->metrics.fd = -1;
    store->by_service = json_object();
    store->by_path = json_object();

    int r = store->by_service && store->by_path ? emu_line_file_open(&store->records, store_path, &text) : -ENOMEM;
    if (r >= 0 && store_path)
        r = count_old_lines(store, &text, store_path);
    if (r >= 0 && requests_path)
        r = emu_line_file_open(&store->requests, requests_path, NULL);
    if (r >= 0 && metrics_path)
        r = emu_line_file_open(&store->metrics, metrics_path, NULL);
    if (r < 0) {
        emu_store_close(store);
        return r;
    }
    *ret = store;
    return 0;
}

void emu_store_begin(struct emu_store *store)
{
    hold(store);
    struct request_counters *counters = &store->counters;
    if (++counters->in_flight > counters->max_in_flight)
        counters->max_in_flight = counters->in_flight;
}

void emu_store_forget(struct emu_store *store)
{
    hold(store);
    store->counters.in_flight--;
}

uint64_t emu_store_next_number(struct emu_store *store)
{
    hold(store);
    return ++store->last_number;
}

int emu_store_append(struct emu_store *store, const struct emu_lines *lines, size_t count)
{
    if (count == 0)
        return 0;

    hold(store);
    uint64_t start = store->records.size;
    int r = reserve_lines(store, count);
    if (r >= 0)
        r = emu_line_file_append(&store->records, lines->text.data, lines->items[count - 1].end);
    if (r < 0)
        return r;
    for (size_t i = 0; i < count; i++)
        if (count_line(store, start + (i ? lines->items[i - 1].end : 0), &lines->items[i]) < 0)
            fprintf(stderr, "azmonlog-emulator: out of memory, the counters are wrong from here on\n");
    return 0;
}

int emu_store_append_points(struct emu_store *store, const struct emu_lines *lines, size_t count)
{
    if (count == 0)
        return 0;

    hold(store);
    int r = emu_line_file_append(&store->metrics, lines->text.data, lines->items[count - 1].end);
    if (r >= 0)
        store->counters.points += count;
    return r;
}

void emu_store_count(struct emu_store *store, size_t count)
{
    hold(store);
    store->counters.not_kept += count;
}

static int set_uid(json_t *json, const char *key, const struct emu_line *line)
{
    return line->uid ? json_object_set_new(json, key, json_stringn(line->uid, line->uid_length)) : 0;
}

/* A token is known by its hash. */
static int set_token(json_t *json, const char *token)
{
    char hash[EMU_TOKEN_HASH_BYTES];
    if (token)
        emu_token_hash(token, hash);
    return json_object_set_new(json, "token", token ? json_string(hash) : json_null());
}

static int set_headers(json_t *json, const struct emu_receipt *receipt)
{
    json_t *names = json_array();
    int r = names ? json_object_set(json, "headers", names) : -1;
    for (size_t i = 0; r >= 0 && i < EMU_HEADERS_LOGGED && receipt->headers[i]; i++)
        r = json_array_append_new(names, emu_json_text(receipt->headers[i]));
    json_decref(names);
    return r < 0 ? r : json_object_set_new(json, "authorization", json_boolean(receipt->authorization));
}

/* The request's line for the log of requests. */
static int receipt_to_line(const struct emu_receipt *receipt, struct emu_buf *line)
{
    char received[EMU_RFC3339_BYTES];
    emu_rfc3339_format(&receipt->received, received);
    _cleanup_(emu_json_decref) json_t *json =
        json_pack("{s:I, s:s, s:o, s:i, s:I, s:I, s:I, s:I, s:I}", "request", (json_int_t)receipt->number, "time",
                  received, "path", emu_json_text(receipt->path), "status", (int)receipt->status, "bytes_wire",
                  (json_int_t)receipt->wire_bytes, "bytes", (json_int_t)receipt->plain_bytes, "records",
                  (json_int_t)receipt->records, "resources", (json_int_t)receipt->resources, "stored",
                  (json_int_t)receipt->stored);
    if (!json)
        return -ENOMEM;
    if (set_uid(json, "first_uid", &receipt->first) < 0 || set_uid(json, "last_uid", &receipt->last) < 0)
        return -ENOMEM;
    if (receipt->user_agent && json_object_set_new(json, "user_agent", emu_json_text(receipt->user_agent)) < 0)
        return -ENOMEM;
    if (set_headers(json, receipt) < 0)
        return -ENOMEM;
    if (set_token(json, receipt->token) < 0)
        return -ENOMEM;
    const char *id = receipt->client_request_id;
    if (json_object_set_new(json, "client_request_id", id ? emu_json_text(id) : json_null()) < 0)
        return -ENOMEM;
    if (receipt->fault && json_object_set_new(json, "fault", json_string(receipt->fault)) < 0)
        return -ENOMEM;
    return emu_json_append_line(line, json);
}

void emu_store_account(struct emu_store *store, const struct emu_receipt *receipt)
{
    _cleanup_(emu_buf_free) struct emu_buf line = {0};
    const bool logged = store->requests.fd >= 0; /* which never changes */
    if (logged && receipt_to_line(receipt, &line) < 0)
        fprintf(stderr, "azmonlog-emulator: out of memory, request %" PRIu64 " is not logged\n", receipt->number);

    char *path = strdup(receipt->path);
    if (path)
        emu_utf8_repair(path);

    hold(store);
    struct request_counters *counters = &store->counters;
    if (!path || count_name(store->by_path, path) < 0)
        fprintf(stderr, "azmonlog-emulator: out of memory, the counters are wrong from here on\n");
    free(path);
    counters->requests++;
    counters->accepted += receipt->outcome == EMU_ACCEPTED;
    counters->refused += receipt->outcome == EMU_REFUSED;
    counters->throttled += receipt->outcome == EMU_THROTTLED;
    counters->faults += receipt->fault != NULL;
    counters->wire_bytes += receipt->wire_bytes;
    counters->bytes += receipt->plain_bytes;
    counters->in_flight--;
    emu_line_file_append(&store->requests, line.data, line.length);
}

json_t *emu_store_stats(struct emu_store *store)
{
    hold(store);
    const struct request_counters *counters = &store->counters;
    json_t *by_service = json_deep_copy(store->by_service); /* they go on changing while the copies are printed */
    json_t *by_path = json_deep_copy(store->by_path);
    return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:o, s:o, s:I, s:I, s:I, s:I, s:I}", "requests",
                     (json_int_t)counters->requests, "accepted_requests", (json_int_t)counters->accepted,
                     "refused_requests", (json_int_t)counters->refused, "throttled_requests",
                     (json_int_t)counters->throttled, "faults", (json_int_t)counters->faults, "records",
                     (json_int_t)store->line_count + (json_int_t)counters->not_kept, "distinct_uids",
                     (json_int_t)store->uids.count, "records_without_uid", (json_int_t)store->without_uid, "duplicates",
                     (json_int_t)store->duplicates, "by_service", by_service, "by_path", by_path, "bytes_wire",
                     (json_int_t)counters->wire_bytes, "bytes", (json_int_t)counters->bytes, "in_flight",
                     (json_int_t)counters->in_flight, "max_in_flight", (json_int_t)counters->max_in_flight, "points",
                     (json_int_t)counters->points);
}

int emu_store_read_from(struct emu_store *store, uint64_t from, int *ret_fd, uint64_t *ret_offset, uint64_t *ret_length)
{
    hold(store);
    uint64_t offset = from <= store->line_count ? store->line_starts[from - 1] : store->records.size;
    int fd = fcntl(store->records.fd, F_DUPFD_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    *ret_fd = fd;
    *ret_offset = offset;
    *ret_length = store->records.size - offset;
    return 0;
}

int emu_store_reset(struct emu_store *store)
{
    hold(store);
    int r = emu_line_file_clear(&store->records);
    if (r >= 0)
        r = emu_line_file_clear(&store->requests);
    if (r >= 0)
        r = emu_line_file_clear(&store->metrics);
    if (r < 0)
        return r;
    uint64_t in_flight = store->counters.in_flight;
    store->counters = (struct request_counters){.in_flight = in_flight, .max_in_flight = in_flight};
    store->line_count = 0;
    store->without_uid = store->duplicates = 0;
    store->last_number = 0;
    emu_uid_set_clear(&store->uids);
    json_object_clear(store->by_service);
    json_object_clear(store->by_path);
    return 0;
}

void emu_store_close(struct emu_store *store)
{
    if (!store)
        return;
    emu_line_file_close(&store->records);
    emu_line_file_close(&store->requests);
    emu_line_file_close(&store->metrics);
    free(store->line_starts);
    emu_uid_set_clear(&store->uids);
    json_decref(store->by_service);
    json_decref(store->by_path);
    pthread_mutex_destroy(&store->lock);
    free(store);
}
