/* SPDX-License-Identifier: MIT */
#pragma once

#include "config/config_value.h"

/* Where records, metrics and streams are: how the values of these keys are read; see config/config_value.h. */

int azm_parse_endpoints(struct azm_config *c, void *field, const struct azm_assignment *a, struct azm_error *err);
int azm_parse_metrics_endpoint(struct azm_config *c, void *field, const struct azm_assignment *a,
                               struct azm_error *err);
int azm_parse_stream(struct azm_config *c, void *field, const struct azm_assignment *a, struct azm_error *err);

/* A list (config/places.h), of which `parse` reads each; all of it is kept. */
int azm_parse_places(struct azm_config *c, void *field, const struct azm_assignment *a, azm_config_parse_t parse,
                     struct azm_error *err);
