/* SPDX-License-Identifier: MIT */
#pragma once

#include "core/clock.h"
#include "source/source.h"
#include "store/spool_shared.h"

/* A spool as a source: gives the records that others append, as they are encoded already. A row is an
 * ExportLogsServiceRequest (batch/batch.h); the position is the last row of which every record was given.
 *
 * The spool stays the caller's; `name` is how messages name it, and copied. One thread owns the source. 0 or -ENOMEM.
 */
int azm_spool_source_new(struct azm_spool_shared *spool, const char *name, const struct azm_clock *clock,
                         struct azm_source **ret);
