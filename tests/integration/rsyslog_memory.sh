#!/bin/bash
# SPDX-License-Identifier: MIT
# The action's thread has no memory for a while: what was logged stays in the spool, and goes when there is memory again.
# shellcheck source=tests/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh" || exit 99
needs_rsyslogd
run_python
