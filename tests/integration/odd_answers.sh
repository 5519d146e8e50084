#!/bin/bash
# SPDX-License-Identifier: MIT
# Answers that hurt, redirects, and faults of TLS: bounded, clear, nothing lost, and no credentials to strangers.
# shellcheck source=tests/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh" || exit 99
[ -x /lib/systemd/systemd-journal-remote ] || skip_all "needs /lib/systemd/systemd-journal-remote"
run_python
