# shellcheck shell=sh
# SPDX-License-Identifier: MIT
# procd (OpenWrt): a script in /etc/init.d, and a section for each role in /etc/config/usbiphp.
# shellcheck disable=SC2034,SC2154
settings=/etc/config/usbiphp
script=/etc/init.d/$service
restart="$script restart"
keep_list=/lib/upgrade/keep.d/usbiphp

has_settings() {
	uci -q get "usbiphp.$role" >/dev/null
}

settings_line() {
	"$script" arguments
}

# long_of SHORT; takes_value LONG: from the daemon's own help
long_of() {
	printf '%s\n' "$help" | sed -n "s/^ *-$1, \(--[a-z-]*\).*/\1/p"
}

takes_value() {
	printf '%s\n' "$help" | grep -q -e "$1 [A-Z]"
}

# set_option LONG [VALUE]
set_option() {
	case $1 in
	--interval | --rules) uci set "usbiphp.$role.${1#--}=$2" ;;
	--dead-after) uci set "usbiphp.$role.dead_after=$2" ;;
	--verbose) uci set "usbiphp.$role.verbose=1" ;;
	--rule | --listen) uci add_list "usbiphp.$role.${1#--}=$2" ;;
	*) uci add_list "usbiphp.$role.option=$1${2:+=$2}" ;;
	esac
}

# set_options WORD...: the daemon has checked them
set_options() {
	while [ $# != 0 ]; do
		word=$1
		shift
		case $word in
		--*=*)
			name=${word%%=*}
			value=${word#*=}
			;;
		--*) name=$word value= ;;
		-?*)
			rest=${word#-?}
			name=${word#-}
			name=$(long_of "${name%"$rest"}")
			value=$rest
			if [ "$rest" ] && ! takes_value "$name"; then
				set -- "-$rest" "$@" # several options in one word
				value=
			fi
			;;
		*)
			uci add_list "usbiphp.$role.host=$word"
			continue
			;;
		esac
		# An abbreviated option.
		name=$(printf '%s\n' "$help" | sed -n "s/.*\(${name}[a-z-]*\).*/\1/p" | head -n 1)
		if [ -z "$value" ] && takes_value "$name"; then
			value=$1
			shift
		fi
		set_option "$name" "$value"
	done
}

write_settings() {
	save $settings
	make_dir "${settings%/*}"
	[ -e $settings ] || : >$settings
	uci -q delete "usbiphp.$role" || :
	uci set "usbiphp.$role=$role"
	uci set "usbiphp.$role.enabled=1"
	help=$("./$program" "$role" --help | grep '^ *-')
	eval "set_options $line"
	uci commit usbiphp
}

remove_settings() {
	uci -q delete "usbiphp.$role" || return 0
	uci commit usbiphp
	[ "$(uci -q show usbiphp)" ] || rm -f $settings
}

init_check() {
	has uci || die "cannot install: no program uci found"
	if [ -e "$script" ] && ! grep -q "^PROGRAM=$target/" "$script"; then
		die "cannot install: $script belongs to a package; remove the package first"
	fi
}

# umdns announces what the script of the service says.
end_mdns() {
	[ ! "$keep" ] || save $settings
	uci set usbiphp.server.announce=0
	uci commit usbiphp
}

init_put() {
	put 755 "$here/install/procd/service" "$script"
	[ "$role" = server ] || put 755 "$here/install/unmount.sh" "$target/install/unmount.sh"
	put 644 "$here/install/procd/keep" $keep_list
	[ "$role$announce" != serverno ] || act "write 'announce 0' to $settings" end_mdns
	act "enable $service" "$script" enable
}

init_runs() {
	[ "$(cat /proc/1/comm)" = procd ]
}

init_active() {
	pid_comes 5
}

# procd stops a daemon in the normal way when its options change. Killed before that, it keeps its devices.
init_start() {
	old=$(init_pid)
	[ -z "$old" ] || kill -KILL "$old" || :
	"$script" start
}

init_pid() {
	pids | head -n 1
}

init_log() {
	if [ "$(uci -q get "usbiphp.$role.enabled")" = 0 ]; then
		echo "it is disabled in $settings"
	else
		logread | grep "usbiphp-$role" | tail -n 1
	fi
}

init_stop() {
	[ -e "$script" ] || return 0
	"$script" stop
	tries=50
	while pid=$(init_pid) && [ "$pid" ]; do
		[ $tries != 0 ] || return 1
		tries=$((tries - 1))
		sleep 1
	done
}

init_remove() {
	[ -e "$script" ] || return 0
	"$script" disable
	rm -f "$script"
	[ -e /etc/init.d/usbip-bind ] || [ -e /etc/init.d/usbip-attach ] || rm -f $keep_list
}
