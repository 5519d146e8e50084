/* SPDX-License-Identifier: MIT */
#pragma once

#include "core/error.h"
#include "core/pattern.h"
#include "core/record.h"

/* A rule of [filter]: one or more conditions on fields of a record, all of which must hold.
 *
 *     FIELD=value     the value is just this
 *     FIELD^=prefix   it begins so
 *     FIELD~pattern   the regular expression matches somewhere in it
 *     service.name=web && body^=GET /health
 *
 * The field's name ends at the first of these signs; blanks around a condition and its sign do not count, and what is
 * in the value is as it stands. docs/filtering.md says which fields there are. */

enum azm_condition_kind { AZM_CONDITION_EQUAL, AZM_CONDITION_PREFIX, AZM_CONDITION_PATTERN };

struct azm_condition {
    char *field;
    enum azm_condition_kind kind;
    char *value;                 /* for the first two kinds */
    struct azm_pattern *pattern; /* for the third */
};

struct azm_filter_rule {
    struct azm_condition *conditions;
    size_t n;
};

/* 0; -EINVAL with words that say what is wrong; -ENOMEM. */
int azm_filter_rule_parse(const char *words, struct azm_filter_rule *ret, struct azm_error *err);
void azm_filter_rule_free(struct azm_filter_rule *r);

/* Is it a field as the journal has it (_UID, CONTAINER_NAME), and not the name of an attribute? */
bool azm_filter_field_is_raw(struct azm_text name);

/* emerg (0) to debug (7), as a record's severity_text has them; -1: another word. */
int azm_severity_word(struct azm_text word);
