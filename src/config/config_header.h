/* SPDX-License-Identifier: MIT */
#pragma once

#include "config/config_value.h"

/* Headers of requests, which may be secrets: how the values of these keys are read; see config/config_value.h. */

int azm_parse_header(struct azm_config *c, void *field, const struct azm_assignment *a, struct azm_error *err);
int azm_parse_headers_file(struct azm_config *c, void *field, const struct azm_assignment *a, struct azm_error *err);
