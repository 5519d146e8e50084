/* SPDX-License-Identifier: MIT */
#pragma once

#include "export/delivery.h"

/* What stands in an answer's body and headers, read leniently: a body that is not what it should be says nothing. */

/* The number of records that a success says are rejected: ExportLogsServiceResponse.partial_success, as protobuf or as
 * JSON, by its content type. 0 or less if none. */
int64_t azm_answer_rejected(const struct azm_answer *a);

#define AZM_CODE_MAX 72

/* The error code if it is a plain word, else "": header x-ms-error-code, or "code" in the JSON body, flat or within
 * "error" (facts/azure.md 1.3). Anything else could carry contents. */
void azm_answer_code(const struct azm_answer *a, char ret[static AZM_CODE_MAX]);

/* The server's words: google.rpc.Status.message or ExportLogsPartialSuccess.error_message, "message" in the JSON body,
 * flat or within "error", or a body of plain text. */
void azm_answer_message(const struct azm_answer *a, char ret[static AZM_WORDS_MAX]);

/* Do two URLs have the same scheme, host and port? */
bool azm_answer_same_origin(const char *a, const char *b);

/* Is the host of this https URL one of Azure Monitor's ingestion hosts? (facts/azure.md 1.7) */
bool azm_answer_is_azure(const char *url);
