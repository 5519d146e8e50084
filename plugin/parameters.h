/* SPDX-License-Identifier: MIT */
#pragma once

#include "config/config.h"
#include "plugin/rsyslog_abi.h"

/* What stands in action(type="omazuremonitor" ...): the keys of azmonlog.conf(5), and a few of the module's own.
 *
 * The keys of [destination] go by their own names ("endpoint"), those of other sections with the section before them
 * ("batch.schedule_delay", "state.spool_max_bytes"); [resource] is a list of name=value, "resource". Of [journal] only
 * max_body_bytes makes sense here. */

struct parameter_value {
    const char *section, *key; /* of azm_config_set */
    char *value;
};

struct parameters {
    char *name;                                /* of the action; "" if it has none */
    char *config;                              /* a configuration file that goes before the rest; "": none */
    char *body_template;                       /* whose text is the body instead of the message's own; "": none */
    char *meta_template, *attributes_template; /* "": none */
    struct parameter_value *values;            /* in the order of the table, not of the file: each key stands once */
    size_t n;
    /* rsyslog's own, to see whether messages would be lost; -1: not set. */
    long long resume_retry_count, queue_timeout_shutdown_msec;
    bool has_queue;
};

/* Once, before the first parameters_read: 0 or -ENOMEM. */
int parameters_init(void);

/* Takes over the parameters of one action: 0, -EINVAL if rsyslog does not like them (and has said so), -ENOMEM. */
int parameters_read(struct nvlst *list, struct parameters *ret);
void parameters_free(struct parameters *p);

/* The configuration that follows: config= (but for its [journal], and where its state is), environment, the action's
 * own parameters, with `name` in the place of the action's name where the state directory is not set. Reads files, and
 * changes nothing. 0, and then `ret` has to be freed; or -errno with words that name action and parameter. */
int parameters_load(const struct parameters *p, const char *name, struct azm_config *ret, struct azm_error *err);
