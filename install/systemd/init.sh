# shellcheck shell=sh
# SPDX-License-Identifier: MIT
# systemd: a unit in /etc/systemd/system, and for the client two more: one that stops it during sleep, which is
# enabled and disabled with it, as its section [Install] says, and one for a shutdown, which it starts.
# shellcheck disable=SC2034,SC2154
units=/etc/systemd/system
restart="systemctl restart $service"
case $role in
client) names="$service usbip-sleep usbip-unmount" ;;
*) names=$service ;;
esac

init_put() {
	for name in $names; do
		put 644 "$here/install/systemd/$name.service" "$units/$name.service"
	done
	[ "$role" = server ] || put 755 "$here/install/unmount.sh" "$target/install/unmount.sh"
	act "enable $service" systemctl -q --no-reload enable "$service"
}

init_runs() {
	[ -d /run/systemd/system ]
}

init_active() {
	systemctl -q is-active "$service"
}

init_start() {
	systemctl daemon-reload
	# Waits until the daemon is ready. Not "restart": it may be coming up by itself already.
	systemctl start "$service" 2>/dev/null
}

init_pid() {
	systemctl show -p MainPID "$service" | sed -n 's/MainPID=\([1-9]\)/\1/p'
}

init_log() {
	journalctl -u "$service" -t "usbiphp-$role" -n 1 -o cat
}

init_stop() {
	! init_runs || [ ! -e "$units/$service.service" ] || systemctl stop "$service"
}

init_remove() {
	[ -e "$units/$service.service" ] || return 0
	systemctl -q --no-reload disable "$service"
	[ "$role" = server ] || systemctl -q stop usbip-unmount 2>/dev/null || :
	for name in $names; do
		rm -f "$units/$name.service"
	done
	! init_runs || {
		systemctl -q reset-failed "$service" 2>/dev/null || :
		systemctl daemon-reload
	}
	# systemd keeps them for the other role; they are empty if there is nothing to know
	rmdir "$notes" /var/run/vhci_hcd/usbiphp /var/run/vhci_hcd 2>/dev/null || :
}
