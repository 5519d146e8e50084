/* SPDX-License-Identifier: MIT */
#pragma once

#include "auth/token.h"
#include "export/delivery.h"

/* What to do about a failure. The words of a verdict's remedy have places for what is known of the destination, and for
 * what it is called where it is configured. */

#define AZM_REMEDY_MAX 512

/* What is known of the destination for a remedy; "" where it is not. */
struct azm_remedy_facts {
    const char *principal; /* the identity's object id */
    const char *rule;      /* the immutable id of the data collection rule */
    enum azm_signal signal;
    const char *section; /* where it is configured; NULL: as the signal has it */
};

/* The remedy with these facts in their places; "" for NULL. */
void azm_remedy_print(const char *remedy, const struct azm_remedy_facts *facts, char ret[static AZM_REMEDY_MAX]);

/* The same with the facts about the destination of `signal` at `url` and the last of its tokens (NULL: it needs none).
 */
void azm_remedy_print_for(const char *remedy, enum azm_signal signal, const char *url, struct azm_tokens *tokens,
                          char ret[static AZM_REMEDY_MAX]);
