# shellcheck shell=sh
# SPDX-License-Identifier: MIT
# How to get the kernel's modules where they are missing. Read by install.sh.
# shellcheck disable=SC2154
root= # of another tree, for tests

os_release() {
	sed -n "s/^$1=//p" "$root/etc/os-release" 2>/dev/null | tr -d "\"'"
}

# distribution_remedy ID: how to install the modules, by an ID of os-release(5). The table in
# cmd/doctor_roles.c is the same; tests/install compares them.
# shellcheck disable=SC2016
distribution_remedy() {
	case $1 in
	raspbian) echo 'apt-get full-upgrade, then reboot' ;;
	debian) echo 'apt-get install linux-image-$(dpkg --print-architecture), then reboot (-cloud kernels lack it)' ;;
	ubuntu) echo 'apt-get install linux-modules-extra-$(uname -r)' ;;
	fedora) echo 'dnf install kernel-modules-extra-$(uname -r)' ;;
	ol) echo 'dnf install kernel-uek-modules-extra-$(uname -r)' ;;
	rhel | centos | rocky | almalinux) echo 'install kmod-usbip from ELRepo (elrepo.org)' ;;
	arch) echo 'pacman -Syu linux, then reboot' ;;
	alpine) echo 'apk add linux-lts, then reboot (linux-virt lacks it)' ;;
	*) return 1 ;;
	esac
}

in_container() {
	[ -e "$root/.dockerenv" ] || [ -e "$root/run/.containerenv" ] ||
		[ -e "$root/run/systemd/container" ] ||
		{ [ -r "$root/proc/1/environ" ] && tr '\0' '\n' <"$root/proc/1/environ" | grep -q '^container='; }
}

openwrt_remedy() {
	case $1 in
	usbip-host) package=kmod-usbip-server ;;
	*) package=kmod-usbip-client ;;
	esac
	if has apk; then
		echo "apk add $package"
	else
		echo "opkg update && opkg install $package"
	fi
}

# remedy MODULE: what to do if it cannot be loaded
remedy() {
	ids="$(os_release ID) $(os_release ID_LIKE)"
	if in_container; then
		echo "this is a container: run modprobe $1 on its host"
		return
	elif [ -e "$root/etc/openwrt_release" ]; then
		openwrt_remedy "$1"
		return
	elif [ ! -d "$root/lib/modules/$(uname -r)" ]; then
		echo "no modules are installed for the running kernel: reboot into the installed kernel"
		return
	elif [ -e "$root/etc/rpi-issue" ]; then
		ids=raspbian # the 64-bit Raspberry Pi OS has ID=debian
	fi
	for id in $ids; do
		if distribution_remedy "$id"; then
			return
		fi
	done
	echo "install your distribution's package of kernel modules"
}
