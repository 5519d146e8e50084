/* SPDX-License-Identifier: MIT */
#pragma once

#include "stream/stream.h"

/* A reader that only looks how the group stands, for azmonlog check: it does not join, which would have the others give
 * up partitions. Its `process` waits for the answers, each for as long as an operation may take. */
int azm_kafka_look_new(const struct azm_stream_options *o, struct azm_stream_reader **ret, struct azm_error *err);
