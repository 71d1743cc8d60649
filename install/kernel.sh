# shellcheck shell=sh
# SPDX-License-Identifier: MIT
# What has the kernel's modules where they are missing. Read by install.sh.
# shellcheck disable=SC2154
root= # of another tree, for tests

of_system() {
	sed -n "s/^$1=//p" "$root/etc/os-release" 2>/dev/null | tr -d "\"'"
}

in_container() {
	[ -e "$root/.dockerenv" ] || [ -e "$root/run/.containerenv" ] ||
		[ -e "$root/run/systemd/container" ] ||
		{ [ -r "$root/proc/1/environ" ] && tr '\0' '\n' <"$root/proc/1/environ" | grep -q '^container='; }
}

# remedy MODULE: how to come by it
remedy() {
	release=$(uname -r)
	if in_container; then
		echo "load it on the machine itself, outside of this container: modprobe $1"
		return
	elif [ -e "$root/etc/openwrt_release" ]; then
		case $1 in
		usbip-host) package=kmod-usbip-server ;;
		*) package=kmod-usbip-client ;;
		esac
		if has apk; then
			echo "run: apk add $package"
		else
			echo "run: opkg update && opkg install $package"
		fi
		return
	elif [ ! -d "$root/lib/modules/$release" ]; then
		echo "this kernel's modules are not there: reboot into the installed kernel"
		return
	elif [ -e "$root/etc/rpi-issue" ]; then
		echo "upgrade the kernel's package, which has it, and reboot"
		return
	fi
	for id in $(of_system ID) $(of_system ID_LIKE); do
		case $id in
		debian | raspbian)
			lack=
			case $release in *-cloud-*) lack=" (the -cloud kernels lack it)" ;; esac
			echo "install linux-image-$(dpkg --print-architecture) and reboot$lack"
			;;
		ubuntu) echo "install linux-modules-extra-$release" ;;
		fedora) echo "install kernel-modules-extra-$release" ;;
		ol) echo "install kernel-uek-modules-extra-$release" ;;
		rhel | centos | rocky | almalinux)
			echo "this kernel has none: install kmod-usbip from ELRepo (elrepo.org)" ;;
		arch) echo "install the package linux, which has it, and reboot" ;;
		alpine) echo "install linux-lts and reboot (linux-virt lacks it)" ;;
		*) continue ;;
		esac
		return
	done
	echo "a kernel package that has it is needed"
}
