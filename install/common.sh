# shellcheck shell=sh
# SPDX-License-Identifier: MIT
# What install.sh and uninstall.sh share: the roles, the init systems, what to undo. Read by both.
# Variables are set here for those who read this file, and there for this.
# shellcheck disable=SC1090,SC2034,SC2154
export LC_ALL=C PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin:/usr/bin:/bin"
umask 022

target=/opt/usbip
kept=$target/.old # files as they were, while install.sh runs
lock=/var/run/usbiphp.install
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

# The kernel's word in what a command has said, as in "cp: cannot open 'x': No such file".
reason() {
	line_said=$(last_line "$1")
	echo "${line_said##*: }"
}

# One at a time: a link that leads to nothing but says whose it is.
take_lock() {
	for try in 1 2; do
		ln -sn $$ $lock 2>/dev/null && locked=yes && return
		other=$(readlink $lock) || :
		[ "$other" ] || die "cannot write ${lock%/*}"
		if grep -sq install "/proc/$other/cmdline"; then
			break
		fi
		rm -f $lock # it was killed
	done
	die "another one is at work here (process $other): wait for its end"
}

drop_lock() {
	[ -z "$locked" ] || rm -f $lock
}
locked=

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
	save "$3"
	output=$(put_whole "$@" 2>&1) || die "cannot put $3: $(reason "$output")"
}

put_whole() {
	make_dir "${3%/*}" && cp "$2" "$3.new" && chmod "$1" "$3.new" && mv -f "$3.new" "$3"
}

# save FILE: notes that it changes, and what it was
save() {
	saved="$saved $1"
	[ -e "$1" ] || [ -L "$1" ] || return 0
	output=$({ mkdir -p "$kept${1%/*}" && cp -pP "$1" "$kept$1"; } 2>&1) ||
		die "cannot keep $1: $(reason "$output")"
}
saved=

# A directory and those above it; uninstall.sh removes those that were not there.
make_dir() {
	[ ! -d "$1" ] || return 0
	make_dir "$(dirname "$1")" && mkdir -p "$1" || return
	[ "$1" = $target ] || remember dir "$1"
}

remember() {
	make_dir $target && { grep -sqx "$1 $2" $undo || echo "$1 $2" >>$undo; }
}

# was KIND: what was noted of that kind
was() {
	sed -n "s/^$1 //p" $undo 2>/dev/null || :
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
	save "$settings"
	output=$(write_now 2>&1) || die "cannot write $settings: $(reason "$output")"
}

write_now() {
	make_dir "${settings%/*}" && cat >"$settings.new" <<-END && mv -f "$settings.new" "$settings"
		# The options of $daemon. After a change: $restart
		OPTIONS="$line"
	END
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

# pid_comes SECONDS: whether the daemon is there, at the latest then: it may be about to be started
pid_comes() {
	left=$1
	until [ "$(init_pid)" ]; do
		[ "$left" != 0 ] || return 1
		left=$((left - 1))
		sleep 1
	done
}

# The service and what was started by hand, too; it gives everything back. Fails when a device is not.
stop() {
	well=0
	init_stop || well=1
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
	[ "$role" = client ] || [ ! -s $notes/bound ] || {
		echo "${0##*/}: cannot give back $(tr '\n' ' ' <$notes/bound)" >&2
		well=1
	}
	return $well
}

# What belongs to the role alone. Hooks and rules are their owner's, and stay.
remove() {
	init_remove
	case $role in
	server) rm -f $notes/bound $notes/session.* $notes/server.* ;;
	client) rm -f $notes/port* $notes/client.* ;;
	esac
	remove_settings
	rm -f $config/held."$role" "$daemon"
	rmdir $notes 2>/dev/null || :
}

# usbip-host must not be unloaded when a device was unplugged while it had it: its table still has it
# then. Nobody's device is taken away, either. Of tls the kernel knows itself whether it is in use.
can_unload() {
	case $1 in
	usbip_host) [ -z "$(tr -d ' \n' </sys/bus/usb/drivers/usbip-host/match_busid)" ] ;;
	vhci_hcd) ! cat /sys/devices/platform/vhci_hcd.*/status* | grep -q ' 00[5-7] ' ;;
	usbip_core) [ ! -d /sys/module/usbip_host ] && [ ! -d /sys/module/vhci_hcd ] ;;
	esac
}

# unload NAME...: those of them that are not needed, first what stands on others
unload() {
	for name in usbip_host vhci_hcd usbip_core tls; do
		case " $* " in *" $name "*) ;; *) continue ;; esac
		[ -d "/sys/module/$name" ] || continue
		if can_unload $name 2>/dev/null; then
			rmmod $name 2>/dev/null || :
		elif [ $name = usbip_host ]; then
			echo "$name stays loaded until the next boot: it still knows devices that were unplugged"
		elif [ $name = vhci_hcd ]; then
			echo "$name stays loaded: it has devices that somebody else attached"
		fi
	done
}

# Whether a role is in place.
any_role() {
	[ -L $target/usbiphp-server ] || [ -L $target/usbiphp-client ]
}

# As it was before the first installation.
restore() {
	# shellcheck disable=SC2046
	unload $(was module)
	dirs=$(was dir)
	# nothing else that somebody has put there
	rm -rf $target/usbiphp $target/usbiphp.new $target/uninstall.sh $target/uninstall.sh.new \
		$target/install $target/run $kept $undo
	rmdir $config/hooks.d $config $target 2>/dev/null || :
	for dir in $(echo "$dirs" | sort -r); do
		rmdir "$dir" 2>/dev/null || :
	done
}

# How an init system does it. Each install/INIT/init.sh says so for the service that $service names;
# what follows is for none at all.
restart=
lasts=" and after every boot"
init_check() { :; }      # ends install.sh where the service cannot be put in place; changes nothing
init_put() { :; }        # the service's files, enabled at boot; by put() and save()
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
