/* SPDX-License-Identifier: MIT */
#pragma once

#include <librdkafka/rdkafka.h>

#include "core/buf.h"
#include "stream/stream.h"

/* A copy of a message of a topic's: librdkafka's own would have to be given back before its client is closed. */
struct kafka_message {
    struct azm_buf bytes;
    struct azm_stream_message message; /* borrows from `bytes`; without a body if it is none of ours */
    int32_t partition;
    int64_t offset, msec; /* when it was stored: realtime */
};

/* Replaces what was there: 0 or -ENOMEM. */
int kafka_message_copy(struct kafka_message *ret, const rd_kafka_message_t *m);
