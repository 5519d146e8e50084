/* SPDX-License-Identifier: MIT */
#pragma once

#include "config/config_value.h"

/* How the values of [destination]'s keys for Azure are read; see config/config_value.h. */

int azm_parse_auth(struct azm_config *c, void *field, const struct azm_assignment *a, struct azm_error *err);
int azm_parse_cloud(struct azm_config *c, void *field, const struct azm_assignment *a, struct azm_error *err);
int azm_parse_dce(struct azm_config *c, void *field, const struct azm_assignment *a, struct azm_error *err);
int azm_parse_metrics_dce(struct azm_config *c, void *field, const struct azm_assignment *a, struct azm_error *err);
int azm_parse_dcr(struct azm_config *c, void *field, const struct azm_assignment *a, struct azm_error *err);
int azm_parse_dcrs(struct azm_config *c, void *field, const struct azm_assignment *a, struct azm_error *err);
int azm_parse_base_url(struct azm_config *c, void *field, const struct azm_assignment *a, struct azm_error *err);
int azm_parse_host_suffix(struct azm_config *c, void *field, const struct azm_assignment *a, struct azm_error *err);
int azm_parse_credential_file(struct azm_config *c, void *field, const struct azm_assignment *a, struct azm_error *err);
