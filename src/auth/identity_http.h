/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/secret.h"

/* One request to an identity endpoint, from beginning to end, on a connection of its own: bounded in time and size, and
 * it can be cancelled. Redirects are not followed, libcurl reads no file but the CA's, and never talks.
 *
 * One thread at a time asks; any thread may cancel. */
struct azm_identity_http;

/* `tls_ca_file` ("": the system's) must outlive it; `timeout_usec` of one whole request, 0: 10 s. 0 or -errno. */
int azm_identity_http_new(const char *tls_ca_file, uint64_t timeout_usec, struct azm_identity_http **ret);
struct azm_identity_http *azm_identity_http_free(struct azm_identity_http *h);

struct azm_identity_request {
    const char *url;
    const char *header;                     /* "Metadata: true"; NULL: none */
    const struct azm_secret *secret_header; /* one more, a whole line; NULL: none */
    const struct azm_secret *form;          /* it is a POST of that; NULL: a GET */
    uint64_t connect_timeout_usec;
    bool direct; /* never through a proxy */
};

#define AZM_IDENTITY_ANSWER_MAX_BYTES ((size_t)64 * 1024)

struct azm_identity_answer {
    int curl_code;                               /* CURLcode; 0: a whole answer came */
    char curl_words[256];                        /* what libcurl says about it */
    bool too_long;                               /* more than AZM_IDENTITY_ANSWER_MAX_BYTES, of headers or body */
    bool connected;                              /* a connection was there, whatever became of it */
    long status;                                 /* 0: none came */
    long connect_code;                           /* what a forward proxy answered to CONNECT; 0: none did */
    char retry_after[64], www_authenticate[512]; /* the headers' values; "" too if they are longer */
    struct azm_secret *body;
};

void azm_identity_answer_free(struct azm_identity_answer *a);

/* 0 if there is an answer, or words of libcurl's why not; -ECANCELED, -ENOMEM, -EIO. */
int azm_identity_http_ask(struct azm_identity_http *h, const struct azm_identity_request *q,
                          struct azm_identity_answer *ret);

/* Ends what is being asked at once, and whatever is asked later. */
void azm_identity_http_cancel(struct azm_identity_http *h);
