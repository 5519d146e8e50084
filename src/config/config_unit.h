/* SPDX-License-Identifier: MIT */
#pragma once

#include "config/config_value.h"

/* Units of systemd, and what is set for one of them: how these values are read; see config/config_value.h. */

/* Names of units are completed as systemctl and journalctl do. */
int azm_parse_units(struct azm_config *c, void *field, const struct azm_assignment *a, struct azm_error *err);

/* Of [unit "NAME"]: the key is that name. */
int azm_parse_unit_line_format(struct azm_config *c, void *field, const struct azm_assignment *a,
                               struct azm_error *err);
int azm_parse_unit_multiline(struct azm_config *c, void *field, const struct azm_assignment *a, struct azm_error *err);
