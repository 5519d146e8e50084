/* SPDX-License-Identifier: MIT */
#pragma once

#include "core/record.h"

struct azm_severity {
    int number;           /* OTLP SeverityNumber, 1..24 */
    struct azm_text text; /* the syslog word */
};

/* The OTLP severity of syslog severity 0 (emerg) .. 7 (debug), or NULL outside of that.
 * Source: OpenTelemetry specification, logs/data-model-appendix.md, "Appendix B: SeverityNumber
 * example mappings", column Syslog. journald's PRIORITY= has the same meaning. */
const struct azm_severity *azm_severity_of(int syslog_severity);
