/* SPDX-License-Identifier: MIT */
#pragma once

#include "cli/cli.h"

/* A running exporter: what azmonlog run is, after its options are read. Runs until it is told to end and returns an
 * exit code. Owns `config`. `config_path` NULL: the default one. */
int daemon_run(const char *config_path, const struct cli_overrides *overrides, struct azm_config *config, bool once);
