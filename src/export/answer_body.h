/* SPDX-License-Identifier: MIT */
#pragma once

#include "export/delivery.h"

/* What stands in an answer's body and headers, read leniently: a body that is not what it should be says nothing. */

/* The number of records that a success says are rejected: ExportLogsServiceResponse.partial_success, as protobuf or as
 * JSON, by its content type; or of data points (ExportMetricsServiceResponse, which has the same fields). 0 or less if
 * none. */
int64_t azm_answer_rejected(const struct azm_answer *a);

/* Writes status and message of each of the items->n records that the answer of Application Insights names
 * ({"itemsReceived":n,"itemsAccepted":m,"errors":[{"index":i,"statusCode":s,"message":...}]}); the others stay as they
 * are, which is all zero. 0, or -EBADMSG if it is no such answer, is about another number of records, or says that
 * fewer were accepted than it leaves unnamed. Source: facts/azure.md 3.3. */
int azm_answer_items(const struct azm_answer *a, struct azm_items *items);
void azm_answer_items_free(void *body);

#define AZM_CODE_MAX 72

/* The error code if it is a plain word, else "": header x-ms-error-code, or "code" in the JSON body, flat or within
 * "error" (facts/azure.md 1.3). Anything else could carry contents. */
void azm_answer_code(const struct azm_answer *a, char ret[static AZM_CODE_MAX]);

/* The server's words: google.rpc.Status.message or ExportLogsPartialSuccess.error_message, "message" in the JSON body,
 * flat or within "error", a web page's title, or a body of plain text. */
void azm_answer_message(const struct azm_answer *a, char ret[static AZM_WORDS_MAX]);

/* Do two URLs have the same scheme, host and port? */
bool azm_answer_same_origin(const char *a, const char *b);

/* Is the host of this https URL one of Azure Monitor's ingestion hosts (facts/azure.md 1.7), or one that ends in a dot
 * and `suffix`, if that is not ""? */
bool azm_answer_is_azure(const char *url, const char *suffix);

/* Where a redirect from `origin` leads: to `redirect_url`; with Application Insights only the place moves, so there it
 * is `origin` with the scheme, host and port of `redirect_url`. The caller frees it; NULL when memory is out,
 * or, with Application Insights, if one of them is no URL. */
char *azm_answer_redirected(enum azm_profile profile, const char *origin, const char *redirect_url);
