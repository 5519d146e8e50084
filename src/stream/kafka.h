/* SPDX-License-Identifier: MIT */
#pragma once

#include "stream/stream.h"

/* Kafka as an engine, and what speaks its protocol, such as Azure Event Hubs. The stream is a topic; a message has the
 * headers
 *
 *     v         1
 *     n         how many records
 *     encoding  otlp: an ExportLogsServiceRequest, or otlp.gz: that, compressed by gzip
 *
 * and its key is the host that has sent it: all of one host goes to one partition, and stays in order there. */

/* See stream.h. -ENOTSUP where azmonlog is built without librdkafka. */
int azm_kafka_writer_new(const struct azm_stream_options *o, struct azm_stream_writer **ret, struct azm_error *err);
int azm_kafka_reader_new(const struct azm_stream_options *o, struct azm_stream_reader **ret, struct azm_error *err);

/* What an error means, an rd_kafka_resp_err_t and librdkafka's words for it (NULL: none but its name). Never TAKEN. */
void azm_kafka_understand(int code, const char *words, struct azm_stream_answer *ret);
