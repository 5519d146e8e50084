/* SPDX-License-Identifier: MIT */
#include "core/severity.h"
#include "core/cleanup.h"

static const struct azm_severity table[] = {
    {21, {"emerg", 5}},   {19, {"alert", 5}},  {18, {"crit", 4}}, {17, {"err", 3}},
    {13, {"warning", 7}}, {10, {"notice", 6}}, {9, {"info", 4}},  {5, {"debug", 5}},
};

const struct azm_severity *azm_severity_of(int syslog_severity)
{
    if (syslog_severity < 0 || syslog_severity >= (int)ELEMENTSOF(table))
        return NULL;
    return &table[syslog_severity];
}
