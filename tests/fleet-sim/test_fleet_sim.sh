#!/bin/bash
# SPDX-License-Identifier: MIT
# The simulation of a fleet goes by what src/export/pace.c really does, and a small fleet comes to rest (test_fleet_sim.py).
# shellcheck source=tests/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh" || exit 99
export PACE_TRACE=$builddir/tests/fleet-sim/pace_trace
run_python
