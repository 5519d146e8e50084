/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>

#include "core/buf.h"
#include "core/record.h"

/* A batch: encoded records on their way to one ExportLogsServiceRequest, grouped by resource, in the
 * order in which they came. It knows the exact size of its request while it is filled, and any
 * stretch of it can be written as a request of its own without decoding anything.
 *
 * One thread at a time owns a batch; ownership moves with the pointer. */
struct azm_batch_limits {
    size_t records; /* at most so many records */
    size_t bytes;   /* at most so many bytes of request, before compression */
};

struct azm_batch;

/* 0 or -ENOMEM. */
int azm_batch_new(const struct azm_batch_limits *limits, struct azm_batch **ret);
struct azm_batch *azm_batch_free(struct azm_batch *b);

/* Leaves an empty batch that keeps its memory. */
void azm_batch_clear(struct azm_batch *b);

/* Adds one record: `resource` is an encoded Resource, `record` an encoded LogRecord; both are copied.
 * Returns 1; 0 if the batch has no room for it (then it is unchanged); -ENOMEM. An empty batch takes
 * every record, so that one above the limit travels alone. */
int azm_batch_add(struct azm_batch *b, struct azm_text resource, struct azm_text record);

/* The same without regard to the limit of records, for a few that go with those which are in it already. */
int azm_batch_add_beyond(struct azm_batch *b, struct azm_text resource, struct azm_text record);

/* The same without regard to any limit. 1 or -ENOMEM. */
int azm_batch_add_anyway(struct azm_batch *b, struct azm_text resource, struct azm_text record);

size_t azm_batch_records(const struct azm_batch *b);

/* The size in bytes of the whole batch as a request, before compression. */
size_t azm_batch_bytes(const struct azm_batch *b);

/* True when the record limit is reached: nothing more fits. */
bool azm_batch_full(const struct azm_batch *b);

/* A record of fewer bytes surely fits: bytes until the byte limit. */
size_t azm_batch_room(const struct azm_batch *b);

/* Replaces the content of `out` by the request with records first .. first + n - 1: 0 or -ENOMEM. */
int azm_batch_serialize(const struct azm_batch *b, size_t first, size_t n, struct azm_buf *out);

/* Adds the records of an ExportLogsServiceRequest that azm_batch_serialize has written, without regard to the limits:
 * 0; -EBADMSG if it is none, -ENOMEM; then the batch may have some of them. */
int azm_batch_add_request(struct azm_batch *b, const void *data, size_t len);

/* How many of the records first .. first + n - 1 (at least two) make up the first half of their bytes: 1 .. n - 1. */
size_t azm_batch_half(const struct azm_batch *b, size_t first, size_t n);

/* One record and its resource, encoded; they belong to the batch. */
void azm_batch_get(const struct azm_batch *b, size_t i, struct azm_text *ret_resource, struct azm_text *ret_record);

/* How many records of its i-th resource (of azm_batch_resources()) were added since the last call for it, and their
 * bytes. The resource belongs to the batch. */
size_t azm_batch_resources(const struct azm_batch *b);
void azm_batch_take_volume(struct azm_batch *b, size_t i, struct azm_text *ret_resource, size_t *ret_records,
                           size_t *ret_bytes);

/* The source's position after the last record, in the source's own words: what may be checkpointed when
 * all of this batch is acknowledged. Empty: not known; the next batch's position covers this one. */
struct azm_buf *azm_batch_position(struct azm_batch *b);

/* When its first record was received (realtime), the owner's to set; 0: not known. */
uint64_t *azm_batch_oldest_usec(struct azm_batch *b);
