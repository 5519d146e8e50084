/* SPDX-License-Identifier: MIT */
/* Unpacking an OTLP request without losing the length of its strings. */
#pragma once

#include "proto/otlp_logs.pb-c.h"
#include "proto/otlp_metrics.pb-c.h"

#include <stddef.h>

/* Unpacks a request that emu_wire_check has passed. 0, or -EBADMSG when protobuf-c refuses it (or is out of memory,
 * which it does not tell apart). Free it with emu_message_free. */
int emu_message_unpack(const void *bytes, size_t length, Otlp__ExportLogsServiceRequest **ret);

void emu_message_free(Otlp__ExportLogsServiceRequest *message);

/* The same for metrics. */
int emu_message_unpack_metrics(const void *bytes, size_t length, Otlp__ExportMetricsServiceRequest **ret);
void emu_message_free_metrics(Otlp__ExportMetricsServiceRequest *message);

/* The length of a string field of such a message. protobuf-c hands strings out NUL-terminated and without a length,
 * but U+0000 is an ordinary character in a proto3 string and log messages do contain it. The message therefore lives
 * in blocks that remember their size, and a string is one byte shorter than its block. */
size_t emu_message_string_length(const char *string);
