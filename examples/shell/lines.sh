#!/bin/sh
# SPDX-License-Identifier: MIT
# A script that only prints: run it as a service, or as
#
#     systemd-cat -t shop-shell ./lines.sh [ORDERS]
#
# <N> in front of a line is its priority, 0 (emergency) to 7 (debug); journald takes it off.
set -eu

work() { # packs every fourth order
  for order in $(seq "$1" 4 "$orders"); do
    for step in $(seq 20); do
      echo "<6>order $order step $step"
      sleep 0.005
    done
  done
}

orders=${1:-20}
for worker in 1 2 3 4; do
  work $worker &
done
wait
