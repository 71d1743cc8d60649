#!/bin/sh
# SPDX-License-Identifier: MIT
# Installs the server or the client as a system service. Run again, it upgrades that service.
set -eu

forms="install.sh [--dry-run] server [--no-announce] [OPTION]... | client HOST[:PORT]... [OPTION]..."
here=$(CDPATH='' cd -- "$(dirname -- "$(readlink -f -- "$0")")" && pwd)
. "$here/install/common.sh"
. "$here/install/kernel.sh"

# join WORD...: sets $line to one line, which systemd and a shell split into the same words again.
join() {
	line=
	for word; do
		case $word in
		*[\'\"\\\$\`]* | *[[:cntrl:]]* | --)
			usage "cannot store '$word': it has a quote, a backslash, a dollar sign or a control character" ;;
		'' | *[!A-Za-z0-9_.,:/@%+=-]*)
			word="'$word'" ;;
		esac
		line="$line${line:+ }$word"
	done
}

apt_install() {
	echo "installing $* (uninstall.sh leaves these packages)"
	export DEBIAN_FRONTEND=noninteractive
	apt-get -qq -o Acquire::Retries=3 update >/dev/null 2>&1 || : # the old package lists may be enough
	output=$(apt-get -qq -o Acquire::Retries=3 -o DPkg::Lock::Timeout=60 install -y --no-install-recommends "$@" 2>&1)
}

load_module() {
	for name in $(echo "$module" | tr - _) usbip_core; do
		[ -d "/sys/module/$name" ] || loaded="$loaded $name"
	done
	output=$(modprobe "$module" 2>&1) || :
	if [ -d "$driver" ]; then
		return
	elif [ "$role" = server ] && [ -d /dev/bus/usb ]; then
		echo "kernel module $module cannot be loaded: devices are exported through /dev/bus/usb"
	else
		die "cannot load kernel module $module of Linux $(uname -r): $(remedy "$module")" \
			"(modprobe: $(last_line "$output"))"
	fi
}

# A release tarball has the program; in the source tree it is built.
find_program() {
	program=usbiphp
	[ ! -e Makefile ] || program=build/usbiphp
	[ -e Makefile ] || [ -x usbiphp ] ||
		die "cannot install: $here has neither a Makefile nor a program 'usbiphp'"
}

built() {
	[ ! -e Makefile ] && return
	[ -x build/usbiphp ] && [ -z "$(find . \( -path ./build -o -path ./tests \
		-o -path ./.git \) -prune -o \( -name '*.[ch]' -o -name Makefile \) \
		-newer build/usbiphp -print)" ]
}

can_build() {
	has make && { has musl-gcc || has cc; } && [ -e /usr/include/linux/netlink.h ]
}

build() {
	packages="make gcc musl-tools linux-libc-dev"
	if has apt-get && ! { has musl-gcc && can_build; }; then
		# shellcheck disable=SC2086
		apt_install $packages || can_build || die "cannot install $packages: $(last_line "$output")"
	fi
	can_build || die "cannot build: install make, a C compiler (preferably musl-gcc) and the kernel's headers"
	echo "building"
	output=$(make 2>&1) || die "cannot build: $(printf '%s\n' "$output" | grep -i -m 1 error)"
}

# The daemon itself checks its arguments. It ends with 1 if they are right, as there is no such /sys.
check_arguments() {
	[ -x "$program" ] || return 0 # it would be built now
	for word; do # also in short
		case $word in --o | --on | --onc | --once | --d | --dr*) usage "$word makes no sense for a service" ;; esac
	done
	status=0
	output=$("./$program" "$role" --sysfs /nonexistent "$@" --sysfs /nonexistent 2>&1) || status=$?
	case $status in
	1) ;;
	2) echo "$output" >&2 && exit 2 ;;
	0) usage "these options make no sense for a service" ;;
	*) die "$program does not run on this machine: $output" ;;
	esac
}

# The old daemon is killed, not stopped: devices in use stay in use, and the new daemon takes them over.
upgrade() {
	kill -KILL "$1" 2>/dev/null || :
	tries=30
	until new=$(init_pid) && [ "$new" ] && [ "$new" != "$1" ] && init_active; do
		tries=$((tries - 1))
		[ $tries != 0 ] || return 1
		sleep 1
	done
}

start() {
	started=yes
	old=$(init_pid)
	init_start || die "$service does not start: $(init_log)"
	[ -z "$old" ] || upgrade "$old" || die "$service did not start again: $(init_log)"
	sleep 1
	init_active || die "$service does not run: $(init_log)"
}

# Undoes every change, if the installation did not finish.
take_back() {
	if [ ! "$installed" ] && [ "$placed" ]; then
		stop
		init_remove
		rm -f "$daemon"
	fi
	[ "$installed" ] || [ "$had" ] || remove_settings
	for file in $saved; do
		rm -f "$file.new"
		if [ -e "$kept$file" ] || [ -L "$kept$file" ]; then
			mv -f "$kept$file" "$file"
		else
			rm -f "$file"
		fi
	done
	rm -rf $kept
	case $saved in *" $dnssd"*) reload_resolved ;; esac
	[ ! "$ended" ] || revive_predecessor
	if [ "$installed" ] && [ "$started" ]; then
		kill -KILL "$(init_pid)"
		init_start
	fi
	[ "$installed" ] || rmdir $notes
	# shellcheck disable=SC2086
	unload $loaded
	if any_role; then
		[ ! "$known" ] || echo "$known" >$undo
	else
		restore
	fi
} >/dev/null 2>&1

