/* SPDX-License-Identifier: MIT */
#pragma once

#include "config/config.h"

/* What a running azmonlog stands on cannot change when its configuration is read anew: 0, or -EINVAL and words that
 * name the first such key that is another one now. */
int cli_check_fixed_keys(const struct azm_config *old, const struct azm_config *new, struct azm_error *err);
