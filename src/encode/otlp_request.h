/* SPDX-License-Identifier: MIT */
#pragma once

#include <sys/types.h>

#include "core/record.h"

/* The records of an ExportLogsServiceRequest, one after the other, as azm_batch_serialize writes it: the resource
 * stands before its records. What else is in it is passed over. */
struct azm_otlp_request {
    const uint8_t *p, *end;           /* the rest of the request */
    const uint8_t *logs, *logs_end;   /* of the ResourceLogs in hand */
    const uint8_t *scope, *scope_end; /* of the ScopeLogs in hand */
    struct azm_text resource;
};

/* It borrows from `data`. */
struct azm_otlp_request azm_otlp_request_of(const void *data, size_t len);

/* The next record, encoded, and its resource: 1, 0 at the end, -EBADMSG. */
int azm_otlp_request_next(struct azm_otlp_request *q, struct azm_text *ret_resource, struct azm_text *ret_record);

/* How many records are in it, or -EBADMSG. */
ssize_t azm_otlp_request_count(const void *data, size_t len);
