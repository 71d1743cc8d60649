# SPDX-License-Identifier: MIT
# What fish completes for usbiphp, usbiphp-server and usbiphp-client; silent when that fails.

# The first word behind the name.
function __usbiphp_is
    set -l word (commandline -opc)[2]
    contains -- "$word" $argv
end

function __usbiphp_no_word
    test (count (commandline -opc)) -eq 1
end

# Devices that can be detached: their ports and names.
function __usbiphp_attached
    command -q usbiphp; or return
    usbiphp status --json 2>/dev/null | tr '{' '\n' | sed -n '
        /^"port":[0-9]/!d
        s/^"port":\([0-9]*\),.*"description":"\{0,1\}\([^"\\\\]*\).*"name":"\{0,1\}\([^",\\\\]*\).*/\1 \3 \2/p' |
        __usbiphp_rows
end

# Devices that can be released: their bus ids and names.
function __usbiphp_here
    command -q usbiphp; or return
    usbiphp list --json 2>/dev/null | tr '{' '\n' | sed -n '
        /"state":"left alone"/d
        s/^"port":null,.*"busid":"\([^"\\\\]*\)".*"description":"\{0,1\}\([^"\\\\]*\).*"name":"\{0,1\}\([^",\\\\]*\).*/\1 \3 \2/p' |
        __usbiphp_rows
end

# PLACE NAME DESCRIPTION, as fish wants it.
function __usbiphp_rows
    while read -l -d ' ' place name what
        printf '%s\t%s\n' $place "$what" $name "$what"
    end
end

# Names that are held at the server or client.
function __usbiphp_held
    command -q usbiphp; or return
    usbiphp status --json 2>/dev/null | tr '{' '\n' |
        sed -n -e 's/^"server":\[.*"'$argv[1]'":\[\([^]]*\)\].*/\1/p' \
            -e 's/^"'$argv[1]'":\[\([^]]*\)\].*/\1/p' |
        tr -d '"' | tr ',' '\n'
end

# Options of a program (fish's own arguments), where that condition holds.
function __usbiphp_all
    complete $argv -l sysfs -x -a '(__fish_complete_directories)' -d 'Where the kernel\'s files are'
    complete $argv -l run -x -a '(__fish_complete_directories)' -d 'Where the daemon\'s notes are'
    complete $argv -l config -x -a '(__fish_complete_directories)' -d 'Where hooks are, and what is held'
    __usbiphp_plain $argv
end

function __usbiphp_plain
    complete $argv -s v -l verbose -d 'Say more'
    complete $argv -s h -l help -d 'Print the options and exit'
    complete $argv -s V -l version -d 'Print the version and exit'
end

function __usbiphp_rules
    complete $argv -s r -l rule -x -d 'Which devices'
    complete $argv -s f -l rules -r -F -d 'More of them'
end

function __usbiphp_psk
    complete $argv -l psk -r -F -d 'Keys: connections are encrypted'
end

function __usbiphp_port
    complete $argv -s p -l port -x -d 'Of a host given without'
end

function __usbiphp_take_all
    complete $argv -l take-all -d 'Also what this machine needs itself'
end

function __usbiphp_json
    complete $argv -l json -d 'For programs'
end

function __usbiphp_hosts
    complete $argv -x -a '(__fish_print_hostnames)'
end

function __usbiphp_daemon
    complete $argv -s i -l interval -x -d 'Seconds between two looks'
    complete $argv -l dead-after -x -d 'Seconds of silence until the other end is gone'
    complete $argv -l once -d 'Do what is to be done now, and exit'
    __usbiphp_rules $argv
    __usbiphp_psk $argv
    __usbiphp_all $argv
end

function __usbiphp_server
    __usbiphp_daemon $argv
    __usbiphp_take_all $argv
    complete $argv -s l -l listen -x -d 'Where to serve'
    complete $argv -s a -l allow -x -d 'Who may connect'
    complete $argv -s n -l dry-run -d 'Say what would be done, and exit'
end

function __usbiphp_client
    __usbiphp_daemon $argv
    __usbiphp_port $argv
    __usbiphp_hosts $argv
end

complete -c usbiphp -c usbiphp-server -c usbiphp-client -e
complete -c usbiphp -c usbiphp-server -c usbiphp-client -f
__usbiphp_server -c usbiphp-server
__usbiphp_client -c usbiphp-client

set -l words server 'Export every USB device of this machine' \
    client 'Attach every USB device of other machines' \
    list 'Print the USB devices of this machine, or those that one exports' \
    status 'Print what is exported, imported and held' \
    doctor 'Say what is wrong here, and what mends it' \
    detach 'Detach a device, and it stays so' attach 'Undo that' \
    release 'Export a device no more, and it stays so' bind 'Undo that' \
    psk 'Print a new key'
for i in (seq 1 2 (count $words))
    complete -c usbiphp -n __usbiphp_no_word -a $words[$i] -d $words[(math $i + 1)]
end
complete -c usbiphp -n __usbiphp_no_word -s h -l help -d 'Print all commands and exit'
complete -c usbiphp -n __usbiphp_no_word -s V -l version -d 'Print the version and exit'
__usbiphp_server -c usbiphp -n '__usbiphp_is server'
__usbiphp_client -c usbiphp -n '__usbiphp_is client'
__usbiphp_all -c usbiphp -n '__usbiphp_is list status doctor detach attach release bind'
__usbiphp_plain -c usbiphp -n '__usbiphp_is psk'
__usbiphp_rules -c usbiphp -n '__usbiphp_is list'
__usbiphp_take_all -c usbiphp -n '__usbiphp_is list'
__usbiphp_port -c usbiphp -n '__usbiphp_is list doctor'
__usbiphp_psk -c usbiphp -n '__usbiphp_is list doctor'
__usbiphp_hosts -c usbiphp -n '__usbiphp_is list doctor'
__usbiphp_json -c usbiphp -n '__usbiphp_is list status'
complete -c usbiphp -n '__usbiphp_is status' -l watch -d 'Again whenever something has changed'
complete -c usbiphp -n '__usbiphp_is detach' -a '(__usbiphp_attached)'
complete -c usbiphp -n '__usbiphp_is attach' -a '(__usbiphp_held client)'
complete -c usbiphp -n '__usbiphp_is release' -a '(__usbiphp_here)'
complete -c usbiphp -n '__usbiphp_is bind' -a '(__usbiphp_held server)'
