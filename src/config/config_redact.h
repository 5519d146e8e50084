/* SPDX-License-Identifier: MIT */
#pragma once

#include "config/config_value.h"

/* [redact]: which ready rules, and patterns of the user's own. What the rules are stands in process/ready_rules.c. */

enum azm_ready_rule {
    AZM_READY_PRIVATE_KEY,
    AZM_READY_AUTHORIZATION,
    AZM_READY_JWT,
    AZM_READY_CONNECTION_STRING,
    AZM_READY_PASSWORD,
    AZM_READY_CLOUD_KEY,
    AZM_READY_CARD,
    AZM_READY_MAIL,
    AZM_READY_RULES
};

/* In the order in which they go before one another: a place that two of them match is named by the first. */
extern const char *const azm_ready_rule_names[AZM_READY_RULES];

#define AZM_OWN_REDACTIONS_MAX 64
#define AZM_REDACTION_NAME_MAX 32 /* bytes */

int azm_parse_redact_rules(struct azm_config *c, void *field, const struct azm_assignment *a, struct azm_error *err);
int azm_parse_redact_pattern(struct azm_config *c, void *field, const struct azm_assignment *a, struct azm_error *err);
