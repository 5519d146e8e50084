/* SPDX-License-Identifier: MIT */
#pragma once

#include "config/config_value.h"

/* Keys whose value is one of a few words: how it is read; see config/config_value.h. */

/* "debug" or 7: the number, or -EINVAL. Words have no case. */
int azm_word_or_number(const char *s, const char *const words[], size_t n_words);

int azm_parse_bool(struct azm_config *c, void *field, const struct azm_assignment *a, struct azm_error *err);
int azm_parse_compression(struct azm_config *c, void *field, const struct azm_assignment *a, struct azm_error *err);
int azm_parse_spool(struct azm_config *c, void *field, const struct azm_assignment *a, struct azm_error *err);
int azm_parse_fields(struct azm_config *c, void *field, const struct azm_assignment *a, struct azm_error *err);
int azm_parse_line_format(struct azm_config *c, void *field, const struct azm_assignment *a, struct azm_error *err);
int azm_parse_multiline(struct azm_config *c, void *field, const struct azm_assignment *a, struct azm_error *err);
int azm_parse_scope(struct azm_config *c, void *field, const struct azm_assignment *a, struct azm_error *err);
int azm_parse_priority(struct azm_config *c, void *field, const struct azm_assignment *a, struct azm_error *err);
int azm_parse_sasl_mechanism(struct azm_config *c, void *field, const struct azm_assignment *a, struct azm_error *err);
int azm_parse_exempt(struct azm_config *c, void *field, const struct azm_assignment *a, struct azm_error *err);
