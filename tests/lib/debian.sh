# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2034,SC2154 # what the tests use; what tap.sh sets
# Debians in folders, for tests; made by debootstrap once, kept for the next time. Source it after tap.sh.
#
#   AZM_ROOTS     where they are kept (build/roots)
#   AZM_MIRROR    where they come from (where debootstrap takes them from by itself)
PATH=$PATH:/usr/sbin:/sbin
roots=${AZM_ROOTS:-$builddir/roots}

needs_debootstrap() {
  [ "$(id -u)" = 0 ] || skip_all "needs root, for debootstrap and chroot"
  command -v debootstrap >/dev/null || skip_all "debootstrap is not installed"
  unshare --mount --pid --fork true 2>"$work/unshare" || skip_all "no namespaces can be had: $(cat "$work/unshare")"
}

root_is_kept() { # NAME WANTED
  [ "$(cat "$roots/$1/wanted" 2>/dev/null)" = "$2" ]
}

# can_have_root NAME RELEASE WANTED: it is kept, or Debian answers. If not, $why says so; what else is wrong is for make_root to show.
can_have_root() {
  # shellcheck disable=SC2086 # the mirror, if there is one
  root_is_kept "$1" "$3" || debootstrap --print-debs --variant=minbase "$2" "$work/debs" ${AZM_MIRROR-} >"$work/network" 2>&1 ||
    ! why="no network: $(grep 'Failed getting release file' "$work/network")"
}

# make_root NAME RELEASE "PACKAGE..." [WANTED [COMMAND...]]: $roots/NAME, with these packages, unless it is kept. COMMAND changes
# it further; it gets the folder as its last argument, and WANTED then says what the whole is made of. What either mounts goes with it.
# Who comes while another makes it waits for him, also for what a killed one has left running: that has the lock, too.
make_root() {
  local name=$1 release=$2 packages=$3 wanted=${4-$3}
  shift $(($# < 4 ? $# : 4))
  root_is_kept "$name" "$wanted" && return
  mkdir -p "$roots"
  {
    flock --timeout 3600 8 || { echo "somebody else has been making $roots/$name for an hour"; return 1; }
    root_is_kept "$name" "$wanted" && return
    rm -rf "${roots:?}/$name" "$roots/$name.new"
    # shellcheck disable=SC2086 # the mirror, if there is one
    if ! setpriv --pdeathsig KILL unshare --mount --pid --fork --kill-child=KILL --propagation private timeout --foreground 1800 \
      debootstrap --variant=minbase --include="$(tr -s ' \n' ',,' <<<"$packages" | sed 's/^,//; s/,$//')" \
      "$release" "$roots/$name.new" ${AZM_MIRROR-} >"$roots/$name.log" 2>&1 ||
      { [ $# != 0 ] && ! "$@" "$roots/$name.new" >>"$roots/$name.log" 2>&1; }; then
      tail -5 "$roots/$name.log"
      return 1
    fi
    printf '%s\n' "$wanted" >"$roots/$name.new/wanted"
    mv "$roots/$name.new" "$roots/$name"
  } 8>"$roots/$name.lock"
}

# in_root FOLDER COMMAND...: takes the place of the calling process, and ends with the one that started that
in_root() {
  # shellcheck disable=SC2016 # for the inner shell
  exec setpriv --pdeathsig KILL unshare --mount sh -c 'mount --bind /dev "$0/dev" && mount -t proc proc "$0/proc" && exec chroot "$0" "$@"' "$@"
}
