#!/bin/bash
# SPDX-License-Identifier: MIT
# Metrics that are sent by OTLP: the figures of /metrics, to Azure with a token and to others without; whatever their
# receiver does, records go on.
# shellcheck source=tests/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh" || exit 99
[ -x /lib/systemd/systemd-journal-remote ] || skip_all "needs /lib/systemd/systemd-journal-remote"
run_python
