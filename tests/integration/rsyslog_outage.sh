#!/bin/bash
# SPDX-License-Identifier: MIT
# The destination is down, throttles or refuses; the spool or its disk is full; rsyslogd stops meanwhile: what is lost, and what is not.
# shellcheck source=tests/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh" || exit 99
needs_rsyslogd
run_python
