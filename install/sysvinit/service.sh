# shellcheck shell=sh
# SPDX-License-Identifier: MIT
# The functions of both scripts in /etc/init.d.
# shellcheck disable=SC2154
settings=/etc/default/$service
tools=/opt/usbip/install
pidfile=/var/run/$service-supervisor.pid

daemon() {
	"$tools/daemon.sh" "$1" "$service" "$settings"
}

# True if the supervisor runs; $pid is its pid.
supervised() {
	pid=$(cat "$pidfile" 2>/dev/null) && [ "$pid" ] &&
		tr '\0' ' ' 2>/dev/null <"/proc/$pid/cmdline" | grep -q "/supervise.sh $service "
}

start() {
	! supervised || return 0
	daemon check || return 6 # not configured
	setsid sh "$tools/sysvinit/supervise.sh" "$service" "$settings" </dev/null >/dev/null 2>&1 &
	tries=50
	until supervised || [ "$tries" = 0 ]; do
		tries=$((tries - 1))
		sleep 0.1
	done
	[ "$tries" != 0 ]
}

# True at a shutdown. Only sysvinit sets the variable; Buildroot's busybox init runs the scripts by its rcK.
going_down() {
	case ${RUNLEVEL-} in
	[06]) return 0 ;;
	esac
	[ "$(cat "/proc/$PPID/comm" 2>/dev/null)" = rcK ]
}

# The supervisor passes the signal on. A daemon whose supervisor was killed is stopped, too. At a shutdown
# file systems on attached disks are unmounted before the network ends.
stop() {
	[ "$service" != usbip-attach ] || ! going_down || "$tools/unmount.sh" 5
	! supervised || kill "$pid"
	daemon stop
	tries=5
	while supervised; do
		[ "$tries" != 0 ] || kill -KILL "$pid"
		tries=$((tries - 1))
		sleep 1
	done
	rm -f "$pidfile"
}

status() {
	if supervised; then
		echo "$service is running"
	elif daemon pid >/dev/null; then
		echo "$service is running, but would not be started again"
	elif [ -e "$pidfile" ]; then
		echo "$service is dead"
		return 1
	else
		echo "$service is not running"
		return 3
	fi
}

say() {
	echo "$1 $service"
	shift
	"$@"
}

case ${1-} in
start) say Starting start ;;
stop) say Stopping stop ;;
restart) say Stopping stop && say Starting start ;;
reload | force-reload) say "Reading the rules of" daemon reload ;;
status) status ;;
*)
	echo "usage: $0 start|stop|restart|reload|force-reload|status" >&2
	exit 2
	;;
esac
