#!/bin/sh
# SPDX-License-Identifier: MIT
# unmount.sh SECONDS: when the machine shuts down, before the client and the network end: unmounts the file
# systems on attached disks, and ends swapping to them. Most init systems do that only after the network has
# ended. Waits so long for programs that still use them; what is in use then stays attached.
set -u
export LC_ALL=C PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin:/usr/bin:/bin"
line="
"

# is_attached NAME: true if the block device is on a disk at vhci-hcd, or above one, as LVM and LUKS are
is_attached() {
	case $(readlink "/sys/class/block/$1") in */vhci_hcd*) return 0 ;; esac
	for lower in "/sys/class/block/$1/slaves"/*; do
		[ ! -e "$lower" ] || ! is_attached "${lower##*/}" || return 0
	done
	return 1
}

# is_on_attached FILE: the same for a file in /dev
is_on_attached() {
	case $1 in /dev/*) ;; *) return 1 ;; esac
	node=$(readlink -f "$1") && is_attached "${node##*/}"
}

# Prints where their file systems are mounted, the last one first, as mountinfo has it.
places() {
	found=
	while IFS=' ' read -r _ _ _ _ place rest; do
		rest=${rest#* - * } # "OPTIONS - TYPE SOURCE OPTIONS"
		! is_on_attached "${rest%% *}" || found=$place$line$found
	done </proc/self/mountinfo
	printf %s "$found"
}

swaps() {
	while read -r file _; do
		! is_on_attached "$file" || printf '%s\n' "$file"
	done </proc/swaps
}

# plain PLACE: without the escapes of mountinfo, such as \040
plain() {
	printf %b "$(printf %s "$1" | sed 's/\\\([0-7]\)/\\0\1/g')"
}

# False if something is still in use.
release() {
	all=yes
	for file in $(swaps); do
		swapoff "$file" || all=
	done
	mounted=$(places)
	set -f
	IFS=$line
	for place in $mounted; do
		umount "$(plain "$place")" || all=
	done
	unset IFS
	set +f
	[ "$all" ]
} 2>/dev/null

left=$1
until release; do
	[ "$left" -gt 0 ] || exit 1
	left=$((left - 1))
	sleep 1
done
