/* SPDX-License-Identifier: MIT */
#pragma once

#include "core/record.h"
#include "pipeline/figures.h"

/* A heartbeat: a record that says that this azmonlog lives, and how it is. It goes the way of all records, because that
 * is what it is to prove; docs/mapping.md has what is in it. */

#define AZM_HEARTBEAT_ATTRIBUTES 10

/* What the texts of the record lie in. */
struct azm_heartbeat {
    struct azm_attribute attributes[AZM_HEARTBEAT_ATTRIBUTES];
    char body[256], started[AZM_TIME_TEXT_MAX];
};

/* `ret` borrows from `h` and `f`. Its uid is random. */
void azm_heartbeat_record(const struct azm_figures *f, struct azm_heartbeat *h, struct azm_record *ret);
