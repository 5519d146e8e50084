#!/bin/bash
# SPDX-License-Identifier: MIT
# What is wrong in action(type="omazuremonitor") is said by rsyslogd -N1, with the remedy, and nothing is written anywhere.
# shellcheck source=tests/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh" || exit 99
needs_rsyslogd
run_python
