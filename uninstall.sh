#!/bin/sh
# SPDX-License-Identifier: MIT
# Removes the server, the client, or both; every device goes back to its driver.
set -eu

forms="uninstall.sh [--dry-run] [server|client]"
here=$(cd "$(dirname "$0")" && pwd)
. "$here/install/common.sh"

# was KIND: what was noted of that kind
was() {
	sed -n "s/^$1 //p" $undo 2>/dev/null || :
}

# Those that were started by hand, too.
stop() {
	init_stop || failed=1
	tries=45
	while pids=$(pids) && [ "$pids" ]; do
		tries=$((tries - 1))
		# shellcheck disable=SC2086
		case $tries in
		44) kill $pids || : ;;
		0) kill -KILL $pids || : ;;
		esac
		sleep 1
	done
}

remove() {
	init_remove
	case $role in
	server)
		if [ -s $notes/bound ]; then
			echo "uninstall.sh: cannot give back $(tr '\n' ' ' <$notes/bound)" >&2
			failed=1
		fi
		rm -f $notes/bound $notes/server.*
		;;
	client) rm -f $notes/port* $notes/client.* ;;
	esac
	# What is held; hooks and rules are their owner's, and stay.
	rm -f "$settings" $config/held."$role" "$daemon"
}

# usbip-host must not be unloaded when a device was unplugged while it had it: its table still has it then.
can_unload() {
	case $1 in
	usbip_host) [ -z "$(tr -d ' \n' </sys/bus/usb/drivers/usbip-host/match_busid)" ] ;;
	vhci_hcd) ! cat /sys/devices/platform/vhci_hcd.0/status* | grep -q ' 00[5-7] ' ;;
	esac
}

# As it was before the first installation.
restore() {
	for name in $(was module | sort -r); do # usbip_core last
		[ -d "/sys/module/$name" ] || continue
		if can_unload "$name"; then
			rmmod "$name" 2>/dev/null || :
		else
			echo "$name stays loaded until the next boot: it still knows devices"
		fi
	done
	dirs=$(was dir)
	rm -rf $target $notes
	rmdir $config/hooks.d $config 2>/dev/null || :
	for dir in $(echo "$dirs" | sort -r); do
		rmdir "$dir" 2>/dev/null || :
	done
}

dry=
case ${1-} in
-n | --dry-run) dry=yes && shift ;;
esac
[ $# -le 1 ] || usage "one role, or none for both"
case ${1-} in
server | client) roles=$1 ;;
-h | --help) echo "usage: $forms" && exit ;;
'') roles="client server" ;;
*) usage "neither server nor client: '$1'" ;;
esac
[ "$(id -u)" = 0 ] || die "cannot uninstall: run it as root"

failed=
init=$(was init)
[ "$init" ] || init=$(find_init)
for one in $roles; do
	set_role "$one"
	use_init "$init"
	act "stop $service" stop
	act "remove $service" remove
done
if ! [ -e $target/usbiphp-server ] && ! [ -e $target/usbiphp-client ]; then
	act "remove $target" restore
fi
[ -z "$failed" ]
