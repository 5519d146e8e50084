/* SPDX-License-Identifier: MIT */
#pragma once

#include "core/buf.h"
#include "core/record.h"

/* When a record says it happened, kept where Azure does not touch it: what is older than 48 hours gets the time of its
 * arrival instead (facts/azure.md 1.4 and 3.2), and so would everything that had to wait in the spool for so long. */

#define AZM_ORIGINAL_TIME_KEY "azmonlog.original_time"

/* time_unix_nano of an encoded LogRecord; 0 if it has none or is no LogRecord. */
uint64_t azm_otlp_time_nsec(struct azm_text record);

/* Appends to `out` the bytes of the encoded LogRecord and one more attribute: AZM_ORIGINAL_TIME_KEY, the text of its
 * time_unix_nano (core/clock.h's form: UTC, microseconds). A record that has the attribute already, or no time, stays
 * byte for byte as it is. 0, -EBADMSG if it is no LogRecord, -ENOMEM. */
int azm_otlp_append_original_time(struct azm_text record, struct azm_buf *out);
