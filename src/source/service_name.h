/* SPDX-License-Identifier: MIT */
#pragma once

#include <systemd/sd-id128.h>

#include "config/config.h"
#include "core/record.h"
#include "encode/otlp.h"

/* Who wrote an entry: the service, and the OTLP Resource for it, which is sent once for all its records in a request.
 * Azure shows service.name as the role, so a
 * service must keep one name however its processes end: journald reads /proc after the fact, and entries of a process
 * that has just died often lack their unit. */

/* The fields of one entry that tell; borrowed; len 0: absent. */
struct azm_identity {
    struct azm_text otel_service_name; /* OTEL_SERVICE_NAME */
    struct azm_text unit;              /* _SYSTEMD_UNIT */
    struct azm_text user_unit;         /* _SYSTEMD_USER_UNIT */
    struct azm_text identifier;        /* SYSLOG_IDENTIFIER */
    struct azm_text comm;              /* _COMM */
    struct azm_text transport;         /* _TRANSPORT */
    struct azm_text pid;               /* _PID */
    struct azm_text host_name;         /* _HOSTNAME */
    struct azm_text machine_id;        /* _MACHINE_ID */
    sd_id128_t boot;
    uint64_t hash; /* of the fields but the pid's, by whoever has it: equal for equal ones; where to look first */
};

/* A longer name does not go into the resource, which is kept and shared. */
#define AZM_NAME_MAX_BYTES 255

enum { AZM_IDENTITY_NAMES = 4 };

/* What the resource has of the writer's names besides service.name (not with fields=minimal): absent ones and those
 * that are too long, too. They belong to `id`. */
void azm_identity_names(const struct azm_identity *id, struct azm_attribute ret[static AZM_IDENTITY_NAMES]);

/* The unit that the entry itself names; of a user service its own. */
struct azm_text azm_identity_unit(const struct azm_identity *id);

struct azm_resources;

/* `config` gives [resource] and service_name_field; it must outlive the object. 0 or -ENOMEM. */
int azm_resources_new(const struct azm_config *config, struct azm_resources **ret);
struct azm_resources *azm_resources_free(struct azm_resources *r);

/* The unit that stands for the entry: the one that it names; where journald could not find it any more,
 * because the process has died, the one that was last seen with the same boot and _PID. Valid until the next call, and
 * as long as `id`. */
struct azm_text azm_resources_find_unit(struct azm_resources *r, const struct azm_identity *id);

/* The encoded Resource of the entry: 0 or -ENOMEM. `ret` stays valid until the next call, and so does `ret_service`,
 * its service.name, which may be NULL, as long as `id` does. The service name is the first of: [resource] service.name;
 * OTEL_SERVICE_NAME of the entry; its unit without ".service" (of a user service its own unit); the unit last seen with
 * the same boot and _PID; SYSLOG_IDENTIFIER; _COMM. Sessions and scopes are no services, so they go by the identifier;
 * the kernel is "kernel". */
int azm_resources_get(struct azm_resources *r, const struct azm_identity *id, struct azm_text *ret,
                      struct azm_text *ret_service);

/* The Resource of this program on this host, for records of our own: the same. */
int azm_resources_get_own(struct azm_resources *r, struct azm_text *ret);

/* The same for whoever needs no other: replaces the content of `ret`. 0 or -ENOMEM. */
int azm_own_resource(const struct azm_config *config, struct azm_buf *ret);
