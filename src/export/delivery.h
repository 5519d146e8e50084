/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What to do after an answer: one pure function, facts in, decision out. */

/* The facts. Strings are "" when there is nothing. */
struct azm_answer {
    int curl_code;          /* CURLcode; 0: a whole answer came */
    const char *curl_words; /* libcurl's words for it */
    long status;            /* HTTP status, 0 if none came */
    const char *content_type;
    const char *retry_after; /* the header's value */
    const char *error_code;  /* header x-ms-error-code */
    const uint8_t *body;     /* the beginning of the answer's body */
    size_t body_len;
    bool body_cut; /* there was more */
};

enum azm_decision {
    AZM_ACKNOWLEDGE, /* the destination has taken all of it */
    AZM_RETRY,       /* it may work soon: keep, back off, send again */
    AZM_HOLD,        /* it needs a person: keep, say what to do, try again slowly */
};

struct azm_verdict {
    enum azm_decision decision;
    uint64_t retry_after_usec; /* not before so much time has passed; 0: the server named none */
    char reason[192];          /* for people, one line; never contents or secrets */
    const char *remedy;        /* what to do, or NULL */
};

/* Sources: opentelemetry-proto docs/specification.md, "OTLP/HTTP Response" (retryable 429, 502, 503, 504; partial
 * success), DESIGN "Delivery decisions". Until records can be quarantined nothing is given up: what is
 * neither acknowledged nor retryable is held, a partial success with rejected records included. */
void azm_delivery_decide(const struct azm_answer *a, uint64_t now_realtime_usec, struct azm_verdict *ret);
