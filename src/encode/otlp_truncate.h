/* SPDX-License-Identifier: MIT */
#pragma once

#include "core/buf.h"
#include "core/record.h"

/* A record that the destination finds too large even alone, made small: body and attribute values are cut at a
 * character's end, arrays and other values of many parts are left out and counted (dropped_attributes_count), and
 * azmonlog.truncated=true says so. Appends it to `out`: 1; 0 if there is nothing to cut (`out` is unchanged); -EBADMSG
 * if it is no LogRecord; -ENOMEM. */
int azm_otlp_truncate_record(struct azm_text record, struct azm_buf *out);
