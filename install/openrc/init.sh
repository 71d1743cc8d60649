# shellcheck shell=sh
# SPDX-License-Identifier: MIT
# OpenRC: a script in /etc/init.d under supervise-daemon, in the runlevel "default", and for the client one more,
# for a shutdown.
# shellcheck disable=SC2034,SC2154
settings=/etc/conf.d/$service
restart="rc-service $service restart"
case $role in
client) names="$service usbip-unmount" ;;
*) names=$service ;;
esac

init_put() {
	put 755 "$here/install/daemon.sh" "$target/install/daemon.sh"
	[ "$role" = server ] || {
		put 755 "$here/install/unmount.sh" "$target/install/unmount.sh"
		put 755 "$here/install/openrc/unmount" /etc/init.d/usbip-unmount
	}
	put 755 "$here/install/openrc/service" "/etc/init.d/$service"
	act "enable $service" enable
}

enable() {
	for name in $names; do
		[ -e "/etc/runlevels/default/$name" ] || rc-update -q add "$name" default
	done
}

init_runs() {
	[ -e /run/openrc/softlevel ]
}

supervised() {
	rc-service -q "$service" status >/dev/null 2>&1
}

init_active() {
	supervised && pid_comes 3
}

# If the supervisor was killed, OpenRC still counts the service as started. A new one ends the old daemon.
init_start() {
	supervised || {
		rc-service -q "$service" zap
		rc-service -q "$service" start
	} || {
		echo "$service did not start" >&2
		return 1
	}
	[ "$role" = server ] || rc-service -q usbip-unmount start
}

init_pid() {
	"$target/install/daemon.sh" pid "$service" "$settings" 2>/dev/null || :
}

init_log() {
	"$target/install/daemon.sh" said "$service" "$settings"
}

init_stop() {
	[ -e "/etc/init.d/$service" ] || return 0
	rc-service -q "$service" stop
}

init_remove() {
	[ -e "/etc/init.d/$service" ] || return 0
	[ "$role" = server ] || rc-service -q usbip-unmount stop || :
	for name in $names; do
		for link in /etc/runlevels/*/"$name"; do
			[ ! -L "$link" ] || rm "$link"
		done
		rm -f "/etc/init.d/$name"
	done
}
