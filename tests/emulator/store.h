/* SPDX-License-Identifier: MIT */
/* What the emulator remembers: the records, one JSON line each, a log of requests, and counters over both. All
 * functions may be called from any thread; one lock guards everything. */
#pragma once

#include "json.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

struct emu_store;

/* Opens the store. `store_path` NULL = a temporary file without a name; otherwise new lines are appended to what the
 * file has, and its lines count as records (the rest of a line that a killed emulator left behind is cut off: it was
 * never acknowledged). `requests_path` NULL = no log of requests, `metrics_path` NULL = data points are counted only. 0
 * or -errno, and then an error has been printed. */
int emu_store_open(const char *store_path, const char *requests_path, const char *metrics_path, struct emu_store **ret);

/* A request to a log endpoint begins: it is in flight from here to emu_store_account or emu_store_forget. */
void emu_store_begin(struct emu_store *store);

/* The client went away before its request was complete: it does not count as received. */
void emu_store_forget(struct emu_store *store);

/* The number of the next request that has come in completely. */
uint64_t emu_store_next_number(struct emu_store *store);

/* Appends the first `count` lines in one piece: they are with the operating system when it returns 0. Otherwise
 * -errno, an error has been printed, and nothing of them is in the store. */
int emu_store_append(struct emu_store *store, const struct emu_lines *lines, size_t count);

/* The same for data points, which have a file of their own. */
int emu_store_append_points(struct emu_store *store, const struct emu_lines *lines, size_t count);

/* Counts records that are not kept: `records` grows, and nothing else. */
void emu_store_count(struct emu_store *store, size_t count);

enum emu_outcome {
    EMU_ACCEPTED,  /* a success was answered, and is true */
    EMU_THROTTLED, /* there were too many: 429 */
    EMU_REFUSED,   /* an error was answered, for the request's own sake or the store's */
    EMU_SCRIPTED,  /* the answer, or its absence, was the script's */
};

enum { EMU_HEADERS_LOGGED = 16 };

/* What became of a request. Everything is borrowed. */
struct emu_receipt {
    uint64_t number;
    struct timespec received; /* CLOCK_REALTIME, when the request was there completely */
    enum emu_outcome outcome;
    const char *path;
    const char *user_agent;                  /* NULL = none */
    bool authorization;                      /* there was one; nobody wants its value in a log */
    const char *token;                       /* the bearer token in it, for its hash; NULL = none */
    const char *client_request_id;           /* NULL = none */
    const char *headers[EMU_HEADERS_LOGGED]; /* the names of further ones, up to the first NULL */
    const char *fault;                       /* the rule's label; NULL = no rule */
    unsigned status;                         /* 0 = no answer */
    uint64_t wire_bytes;
    size_t plain_bytes;
    size_t records;
    size_t resources;
    size_t stored;
    struct emu_line first, last; /* of its records, whether stored or not, for their uids */
};

/* Counts the request and writes its line to the log of requests. Called before the answer goes out, so that a client
 * that has its answer finds it counted. A line that cannot be written is reported on stderr and no more than that. */
void emu_store_account(struct emu_store *store, const struct emu_receipt *receipt);

/* The counters as a JSON object, or NULL without memory. */
json_t *emu_store_stats(struct emu_store *store);

/* A descriptor of its own for the lines from line `from` (counted from 1) to the present end: their place in the file.
 * 0 or -errno. */
int emu_store_read_from(struct emu_store *store, uint64_t from, int *ret_fd, uint64_t *ret_offset,
                        uint64_t *ret_length);

/* Empties the files and sets the counters to zero; what is in flight stays in flight. 0 or -errno. */
int emu_store_reset(struct emu_store *store);

/* NULL is allowed. */
void emu_store_close(struct emu_store *store);
