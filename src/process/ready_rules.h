/* SPDX-License-Identifier: MIT */
#pragma once

#include "config/config_redact.h"
#include "core/record.h"

/* The rules that [redact] rules= switches on. docs/redaction.md says what they find. */

#define AZM_READY_PATTERNS_MAX 16

struct azm_ready_pattern {
    const char *words;
    const char *needs; /* letters (process/letters.h) all of which a text has that it matches */
};

struct azm_ready_rule_table {
    struct azm_ready_pattern patterns[AZM_READY_PATTERNS_MAX]; /* of what is replaced */
    struct azm_ready_pattern names[AZM_READY_PATTERNS_MAX]; /* of attributes whose value is replaced, whatever it is */
    bool (*check)(struct azm_text match);                   /* a match that it refuses is none; NULL: all are */
};

extern const struct azm_ready_rule_table azm_ready_rules[AZM_READY_RULES];
