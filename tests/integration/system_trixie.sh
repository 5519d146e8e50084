#!/bin/sh
# SPDX-License-Identifier: MIT
# The packages on Debian 13.
exec "$(dirname "$0")/system.sh" trixie
