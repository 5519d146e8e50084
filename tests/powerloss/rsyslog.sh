#!/bin/bash
# SPDX-License-Identifier: MIT
# A power loss at any moment of rsyslogd's life with omazuremonitor loses nothing that this has taken. POWERLOSS=all tries every
# state that the disk could be in.
# shellcheck source=tests/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh" || exit 99
needs_rsyslogd
run_python
