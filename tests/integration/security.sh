#!/bin/bash
# SPDX-License-Identifier: MIT
# What SECURITY.md promises: another local user reads nothing, forges nothing that is trusted, exhausts nothing; nor does a
# hostile server.
# shellcheck source=tests/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh" || exit 99
command -v setpriv >/dev/null || skip_all "needs setpriv (util-linux)"
command -v prlimit >/dev/null || skip_all "needs prlimit (util-linux)"
export JOURNALD_CONF='SystemMaxUse=3G\nSystemMaxFileSize=512M\nSystemKeepFree=1M' # journald takes no entry larger than a file
needs_root_journald "$@"
chmod 711 "$work" # for the other user
run_python
