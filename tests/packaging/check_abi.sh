#!/bin/bash
# SPDX-License-Identifier: MIT
# make check-abi: compares plugin/rsyslog_abi.h with the headers of the rsyslog source tree that RSYSLOG_SRC names.
#
# One is had, without a change to the system's apt (rsyslog installs no headers; nothing in the tree has to be built):
#
#   mkdir -p lists/partial
#   sed 's/^Types: deb$/Types: deb-src/' /etc/apt/sources.list.d/debian.sources >src.sources
#   o="-o Dir::Etc::SourceList=$PWD/src.sources -o Dir::Etc::SourceParts=/dev/null -o Dir::State::Lists=$PWD/lists"
#   apt-get $o update && apt-get $o source --download-only rsyslog=8.2302.0-1+deb12u1
#   dpkg-source -x rsyslog_8.2302.0-1+deb12u1.dsc rs && make check-abi RSYSLOG_SRC=$PWD/rs
#
# Besides it wants libestr-dev and libfastjson-dev.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
tree=${RSYSLOG_SRC-}
if [ -z "$tree" ]; then
  echo "check-abi: skipped: RSYSLOG_SRC does not name a source tree of rsyslog (tests/packaging/check_abi.sh says how to get one)"
  exit 0
fi
[ -f "$tree/runtime/rsyslog.h" ] || { echo "check-abi: $tree is no source tree of rsyslog" >&2; exit 1; }
flags=$(pkg-config --cflags libfastjson libestr) || exit 1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
: >"$work/config.h" # what configure would make; the newest headers include it
# what Debian's build defines and the headers look at
# shellcheck disable=SC2086  # a list
${CC:-cc} -std=gnu17 -fsyntax-only -DNDEBUG -D_GNU_SOURCE -DHAVE_ATOMIC_BUILTINS -DHAVE_ATOMIC_BUILTINS64 \
  -DHAVE_STRNDUP -DHAVE_LSEEK64 -I "$here/../.." -isystem "$tree" -isystem "$tree/runtime" -isystem "$tree/grammar" \
  -isystem "$tree/compat" -isystem "$work" $flags "$here/check_abi.c"
version=$(sed -n 's/^AC_INIT(\[rsyslog\],\[\([^]]*\)\].*/\1/p' "$tree/configure.ac")
statistics=$(sed -n 's/^#define statsobjCURR_IF_VERSION \([0-9]*\).*/\1/p' "$tree/runtime/statsobj.h")
echo "check-abi: plugin/rsyslog_abi.h is as rsyslog ${version:-?} has it (statsobj $statistics)"
