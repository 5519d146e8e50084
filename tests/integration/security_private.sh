#!/bin/bash
# SPDX-License-Identifier: MIT
# What SECURITY.md promises: another local user reads and changes nothing of azmonlog's, nor is a secret in a core dump.
# shellcheck source=tests/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh" || exit 99
command -v setpriv >/dev/null || skip_all "needs setpriv (util-linux)"
command -v prlimit >/dev/null || skip_all "needs prlimit (util-linux)"
needs_root_journald "$@"
chmod 711 "$work" # for the other user
run_python
