#!/bin/sh
# SPDX-License-Identifier: MIT
# Puts the server or the client in place as a system service; run again, it upgrades that.
set -eu
export LC_ALL=C PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin"
umask 022

target=/opt/usbip
units=/etc/systemd/system

forms="install.sh server [OPTION]... | client HOST[:PORT]... [OPTION]..."

usage() {
	echo "install.sh: $1 (usage: $forms)" >&2
	exit 2
}

die() {
	echo "install.sh: $*" >&2
	exit 1
}

last_line() {
	printf '%s\n' "$1" | tail -n 1
}

has() {
	command -v "$1" >/dev/null
}

# put MODE FILE PLACE: at once as a whole, also when the old one is running
put() {
	cp "$2" "$3.new"
	chmod "$1" "$3.new"
	mv -f "$3.new" "$3"
}

# The words as one line that systemd and a shell split into the same words again.
join() {
	line=
	for word; do
		case $word in
		*[\'\"\\\$\`]* | *[[:cntrl:]]* | --)
			usage "cannot keep '$word': it has a quote, a backslash, a dollar sign or the like" ;;
		'' | *[!A-Za-z0-9_.,:/@%+=-]*)
			word="'$word'" ;;
		esac
		line="$line${line:+ }$word"
	done
}

apt_install() {
	echo "installing $*"
	export DEBIAN_FRONTEND=noninteractive
	apt-get -qq -o Acquire::Retries=3 update >/dev/null 2>&1 || : # what is known may do
	output=$(apt-get -qq -o Acquire::Retries=3 -o DPkg::Lock::Timeout=60 install -y --no-install-recommends "$@" 2>&1) ||
		die "cannot install $*: $(last_line "$output")"
}

load_module() {
	[ -d "$driver" ] && return
	output=$(modprobe "$module" 2>&1) && [ -d "$driver" ] && return
	case $(sed -n 's/^ID=//p' /etc/os-release 2>/dev/null) in
	debian) remedy="install linux-image-$(dpkg --print-architecture) and reboot" ;;
	ubuntu) remedy="install linux-modules-extra-$(uname -r)" ;;
	*) remedy="a kernel package that has it is needed" ;;
	esac
	die "cannot load kernel module $module of Linux $(uname -r): $remedy" \
		"(modprobe: $(last_line "$output"))"
}

built() {
	[ -x build/usbiphp ] && [ -z "$(find . \( -path ./build -o -path ./tests -o -path ./fuzz \
		-o -path ./bench -o -path ./.git \) -prune -o \( -name '*.[ch]' -o -name Makefile \) \
		-newer build/usbiphp -print)" ]
}

build() {
	if has apt-get; then
		if ! has make || ! has musl-gcc || ! [ -e /usr/include/linux/netlink.h ]; then
			apt_install make gcc musl-tools linux-libc-dev
		fi
	elif ! has make || ! { has musl-gcc || has cc; } || ! [ -e /usr/include/linux/netlink.h ]; then
		die "cannot build: make, a C compiler (best musl-gcc) and the kernel's headers are needed"
	fi
	echo "building"
	output=$(make 2>&1) || die "cannot build: $(printf '%s\n' "$output" | grep -i -m 1 error)"
}

# The daemon itself judges what it is to be started with: it stops at the lack of a /sys.
check_arguments() {
	status=0
	output=$("build/usbiphp" "$role" --sysfs /nonexistent "$@" --sysfs /nonexistent 2>&1) || status=$?
	case $status in
	1) ;;
	2) echo "$output" >&2 && exit 2 ;;
	0) usage "no service is started with these options" ;;
	*) die "build/usbiphp does not run on this machine: $output" ;;
	esac
}

write_settings() {
	cat >"$settings.new" <<-END
		# The options of $daemon. After a change: systemctl restart $service
		OPTIONS="$line"
	END
	mv -f "$settings.new" "$settings"
}

main_pid() {
	systemctl show -p MainPID "$service" | cut -d = -f 2
}

# Killed, not stopped: what is in use stays in use, the new daemon goes on with it.
upgrade() {
	old=$(main_pid)
	kill -KILL "$old" 2>/dev/null || :
	tries=30
	until new=$(main_pid) && [ "$new" != 0 ] && [ "$new" != "$old" ]; do
		tries=$((tries - 1))
		[ $tries != 0 ] || die "$service did not start again: see journalctl -u $service"
		sleep 1
	done
}

start() {
	systemctl daemon-reload
	if systemctl -q is-active "$service"; then
		upgrade
	else
		systemctl restart "$service"
	fi
	sleep 1
	systemctl -q is-active "$service" ||
		die "$service does not run: $(journalctl -u "$service" -t "usbiphp-$role" -n 1 -o cat)"
}

role=${1-}
case $role in
server) service=usbip-bind module=usbip-host driver=/sys/bus/usb/drivers/usbip-host ;;
client) service=usbip-attach module=vhci-hcd driver=/sys/bus/platform/drivers/vhci_hcd ;;
-h | --help) echo "usage: $forms" && exit ;;
'') usage "server or client?" ;;
*) usage "neither server nor client: '$role'" ;;
esac
shift
daemon=$target/usbiphp-$role
settings=/etc/default/$service
[ "$role" = server ] || [ $# != 0 ] || [ -e "$settings" ] || usage "no HOST given"
join "$@"
keep=
[ $# != 0 ] || ! [ -e "$settings" ] || keep=yes
[ "$(id -u)" = 0 ] || die "cannot install: run it as root"
cd "$(dirname "$0")"

# All that can fail comes before the first file is put in place.
load_module
built || build
[ "$keep" ] || check_arguments "$@"

mkdir -p $target /etc/default
put 755 build/usbiphp $target/usbiphp
ln -sf usbiphp $target/usbiphp-server
ln -sf usbiphp $target/usbiphp-client
[ "$keep" ] || write_settings
if has systemctl; then
	put 644 "install/$service.service" "$units/$service.service"
	systemctl -q --no-reload enable "$service"
fi
if [ -d /run/systemd/system ]; then
	# The daemon loads its module at every start: nothing else is needed for that at boot.
	start
	echo "$service runs, now and after every boot"
else
	echo "no systemd runs here: start it with '$daemon${line:+ $line}'"
fi
