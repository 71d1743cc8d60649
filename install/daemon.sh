#!/bin/sh
# SPDX-License-Identifier: MIT
# daemon.sh VERB SERVICE SETTINGS: what some init systems lack for a service's daemon: options from
# a file, a log, a pid. /var/run/SERVICE.pid has the daemon's; whatever supervises it has another.
#   run     becomes the daemon, after the end of one whose supervisor is gone
#   check   whether the options are right: 2 if not, which is said
#   pid     prints it; 1 if there is none
#   said    prints the last line of its log
#   reload  makes it read the rules again
#   stop    waits until it has given everything back
set -u
export PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin:/usr/bin:/bin"
umask 022

verb=$1 service=$2 settings=$3
case $service in
usbip-bind) daemon=/opt/usbip/usbiphp-server ;;
*) daemon=/opt/usbip/usbiphp-client ;;
esac
pidfile=/var/run/$service.pid

# What was there before a crash may be another process now.
running() {
	pid=$(cat "$pidfile" 2>/dev/null) && [ "$pid" ] && grep -qs "^$daemon" "/proc/$pid/cmdline"
}

# It stops at the lack of a /sys, after it has judged everything else.
check() {
	"$daemon" --sysfs /nonexistent "$@" --sysfs /nonexistent 2>/dev/null
	[ $? = 2 ] || return 0
	"$daemon" "$@" --sysfs /nonexistent
}

# To syslog, by a process that ends with the daemon; without one to the kernel's log, a ring.
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

# end SIGNAL SECONDS: the process $pid; 1 if it is still there after that time
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
	# supervise-daemon does not ask how the daemon has ended, and would start it again for ever.
	# Asked to stop, it waits for the end of what runs here by its own hand.
	if [ "${RC_SVCNAME-}" ] && ! check "$@"; then
		kill "$PPID"
		exec sleep 60
	fi
	# Killed, so that what is in use stays in use: this one goes on with it.
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
