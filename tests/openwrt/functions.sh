# shellcheck shell=sh
# SPDX-License-Identifier: MIT
# A stand-in for OpenWrt's functions for services and their settings, see t_openwrt.py. What procd and
# uci would do is done by that test.
# shellcheck disable=SC2034,SC2154

# say WORD...: of the request that `ask` sends
say() { printf '%s\0' "$@" >>"$draft"; }

# ask [WORD...]: sends these, or what was said; prints the answer, its status is that of the request
ask() {
	request=$draft
	if [ $# != 0 ]; then
		request=$draft-$1
		printf '%s\0' "$@" >"$request"
	fi
	mv "$request" "$request.request"
	until [ -e "$request.answer" ]; do usleep 5000; done
	read -r status <"$request.answer"
	tail -n +2 "$request.answer"
	rm "$request.answer"
	return "$status"
}

draft=/run/test/$$
mkdir -p /run/test

config_load() { eval "$(ask load "$1")"; }
config_get() { eval "$1=\${CONFIG_$2_$3:-\$4}"; }
config_get_bool() {
	config_get "$1" "$2" "$3" "$4"
	eval "case \$$1 in 1 | on | true | yes | enabled) $1=1 ;; 0 | off | false | no | disabled) $1=0 ;; *) $1=\$4 ;; esac"
}
config_list_foreach() {
	list_section=$1
	list_name=$2
	list_function=$3
	shift 3
	config_get list_length "$list_section" "${list_name}_LENGTH" 0
	list_i=0
	while [ "$list_i" -lt "$list_length" ]; do
		list_i=$((list_i + 1))
		eval "\$list_function \"\$CONFIG_${list_section}_${list_name}_ITEM$list_i\" \"\$@\""
	done
}

procd_open_service() { say set "$1" "$2"; }
procd_close_service() {
	service_triggers
	ask
}
procd_open_instance() { say instance; }
procd_close_instance() { :; }
procd_set_param() {
	name=$1
	shift
	say param "$name" $# "$@"
}
procd_add_mdns() { say param mdns $# "$@"; }
procd_add_reload_trigger() { say trigger "$1"; }
procd_kill() { ask kill "$1"; }
