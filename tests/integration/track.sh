#!/bin/bash
# SPDX-License-Identifier: MIT
# Application Insights by its connection string: what arrives there, what becomes of each item, and where a redirect leads.
# shellcheck source=tests/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh" || exit 99
[ -x /lib/systemd/systemd-journal-remote ] || skip_all "needs /lib/systemd/systemd-journal-remote"
run_python
