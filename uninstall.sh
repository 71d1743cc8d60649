#!/bin/sh
# SPDX-License-Identifier: MIT
# Removes the server, the client, or both. Every device goes back to its own driver, and every attached one
# is detached, but for disks that are in use.
set -eu

forms="uninstall.sh [--dry-run] [server|client]"
here=$(CDPATH='' cd -- "$(dirname -- "$(readlink -f -- "$0")")" && pwd)
. "$here/install/common.sh"

dry=
for word; do
	shift
	case $word in
	-n | --dry-run) dry=yes ;;
	*) set -- "$@" "$word" ;;
	esac
done
[ $# -le 1 ] || usage "more than one role: give one, or none for both"
case ${1-} in
server | client) roles=$1 ;;
-h | --help) echo "usage: $forms" && exit ;;
'') roles="client server" ;;
*) usage "unknown role '$1': neither server nor client" ;;
esac
[ "$dry" ] || [ "$(id -u)" = 0 ] || die "cannot uninstall: run it as root (sudo $0)"
if [ ! "$dry" ]; then
	trap drop_lock EXIT
	trap '' HUP INT TERM
	take_lock
fi

failed=
init=$(was init)
[ "$init" ] || init=$(find_init)
for one in $roles; do
	set_role "$one"
	use_init "$init"
	act "stop $service" stop || failed=1
	act "remove $service" remove
done
if [ "$dry" ]; then
	[ $# = 1 ] || echo "would remove $target and unload the kernel modules that were not loaded before the installation"
elif ! any_role; then
	restore
fi
[ -z "$failed" ]
