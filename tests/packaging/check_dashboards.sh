#!/bin/bash
# SPDX-License-Identifier: MIT
# packaging/azure: dashboards and alert rules are made of the queries beside them, and are what Grafana and Azure take.
# shellcheck source=tests/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh" || exit 99
run_python
