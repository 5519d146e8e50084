/* SPDX-License-Identifier: MIT */
#pragma once

#include "config/config.h"
#include "export/http.h"

/* The destination of a configuration, for those who send. */
struct cli_destination {
    char *name; /* how messages name it: without secrets */
    enum azm_profile profile;
    char **headers;
    struct azm_http_options http; /* borrows from the configuration and from `headers` */
};

/* 0 or -ENOMEM. */
int cli_destination_init(struct cli_destination *d, const struct azm_config *c);
void cli_destination_free(struct cli_destination *d);
