/* SPDX-License-Identifier: MIT */
#pragma once

#include "cli/status_collect.h"

/* azmonlog status --watch: a live screen until q is pressed. Returns an exit code. */
int cli_watch(const struct status_target *target);
