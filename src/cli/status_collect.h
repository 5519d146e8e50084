/* SPDX-License-Identifier: MIT */
#pragma once

#include <jansson.h>

#include "cli/cli.h"

/* Whom azmonlog status asks. */
struct status_target {
    const struct azm_config *config;
    bool actions;        /* rsyslogd's, too */
    bool expected;       /* azmonlog is to run, so that it is a fault if it does not, even if actions do */
    uint64_t limit_usec; /* how long to wait for each */
};

/* What each says of itself, as an array: first azmonlog, then the actions, which have a member "action". What does not
 * run, or cannot be asked, is there as well, and what can be known of it. 0, or -EACCES: azmonlog's control socket may
 * not be used, and *ret is without it. */
int cli_collect_status(const struct status_target *t, json_t **ret, struct azm_error *err);
