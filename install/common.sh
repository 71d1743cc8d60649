# shellcheck shell=sh
# SPDX-License-Identifier: MIT
# What install.sh and uninstall.sh share: the roles, the init systems, the list of changes to undo.
# Both source this file. It sets variables that they use, and uses variables that they set.
# shellcheck disable=SC1090,SC2034,SC2154
export LC_ALL=C PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin:/usr/bin:/bin"
umask 022

target=/opt/usbip
kept=$target/.old # old copies of changed files, while install.sh runs
lock=/var/run/usbiphp.install
notes=/var/run/usbiphp
config=/etc/usbiphp
places=/var/lib/usbiphp
avahi=/etc/avahi/services/usbiphp.service # announces the server
dnssd=/etc/systemd/dnssd/usbiphp.dnssd    # the same for systemd-resolved
links='/usr/local/bin/usbiphp /usr/bin/usbiphp' # one of them, to the program
undo=$target/undo # lines "init NAME", "announce no"; and "dir PATH", "module NAME": those that were not there before

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

# reason OUTPUT: the text of the error in a command's output, as in "cp: cannot open 'x': No such file"
reason() {
	line_said=$(last_line "$1")
	echo "${line_said##*: }"
}

# One installer at a time. The lock is a dangling symbolic link, whose target is the pid of its owner.
take_lock() {
	for try in 1 2; do
		ln -sn $$ $lock 2>/dev/null && locked=yes && return
		other=$(readlink $lock) || :
		[ "$other" ] || die "cannot write ${lock%/*}"
		if grep -sq install "/proc/$other/cmdline"; then
			break
		fi
		rm -f $lock # its owner was killed
	done
	die "another installer is running (process $other): wait until it has ended"
}

drop_lock() {
	[ -z "$locked" ] || rm -f $lock
}
locked=

has() {
	command -v "$1" >/dev/null
}

# act WHAT COMMAND...: runs the command; with --dry-run only prints what it would do
act() {
	what=$1
	shift
	if [ "$dry" ]; then
		echo "would $what"
	else
		"$@"
	fi
}

# put MODE FILE PLACE: replaces the file in one step, so that it may be a program that runs
put() {
	act "install $3" put_now "$@"
}

put_now() {
	save "$3"
	output=$(put_whole "$@" 2>&1) || die "cannot install $3: $(reason "$output")"
}

put_whole() {
	make_dir "${3%/*}" && cp "$2" "$3.new" && chmod "$1" "$3.new" && mv -f "$3.new" "$3"
}

# save FILE: keeps a copy, so that take_back() can restore it
save() {
	saved="$saved $1"
	[ -e "$1" ] || [ -L "$1" ] || return 0
	output=$({ mkdir -p "$kept${1%/*}" && cp -pP "$1" "$kept$1"; } 2>&1) ||
		die "cannot save $1: $(reason "$output")"
}
saved=

# make_dir DIR: with the directories above it. uninstall.sh removes those that are new.
make_dir() {
	[ ! -d "$1" ] || return 0
	make_dir "$(dirname "$1")" && mkdir -p "$1" || return
	[ "$1" = $target ] || remember dir "$1"
}

remember() {
	make_dir $target && { grep -sqx "$1 $2" $undo || echo "$1 $2" >>$undo; }
}

# was KIND: the values that remember() has recorded for it
was() {
	sed -n "s/^$1 //p" $undo 2>/dev/null || :
}

# set_role ROLE: sets the variables that depend on it
set_role() {
	role=$1
	case $role in
	server)
		service=usbip-bind module=usbip-host driver=/sys/bus/usb/drivers/usbip-host
		udev_rules=/etc/udev/rules.d/72-usbiphp.rules
		;;
	client)
		service=usbip-attach module=vhci-hcd driver=/sys/bus/platform/drivers/vhci_hcd
		udev_rules=/etc/udev/rules.d/73-usbiphp-client.rules
		;;
	esac
	daemon=$target/usbiphp-$role
	settings=/etc/default/$service
}

# Prints the init system that runs; if none does, as in a chroot, the one that is installed.
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

# Prints the options of the service from its settings, with their quotes.
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

# Prints the pids of the role's daemon, if it was installed here, whoever started it; not of its children,
# of which one may wait for a driver for long, and must not be killed.
pids() {
	# shellcheck disable=SC2012
	for process in $(ls -l /proc/[0-9]*/exe 2>/dev/null |
		sed -n "s|.* \(/proc/[0-9]*\)/exe -> $target/usbiphp\( (deleted)\)*$|\1|p"); do
		case "$(cat "$process/comm") $(tr '\0' ' ' <"$process/cmdline")" in
		usbiphp-job*) ;;
		*"usbiphp-$role "* | *"usbiphp $role "*) echo "${process#/proc/}" ;;
		esac
	done 2>/dev/null
}

