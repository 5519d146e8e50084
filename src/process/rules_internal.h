/* SPDX-License-Identifier: MIT */
#pragma once

#include "process/redact.h"
#include "process/rule.h"
#include "process/rules.h"

/* All kinds of rules; for rules.c and processor.c only. */
struct azm_rules {
    unsigned refs;
    struct azm_redactions redactions;
};
