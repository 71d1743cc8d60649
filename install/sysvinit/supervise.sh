#!/bin/sh
# SPDX-License-Identifier: MIT
# supervise.sh SERVICE SETTINGS: starts the daemon again when it has died, until asked to stop.
set -u

pidfile=/var/run/$1-supervisor.pid
stop=
trap 'stop=yes; kill "$child" 2>/dev/null' TERM
child=
echo $$ >"$pidfile"
while [ -z "$stop" ]; do
	"${0%/*}/../daemon.sh" run "$@" &
	child=$!
	[ -z "$stop" ] || kill "$child" 2>/dev/null
	# A signal interrupts wait, not the daemon.
	while
		wait "$child"
		status=$?
		kill -0 "$child" 2>/dev/null
	do :; done
	# It was asked to stop; or its usage is wrong, and would be wrong again.
	case $status in
	0 | 2) break ;;
	esac
	[ "$stop" ] || {
		sleep 2 &
		child=$!
		wait "$child"
	}
done
rm -f "$pidfile" "/var/run/$1.pid"
