/* SPDX-License-Identifier: MIT */
#pragma once

#include "config/config.h"

/* How the value of each key is read, for config.c's table only: here texts, files, numbers and times; config_word.h,
 * config_list.h, config_unit.h, config_url.h, config_header.h, config_azure.h and config_redact.h have the others.
 * Every function writes into `field`, a member of `c` (some need another member too), and returns 0 or -errno with
 * words that do not name the key. */

/* One assignment on its way into a field of struct azm_config. */
struct azm_assignment {
    const char *key, *value;
    bool is_public;
    uint64_t min, max; /* of a number: from the table */
};

typedef int (*azm_config_parse_t)(struct azm_config *c, void *field, const struct azm_assignment *a,
                                  struct azm_error *err);

int azm_parse_string(struct azm_config *c, void *field, const struct azm_assignment *a, struct azm_error *err);
int azm_parse_path(struct azm_config *c, void *field, const struct azm_assignment *a, struct azm_error *err);
int azm_parse_listen(struct azm_config *c, void *field, const struct azm_assignment *a, struct azm_error *err);
int azm_parse_textfile(struct azm_config *c, void *field, const struct azm_assignment *a, struct azm_error *err);
int azm_parse_file(struct azm_config *c, void *field, const struct azm_assignment *a, struct azm_error *err);
int azm_parse_duration(struct azm_config *c, void *field, const struct azm_assignment *a, struct azm_error *err);
int azm_parse_size(struct azm_config *c, void *field, const struct azm_assignment *a, struct azm_error *err);
int azm_parse_start(struct azm_config *c, void *field, const struct azm_assignment *a, struct azm_error *err);
int azm_parse_namespace(struct azm_config *c, void *field, const struct azm_assignment *a, struct azm_error *err);
