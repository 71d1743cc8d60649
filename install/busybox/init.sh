# shellcheck shell=sh
# SPDX-License-Identifier: MIT
# busybox init: a line in /etc/inittab, which init reads again on SIGHUP. Init starts a daemon again when it
# has ended, unless its line is gone.
# shellcheck disable=SC2034,SC2154
restart="killall usbiphp-$role"
table=/etc/inittab
entry="::respawn:$target/run $service"
end="
"
default="# What init does without this file, and what was installed in $target.
::sysinit:/etc/init.d/rcS
::askfirst:-/bin/sh
tty2::askfirst:-/bin/sh
tty3::askfirst:-/bin/sh
tty4::askfirst:-/bin/sh
::ctrlaltdel:reboot
::shutdown:umount -a -r
::shutdown:swapoff -a
::restart:init"

# type_of DIR: prints the type of its file system
type_of() {
	while read -r _ place type _; do
		case $1/ in
		"${place%/}"/*) found=$type ;;
		esac
	done </proc/mounts
	echo "$found"
}

# can_write DIR: ends install.sh if not; with --dry-run nothing is tried.
can_write() {
	dir=$1
	while [ ! -d "$dir" ]; do
		dir=$(dirname "$dir")
	done
	[ "$dry" ] || error=$({ : >"$dir/.usbiphp" && rm "$dir/.usbiphp"; } 2>&1) ||
		die "cannot install: $dir cannot be written: ${error##*: }"
}

init_check() {
	can_write /etc
	can_write /etc/default
	can_write "$target"
	case $(type_of "$target") in
	rootfs | ramfs | tmpfs) lasts=", but not after a boot: $target is in memory" ;;
	esac
}

# write_table TEXT: replaces the table in one step; owner and mode stay
write_table() {
	file=$(readlink -f $table)
	[ ! -e "$file" ] || cp -p "$file" "$file.new" || return 1
	printf %s "$1" >"$file.new" && sync && mv -f "$file.new" "$file"
}

put_entry() {
	! grep -sqxF "$entry" $table || return 0
	save $table
	if [ ! -e $table ]; then
		remember inittab made
		text=$default
	else
		text=$(cat $table && echo .) || return 1
		text=${text%.}
	fi
	case $text in
	*"$end" | '') ;;
	"$default") text=$text$end ;;
	*) text=$text$end && remember inittab open ;; # its last line had no newline
	esac
	write_table "$text$entry$end"
}

# Removes the line, also if somebody has commented it out. If install.sh created the table, and nobody has
# added a line, the table is removed.
take_entry() {
	grep -sqxF -e "$entry" -e "#$entry" $table || return 0
	text=$({ grep -vxF -e "$entry" -e "#$entry" $table || [ $? = 1 ]; } && echo .) || return 1
	text=${text%.}
	if [ "$text" = "$default$end" ] && grep -qx "inittab made" "$undo"; then
		rm -f $table
		return
	fi
	case $text in
	*"::respawn:$target/run "*) ;;
	*) ! grep -qx "inittab open" "$undo" || text=${text%"$end"} ;;
	esac
	write_table "$text"
}

reload() {
	! init_runs || kill -HUP 1
}

init_put() {
	put 755 "$here/install/busybox/run" "$target/run"
	act "add $service to $table" put_entry
}

init_runs() {
	[ "$(basename "$(readlink /proc/1/exe)")" = busybox ]
}

init_active() {
	pid_comes 5
}

init_start() {
	reload
}

init_pid() {
	pids | head -n 1
}

# Syslogd may write to one of these. Without syslogd the log is on the console.
init_log() {
	{ logread || cat /var/log/messages; } 2>/dev/null | grep "usbiphp-$role" | tail -n 1
}

# A daemon whose line is gone is not started again.
init_stop() {
	take_entry
	reload
	tries=45
	told=
	while pid=$(init_pid) && [ "$pid" ]; do
		[ "$pid" = "$told" ] || kill "$pid" || :
		told=$pid
		[ $tries != 0 ] || return 1
		tries=$((tries - 1))
		sleep 1
	done
}

init_remove() {
	take_entry
	reload
}
