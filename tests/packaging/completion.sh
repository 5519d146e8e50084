#!/bin/bash
# SPDX-License-Identifier: MIT
# What bash and zsh offer behind azmonlog is what azmonlog takes: its own table of commands, and getopt's tables of options
# (tests/packaging/print_options).
# shellcheck source=tests/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh" || exit 99
run_python