leave() {
	status=$?
	trap '' HUP INT TERM
	trap - EXIT
	set +e
	[ ! "$locked" ] || [ "$complete" ] || take_back
	drop_lock
	exit $status
}

note() {
	remember init "$init"
	for name in $loaded; do
		remember module "$name"
	done
	# with --psk, now or in later options, the daemon loads it
	[ -d /sys/module/tls ] || remember module tls
	[ "$role" = client ] || sed -i '/^announce /d' $undo
	[ "$role" = client ] || [ "$announce" = yes ] || remember announce no
}

# So that its commands are found, if there is no other one. A file system that is read-only leaves that out.
put_link() {
	for link in $links; do
		ln -s $target/usbiphp "$link" 2>/dev/null && return
	done
	return 0
}

# With Avahi, if it is there: it would not share the network with systemd-resolved.
put_announcement() {
	if [ -d /etc/avahi ]; then
		put 644 install/announce/usbiphp.service $avahi
	elif [ -d /run/systemd/resolve ]; then
		put 644 install/announce/usbiphp.dnssd $dnssd
		act "reload systemd-resolved" reload_resolved
	fi
}

end_announcement() {
	save $avahi
	save $dnssd
	unannounce
}

end_old() {
	ended=yes
	end_predecessor "$@"
}

# absolute FILE: prints it as the service can open it, which runs in another directory
absolute() {
	case $1 in
	/*) echo "$1" ;;
	*) echo "$PWD/$1" ;;
	esac
}

# The installer's own options may stand anywhere. They make no sense for a service. A server that listens
# elsewhere may have another port than the one that is announced.
dry='' announce=yes before=''
for word; do
	shift
	case $before in
	-f | --rules | --psk) word=$(absolute "$word") ;;
	esac
	case $word in
	--rules=* | --psk=*) word=${word%%=*}=$(absolute "${word#*=}") ;;
	-f?*) word=-f$(absolute "${word#-f}") ;;
	esac
	before=$word
	case $word in
	-n | --dry-run) dry=yes ;;
	--no-announce) announce=no ;;
	-l* | --l*)
		[ $announce = no ] || announce=
		set -- "$@" "$word"
		;;
	*) set -- "$@" "$word" ;;
	esac
done
case ${1-} in
server | client) set_role "$1" ;;
-h | --help) echo "usage: $forms" && exit ;;
'') usage "server or client?" ;;
*) usage "unknown role '$1': neither server nor client" ;;
esac
shift
loaded='' placed='' started='' ended='' complete='' installed=''
[ ! -L "$daemon" ] || installed=yes
. "$here/install/predecessor.sh"
use_init "$(find_init)"
if [ "$role" = client ] && ! has_settings && has_predecessor; then
	case " ${1--} $*" in
	*' --accept'*) ;;
	' -'*) # no HOST
		host=$(predecessor_host)
		[ "$host" ] || usage "no HOST given, and $old_script names none"
		set -- "$host" "$@"
		;;
	esac
fi
had=
! has_settings || had=yes
[ "$role" = server ] || [ $# != 0 ] || [ "$had" ] || usage "no HOST given"
join "$@"
keep=
[ $# != 0 ] || keep=$had
[ ! "$keep" ] || [ "$announce" = no ] || [ -z "$(was announce)" ] || announce=
[ "$dry" ] || [ "$(id -u)" = 0 ] || die "cannot install: run it as root (sudo $0 ...)"
init_check
cd "$here"
if [ ! "$dry" ]; then
	trap leave EXIT
	trap 'die "stopped by a signal; all changes were undone"' HUP INT TERM
	take_lock
	rm -rf $kept # left by an installer that was killed
	known=$(cat $undo 2>/dev/null) || :
fi

# The steps that may fail come first, before a file is installed.
find_program
[ "$keep" ] || check_arguments "$@"
[ -d "$driver" ] || act "load kernel module $module" load_module
built || {
	act "build $program" build
	[ "$keep" ] || check_arguments "$@"
}

put 755 "$program" $target/usbiphp
[ "$dry" ] || output=$($target/usbiphp --version 2>&1) ||
	die "cannot run programs in $target: $(reason "$output") (is it mounted noexec?)"
has usbiphp || act "link usbiphp to the program" put_link
put 755 uninstall.sh $target/uninstall.sh
put 644 install/common.sh $target/install/common.sh
! has udevadm || put 644 "install/udev/${udev_rules##*/}" "$udev_rules"
if [ "$role" = server ] && [ "$announce" = yes ]; then
	put_announcement
elif [ "$role" = server ] && { [ -e $avahi ] || [ -e $dnssd ]; }; then
	act "stop announcing the server" end_announcement
fi
[ "$init" = none ] || put 644 "install/$init/init.sh" "$target/install/$init/init.sh"
act "remember what to undo" note
# The daemon runs hooks only if this directory exists when it starts.
act "create $config/hooks.d" make_dir $config/hooks.d
[ "$role" = server ] || act "create $places" make_dir $places
[ "$keep" ] || act "write '$line' to $settings" write_settings
if has_predecessor; then
	[ "$dry" ] || echo "replacing $service of USBip Hot Plug; devices in use stay in use${host:+ ($host)}"
	act "end $service of USBip Hot Plug${host:+ ($host)}" end_old "$@"
fi
placed=yes
act "link $daemon to the program" ln -sf usbiphp "$daemon"
init_put
if init_runs; then
	# The daemon loads its module when it starts, so nothing else is needed at boot.
	act "start $service" start
	complete=yes
	[ "$dry" ] || echo "$service runs, now$lasts"
else
	complete=yes
	echo "no init system runs here; start the daemon with '$daemon${line:+ $line}'"
fi
[ "$dry" ] || rm -rf $kept
