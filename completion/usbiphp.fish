# SPDX-License-Identifier: MIT
# fish completion for usbiphp, usbiphp-server and usbiphp-client. Prints nothing when it fails.

# True if the first word after the program's name is one of these.
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

# Turns lines "PLACE NAME DESCRIPTION" into fish's "WORD<tab>DESCRIPTION", for place and name.
function __usbiphp_rows
    while read -l -d ' ' place name description
        printf '%s\t%s\n' $place "$description" $name "$description"
    end
end

# Names of the devices that the server or client ($argv[1]) holds.
function __usbiphp_held
    command -q usbiphp; or return
    usbiphp status --json 2>/dev/null | tr '{' '\n' |
        sed -n -e 's/^"server":\[.*"'$argv[1]'":\[\([^]]*\)\].*/\1/p' \
            -e 's/^"'$argv[1]'":\[\([^]]*\)\].*/\1/p' |
        tr -d '"' | tr ',' '\n'
end

# These take arguments for complete(1): the program, and a condition.

# The options that nearly all commands have.
function __usbiphp_all
    complete $argv -l sysfs -x -a '(__fish_complete_directories)' -d 'Directory of the kernel\'s files'
    complete $argv -l run -x -a '(__fish_complete_directories)' -d 'Directory of status files'
    complete $argv -l config -x -a '(__fish_complete_directories)' -d 'Directory of hooks and holds'
    __usbiphp_plain $argv
end

function __usbiphp_plain
    complete $argv -s v -l verbose -d 'Log debug messages'
    complete $argv -s h -l help -d 'Print the options and exit'
    complete $argv -s V -l version -d 'Print the version and exit'
end

function __usbiphp_rules
    complete $argv -s r -l rule -x -d 'Allow or deny devices'
    complete $argv -s f -l rules -r -F -d 'Read more rules from a file'
end

function __usbiphp_psk
    complete $argv -l psk -r -F -d 'Encrypt with the keys in a file'
end

function __usbiphp_port
    complete $argv -s p -l port -x -d 'Port of a host without one'
end

function __usbiphp_take_all
    complete $argv -l take-all -d 'Include devices that this machine needs'
end

function __usbiphp_json
    complete $argv -l json -d 'Print JSON'
end

function __usbiphp_hosts
    complete $argv -x -a '(__fish_print_hostnames)'
end

function __usbiphp_daemon
    complete $argv -s i -l interval -x -d 'Seconds between passes'
    complete $argv -l dead-after -x -d 'Drop a peer that is silent for these seconds'
    complete $argv -l once -d 'Make one pass and exit'
    __usbiphp_rules $argv
    __usbiphp_psk $argv
    __usbiphp_all $argv
end

function __usbiphp_server
    __usbiphp_daemon $argv
    __usbiphp_take_all $argv
    complete $argv -s l -l listen -x -d 'Where to listen'
    complete $argv -s a -l allow -x -d 'Who may connect'
    complete $argv -l on-demand -d 'Take a device only while a client uses it'
    complete $argv -l to -x -d 'Connect to a client'
    complete $argv -l engine -x -a 'auto kernel usbfs' -d 'What drives the devices'
    complete $argv -s n -l dry-run -d 'Print which devices would be exported'
end

function __usbiphp_client
    __usbiphp_daemon $argv
    __usbiphp_port $argv
    __usbiphp_hosts $argv
    complete $argv -l guard -x -a 'auto on off' -d 'Check what a server sends'
    complete $argv -l accept -x -d 'Let servers connect'
    complete $argv -l wait -x -d 'With --once: seconds until all can be used'
end

complete -c usbiphp -c usbiphp-server -c usbiphp-client -e
complete -c usbiphp -c usbiphp-server -c usbiphp-client -f
__usbiphp_server -c usbiphp-server
__usbiphp_client -c usbiphp-client

set -l words server 'Export the USB devices of this machine' \
    client 'Attach the USB devices of servers' \
    list 'Print the USB devices of this machine, or those a server exports' \
    find 'Print the servers in this network' \
    status 'Print the exported, imported and held devices' \
    doctor 'Check this machine and servers, and print what to do' \
    detach 'Detach a device, and keep it detached' \
    attach 'Let the client attach a detached device again' \
    release 'Stop exporting a device' \
    bind 'Let the server export a released device again' \
    psk 'Print a new key'
for i in (seq 1 2 (count $words))
    complete -c usbiphp -n __usbiphp_no_word -a $words[$i] -d $words[(math $i + 1)]
end
complete -c usbiphp -n __usbiphp_no_word -s h -l help -d 'Print all commands and exit'
complete -c usbiphp -n __usbiphp_no_word -s V -l version -d 'Print the version and exit'
__usbiphp_server -c usbiphp -n '__usbiphp_is server'
__usbiphp_client -c usbiphp -n '__usbiphp_is client'
__usbiphp_all -c usbiphp -n '__usbiphp_is list status doctor detach attach release bind'
__usbiphp_plain -c usbiphp -n '__usbiphp_is find psk'
__usbiphp_rules -c usbiphp -n '__usbiphp_is list'
__usbiphp_take_all -c usbiphp -n '__usbiphp_is list'
__usbiphp_port -c usbiphp -n '__usbiphp_is list doctor'
__usbiphp_psk -c usbiphp -n '__usbiphp_is list find doctor'
__usbiphp_hosts -c usbiphp -n '__usbiphp_is list doctor'
__usbiphp_json -c usbiphp -n '__usbiphp_is list find status'
complete -c usbiphp -n '__usbiphp_is status' -l watch -d 'Print again whenever something changes'
complete -c usbiphp -n '__usbiphp_is detach' -l force -d 'Detach it though a disk of it is in use'
complete -c usbiphp -n '__usbiphp_is detach' -a '(__usbiphp_attached)'
complete -c usbiphp -n '__usbiphp_is attach' -l wait -x -d 'Seconds until it can be used'
complete -c usbiphp -n '__usbiphp_is attach' -a '(__usbiphp_held client)'
complete -c usbiphp -n '__usbiphp_is release' -a '(__usbiphp_here)'
complete -c usbiphp -n '__usbiphp_is bind' -a '(__usbiphp_held server)'
