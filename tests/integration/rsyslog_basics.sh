#!/bin/bash
# SPDX-License-Identifier: MIT
# omazuremonitor.so in the stock rsyslogd: what becomes of a message, actions, workers, HUP, how it starts and ends.
# shellcheck source=tests/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh" || exit 99
needs_rsyslogd
run_python
