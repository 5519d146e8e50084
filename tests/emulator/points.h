/* SPDX-License-Identifier: MIT */
/* OTLP metrics: what is asked of them, and data points as JSON, one line each (README.md, "Metrics"). */
#pragma once

#include "json.h"
#include "message.h"

/* How many data points the message has. */
size_t emu_points_count(const Otlp__ExportMetricsServiceRequest *message);

/* Renders every data point of the message (which came from emu_message_unpack_metrics). `number` is the request's
 * number. 0; -ENOMEM; -EINVAL when a point is not as the specification of OTLP wants it, and then `problem` says what
 * it is. */
int emu_points_render(const Otlp__ExportMetricsServiceRequest *message, uint64_t number, struct emu_lines *lines,
                      char problem[static EMU_PROBLEM_BYTES]);
