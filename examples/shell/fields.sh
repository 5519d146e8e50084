#!/bin/sh
# SPDX-License-Identifier: MIT
# A script logs entries with fields, and the trace context that $TRACEPARENT has. usage: fields.sh [ORDERS]
#
# `logger --journald` takes one entry for each call, a field a line.
set -eu

IFS=- read -r _ trace_id span_id _ <<EOF
${TRACEPARENT-}
EOF

log() { # log PRIORITY TEXT [FIELD=VALUE...]
  priority=$1 text=$2
  shift 2
  [ -z "$trace_id" ] || set -- "$@" "TRACE_ID=$trace_id" "SPAN_ID=$span_id"
  printf '%s\n' "SYSLOG_IDENTIFIER=shop-logger" "PRIORITY=$priority" "MESSAGE=$text" "$@" | logger --journald
}

work() { # packs every fourth order
  for order in $(seq "$1" 4 "$orders"); do
    for step in $(seq 20); do
      log 6 "order $order step $step" "ORDER_ID=$order"
    done
  done
}

orders=${1:-20}
for worker in 1 2 3 4; do
  work $worker &
done
wait
