#!/bin/sh
# SPDX-License-Identifier: MIT
# daemon.sh VERB SERVICE SETTINGS: what some init systems lack for a service's daemon: options from
# a file, a log, a pid. /var/run/SERVICE.pid has the daemon's pid; its supervisor has another file.
#   run     becomes the daemon, after it has ended one whose supervisor is gone
#   check   checks the options: 2 and a message if they are wrong
#   pid     prints it; 1 if there is none
#   said    prints the last line of its log
#   reload  makes the daemon read its rules again
#   stop    stops the daemon and waits until it has given everything back
set -u
export PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin:/usr/bin:/bin"
umask 022

verb=$1 service=$2 settings=$3
case $service in
usbip-bind) daemon=/opt/usbip/usbiphp-server ;;
*) daemon=/opt/usbip/usbiphp-client ;;
esac
pidfile=/var/run/$service.pid

# After a crash the pid may belong to another process.
running() {
	pid=$(cat "$pidfile" 2>/dev/null) && [ "$pid" ] && grep -qs "^$daemon" "/proc/$pid/cmdline"
}

# The daemon stops because there is no such /sys, after it has checked everything else.
check() {
	"$daemon" --sysfs /nonexistent "$@" --sysfs /nonexistent 2>/dev/null
	[ $? = 2 ] || return 0
	"$daemon" "$@" --sysfs /nonexistent
}

# Output goes to syslog, by a logger that ends with the daemon; without syslog to the kernel's log.
log() {
	fifo=/var/run/$service.log
	rm -f "$fifo"
	if [ -S /dev/log ] && command -v logger >/dev/null && mkfifo -m 600 "$fifo"; then
		(logger -p daemon.info -t "$service" <"$fifo" >/dev/null 2>&1 &)
		exec >"$fifo" 2>&1 # when the other end is open
		rm -f "$fifo"
	elif [ -c /dev/kmsg ]; then
		exec >/dev/kmsg 2>&1
	fi
}

logged() {
	if [ -S /dev/log ]; then
		logread 2>/dev/null || cat /var/log/messages /var/log/syslog /var/log/daemon.log 2>/dev/null
	else
		dmesg
	fi
}

# end SIGNAL SECONDS: ends the process $pid; 1 if it still runs after that time
end() {
	kill "-$1" "$pid" 2>/dev/null
	tries=$2
	while running; do
		[ "$tries" != 0 ] || return 1
		tries=$((tries - 1))
		sleep 1
	done
}

OPTIONS=
case $verb in
run | check)
	# shellcheck disable=SC1090
	[ ! -r "$settings" ] || . "$settings"
	eval "set -- $OPTIONS"
	;;
esac
case $verb in
run)
	log
	# supervise-daemon ignores the exit status and would start the daemon again for ever. So stop the
	# supervisor itself. It then waits for its child, which is this process.
	if [ "${RC_SVCNAME-}" ] && ! check "$@"; then
		kill "$PPID"
		exec sleep 60
	fi
	# The old daemon is killed, so that devices in use stay in use: this one takes them over.
	! running || end KILL 5
	echo $$ >"$pidfile"
	exec "$daemon" "$@" </dev/null
	;;
check) check "$@" ;;
pid) running && echo "$pid" ;;
said) logged | sed -n "s|.*\(${daemon##*/}: \)|\1|p" | tail -n 1 ;;
reload) running && kill -HUP "$pid" ;;
stop)
	! running || end TERM 45 || end KILL 5
	! running && rm -f "$pidfile"
	;;
esac
