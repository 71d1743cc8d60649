# shellcheck shell=sh
# SPDX-License-Identifier: MIT
# The scripts "USBip Hot Plug", whose services have our names: what they did goes on with ours. Read
# by install.sh.
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

# Commands, one a line, without comments.
commands() {
	for file in "$old_script" "$old_unit"; do
		[ ! -f "$file" ] || sed '/^[[:space:]]*#/d' "$file" | tr '|;&()`' '\n'
	done
}

# What is given to usbip as its server; then what variables with such names are set to.
hosts() {
	commands | sed -nE "s/.*usbip.*[[:space:]](--remote[=[:space:]]|-r)[[:space:]]*[\"']*([^[:space:]\"']+).*/\2/p"
	commands | sed -nE "s/.*([Hh][Oo][Ss][Tt]|[Ss][Ee][Rr][Vv][Ee][Rr]|[Rr][Ee][Mm][Oo][Tt][Ee]|[Ff][Qq][Dd][Nn])=[\"']*([^[:space:]\"']+).*/\2/p"
}

# The server that its client was installed for, or nothing.
predecessor_host() {
	found=$(hosts | sed -n '/^[A-Za-z0-9][A-Za-z0-9._:%-]*$/s/.*:.*:.*/[&]/;/^[A-Za-z0-9[][]A-Za-z0-9._:%-]*$/p')
	echo "${found%%[!]A-Za-z0-9._:%[-]*}" # the first line
}

# Those in the control group of its unit.
its_processes() {
	[ ! "$cgroup" ] || grep -ls ":$cgroup\$" /proc/[0-9]*/cgroup | cut -d / -f 3
}

# Its end, also of what its unit left running, as a usbipd; not of another one's.
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
			echo "usbipd (process ${process#/proc/}) is left alone: where it listens, it serves"
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

# inherit [HOST...]: what it has bound, or attached from one of these servers, counts as ours
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

# After its files are back.
revive_predecessor() {
	init_runs || return 0
	systemctl daemon-reload
	[ "$predecessor_enabled" != enabled ] || systemctl -q enable "$service"
	[ "$predecessor_ran" != active ] || systemctl -q start "$service"
}
