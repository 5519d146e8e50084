/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>

#include "core/clock.h"

/* When the next token is asked for. All zero is the beginning: at once. Times are monotonic.
 *
 * A token is renewed when token.h says so. After a failure, while there is no token: 2, 4, 8, 16, 32, then 60 seconds
 * (the retries of IMDS, facts/azure.md 2a); while there is one: 30, then 60 (2h), but again as soon as it ends; if only
 * a person can mend it: 60 seconds, twofold up to 5 minutes. Up to a quarter of that is added, so that machines that
 * have failed together do not come back together; and no attempt is made before Retry-After has passed. */
struct azm_token_schedule {
    uint64_t next_usec;       /* the next attempt */
    uint64_t expires_usec;    /* the token's end; 0: there is none */
    uint64_t asked_usec;      /* when the last attempt began */
    uint64_t not_before_usec; /* by Retry-After */
    uint64_t renewal_usec;    /* when the last attempt was, or will be, that a refused token has caused; 0: none was */
    unsigned failures;        /* in a row, of one sort */
    bool permanent;           /* the sort */
};

static inline bool azm_token_schedule_valid(const struct azm_token_schedule *s, uint64_t now_usec)
{
    return now_usec < s->expires_usec;
}

/* An attempt begins. */
void azm_token_schedule_asked(struct azm_token_schedule *s, uint64_t now_usec);

/* It has brought a token, whose time counts from when it was asked for. `refresh_in_usec` 0: nothing was said. */
void azm_token_schedule_success(struct azm_token_schedule *s, uint64_t expires_in_usec, uint64_t refresh_in_usec);

/* It has failed. `retry_after_usec` 0: nothing was said. */
void azm_token_schedule_failure(struct azm_token_schedule *s, const struct azm_clock *clock, bool permanent,
                                uint64_t retry_after_usec);

/* The token is of no use. */
void azm_token_schedule_refused(struct azm_token_schedule *s, uint64_t now_usec);

/* A person may have mended what was wrong: the next attempt is now, unless Retry-After forbids it. */
void azm_token_schedule_mended(struct azm_token_schedule *s, uint64_t now_usec);

/* How long there is nothing to do: neither an attempt, nor does a token end. */
uint64_t azm_token_schedule_wait_usec(const struct azm_token_schedule *s, uint64_t now_usec);
