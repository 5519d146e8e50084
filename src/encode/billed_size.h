/* SPDX-License-Identifier: MIT */
#pragma once

#include "core/arena.h"
#include "core/buf.h"
#include "core/record.h"

/* How many bytes Azure will bill for a record, about.
 *
 * Source: learn.microsoft.com, "Azure Monitor Logs cost calculations and options": the size of a record is that of a
 * string representation of the columns that are stored for it, whatever came over the wire; _ResourceId, _ItemId,
 * _IsBillable, _BilledSize and Type do not count; a GB is 10^9 bytes. So what is the same for many records of a request
 * (the resource) counts for each of them, and compression does not matter.
 *
 * Assumed: the columns of OTelLogs (facts/azure.md 1.5), attributes as one line of JSON. What the rows really took says
 * their column _BilledSize. */
struct azm_billing { /* all zero is valid */
    struct azm_buf scratch;
    struct azm_arena arena;
};

void azm_billing_free(struct azm_billing *b);

/* Of one encoded record with its encoded resource: 0, -EBADMSG (no OTLP), -ENOMEM. */
int azm_billed_bytes(struct azm_billing *b, struct azm_text resource, struct azm_text record, size_t *ret);
