# shellcheck shell=sh
# SPDX-License-Identifier: MIT
# The scripts "USBip Hot Plug", whose services have the same names as ours. Our services take over what they
# have bound or attached. install.sh sources this file.
# shellcheck disable=SC2034,SC2154
old_unit=/etc/systemd/system/$service.service
old_script=$target/$service
old_spool=/var/spool/usbip

foreign_unit() {
	[ -f "$old_unit" ] && ! grep -q "^ExecStart=$target/usbiphp" "$old_unit"
}

has_predecessor() {
	[ -f "$old_script" ] || foreign_unit
}

# Prints the commands of the old script and unit, one on each line, without comments.
commands() {
	for file in "$old_script" "$old_unit"; do
		[ ! -f "$file" ] || sed '/^[[:space:]]*#/d' "$file" | tr '|;&()`' '\n'
	done
}

# Prints the arguments of usbip's --remote and -r, then the values of variables with such names.
hosts() {
	commands | sed -nE "s/.*usbip.*[[:space:]](--remote[=[:space:]]|-r)[[:space:]]*[\"']*([^[:space:]\"']+).*/\2/p"
	commands | sed -nE "s/.*([Hh][Oo][Ss][Tt]|[Ss][Ee][Rr][Vv][Ee][Rr]|[Rr][Ee][Mm][Oo][Tt][Ee]|[Ff][Qq][Dd][Nn])=[\"']*([^[:space:]\"']+).*/\2/p"
}

# Prints the server that its client was installed for, or nothing.
predecessor_host() {
	found=$(hosts | sed -n '/^[A-Za-z0-9][A-Za-z0-9._:%-]*$/s/.*:.*:.*/[&]/;/^[A-Za-z0-9[][]A-Za-z0-9._:%-]*$/p')
	echo "${found%%[!]A-Za-z0-9._:%[-]*}" # the first line
}

# Prints the pids in the control group of its unit.
its_processes() {
	[ ! "$cgroup" ] || grep -ls ":$cgroup\$" /proc/[0-9]*/cgroup | cut -d / -f 3
}

# Ends all processes of its unit, also a usbipd that the unit left running; not a usbipd from elsewhere.
end_processes() {
	signal=TERM
	for try in 1 2 3 4 5 6; do
		rest=$(its_processes)
		[ "$rest" ] || break
		# shellcheck disable=SC2086
		kill -$signal $rest 2>/dev/null || :
		[ "$try" != 5 ] || signal=KILL
		sleep 1
	done
	[ "$role" = client ] || for process in /proc/[0-9]*; do
		[ "$(cat "$process/comm" 2>/dev/null)" != usbipd ] ||
			echo "usbipd (process ${process#/proc/}) is left alone: it goes on serving where it listens"
	done
}

end_predecessor() {
	cgroup=
	save "$old_unit"
	save "$old_script"
	if foreign_unit && init_runs; then
		cgroup=$(systemctl show -p ControlGroup "$service" | sed 's/.*=//')
		predecessor_ran=$(systemctl is-active "$service") || :
		predecessor_enabled=$(systemctl is-enabled "$service" 2>/dev/null) || :
		systemctl -q stop "$service" 2>/dev/null || :
		systemctl -q --no-reload disable "$service" 2>/dev/null || :
	fi
	end_processes
	! foreign_unit || rm -f "$old_unit"
	rm -f "$old_script" $old_spool/"${service#usbip-}"
	rmdir $old_spool 2>/dev/null || :
	[ -e "$daemon" ] || inherit "$@"
}

# inherit [HOST...]: records as ours the devices that it has bound, or attached from one of these servers
inherit() {
	mkdir -p "$notes"
	chmod 755 "$notes"
	if [ "$role" = server ]; then
		for device in "$driver"/[0-9]*-[0-9]*; do
			[ ! -e "$device" ] || echo "${device##*/}"
		done >"$notes/bound"
		return
	fi
	for record in /var/run/vhci_hcd/port*; do
		[ -f "$record" ] || continue
		read -r host port _ <"$record" || continue
		for server; do
			case $server in
			"$host" | "$host:$port" | "[$host]" | "[$host]:$port")
				cp "$record" "$notes/" && chmod 644 "$notes/${record##*/}" ;;
			esac
		done
	done
}

# Starts the predecessor again, after its files were restored.
revive_predecessor() {
	init_runs || return 0
	systemctl daemon-reload
	[ "$predecessor_enabled" != enabled ] || systemctl -q enable "$service"
	[ "$predecessor_ran" != active ] || systemctl -q start "$service"
}
