/* SPDX-License-Identifier: MIT */
#pragma once

#include "core/record.h"

/* What rsyslog itself knows of a message, as this template renders it:
 *
 *     %timegenerated:::date-unixtimestamp%.%timegenerated:::date-subseconds% %fromhost-ip% %inputname%
 *
 * ("1795629105.789124 127.0.0.1 imudp"). date-subseconds prints as many digits as the time has, six for timegenerated,
 * which rsyslog always takes itself; "0" if there are none (seen with rsyslog 8.2302). */
struct azm_syslog_meta {
    uint64_t received_usec;        /* since 1970; 0: not there */
    struct azm_text client, input; /* borrowed; len 0: not there */
};

/* Takes what it finds; anything else is left out. */
void azm_syslog_meta_read(struct azm_text t, struct azm_syslog_meta *ret);
