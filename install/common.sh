# shellcheck shell=sh
# SPDX-License-Identifier: MIT
# What install.sh and uninstall.sh share: the roles, the init systems, what to undo. Read by both.
# Variables are set here for those who read this file, and there for this.
# shellcheck disable=SC1090,SC2034,SC2154
export LC_ALL=C PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin:/usr/bin:/bin"
umask 022

target=/opt/usbip
notes=/var/run/usbiphp
config=/etc/usbiphp
undo=$target/undo # lines "init NAME"; "dir PATH" and "module NAME": what was not there before

usage() {
	echo "${0##*/}: $1 (usage: $forms)" >&2
	exit 2
}

die() {
	echo "${0##*/}: $*" >&2
	exit 1
}

last_line() {
	printf '%s\n' "$1" | tail -n 1
}

has() {
	command -v "$1" >/dev/null
}

# act WHAT COMMAND...: does it; with --dry-run only says so.
act() {
	what=$1
	shift
	if [ "$dry" ]; then
		echo "would $what"
	else
		"$@"
	fi
}

# put MODE FILE PLACE: at once as a whole, also when the old one is running
put() {
	act "put $3" put_now "$@"
}

put_now() {
	make_dir "${3%/*}"
	cp "$2" "$3.new"
	chmod "$1" "$3.new"
	mv -f "$3.new" "$3"
}

# A directory and those above it; uninstall.sh removes those that were not there.
make_dir() {
	[ ! -d "$1" ] || return 0
	make_dir "$(dirname "$1")"
	[ -d "$1" ] || mkdir "$1" # what is noted of the one above is in $target
	[ "$1" = $target ] || remember dir "$1"
}

remember() {
	[ -d $target ] || make_dir $target
	grep -sqx "$1 $2" $undo || echo "$1 $2" >>$undo
}

# What belongs to a role.
set_role() {
	role=$1
	case $role in
	server) service=usbip-bind module=usbip-host driver=/sys/bus/usb/drivers/usbip-host ;;
	client) service=usbip-attach module=vhci-hcd driver=/sys/bus/platform/drivers/vhci_hcd ;;
	esac
	daemon=$target/usbiphp-$role
	settings=/etc/default/$service
}

# The init system that runs here; else, as in a root tree, the one that is installed.
find_init() {
	if [ -d /run/systemd/system ]; then
		echo systemd
	elif [ -e /etc/openwrt_release ]; then
		echo procd
	elif [ -d /run/openrc ]; then
		echo openrc
	elif [ "$(basename "$(readlink /proc/1/exe)")" = busybox ]; then
		echo busybox
	elif has systemctl; then
		echo systemd
	elif has rc-update; then
		echo openrc
	elif [ -e /etc/inittab ] && has telinit; then
		echo sysvinit
	elif [ "$(basename "$(readlink -f /sbin/init)")" = busybox ]; then
		echo busybox
	else
		echo none
	fi
}

has_settings() {
	[ -e "$settings" ]
}

remove_settings() {
	rm -f "$settings"
}

# The words of a service's line in its settings, quotes and all.
settings_line() {
	sed -n 's/^OPTIONS="\(.*\)"$/\1/p' "$settings"
}

write_settings() {
	make_dir "${settings%/*}"
	cat >"$settings.new" <<-END
		# The options of $daemon. After a change: $restart
		OPTIONS="$line"
	END
	mv -f "$settings.new" "$settings"
}

# The pids of a daemon that was installed here, whoever started it, without its children.
pids() {
	# shellcheck disable=SC2012
	for process in $(ls -l /proc/[0-9]*/exe 2>/dev/null |
		sed -n "s|.* \(/proc/[0-9]*\)/exe -> $target/usbiphp\( (deleted)\)*$|\1|p"); do
		case $(tr '\0' ' ' <"$process/cmdline") in
		*"usbiphp-$role "* | *"usbiphp $role "*) echo "${process#/proc/}" ;;
		esac
	done 2>/dev/null
}

# How an init system does it. Each install/INIT/init.sh says so for the service that $service names;
# what follows is for none at all.
restart=
lasts=" and after every boot"
init_check() { :; }      # ends install.sh where the service cannot be put in place; changes nothing
init_put() { :; }        # the service's files, enabled at boot
init_runs() { false; }   # whether the init system itself is running, so that services can be started
init_active() { false; } # whether the service is running, or its daemon is about to be started again
init_start() { :; }      # after init_put
init_pid() { :; }        # the daemon's process; nothing when there is none
init_log() { :; }        # its last line
init_stop() { :; }       # and wait until its daemon has ended
init_remove() { :; }     # what init_put did; it is stopped

# use_init NAME: from $here, the directory of install.sh or of uninstall.sh
use_init() {
	init=$1
	[ "$init" = none ] || . "$here/install/$init/init.sh"
}
