/* SPDX-License-Identifier: MIT */
#pragma once

#include "config/config.h"
#include "config/config_redact.h"
#include "core/error.h"

/* What the configuration has done to records on their way, rule by rule. Made once; the processors of several threads
 * go by it and count in it. */
struct azm_rules;

/* `before`: the rules until now, of which those that keep kind and name go on counting; NULL: there were none. 0, and
 * then *ret is NULL if the configuration has no rules; or -errno. */
int azm_rules_new(const struct azm_config *c, const struct azm_rules *before, struct azm_rules **ret,
                  struct azm_error *err);

/* Both also take NULL. */
struct azm_rules *azm_rules_ref(struct azm_rules *r);
struct azm_rules *azm_rules_unref(struct azm_rules *r);

#define AZM_RULES_MAX (AZM_READY_RULES + AZM_OWN_REDACTIONS_MAX)

/* Kinds of rules. */
#define AZM_REDACT "redact"

/* What one rule has done since the start. */
struct azm_rule_count {
    const char *kind;
    const char *name;
    uint64_t times;
    uint64_t
        overflows; /* so often it could not tell, because that would have taken too much: then it did the safe thing */
};

/* The i-th of them, in the order in which they act; false behind the last one. Any thread may ask; `r` may be NULL. */
bool azm_rules_get_count(const struct azm_rules *r, size_t i, struct azm_rule_count *ret);
