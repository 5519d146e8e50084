/* SPDX-License-Identifier: MIT */
#pragma once

#include "process/filter.h"
#include "process/limit.h"
#include "process/redact.h"
#include "process/rule.h"
#include "process/rules.h"
#include "process/sample.h"

/* All kinds of rules; for rules.c and processor.c only. */
struct azm_rules {
    unsigned refs;
    /* In the order in which they act. */
    struct azm_filter filter;
    struct azm_sampler sampler;
    struct azm_limiter *limiter; /* NULL: there is none */
    struct azm_redactions redactions;
};
