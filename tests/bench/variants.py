# SPDX-License-Identifier: MIT
"""The variants that are compared: ours, the stock tools started at once, and the stock tools in two loops."""

import pathlib

ROOT = pathlib.Path(__file__).resolve().parents[2]
FILES = {f"/bin/usbiphp{role}": ROOT / "build" / "usbiphp" for role in ("", "-server", "-client")}
FILES["/usr/share/misc/usb.ids"] = "/usr/share/misc/usb.ids"  # Debian's usbip depends on it

ATTACHED = "grep -hE '^[hs]s +[0-9]+ 00[56]' /sys/devices/platform/vhci_hcd.0/status* | wc -l"


def attached_disk(size):
    """A command that prints the name of the client's disk of so many bytes."""
    return (f"cd /sys/block && for i in sd*; do case $(readlink $i) in *vhci_hcd*) "
            f"test $(cat $i/size) = {size // 512} && echo $i && exit ;; esac; done; false")


SCRIPTS = {
    "bind_all": """
for b in $(usbip list -p -l | sed -n 's/^busid=\\([^#]*\\)#.*/\\1/p'); do
    usbip bind -b $b
done
""",
    "attach_all": """
for h; do
    for b in $(usbip list -r $h | sed -n 's/^ *\\([0-9]*-[0-9.]*\\):.*/\\1/p'); do
        usbip attach -r $h -b $b
    done
done
""",
    "every_10_s": """
script=$1; shift
while :; do . $script; sleep 10; done
""",
    # A hand that is always ready: the event itself starts the bind, and the bind's end the attach,
    # over a connection that is already there. Arguments: own address, the client's, port.
    "bind_at_event": """
uevents | while read -r line; do
    case $line in
    bind@*) b=${line##*/} ;;
    *@/*) b= ;;
    DRIVER=usb) [ "$b" ] && usbip bind -b $b >&2 && echo $1 $b; b= ;;
    esac
done | nc $2 $3
""",
    # Arguments: ports. One at a time, since two at once may spin over the same port for ever;
    # again when it fails, since it trips over devices that the kernel is just adding.
    "attach_at_once": """
rm -f /tmp/never; mkfifo /tmp/never
for p; do nc -l -p $p <>/tmp/never & done | while read -r host b; do
    until usbip attach -r $host -b $b; do sleep 0.05; done
done
""",
}


def prepare(hosts, client):
    """Modules and scripts, so that no variant has to wait for them."""
    for guest in {*hosts, client}:
        guest.must("modprobe -a usbip-host vhci-hcd")
        for name, text in SCRIPTS.items():
            guest.must(f"cat >/bin/{name} <<'END'\n#!/bin/sh{text}END\nchmod +x /bin/{name}")


def start(guest, command):
    """In the background, as leader of a group that stop() ends."""
    guest.must(f"setsid sh -c 'echo $$ >>/tmp/started; exec {command}' >>/tmp/log 2>&1 &")


def start_usbipd(hosts):
    for host in hosts:
        host.must("usbipd -D")
        host.wait("netstat -ltn | grep -q :3240")


# `hosts` is {guest: its address} everywhere.

def start_ours(hosts, client):
    for host in hosts:
        start(host, "usbiphp-server")
    start(client, f"usbiphp-client {' '.join(hosts.values())}")


def start_at_once(hosts, client):
    start_usbipd(hosts)
    ports = {host: str(9001 + n) for n, host in enumerate(hosts)}
    start(client, f"attach_at_once {' '.join(ports.values())}")
    for host, address in hosts.items():
        client.wait(f"netstat -ltn | grep -q :{ports[host]}")
        its = address.rpartition(".")[0] + ".2"
        start(host, f"bind_at_event {address} {its} {ports[host]}")


def start_loops(hosts, client):
    start_usbipd(hosts)
    for host in hosts:
        start(host, "every_10_s /bin/bind_all")
    start(client, f"every_10_s /bin/attach_all {' '.join(hosts.values())}")


def start_by_hand(hosts, _):
    start_usbipd(hosts)


def by_hand(hosts, client, number):
    """Bind all and attach all, hosts at the same time; attach again what was refused."""
    for host in hosts:
        host.must("{ bind_all >/tmp/log 2>&1; touch /tmp/bound; } &")
    for host in hosts:
        host.wait("rm /tmp/bound 2>/dev/null", 60)
    client.wait(f"attach_all {' '.join(hosts.values())} >>/tmp/log 2>&1; "
                f"test $({ATTACHED}) -ge {number}", 120)


def detach_and_stop(hosts, client):
    """As stop(); what the stock client has attached would stay, and so would what is between it and the kernel."""
    client.sh("for i in $(usbip port | sed -n 's/^Port \\([0-9]*\\):.*/\\1/p'); do usbip detach -p $i; done")
    stop(hosts, client)
    client.wait(f"test $({ATTACHED}) = 0", 60)


def stop(hosts, client):
    """The client first; then the hosts, whose devices ours gives back."""
    for guest in (client, *hosts):
        guest.sh("for p in $(cat /tmp/started); do kill -- -$p; done; rm -f /tmp/started")
        guest.wait("! pidof usbiphp-client usbiphp-server usbip nc", 60)
        guest.sh("kill $(pidof usbipd)")
        guest.wait("! pidof usbipd")
