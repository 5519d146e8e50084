/* SPDX-License-Identifier: MIT */
#pragma once

#include "encode/properties.h"

/* One item for Application Insights on its way from a record to its line; for appinsights.c only. All texts are
 * borrowed; one of length 0 is as good as none. */
struct azm_appinsights_item {
    const char *ikey;
    struct azm_text tags;                      /* those of the resource, as members of a JSON object */
    uint64_t time_nsec, observed_nsec;         /* the record's; 0: none */
    uint64_t written_nsec;                     /* the time to be written */
    uint64_t severity_number;                  /* OTLP's */
    struct azm_text severity_text, event_name; /* they are properties */
    struct azm_text trace_id, span_id;         /* bytes */
    struct azm_text body;                      /* as text */
    bool is_exception;                         /* then these are used: */
    struct azm_text type, exception_message, stack;
};

/* Appends the item's line with these properties, which shrink if they have to: 0 or -ENOMEM (`out` is then as it
 * was). */
int azm_appinsights_append_item(const struct azm_appinsights_item *item, struct azm_properties *l, struct azm_buf *out);
