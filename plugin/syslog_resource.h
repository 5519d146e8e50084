/* SPDX-License-Identifier: MIT */
#pragma once

#include "config/config.h"
#include "core/record.h"

/* The OTLP Resource of messages of one host and program: service.name (APP-NAME), service.instance.id and host.name
 * (HOSTNAME), each unless configured, then the rest of [resource]; syslog.identifier (APP-NAME) where the
 * configuration says service.name. Nothing is said of the host's system: the sender may
 * be a switch. Like azm_resources (source/service_name.h) for the journal, but all there is to know stands in the
 * message. */

struct azm_syslog_resources;

/* `configured` ([resource]) must outlive the object. 0 or -ENOMEM. */
int azm_syslog_resources_new(const struct azm_key_values *configured, struct azm_syslog_resources **ret);
struct azm_syslog_resources *azm_syslog_resources_free(struct azm_syslog_resources *r);

/* The encoded Resource: 0 or -ENOMEM. `ret` stays valid until the next call. host, app: len 0: none; names of more than
 * 255 bytes are cut. Nothing is allocated while the pairs are among the last few hundred. */
int azm_syslog_resources_get(struct azm_syslog_resources *r, struct azm_text host, struct azm_text app,
                             struct azm_text *ret);
