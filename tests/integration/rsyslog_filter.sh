#!/bin/bash
# SPDX-License-Identifier: MIT
# filter.*= of omazuremonitor.so in the stock rsyslogd: rules, sampling, the rate limit and what it tells after a SIGKILL.
# shellcheck source=tests/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh" || exit 99
needs_rsyslogd
run_python
