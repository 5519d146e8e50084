#!/bin/bash
# SPDX-License-Identifier: MIT
# What SECURITY.md promises: neither records nor answers nor clients exhaust memory.
# shellcheck source=tests/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh" || exit 99
command -v prlimit >/dev/null || skip_all "needs prlimit (util-linux)"
export JOURNALD_CONF='SystemMaxUse=3G\nSystemMaxFileSize=512M\nSystemKeepFree=1M' # journald takes no entry larger than a file
needs_root_journald "$@"
run_python
