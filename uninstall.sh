#!/bin/sh
# SPDX-License-Identifier: MIT
# Removes the server, the client, or both; every device goes back to its driver.
set -eu
export LC_ALL=C PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin"

target=/opt/usbip
units=/etc/systemd/system
notes=/var/run/usbiphp
config=/etc/usbiphp # what is held; hooks and rules are their owner's, and stay

usage() {
	echo "uninstall.sh: $1 (usage: uninstall.sh [server|client])" >&2
	exit 2
}

# A daemon that was started by hand.
running() {
	# shellcheck disable=SC2012
	for process in $(ls -l /proc/[0-9]*/exe 2>/dev/null |
		sed -n "s|.* \(/proc/[0-9]*\)/exe -> $target/usbiphp\( (deleted)\)*$|\1|p"); do
		case $(tr '\0' ' ' <"$process/cmdline") in
		*"usbiphp-$1 "* | *"usbiphp $1 "*) echo "${process#/proc/}" ;;
		esac
	done 2>/dev/null
}

stop_by_hand() {
	tries=45
	while pids=$(running "$1") && [ "$pids" ]; do
		tries=$((tries - 1))
		# shellcheck disable=SC2086
		case $tries in
		44) kill $pids || : ;;
		0) kill -KILL $pids || : ;;
		esac
		sleep 1
	done
}

# Those that are there.
remove_units() {
	for unit; do
		shift
		[ ! -e "$units/$unit" ] || set -- "$@" "$unit"
	done
	[ $# != 0 ] || return 0
	systemctl -q --no-reload disable "$@"
	if [ -d /run/systemd/system ]; then
		systemctl stop "$@" || failed=1
		systemctl -q reset-failed "$@" 2>/dev/null || :
	fi
	(cd $units && rm -f "$@")
	[ ! -d /run/systemd/system ] || systemctl daemon-reload
}

[ $# -le 1 ] || usage "one role, or none for both"
case ${1-} in
server | client) roles=$1 ;;
-h | --help) echo "usage: uninstall.sh [server|client]" && exit ;;
'') roles="client server" ;;
*) usage "neither server nor client: '$1'" ;;
esac
if [ "$(id -u)" != 0 ]; then
	echo "uninstall.sh: cannot uninstall: run it as root" >&2
	exit 1
fi

failed=
for role in $roles; do
	case $role in
	server)
		remove_units usbip-bind.service
		stop_by_hand server
		if [ -s $notes/bound ]; then
			echo "uninstall.sh: cannot give back $(tr '\n' ' ' <$notes/bound)" >&2
			failed=1
		fi
		rm -f /etc/default/usbip-bind $notes/bound $notes/server.lock $config/held.server
		;;
	client)
		remove_units usbip-attach.service
		stop_by_hand client
		rm -f /etc/default/usbip-attach $notes/port* $notes/client.lock $config/held.client
		;;
	esac
done
if ! [ -e /etc/default/usbip-bind ] && ! [ -e /etc/default/usbip-attach ]; then
	rm -rf $target $notes
	rmdir $config/hooks.d $config 2>/dev/null || :
fi
[ -z "$failed" ]
