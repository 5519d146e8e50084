/* SPDX-License-Identifier: MIT */
#pragma once

#include "encode/properties.h"

/* Records for Application Insights' own protocol (POST .../v2.1/track, application/x-json-stream): one line of JSON, an
 * envelope, for each record. docs/mapping.md has the table.
 *
 * Sources: facts/azure.md 3.2 (envelope, limits), 3.4 (what the official exporter for Python makes of a record);
 * lengths of the tags, and how old or new the time may be: microsoft/ApplicationInsights-Home,
 * EndpointSpecs/Schemas/Docs/{ContextTagKeys,Envelope}.md. */

/* One item, without the line's end. */
#define AZM_APPINSIGHTS_ITEM_MAX ((size_t)65536)
#define AZM_APPINSIGHTS_MESSAGE_UNITS ((size_t)32768)

/* What is older, or newer, is refused (48 h, 2 h), and has the time of sending instead. An hour is left for the way,
 * and for clocks that differ. */
#define AZM_APPINSIGHTS_OLDEST_NSEC (UINT64_C(47) * 3600 * 1000000000)
#define AZM_APPINSIGHTS_NEWEST_NSEC (UINT64_C(1) * 3600 * 1000000000)

/* All zero but for `ikey` at first. One object serves one thread. */
struct azm_appinsights {
    const char *ikey; /* instrumentation key; borrowed. It needs no escaping (config/connection_string.h) */

    /* Private: kept from record to record, so that a steady stream of them allocates nothing. */
    struct azm_properties record;
    struct azm_buf resource;                   /* the bytes of the last resource, ... */
    struct azm_properties resource_properties; /* ... its attributes that are no tags, ... */
    struct azm_buf tags;                       /* ... and those that are, as members of a JSON object */
};

void azm_appinsights_free(struct azm_appinsights *a);

/* Appends exactly one line and its '\n' for one encoded LogRecord of this encoded Resource (encode/otlp.h):
 * 0; -EBADMSG if either is no such message, or has values nested too deep (encode/any_value.h); -ENOMEM. On failure
 * `out` is as it was. `now_realtime_usec` is the realtime clock. */
int azm_appinsights_append(struct azm_appinsights *a, struct azm_text resource, struct azm_text record,
                           uint64_t now_realtime_usec, struct azm_buf *out);
