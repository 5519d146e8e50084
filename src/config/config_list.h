/* SPDX-License-Identifier: MIT */
#pragma once

#include "config/config_value.h"

/* Keys that may be there several times, or have several values, which make a list: how these are read; see
 * config/config_value.h. */

/* Calls `add` for each word of the value; words are separated by spaces or commas. */
int azm_for_each_word(void *list, const char *value, int (*add)(void *list, const char *word, struct azm_error *err),
                      struct azm_error *err);

/* One value more, which is there once at most: 0 or -errno. */
int azm_list_add(void *list, const char *item, struct azm_error *err);

int azm_parse_words(struct azm_config *c, void *field, const struct azm_assignment *a, struct azm_error *err);
int azm_parse_facilities(struct azm_config *c, void *field, const struct azm_assignment *a, struct azm_error *err);
int azm_parse_match(struct azm_config *c, void *field, const struct azm_assignment *a, struct azm_error *err);
int azm_parse_journal_file(struct azm_config *c, void *field, const struct azm_assignment *a, struct azm_error *err);
int azm_parse_filter_rule(struct azm_config *c, void *field, const struct azm_assignment *a, struct azm_error *err);
int azm_parse_sample(struct azm_config *c, void *field, const struct azm_assignment *a, struct azm_error *err);
int azm_parse_resource(struct azm_config *c, void *field, const struct azm_assignment *a, struct azm_error *err);
