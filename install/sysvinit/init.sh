# shellcheck shell=sh
# SPDX-License-Identifier: MIT
# sysvinit: an LSB script in /etc/init.d, which starts a small supervisor.
# shellcheck disable=SC2034,SC2154
script=/etc/init.d/$service
restart="$script restart"

init_put() {
	put 755 "$here/install/daemon.sh" "$target/install/daemon.sh"
	[ "$role" = server ] || put 755 "$here/install/unmount.sh" "$target/install/unmount.sh"
	put 755 "$here/install/sysvinit/supervise.sh" "$target/install/sysvinit/supervise.sh"
	put 644 "$here/install/sysvinit/service.sh" "$target/install/sysvinit/service.sh"
	put 755 "$here/install/sysvinit/$service" "$script"
	act "enable $service" enable
}

enable() {
	if has update-rc.d; then
		update-rc.d "$service" defaults >/dev/null
	elif has insserv; then
		insserv "$service"
	else
		echo "$script is not started at boot: found neither update-rc.d nor insserv"
	fi
}

# The script is gone by now, so the other scripts get back the places that they had.
disable() {
	if has update-rc.d; then
		update-rc.d "$service" remove >/dev/null
	else
		rm -f /etc/rc?.d/[SK]??"$service"
	fi
}

init_runs() {
	[ -p /run/initctl ] || [ -p /dev/initctl ]
}

supervised() {
	"$script" status 2>/dev/null | grep -q 'running$'
}

init_active() {
	supervised && pid_comes 3
}

# Does nothing if it runs. A daemon without a supervisor is ended by the new one.
init_start() {
	"$script" start >/dev/null || {
		echo "$service did not start" >&2
		return 1
	}
}

init_pid() {
	"$target/install/daemon.sh" pid "$service" "$settings" 2>/dev/null || :
}

init_log() {
	"$target/install/daemon.sh" said "$service" "$settings"
}

init_stop() {
	[ -e "$script" ] || return 0
	"$script" stop >/dev/null
}

init_remove() {
	[ -e "$script" ] || return 0
	rm -f "$script"
	disable
}
