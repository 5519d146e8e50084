/* SPDX-License-Identifier: MIT */
#pragma once

#include "config/config.h"
#include "config/config_redact.h"
#include "core/buf.h"
#include "core/error.h"

/* What the configuration has done to records on their way, rule by rule. Made once; the processors of several threads
 * go by it and count in it. */
struct azm_rules;

/* `before`: the rules until now, of which those that keep kind and name go on counting, and a rate limit goes on where
 * it was; NULL: there were none. Then `state` may be what azm_rules_print_state has printed, among other lines, of an
 * earlier process, or NULL. 0, and then *ret is NULL if there is nothing to be done to any record; or -errno. */
int azm_rules_new(const struct azm_config *c, const struct azm_rules *before, const struct azm_buf *state,
                  struct azm_rules **ret, struct azm_error *err);

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

/* Appends what a rate limit knows of the past, as lines for a checkpoint: 0 or -ENOMEM; `r` may be NULL. */
int azm_rules_print_state(const struct azm_rules *r, struct azm_buf *out);

/* Is there anything to print, ever? */
bool azm_rules_have_state(const struct azm_rules *r);

/* Goes on with such lines, among others: 0 or -ENOMEM. Any thread may do so. */
int azm_rules_go_on(struct azm_rules *r, const struct azm_buf *state);

/* What leaves records out, as kinds of rules. */
#define AZM_EXCLUDE "exclude"
#define AZM_INCLUDE "include"
#define AZM_SAMPLE "sample"
#define AZM_RATE_LIMIT "rate_limit"

/* How many records the rules of this kind have left out since the start; NULL: all of these kinds. Any thread may ask.
 */
uint64_t azm_rules_left_out(const struct azm_rules *r, const char *kind);
