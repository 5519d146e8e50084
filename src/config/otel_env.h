/* SPDX-License-Identifier: MIT */
#pragma once

#include "config/config.h"

/* Takes over OpenTelemetry's standard environment variables. Source: OpenTelemetry specification,
 * "OTLP Exporter Configuration" and "Environment Variable Specification": a variable for logs goes before the
 * general one; OTEL_EXPORTER_OTLP_ENDPOINT gets /v1/logs appended, OTEL_EXPORTER_OTLP_LOGS_ENDPOINT is used as it is;
 * durations are milliseconds; an empty variable counts as not set. Returns 0 or -EINVAL (err names the variable). */
int azm_otel_env_apply(struct azm_config *c, struct azm_error *err);
