#!/bin/bash
# SPDX-License-Identifier: MIT
# Metrics of a real azmonlog: promtool's lint, a real Prometheus, /healthz and /readyz in every condition, clients that
# do harm, the file for node_exporter.
# shellcheck source=tests/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh" || exit 99
[ -x /lib/systemd/systemd-journal-remote ] || skip_all "needs /lib/systemd/systemd-journal-remote"
run_python
