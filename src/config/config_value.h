/* SPDX-License-Identifier: MIT */
#pragma once

#include "config/config.h"

/* How the value of each key is read; for config.c's table only. Every function writes into `field`, a member of `c`
 * (some need another member too), and returns 0 or -errno with words that do not name the key. */

/* One assignment on its way into a field of struct azm_config. */
struct azm_assignment {
    const char *key, *value;
    bool is_public;
    uint64_t min, max; /* of a number: from the table */
};

typedef int (*azm_config_parse_t)(struct azm_config *c, void *field, const struct azm_assignment *a,
                                  struct azm_error *err);

/* Calls `add` for each word of the value; words are separated by spaces or commas. */
int azm_for_each_word(void *list, const char *value, int (*add)(void *list, const char *word, struct azm_error *err),
                      struct azm_error *err);

int azm_parse_string(struct azm_config *c, void *field, const struct azm_assignment *a, struct azm_error *err);
int azm_parse_path(struct azm_config *c, void *field, const struct azm_assignment *a, struct azm_error *err);
int azm_parse_listen(struct azm_config *c, void *field, const struct azm_assignment *a, struct azm_error *err);
int azm_parse_textfile(struct azm_config *c, void *field, const struct azm_assignment *a, struct azm_error *err);
int azm_parse_file(struct azm_config *c, void *field, const struct azm_assignment *a, struct azm_error *err);
int azm_parse_endpoints(struct azm_config *c, void *field, const struct azm_assignment *a, struct azm_error *err);
int azm_parse_stream(struct azm_config *c, void *field, const struct azm_assignment *a, struct azm_error *err);
int azm_parse_metrics_endpoint(struct azm_config *c, void *field, const struct azm_assignment *a,
                               struct azm_error *err);
int azm_parse_duration(struct azm_config *c, void *field, const struct azm_assignment *a, struct azm_error *err);
int azm_parse_size(struct azm_config *c, void *field, const struct azm_assignment *a, struct azm_error *err);
int azm_parse_bool(struct azm_config *c, void *field, const struct azm_assignment *a, struct azm_error *err);
int azm_parse_compression(struct azm_config *c, void *field, const struct azm_assignment *a, struct azm_error *err);
int azm_parse_fields(struct azm_config *c, void *field, const struct azm_assignment *a, struct azm_error *err);
int azm_parse_line_format(struct azm_config *c, void *field, const struct azm_assignment *a, struct azm_error *err);
int azm_parse_unit_line_format(struct azm_config *c, void *field, const struct azm_assignment *a,
                               struct azm_error *err);
int azm_parse_multiline(struct azm_config *c, void *field, const struct azm_assignment *a, struct azm_error *err);
int azm_parse_unit_multiline(struct azm_config *c, void *field, const struct azm_assignment *a, struct azm_error *err);
int azm_parse_start(struct azm_config *c, void *field, const struct azm_assignment *a, struct azm_error *err);
int azm_parse_scope(struct azm_config *c, void *field, const struct azm_assignment *a, struct azm_error *err);
int azm_parse_spool(struct azm_config *c, void *field, const struct azm_assignment *a, struct azm_error *err);
int azm_parse_namespace(struct azm_config *c, void *field, const struct azm_assignment *a, struct azm_error *err);
int azm_parse_priority(struct azm_config *c, void *field, const struct azm_assignment *a, struct azm_error *err);
int azm_parse_units(struct azm_config *c, void *field, const struct azm_assignment *a, struct azm_error *err);
int azm_parse_words(struct azm_config *c, void *field, const struct azm_assignment *a, struct azm_error *err);
int azm_parse_facilities(struct azm_config *c, void *field, const struct azm_assignment *a, struct azm_error *err);
int azm_parse_match(struct azm_config *c, void *field, const struct azm_assignment *a, struct azm_error *err);
int azm_parse_journal_file(struct azm_config *c, void *field, const struct azm_assignment *a, struct azm_error *err);
int azm_parse_filter_rule(struct azm_config *c, void *field, const struct azm_assignment *a, struct azm_error *err);
int azm_parse_sample(struct azm_config *c, void *field, const struct azm_assignment *a, struct azm_error *err);
int azm_parse_exempt(struct azm_config *c, void *field, const struct azm_assignment *a, struct azm_error *err);
int azm_parse_resource(struct azm_config *c, void *field, const struct azm_assignment *a, struct azm_error *err);
int azm_parse_header(struct azm_config *c, void *field, const struct azm_assignment *a, struct azm_error *err);
int azm_parse_headers_file(struct azm_config *c, void *field, const struct azm_assignment *a, struct azm_error *err);

/* A list (config/places.h), of which `parse` reads each; all of it is kept. */
int azm_parse_places(struct azm_config *c, void *field, const struct azm_assignment *a, azm_config_parse_t parse,
                     struct azm_error *err);
