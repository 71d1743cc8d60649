#!/bin/sh
# SPDX-License-Identifier: MIT
# Starts the server with the options of config.yaml, as the user has set them. If they cannot be read, it does not
# start: without rules it would export more.
set -eu
umask 077
options=/data/options.json
keys=/var/lib/usbiphp/keys

words=$(jq -r '["--engine", "usbfs", (.rules[] | "--rule", .), (.allow[] | "--allow", .),
	(select(.on_demand) | "--on-demand"), (select(.verbose) | "--verbose")] | @sh' "$options")
[ "$words" ]
jq -r '.keys[]' "$options" >"$keys"
[ ! -s "$keys" ] || words="$words --psk $keys"
eval "exec /bin/usbiphp server $words"
