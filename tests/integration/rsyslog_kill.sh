#!/bin/bash
# SPDX-License-Identifier: MIT
# kill -9 of rsyslogd at any moment loses nothing that omazuremonitor has taken. ROUNDS=50 SEED=7 for more, and other ones.
# shellcheck source=tests/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh" || exit 99
needs_rsyslogd
run_python
