#!/bin/bash
# SPDX-License-Identifier: MIT
# What SECURITY.md promises: no program can pose as another one, whatever it logs.
# shellcheck source=tests/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh" || exit 99
command -v setpriv >/dev/null || skip_all "needs setpriv (util-linux)"
needs_root_journald "$@"
chmod 711 "$work" # for the other user
run_python
