#!/bin/bash
# SPDX-License-Identifier: MIT
# packaging/azure: main.bicep and main.json say the same, and what Azure's OTLP ingestion wants.
# shellcheck source=tests/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh" || exit 99
run_python
