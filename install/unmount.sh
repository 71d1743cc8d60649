#!/bin/sh
# SPDX-License-Identifier: MIT
# unmount.sh SECONDS: when the machine shuts down, before the client and the network end: unmounts the file
# systems on attached disks, ends swapping to them, and closes the LUKS, LVM, md and loop devices above them.
# Most init systems do that only after the network has ended. Waits so long for programs that still use them;
# what is in use then stays attached.
set -u
export LC_ALL=C PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin:/usr/bin:/bin"
line="
"

# plain TEXT: without the escapes of mountinfo and swaps, such as \040
plain() {
	case $1 in
	*\\*) printf %b "$(printf %s "$1" | sed 's/\\\([0-7]\)/\\0\1/g')" ;;
	*) printf %s "$1" ;;
	esac
}

# is_attached DIR: true if the block device with that directory in sysfs is on a disk at vhci-hcd, or above one;
# also if it is a partition of such a device
is_attached() {
	[ -e "$1" ] || return 1
	case $(readlink "$1") in */vhci_hcd*) return 0 ;; esac
	for lower in "$1/slaves"/* "$1/../slaves"/*; do
		[ ! -e "$lower" ] || ! is_attached "$lower" || return 0
	done
	for lower in "$1/loop/backing_file" "$1/../loop/backing_file"; do
		[ ! -e "$lower" ] || ! is_on_attached "$(cat "$lower")" || return 0
	done
	return 1
}

# is_on_attached FILE: the same for a file in /dev, and for one on a file system in $found
is_on_attached() {
	case $1 in
	/dev/*)
		node=$(readlink -f "$(plain "$1")")
		is_attached "/sys/class/block/${node##*/}"
		return
		;;
	/*) ;;
	*) return 1 ;;
	esac
	while read -r above; do
		[ "$above" ] || continue
		case $(plain "$1") in "$(plain "$above")"/*) return 0 ;; esac
	done <<-END
		$found
	END
	return 1
}

# Sets $found: where their file systems are mounted, and what is mounted below these, the last one first, as
# mountinfo has it.
find_places() {
	found=
	ids=" "
	while IFS=' ' read -r id parent number _ place rest; do
		rest=${rest#* - * } # "OPTIONS - TYPE SOURCE OPTIONS"
		case $place$ids in
		/\ *) continue ;; # the root file system
		*" $parent "*) ;;
		*) is_attached "/sys/dev/block/$number" || is_on_attached "${rest%% *}" || continue ;;
		esac
		ids="$ids$id "
		found=$place$line$found
	done </proc/self/mountinfo
}

swaps() {
	while read -r file _; do
		! is_on_attached "$file" || printf '%s\n' "$file"
	done </proc/swaps
}

# Prints the names of the block devices that are above attached disks.
upper_devices() {
	for dir in /sys/class/block/dm-* /sys/class/block/md* /sys/class/block/loop*; do
		[ -e "$dir/partition" ] || ! is_attached "$dir" || printf '%s\n' "${dir##*/}"
	done
}

# close_device NAME: false if it is in use. Without waiting for udev, which may have ended.
close_device() {
	case $1 in
	dm-*)
		name=$(cat "/sys/class/block/$1/dm/name")
		dmsetup remove --noudevsync "$name" || cryptsetup close "$name"
		;;
	md*) mdadm --stop "/dev/$1" ;;
	loop*) losetup -d "/dev/$1" ;;
	esac
}

# False if something is still in use, or may not be any more.
release() {
	done=yes
	find_places
	for file in $(swaps); do
		swapoff "$(plain "$file")" || done=
	done
	set -f
	IFS=$line
	for place in $found; do
		umount "$(plain "$place")" || done=
	done
	unset IFS
	set +f
	for device in $(upper_devices); do
		! close_device "$device" || done=
	done
	[ "$done" ]
} >/dev/null 2>&1

left=$1
until release; do
	[ "$left" -gt 0 ] || exit 1
	left=$((left - 1))
	sleep 1
done
