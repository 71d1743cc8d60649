# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# bash completion for usbiphp, usbiphp-server and usbiphp-client. Prints nothing when it fails.

# Sets words to the words up to the cursor, split at blanks only: bash also splits at ':' and '='.
_usbiphp_words() {
	local line=${COMP_LINE:0:COMP_POINT} word i
	words=()
	for ((i = 0; i <= COMP_CWORD; i++)); do
		word=${COMP_WORDS[i]}
		if ((i == 0)) || [[ -z $line || $line == [[:blank:]]* ]]; then
			words+=('')
			line=${line#"${line%%[![:blank:]]*}"}
		fi
		[[ -n $line && $line != "$word"* ]] && word=$line # the cursor is inside it
		words[-1]+=$word
		line=${line#"$word"}
	done
}

# Devices that can be detached: their ports and names.
_usbiphp_attached() {
	usbiphp status --json 2>/dev/null | tr '{' '\n' |
		sed -n 's/^"port":\([0-9][0-9]*\),.*"name":"\{0,1\}\([^",\\]*\).*/\1 \2/p'
}

# Devices that can be released: their bus ids and names.
_usbiphp_here() {
	usbiphp list --json 2>/dev/null | tr '{' '\n' | sed -n '/"state":"left alone"/d
		s/^"port":null,.*"busid":"\([^"\\]*\)".*"name":"\{0,1\}\([^",\\]*\).*/\1 \2/p'
}

# _usbiphp_held ROLE: names of the devices that the server or client holds.
_usbiphp_held() {
	usbiphp status --json 2>/dev/null | tr '{' '\n' |
		sed -n "s/^\"server\":\[.*\"$1\":\[\([^]]*\)\].*/\1/p; s/^\"$1\":\[\([^]]*\)\].*/\1/p" |
		tr -d '"' | tr ',' ' '
}

# _usbiphp_offer WORDS: completes $cur from a list of words. The part of $cur that bash takes for a
# word of its own, up to ':' or '=', is removed from the answers.
_usbiphp_offer() {
	local cut='' i
	mapfile -t COMPREPLY < <(compgen -W "$1" -- "$cur")
	[[ $cur == *:* && $COMP_WORDBREAKS == *:* ]] && cut=${cur%:*}:
	[[ $cur == *=* && $COMP_WORDBREAKS == *=* ]] && cut=${cur%%=*}=
	for i in "${!COMPREPLY[@]}"; do
		COMPREPLY[i]=${COMPREPLY[i]#"$cut"}
	done
}

_usbiphp_files() {
	compopt -o filenames 2>/dev/null
	mapfile -t COMPREPLY < <(compgen "$1" -- "$cur")
}

_usbiphp_hosts() {
	# bash-completion's function also reads known_hosts; bash alone reads only /etc/hosts
	if declare -F _known_hosts_real >/dev/null; then
		_known_hosts_real -- "$cur" 2>/dev/null
	else
		mapfile -t COMPREPLY < <(compgen -A hostname -- "$cur")
	fi
}

_usbiphp_options() {
	local all='--sysfs --run --config --verbose --help --version -v -h -V'
	local daemon="--interval --dead-after --rule --rules --psk --once -i -r -f $all"
	case $1 in
	server) echo "--listen --allow --take-all --engine --on-demand --to --dry-run -a -l -n $daemon" ;;
	client) echo "--port --guard --accept --wait -p $daemon" ;;
	list) echo "--port --rule --rules --psk --take-all --json -p -r -f $all" ;;
	find) echo '--json --psk --verbose --help --version -v -h -V' ;;
	status) echo "--json --watch $all" ;;
	doctor) echo "--port --psk -p $all" ;;
	detach) echo "--force $all" ;;
	attach) echo "--wait $all" ;;
	release | bind) echo "$all" ;;
	psk) echo '--verbose --help --version -v -h -V' ;;
	esac
}

_usbiphp() {
	local words cur previous command
	COMPREPLY=()
	_usbiphp_words
	command=${words[0]##*/}
	cur=${words[-1]}
	case $command in
	usbiphp-*)
		command=${command#usbiphp-}
		previous=${words[-2]}
		;;
	*)
		if ((${#words[@]} <= 2)); then
			_usbiphp_offer 'server client list find status doctor detach attach release bind psk
				--help --version -h -V'
			return
		fi
		command=${words[1]}
		previous=${words[-2]}
		;;
	esac
	if [[ $cur == --*=* ]]; then
		previous=${cur%%=*}
		cur=${cur#*=}
	fi
	case $previous in
	-f | --rules | --psk)
		_usbiphp_files -f
		return
		;;
	--sysfs | --run | --config)
		_usbiphp_files -d
		return
		;;
	-[ailpr] | --interval | --listen | --allow | --port | --rule | --dead-after) return ;;
	esac
	case $command,$cur in
	*,-*) _usbiphp_offer "$(_usbiphp_options "$command")" ;;
	client,* | list,* | doctor,*) _usbiphp_hosts ;;
	detach,*) _usbiphp_offer "$(_usbiphp_attached)" ;;
	attach,*) _usbiphp_offer "$(_usbiphp_held client)" ;;
	release,*) _usbiphp_offer "$(_usbiphp_here)" ;;
	bind,*) _usbiphp_offer "$(_usbiphp_held server)" ;;
	esac
}

complete -F _usbiphp usbiphp usbiphp-server usbiphp-client
