/* SPDX-License-Identifier: MIT */
#pragma once

#include "core/error.h"

/* The connection string of an Application Insights resource, as the portal shows it: key=value;key=value.
 *
 * Source: facts/azure.md 3.1. Keys go by any case; spaces around keys and values, and empty parts, are ignored, and so
 * are unknown keys. An empty value is as good as none. A known key must not stand there twice. */

#define AZM_CONNECTION_STRING_MAX ((size_t)4096) /* bytes */

/* Owned strings, never NULL after azm_connection_string_parse has succeeded. */
struct azm_connection_string {
    char *ikey;      /* 8-4-4-4-12 lower-case hexadecimal digits; an identifier, no secret */
    char *track_url; /* <endpoint>/v2.1/track: https, or http to this very machine */
    char *audience;  /* for Entra tokens; "": the cloud's own */
};

/* Parses `s` into `ret`, whose content is not looked at. The endpoint is IngestionEndpoint, else
 * https://[<Location>.]dc.<EndpointSuffix>, else https://dc.<default_suffix> (azm_cloud_names has it).
 *
 * 0, -EINVAL, -ENOMEM; on failure `ret` holds nothing. Words name the key, and never repeat a value: one may have been
 * pasted that is a secret. */
int azm_connection_string_parse(const char *s, const char *default_suffix, struct azm_connection_string *ret,
                                struct azm_error *err);
void azm_connection_string_free(struct azm_connection_string *c);
