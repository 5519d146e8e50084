/* SPDX-License-Identifier: MIT */
#pragma once

#include <sys/types.h>

#include "core/record.h"
#include "parse/attributes.h"

/* The STRUCTURED-DATA of RFC 5424, section 6.3, from the start of `t`: each parameter becomes an attribute
 * `syslog.<SD-ID>.<name>`, an element without any `syslog.<SD-ID>` = "". Those of the element `opentelemetry` that make
 * a trace context go to the record instead. Escapes are undone; a `]` that should be escaped and is not, and blanks
 * between parameters, are forgiven.
 *
 * Returns its length, 0 if there is no such thing here (the attributes are then not to be used), or -ENOMEM. Values are
 * borrowed from `t` where they have no escapes, all else is in the attributes' arena. */
ssize_t azm_structured_data_read(struct azm_text t, struct azm_attributes *a, struct azm_record *r);
