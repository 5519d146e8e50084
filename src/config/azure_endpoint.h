/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>

#include "config/config.h"

/* Azure's hosts, URLs and ids. Source: facts/azure.md 1.2, 1.7. */

/* A data collection endpoint takes metrics at a host of its own, whose suffix is this in front of the other's. */
#define AZM_METRICS_HOST "metrics."

struct azm_cloud_names {
    const char *authority;          /* "https://login.microsoftonline.com" */
    const char *audience;           /* "https://monitor.azure.com" */
    const char *ingest_suffix;      /* "ingest.monitor.azure.com" */
    const char *application_suffix; /* of Application Insights, where a connection string does not say it */
};

const struct azm_cloud_names *azm_cloud_names(enum azm_cloud cloud);

/* Is this URL one of Azure Monitor's native OTLP ingestion? It is known by its path,
 * /datacollectionRules/<rule>/streams/..., so that a proxy or an emulator in front is seen as Azure, too. The first
 * segment was seen in several spellings. */
bool azm_is_azure_endpoint(const char *url);

/* The rule's immutable id in such a URL, or "" if it is none; at most 40 bytes with the NUL. */
void azm_azure_endpoint_dcr(const char *url, char ret[static 40]);

/* The URLs of a data collection endpoint (a URL, a host name, or one without `suffix`) and a rule, for logs and for
 * metrics; the caller frees them. NULL when memory is out. */
char *azm_azure_logs_url(const char *dce, const char *dcr, const char *suffix);
char *azm_azure_metrics_url(const char *dce, const char *dcr, const char *suffix);

/* dcr- and 32 lower-case hexadecimal digits. */
bool azm_is_dcr_id(const char *s);

/* Letters, digits, hyphens and dots, none of them in a wrong place. */
bool azm_is_host_name(const char *s);

/* https://HOST[:PORT], also with a slash behind it; http only if it is for this machine. */
bool azm_url_is_base(const char *url);

/* May a token travel there: https, or this machine itself (localhost, 127.0.0.0/8, ::1)? */
bool azm_url_is_private(const char *url);
