#!/bin/bash
# SPDX-License-Identifier: MIT
# soak.sh OPTION...: runs soak.py with whatever parts can run here; see README.md. $builddir is where azmonlog has been built.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
builddir=$(cd "${builddir:-$here/../../build}" && pwd)
: "${AZMONLOG:=$builddir/azmonlog}" "${EMULATOR:=$builddir/azmonlog-emulator}"
export builddir AZMONLOG EMULATOR PYTHONDONTWRITEBYTECODE=1 JOURNALD_START=no
# The caller's settings must not reach azmonlog.
unset "${!OTEL_@}" "${!AZURE_@}" "${!APPLICATIONINSIGHTS_@}" "${!IDENTITY_@}" IMDS_ENDPOINT CREDENTIALS_DIRECTORY \
  NOTIFY_SOCKET WATCHDOG_USEC INVOCATION_ID JOURNAL_STREAM http_proxy https_proxy HTTPS_PROXY all_proxy ALL_PROXY 2>/dev/null || true

for need in "$AZMONLOG" "$EMULATOR" openssl; do
  command -v "$need" >/dev/null || {
    echo "soak: nothing can run here: there is no $need"
    exit 77
  }
done
without=()
with=("$here/../lib/with-journald")
if ! why=$("${with[@]}" true 2>&1); then
  without+=(--without journal "${why#with-journald: }")
  with=()
fi
if [ ! -e "$builddir/.libs/omazuremonitor.so" ]; then
  without+=(--without rsyslog "omazuremonitor.so is not built")
elif ! PATH=$PATH:/usr/sbin:/sbin command -v rsyslogd >/dev/null; then
  without+=(--without rsyslog "rsyslogd is not installed")
fi
exec ${with[@]+"${with[@]}"} python3 "$here/soak.py" ${without[@]+"${without[@]}"} "$@"
