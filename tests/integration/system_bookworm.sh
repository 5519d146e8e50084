#!/bin/sh
# SPDX-License-Identifier: MIT
# The packages on Debian 12.
exec "$(dirname "$0")/system.sh" bookworm
