#!/bin/sh
# SPDX-License-Identifier: MIT
# Puts the server or the client in place as a system service; run again, it upgrades that.
set -eu

forms="install.sh [--dry-run] server [OPTION]... | client HOST[:PORT]... [OPTION]..."
here=$(cd "$(dirname "$0")" && pwd)
. "$here/install/common.sh"

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

# What has the module on this distribution.
remedy() {
	id=$(sed -n 's/^ID=//p' /etc/os-release 2>/dev/null | tr -d '"')
	[ ! -e /etc/openwrt_release ] || id=openwrt
	case $id in
	openwrt)
		if has apk; then
			echo "apk update && apk add kmod-usbip-$role"
		else
			echo "opkg update && opkg install kmod-usbip-$role"
		fi
		;;
	debian) echo "install linux-image-$(dpkg --print-architecture) and reboot" ;;
	ubuntu) echo "install linux-modules-extra-$(uname -r)" ;;
	*) echo "a kernel package that has it is needed" ;;
	esac
}

load_module() {
	[ ! -d "$driver" ] || return 0
	before=$(lsmod 2>/dev/null)
	if ! output=$(modprobe "$module" 2>&1) || [ ! -d "$driver" ]; then
		die "cannot load kernel module $module of Linux $(uname -r): $(remedy)" \
			"(modprobe: $(last_line "$output"))"
	fi
	for name in usbip_core $(echo "$module" | tr - _); do
		echo "$before" | grep -q "^$name " || loaded="$loaded $name"
	done
}

# In a tarball of a release it is there; in the source tree it is built.
binary() {
	if [ -e Makefile ]; then
		program=build/usbiphp
		built || act "build $program" build
	else
		program=usbiphp
		[ -x usbiphp ] || die "cannot install: there is neither a Makefile nor a program 'usbiphp' in $here"
	fi
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
	[ -x "$program" ] || return 0 # it would be built now
	status=0
	output=$("./$program" "$role" --sysfs /nonexistent "$@" --sysfs /nonexistent 2>&1) || status=$?
	case $status in
	1) ;;
	2) echo "$output" >&2 && exit 2 ;;
	0) usage "no service is started with these options" ;;
	*) die "$program does not run on this machine: $output" ;;
	esac
}

# Killed, not stopped: what is in use stays in use, the new daemon goes on with it.
upgrade() {
	old=$1
	kill -KILL "$old" 2>/dev/null || :
	tries=30
	until new=$(init_pid) && [ "$new" ] && [ "$new" != "$old" ]; do
		tries=$((tries - 1))
		[ $tries != 0 ] || return 1
		sleep 1
	done
}

start() {
	old=$(init_pid)
	init_start
	[ -z "$old" ] || upgrade "$old" || die "$service did not start again: $(init_log)"
	sleep 1
	init_active || die "$service does not run: $(init_log)"
}

dry=
case ${1-} in
-n | --dry-run) dry=yes && shift ;;
esac
case ${1-} in
server | client) set_role "$1" ;;
-h | --help) echo "usage: $forms" && exit ;;
'') usage "server or client?" ;;
*) usage "neither server nor client: '$1'" ;;
esac
shift
loaded=
use_init "$(find_init)"
[ "$role" = server ] || [ $# != 0 ] || has_settings || usage "no HOST given"
join "$@"
keep=
[ $# != 0 ] || ! has_settings || keep=yes
[ "$(id -u)" = 0 ] || die "cannot install: run it as root"
init_check
cd "$here"

# All that can fail comes before the first file is put in place.
act "load kernel module $module" load_module
binary
[ "$keep" ] || check_arguments "$@"

put 755 "$program" $target/usbiphp
act "link $daemon to it" ln -sf usbiphp "$daemon"
put 755 uninstall.sh $target/uninstall.sh
put 644 install/common.sh $target/install/common.sh
[ "$init" = none ] || put 644 "install/$init/init.sh" "$target/install/$init/init.sh"
act "remember what to undo" remember init "$init"
for name in $loaded; do # none with --dry-run
	remember module "$name"
done
[ "$keep" ] || act "write '$line' to $settings" write_settings
init_put
if init_runs; then
	# The daemon loads its module at every start: nothing else is needed for that at boot.
	act "start $service" start
	[ "$dry" ] || echo "$service runs, now$lasts"
else
	echo "no init system runs here: start it with '$daemon${line:+ $line}'"
fi
