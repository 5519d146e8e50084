/* SPDX-License-Identifier: MIT */
#pragma once

#include "core/buf.h"
#include "core/error.h"
#include "encode/otlp_request.h"

/* What a source has that reads whole requests, numbered from 1 on (rows of a spool, messages of a stream), and gives
 * their records one by one. All zero: nothing was read yet. The position is the number of a request, in digits. */
struct azm_requests {
    struct azm_otlp_request rest; /* of the request in hand, so many records: */
    size_t left;
    uint64_t given; /* its number; 0 before the first one */
    uint64_t done;  /* the last one of which all was given, and is not needed any more */
};

/* Takes this one in hand, which must stay until the next one: how many records it has; -EBADMSG, and it has none. */
ssize_t azm_requests_open(struct azm_requests *q, uint64_t number, struct azm_text request);

/* The next record of the one in hand. False: it has no more, and is done. */
bool azm_requests_next(struct azm_requests *q, struct azm_record *rec);

/* Was all given up to this number? */
bool azm_requests_passed(const struct azm_requests *q, uint64_t number);

/* struct azm_source_ops has what it is: 0 or -ENOMEM. */
int azm_requests_position(const struct azm_requests *q, struct azm_buf *out, struct azm_error *err);

/* The number that a position is; 0 if it is empty. */
uint64_t azm_requests_number(const struct azm_buf *position);
