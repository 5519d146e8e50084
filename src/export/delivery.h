/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/meaning.h"
#include "stream/stream.h"

/* What to do after an answer: one pure function, facts in, decision out. */

/* What came back. Strings are "" when there is nothing. */
struct azm_answer {
    int curl_code;          /* CURLcode; 0: a whole answer came */
    const char *curl_words; /* libcurl's words for it */
    long connect_code;      /* what a forward proxy answered to CONNECT; 0: there was none, or no answer */
    long status;            /* HTTP status, 0 if none came */
    const char *content_type;
    const char *retry_after;  /* the header's value */
    const char *error_code;   /* header x-ms-error-code */
    const char *request_id;   /* header x-ms-request-id, or x-request-id */
    const char *redirect_url; /* where Location points to, as an absolute URL */
    const uint8_t *body;      /* the beginning of the answer's body */
    size_t body_len;
    bool body_cut; /* there was more */
    /* Of an engine, which does not speak HTTP: what became of the message. Then status is 0 and the rest of no account.
     * NULL: it was a request. */
    const struct azm_stream_answer *stream;
};

/* What is sent (OpenTelemetry's term). */
enum azm_signal { AZM_LOGS, AZM_METRICS };

/* Which rules the destination goes by. */
enum azm_profile {
    AZM_PROFILE_OTLP,        /* any OTLP/HTTP receiver */
    AZM_PROFILE_AZURE,       /* Azure Monitor's ingestion of OTLP */
    AZM_PROFILE_APPINSIGHTS, /* the classic ingestion of Application Insights, /v2.1/track */
};

/* What is known about the request that was answered, and about the destination. */
struct azm_attempt {
    enum azm_profile profile;
    const char *origin; /* the configured URL; only there credentials may go */
    size_t records;
    /* The destination has taken other records, under this configuration, since these were first refused; or has taken
     * anything at all, if they are many and were not refused before. */
    bool proven;
    bool truncated;             /* it is one record, which was made smaller already */
    bool suspect;               /* part of a request that failed and failed while others were taken */
    unsigned failures;          /* of this request so far, as the last verdict counted them */
    bool others_passed;         /* others were taken since the last of these failures */
    unsigned redirects;         /* followed so far */
    bool renewable;             /* its credentials can be renewed */
    bool token;                 /* it had a token with it */
    const char *trusted_suffix; /* credentials may also go to https hosts that end so, as to Azure's own; NULL: none */
};

enum azm_decision {
    AZM_ACKNOWLEDGE,         /* the destination has taken all of it */
    AZM_ACKNOWLEDGE_PARTIAL, /* it has taken all but some, and is not to be sent again: keep a copy for a person */
    AZM_SORT,                /* it says of each record what came of it, see azm_delivery_items: go by that */
    AZM_RETRY,               /* it may work soon: keep, back off, send again */
    AZM_RENEW,               /* renew the credentials, then send again */
    AZM_HOLD,                /* it needs a person: keep, say what to do, try again slowly */
    AZM_FOLLOW,              /* send it again to redirect_url */
    AZM_SPLIT,               /* send it again in two halves */
    AZM_TRUNCATE,            /* send the record again, cut to a size that everybody takes */
    AZM_QUARANTINE,          /* this one record is never taken: keep it for a person */
};

struct azm_verdict {
    enum azm_decision decision;
    enum azm_meaning meaning;
    uint64_t retry_after_usec; /* not before so much time has passed; 0: the server named none */
    unsigned failures;         /* of this request, for its next attempt */
    bool suspect;              /* with SPLIT and QUARANTINE: because of failures */
    bool keep_credentials;     /* with FOLLOW: they may go there */
    uint64_t rejected;         /* with ACKNOWLEDGE_PARTIAL: so many records of it */
    char reason[192];          /* for people, one line; never contents or secrets */
    const char *remedy;        /* what to do, or NULL; for azm_remedy_print_for */
    char code[72];             /* the server's error code, a plain word; "" */
};

#define AZM_REDIRECTS_MAX 5
#define AZM_FAILURES_MAX 5         /* after so many a request is suspect, and a single record given up */
#define AZM_SUSPECT_FAILURES_MAX 2 /* after so many a part of it is split again */

/* Sources: opentelemetry-proto docs/specification.md, "OTLP/HTTP Response" (retryable 429, 502, 503, 504; partial
 * success is never sent again), facts/azure.md 1.3, DESIGN "Delivery decisions". */
void azm_delivery_decide(const struct azm_answer *answer, const struct azm_attempt *attempt, uint64_t now_realtime_usec,
                         struct azm_verdict *ret);

/* What to do about a proxy that answers so to CONNECT. */
const char *azm_delivery_proxy_remedy(long connect_code);

/* Do libcurl's words say that the server does not take the client's certificate, or wants one? NULL, or what to do. */
const char *azm_delivery_certificate_remedy(const char *curl_words);

/* A web page instead of a receiver's answer: of a proxy, a login, or a wrong URL. */
bool azm_delivery_is_page(const struct azm_answer *answer);

#define AZM_WORDS_MAX 1024

/* The server's own words in an answer, "" if there are none. They may repeat a record, so they go into the quarantine
 * and never into a log line. */
void azm_delivery_words(const struct azm_answer *answer, char ret[static AZM_WORDS_MAX]);

/* What came of each record, after AZM_SORT. */
struct azm_item {
    enum azm_meaning meaning; /* TAKEN, THROTTLED, OVERLOADED, FAILED, MISCONFIGURED (a quota), REFUSED */
    long status;
    const char *message; /* the server's words, NULL if there are none */
};

struct azm_items {
    struct azm_item *items;
    size_t n;
    void *body; /* what the messages lie in */
};

/* Reads an answer about `n` records: 0, -EBADMSG if it does not say, -ENOMEM. */
int azm_delivery_items(const struct azm_answer *answer, size_t n, struct azm_items *ret);
void azm_items_free(struct azm_items *items);

/* What to do with a part that consists of records to which this has happened, and that was sent among others. */
void azm_delivery_decide_item(const struct azm_item *item, const struct azm_attempt *attempt, struct azm_verdict *ret);
