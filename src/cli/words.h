/* SPDX-License-Identifier: MIT */
#pragma once

#include <jansson.h>
#include <stdbool.h>

#include "core/buf.h"

/* Pieces of a line for people, out of JSON that another version may have written: what is not there, or has another
 * form, is left away. */

/* NULL if it is no string; 0 if it is no integer. */
const char *azm_json_string(const json_t *object, const char *key);
int64_t azm_json_count(const json_t *object, const char *key);

void azm_put_string(struct azm_buf *line, const char *s);

/* `separator`, unless it is the first thing in the line. */
void azm_put_separator(struct azm_buf *line, const char *separator);

/* "3 gaps"; `many` is the plural */
void azm_put_count(struct azm_buf *line, int64_t n, const char *one, const char *many);

/* "5s", "3min 2s", "2d 4h" */
void azm_put_span(struct azm_buf *line, double seconds);

/* "12 ms"; longer ones as azm_put_span */
void azm_put_latency(struct azm_buf *line, double seconds);

/* "1.5 MiB" */
void azm_put_bytes(struct azm_buf *line, double bytes);

/* What waits in the spool of a status: "3 records, 1.5 MiB of 1.0 GiB" */
void azm_put_spooled(struct azm_buf *line, const json_t *spool);

/* The time that `time` (RFC 3339, UTC) says, in microseconds since 1970: false if it says none. */
bool azm_read_time(const char *time, uint64_t now_usec, uint64_t *ret_usec);

/* "2026-01-31 12:00:00 UTC, 5s ago" (or "in 5s"); nothing for NULL. */
void azm_put_time(struct azm_buf *line, const char *time, uint64_t now_usec);

/* What comes from afar (a reason, a path, the name of a service) moves no cursor and changes no colour here. */
void azm_mask_controls(struct azm_buf *line);
