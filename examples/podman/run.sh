#!/bin/sh
# SPDX-License-Identifier: MIT
# What a container prints goes to the journal, under its own name. usage: run.sh NAME IMAGE [COMMAND...]
#
# The name becomes SYSLOG_IDENTIFIER, and so the service name. PODMAN: other options of podman run.
set -eu
name=$1
shift
# shellcheck disable=SC2086 # options
exec podman run --detach --name "$name" --log-driver journald ${PODMAN-} "$@"
