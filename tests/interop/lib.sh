# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# What the parts of make interop share, on top of tests/lib/tap.sh. Foreign software is installed once, by its ordinary client, under
# interop/ of the build folder; the versions are fixed, so that a difference is one of ours.
#
#     . "$(dirname "$0")/lib.sh" || exit 99
#     needs_python NAME PACKAGE==VERSION...    # a venv, its python in $NAME
#     needs_node NAME PACKAGE@VERSION...       # node_modules, its folder in $NAME
#     needs_maven NAME GROUP:ARTIFACT:VERSION...  # jars and what they need, as a class path in $NAME
#     needs_programs nginx squid               # of the distribution; never installed by a test
#     alone "$@"                               # no network but this machine's own, from here on
#     run_python
#
# A line "# proved: WHO: WHAT" goes into the table of tests/interop/run.
# shellcheck source=tests/lib/tap.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib/tap.sh" || exit 99
interop=$builddir/interop
mkdir -p "$interop"

# once PLACE WANTED COMMAND...: COMMAND, unless it has already brought WANTED there
once() {
  local place=$1 wanted=$2
  shift 2
  [ "$(cat "$place/installed" 2>/dev/null)" = "$wanted" ] && return
  rm -rf "$place"
  mkdir -p "$place"
  "$@" >"$interop/install.log" 2>&1 || {
    sed 's/^/# /' "$interop/install.log" | tail -5
    rm -rf "$place"
    skip_all "its registry did not answer, or does not have $wanted"
  }
  printf '%s\n' "$wanted" >"$place/installed"
}

install_python() {
  local place=$1
  shift
  python3 -m venv "$place" && timeout 300 "$place/bin/pip" -q --disable-pip-version-check install "$@"
}

install_node() (
  cd "$1" || exit
  shift
  echo '{"private": true}' >package.json
  timeout 300 npm --silent --no-audit --no-fund --no-update-notifier install "$@"
)

needs_python() {
  local place=$interop/python-$1
  command -v python3 >/dev/null || skip_all "needs python3"
  once "$place" "${*:2}" install_python "$place" "${@:2}"
  export "$1=$place/bin/python"
}

needs_node() {
  local place=$interop/node-$1
  command -v npm >/dev/null || skip_all "needs node and npm"
  once "$place" "${*:2}" install_node "$place" "${@:2}"
  export "$1=$place"
}

install_maven() (
  local p
  cd "$1" || exit
  shift
  {
    echo '<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>'
    echo '<groupId>interop</groupId><artifactId>interop</artifactId><version>1</version><dependencies>'
    for p; do
      IFS=: read -r group artifact version <<<"$p"
      echo "<dependency><groupId>$group</groupId><artifactId>$artifact</artifactId><version>$version</version></dependency>"
    done
    echo '</dependencies></project>'
  } >pom.xml
  timeout 600 mvn -q -B dependency:copy-dependencies -DoutputDirectory=jars
)

needs_maven() {
  local place=$interop/java-$1
  command -v java >/dev/null || skip_all "needs java (Debian's default-jre-headless)"
  command -v mvn >/dev/null || skip_all "needs mvn (Debian's maven)"
  once "$place" "${*:2}" install_maven "$place" "${@:2}"
  export "$1=$place/jars/*"
}

needs_programs() {
  local p
  for p; do
    command -v "$p" >/dev/null || PATH=/usr/sbin:$PATH command -v "$p" >/dev/null || skip_all "needs $p"
  done
  export PATH=/usr/sbin:$PATH
}

# Runs the test once more where nothing but this machine can be reached: no real identity endpoint, nobody's telemetry.
alone() {
  local as_root=()
  [ -n "${INTEROP_ALONE-}" ] && {
    ip link set lo up || skip_all "cannot bring up lo"
    return
  }
  [ "$(id -u)" = 0 ] || as_root=(--map-root-user)
  command -v ip >/dev/null || skip_all "needs ip (package iproute2)"
  unshare "${as_root[@]}" --mount --net true 2>/dev/null || skip_all "must not make a network namespace"
  rm -rf "$work"
  INTEROP_ALONE=1 exec unshare "${as_root[@]}" --mount --propagation private --net "$0" "$@"
}
