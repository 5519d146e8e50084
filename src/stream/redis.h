/* SPDX-License-Identifier: MIT */
#pragma once

#include "stream/stream.h"

/* Redis Streams as an engine. One stream is one key, so in a cluster all of it is on one node, which is found
 * (MOVED, ASK). An entry has the fields
 *
 *     v        1
 *     n        how many records
 *     otlp     an ExportLogsServiceRequest
 *     otlp.gz  or that, compressed by gzip
 *
 * Redis 6.2 or later (XAUTOCLAIM, XTRIM MINID). */

/* See stream.h. -ENOTSUP where azmonlog is built without hiredis. */
int azm_redis_writer_new(const struct azm_stream_options *o, struct azm_stream_writer **ret, struct azm_error *err);
int azm_redis_reader_new(const struct azm_stream_options *o, struct azm_stream_reader **ret, struct azm_error *err);

/* What an error of Redis' ("NOAUTH Authentication required.") means. Never TAKEN. */
void azm_redis_understand(const char *error, size_t len, struct azm_stream_answer *ret);

/* The place in "MOVED 3999 HOST:PORT" or "ASK ..."; in `ret` the text HOST:PORT, which begins with ":" if it is on the
 * same host. False if it is another error, or none that makes sense. */
bool azm_redis_place(const char *error, size_t len, char ret[static 300], bool *ret_ask);