# pid_comes SECONDS: waits so long for the daemon, which may be about to be started; 1 if it does not come
pid_comes() {
	left=$1
	until [ "$(init_pid)" ]; do
		[ "$left" != 0 ] || return 1
		left=$((left - 1))
		sleep 1
	done
}

# Stops the service, and daemons that were started by hand. They give every device back; 1 if one is not.
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
		echo "${0##*/}: cannot give back devices: $(sed 's/ .*//' $notes/bound | tr '\n' ' ')" >&2
		well=1
	}
	return $well
}

# Prints which devices the client left attached, as a disk of theirs is in use: those with a record.
print_kept() {
	for record in "$notes"/port*; do
		[ -e "$record" ] || continue
		read -r host _ busid _ <"$record" || :
		echo "device $busid of $host stays attached, as it is in use; when it is not any more, detach it:" \
			"echo ${record##*port} >/sys/devices/platform/vhci_hcd.0/detach"
	done
}

# Avahi sees changes by itself.
reload_resolved() {
	! has systemctl || systemctl -q try-reload-or-restart systemd-resolved 2>/dev/null || :
}

unannounce() {
	[ -e $avahi ] || [ -e $dnssd ] || return 0
	rm -f $avahi $dnssd
	reload_resolved
}

# Removes the files of the role. Hooks, rules and keys belong to the user, and stay.
remove() {
	init_remove
	case $role in
	server)
		unannounce
		rm -f $notes/bound $notes/session.* $notes/server.* $notes/[0-9]*.lock $notes/engine \
			$notes/holder.* $notes/socket.*
		;;
	client)
		print_kept
		rm -f $notes/port* $notes/client.* $places/places
		rmdir $places 2>/dev/null || :
		;;
	esac
	remove_settings
	rm -f $config/held."$role" "$daemon" "$udev_rules" # udev sees that by itself
	rmdir $notes 2>/dev/null || :
}

# can_unload MODULE. usbip-host must not be unloaded if a device was unplugged while bound: its table still
# has the bus id then. vhci-hcd must not, while it has a device that is in use or somebody else's. For tls the kernel's own
# use count is enough.
can_unload() {
	case $1 in
	usbip_host) [ -z "$(tr -d ' \n' </sys/bus/usb/drivers/usbip-host/match_busid)" ] ;;
	vhci_hcd) ! cat /sys/devices/platform/vhci_hcd.*/status* | grep -q ' 00[5-7] ' ;;
	usbip_core) [ ! -d /sys/module/usbip_host ] && [ ! -d /sys/module/vhci_hcd ] ;;
	esac
}

# unload NAME...: those that are not in use; a module comes before the modules that it uses
unload() {
	for name in usbip_host vhci_hcd usbip_core tls; do
		case " $* " in *" $name "*) ;; *) continue ;; esac
		[ -d "/sys/module/$name" ] || continue
		if can_unload $name 2>/dev/null; then
			rmmod $name 2>/dev/null || :
		elif [ $name = usbip_host ]; then
			echo "$name stays loaded until the next boot: it still has the bus ids of devices that were unplugged"
		elif [ $name = vhci_hcd ]; then
			echo "$name stays loaded: devices are attached"
		fi
	done
}

# True if a role is installed.
any_role() {
	[ -L $target/usbiphp-server ] || [ -L $target/usbiphp-client ]
}

# Restores the state before the first installation.
restore() {
	for link in $links; do
		[ "$(readlink "$link")" != $target/usbiphp ] || rm -f "$link"
	done
	# shellcheck disable=SC2046
	unload $(was module)
	dirs=$(was dir)
	# only our own files: the user may have others there
	rm -rf $target/usbiphp $target/usbiphp.new $target/uninstall.sh $target/uninstall.sh.new \
		$target/install $target/run $kept $undo
	rmdir $config/hooks.d $config $target 2>/dev/null || :
	for dir in $(echo "$dirs" | sort -r); do
		rmdir "$dir" 2>/dev/null || :
	done
}

# The functions of an init system, for the service $service. Each install/INIT/init.sh replaces them; these
# are for a machine without one.
restart=
lasts=" and after every boot"
init_check() { :; }      # ends install.sh if the service cannot be installed; changes nothing
init_put() { :; }        # installs the service's files with put() and save(), and enables it at boot
init_runs() { false; }   # true if the init system itself runs, so that services can be started
init_active() { false; } # true if the service runs, or its daemon is about to be started again
init_start() { :; }      # after init_put
init_pid() { :; }        # prints the daemon's pid, or nothing
init_log() { :; }        # prints the last line of its log
init_stop() { :; }       # stops the service and waits until its daemon has ended
init_remove() { :; }     # undoes init_put; the service is stopped

# use_init NAME: loads its functions from $here, the directory of install.sh or of uninstall.sh
use_init() {
	init=$1
	[ "$init" = none ] || . "$here/install/$init/init.sh"
}
