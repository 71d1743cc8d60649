# SPDX-License-Identifier: MIT
"""The machines for faults: both daemons, a stick, a keyboard, and ways to look at their state.

A Box is one machine with virtual time, where waiting costs nothing: both daemons live in it, each in
a network namespace of its own, and the machine itself is the router between them. Where a machine
has to lose its power there is a Pair, on a cable. Seconds are the guest's own.
"""

import contextlib
import hashlib
import os
import pathlib
import re
import sys

import image
import lab
from lab import check
from t_main import FILES, STATES, STUB, World

# Not while the module is being loaded: that crashes the kernel. So its state is looked at when the files are there.
# Built in, it has none.
VHCI = ("$(f=$(ls /sys/devices/platform/vhci_hcd.0/status* 2>/dev/null); "
        "grep -qsvx live /sys/module/vhci_hcd/initstate || echo $f) /dev/null")
# Virtual time runs on while a real disk syncs, for longer than the guest's own disk may take.
WORK = "/dev/shm" if pathlib.Path("/dev/shm").is_dir() else None
HALF = 512 << 10  # bytes of the stick: the first half is written and synced, the second in flight
SOON = 20  # seconds until the other end of a dead connection is free
ROUTED = {"host": "10.1.0.1", "client": "10.2.0.1"}
# The interfaces of both devices, where they are with their own drivers.
OWN = "/sys/bus/usb/drivers/usb-storage/*:1.0 /sys/bus/usb/drivers/usbhid/*:1.0"
# What the machines are told for each engine: the module is not there, also after a reboot.
WITHOUT = {"kernel": "", "usbfs": lab.WITHOUT_STUB}

# Shell functions for the guests. Waiting is done there, in the guest's time.
SHELL = r"""
now() { read -r up rest </proc/uptime; echo "${up%.*}${up#*.}"; }
# soon SECONDS COMMAND: tries it until it holds; prints how long that took, in hundredths, and what
soon() {
    most=$(($1 * 100)); shift; began=$(now)
    case $1 in freed | gone | attached) what=$1 ;; *) what=done ;; esac
    until eval "$@" >/dev/null 2>&1; do
        test $(($(now) - began)) -le $most || { echo "not within $((most / 100)) s: $*"; return 1; }
        usleep 200000
    done
    echo "took $(($(now) - began)) $what"
}
# of each exported device: 1 it is free, 2 in use; usbip-host's, and those in the pages of holders
states() STATES
freed() { case $(states) in '' | *[023-9]*) false ;; esac; }
gone() { ! grep -qhE '^(hs|ss) +[0-9]+ 00[567]' VHCI; }
attached() { test "$(grep -hE '^(hs|ss) +[0-9]+ 006' VHCI | wc -l)" = $1 &&
    ! grep -qhE '^(hs|ss) +[0-9]+ 00[57]' VHCI; }
fds() { ls /proc/$(pidof $1)/fd | wc -l; }
# the same number three times in a row is no coincidence
steady() { a=$(fds $1); for i in 1 2 3; do usleep 400000; test $(fds $1) = $a || return 1; done; }
fail() { echo "$*"; exit 1; }
# With nothing to do the machine's clock leaps, over the emulator's own reading and writing, too: the
# kernel's patience with a disk would be over in no time. Not while this runs a command.
awake() { while :; do :; done & spin=$!; "$@"; status=$?; kill $spin; return $status; }
""".replace("STATES", STATES).replace("STUB", STUB).replace("VHCI", VHCI)

# What a clean stop must not leave behind on the host, and at the client.
LEFT_HOST = """
pidof usbiphp-server
grep -lxe usbiphp-holder -e usbiphp-starter /proc/[0-9]*/comm
ls -d STUB/[0-9]*-* /var/run/usbiphp /run/small/usbiphp 2>/dev/null
for d in /sys/bus/usb/devices/[0-9]*-*; do
    case $d in *:*|*/'[0-9]*') continue ;; esac
    case $(readlink -f $d) in *vhci_hcd*) continue ;; esac
    test $(cat $d/bDeviceClass) = 09 ||
        case $(readlink $d/driver) in */usb) ;; *) echo "$d: driver '$(readlink $d/driver)'" ;; esac
    grep -qw -- ${d##*/} STUB/match_busid 2>/dev/null && echo "${d##*/} is in match_busid"
done; true
""".replace("STUB", STUB)
LEFT_CLIENT = """
pidof usbiphp-client
ls -d /run/vhci_hcd /run/usbiphp /run/small/usbiphp 2>/dev/null
grep -hE '^(hs|ss) +[0-9]+ 00[567]' VHCI; true
""".replace("VHCI", VHCI)


class Scene(World):
    """Both daemons, a stick in socket 1 and a keyboard in socket 2, and what happens to them."""

    enter = {"server": "", "client": ""}  # where a daemon's network is

    def __init__(self, host, client, workdir):
        super().__init__(host, client, workdir)
        self.stick.write_bytes(os.urandom(2 * HALF))
        self.plugged, self.pulled = {}, set()

    # The daemons

    def guest(self, role):
        return self.host if role == "server" else self.client

    def run(self, role, options="", before="", servers=None):
        """Starts a daemon; its status is in a file when it has ended."""
        words = options if role == "server" else f"{options} {servers or 'host'}"
        self.guest(role).must(
            f"rm -f /tmp/{role}.status; ({before} {self.enter[role]} usbiphp-{role} {words} "
            f">>/tmp/{role}.log 2>&1; echo $? >/tmp/{role}.status) >/dev/null 2>&1 &")

    def up(self, options="", server=None, client=None):
        self.run("server", server or options)
        self.run("client", client or options)
        self.settle()

    def settle(self, number=2):
        """All attached, nothing under way; remembers what that looks like."""
        self.attached(number, 240)
        self.data_in()
        self.before = self.sessions()
        self.descriptors = {role: self.steady(role) for role in ("server", "client")}

    def steady(self, role):
        """The number of a daemon's file descriptors once it is quiet; None if it does not run."""
        text = self.guest(role).must(f"{SHELL} pidof usbiphp-{role} >/dev/null || exit 0; "
                                     f"soon 60 steady usbiphp-{role} && fds usbiphp-{role}", 240)
        return int(text.split()[-1]) if text else None

    def no_growth(self):
        for role, number in self.descriptors.items():
            if number is not None:
                self.guest(role).must(f"{SHELL} soon 60 'test $(fds usbiphp-{role}) -le {number}' || "
                                      f"{{ ls -l /proc/$(pidof usbiphp-{role})/fd; false; }}", 240)

    def term(self, role):
        """SIGTERM, unless it does not run; the daemon's exit status."""
        text = self.guest(role).must(
            f"{SHELL} pid=$(pidof usbiphp-{role}) || {{ echo 0; exit; }}; kill $pid; soon 60 "
            f"'! pidof usbiphp-{role} && test -s /tmp/{role}.status' && cat /tmp/{role}.status", 240)
        return int(text.split()[-1])

    def kill(self, role):
        guest = self.guest(role)
        guest.must(lab.kill(f"usbiphp-{role}", "KILL"))
        guest.wait(f"! pidof usbiphp-{role}", 60)

    def refuses(self, role, words, options=""):
        """With --once it ends at once with status 1 and one line that has the words."""
        server = options if role == "server" else "host"
        status, text = self.guest(role).sh(
            f"{self.enter[role]} timeout 60 usbiphp-{role} --once {server} 2>&1", 240)
        check(status == 1 and text.count("\n") == 1 and words in text,
              f"status {status}: {text.strip()}")

    def timed(self, guest, script, timeout=600):
        """A script with the functions above; what it took goes to standard error."""
        status, text = guest.sh(SHELL + script, timeout)
        took = [f"{what} {int(x) / 100:.1f} s"
                for x, what in re.findall(r"^took (\d+) (\w+)$", text, re.M)]
        if took:
            print(f"# {self.cell}: {', '.join(took)}", file=sys.stderr, flush=True)
        check(status == 0, " / ".join(x for x in text.splitlines() if not x.startswith("took")))
        return text

    # The devices

    def plug(self, ident, driver, port, **props):
        self.host.plug(ident, driver, port=port, **props)
        self.plugged[ident] = port

    def unplug(self, ident):
        self.host.unplug(ident)
        self.pulled.add(self.plugged.pop(ident))

    def plug_stick(self):
        self.plug("stick", "usb-storage", "1", image=self.stick, serial="STICK")

    def plug_keyboard(self):
        self.plug("keyboard", "usb-kbd", "2")

    def plug_both(self):
        """What is not there yet; with its own driver when this returns."""
        if "stick" not in self.plugged:
            self.plug_stick()
        if "keyboard" not in self.plugged:
            self.plug_keyboard()
        self.host.wait(f"ls -d {OWN}", 120)

    def attached(self, number, timeout=120):
        self.client.wait(f"test \"$(awk '$3 == 6' {VHCI} | wc -l) "
                         f"$(awk '$3 == 5 || $3 == 7' {VHCI} | wc -l)\" = '{number} 0'", timeout)

    def sessions(self):
        """The rows of the port table that are in use."""
        return self.client.must(f"grep -hE '^(hs|ss) +[0-9]+ 00[567]' {VHCI}; true")

    def has(self, vendor):
        """Waits until the client has a device of that vendor."""
        self.client.wait(f"grep -q {vendor} /sys/devices/platform/vhci_hcd.*/usb*/*-*/idVendor", 240)

    def disk(self):
        return self.client.wait(
            "cd /sys/block && for i in sd*; do case $(readlink $i) in *vhci_hcd*) "
            f"test $(cat $i/size) = {2 * HALF // 512} && echo /dev/$i && exit ;; esac; done; false",
            240).strip()

    # The data: what is on the stick is told from its image, and from the client's end

    def data_in(self):
        """Written and synced before the fault; the other half is for what is written meanwhile."""
        data = os.urandom(2 * HALF)
        self.synced, self.flying = data[:HALF], data[HALF:]
        file = self.stick.parent / "data"
        file.write_bytes(data)
        self.client.put(file, "/tmp/data")
        blocks = HALF >> 16
        self.client.must(f"{SHELL} dd if=/tmp/data of=/tmp/flying bs=64k skip={blocks} 2>&1 && awake dd "
                         f"if=/tmp/data of={self.disk()} bs=64k count={blocks} conv=fsync 2>&1", 240)

    def data_on_stick(self):
        image = self.stick.read_bytes()
        check(image[:HALF] == self.synced, "what was synced before the fault is not on the stick")
        return image

    def data_is_there(self, whole=False):
        image = self.data_on_stick()
        check(not whole or image[HALF:] == self.flying, "what was written meanwhile is not on the stick")
        seen = self.client.must(f"{SHELL} echo 3 >/proc/sys/vm/drop_caches; "
                                f"awake sha256sum {self.disk()}", 900)
        check(seen.split()[0] == hashlib.sha256(image).hexdigest(), "the client sees another content")

    def transfer(self, verb="write", endless=False):
        """The start of a script: a transfer that is under way, as $dd; reading has no end."""
        disk = self.disk()
        command = (f"dd if=/tmp/flying of={disk} bs=4k seek={HALF >> 12} oflag=direct conv=fsync"
                   if verb == "write" else
                   f"while dd if={disk} of=/dev/null bs=4k; do echo 3 >/proc/sys/vm/drop_caches; done")
        if endless and verb == "write":
            # by a node of its own: dd would make a file in the place of one that has gone
            command = f"while {command.replace(disk, '/tmp/node')}; do :; done"
            self.client.must(f"rm -f /tmp/node; mknod /tmp/node b $(tr : ' ' </sys/block/{disk[5:]}/dev)")
        return (f"{{ {command}; }} >/tmp/dd 2>&1 & dd=$!; usleep 10000; "
                "kill -0 $dd || fail 'the transfer was too quick'\n")

    # The network: a cable that is pulled (nobody says so to the other side: a switch would not), a
    # router that goes silent, or one that says that the client is unreachable

    def cut(self, how):
        """Shell commands to interrupt the network and to mend it."""
        if how == "unreachable":
            self.client.must("ip.real route del blackhole 10.2.0.0/24 metric 9")
            return ("ip link set client0 down",
                    "ip link set client0 up; ip.real route add blackhole 10.2.0.0/24 metric 9")
        if how == "silent":
            return "echo 0 >/proc/sys/net/ipv4/ip_forward", "echo 1 >/proc/sys/net/ipv4/ip_forward"
        return f"ip link set {how}0 down", f"ip link set {how}0 up"

    # The ends

    def same(self, whole=False):
        """The sessions are those of before."""
        check(self.sessions() == self.before, f"other sessions: {self.before}{self.sessions()}")
        self.data_is_there(whole)

    def again(self, number=2):
        """All attached, be it anew."""
        self.attached(number, 300)
        self.data_is_there()

    def is_quiet(self):
        """One process of each daemon, and no zombie of ours."""
        for role in ("server", "client"):
            self.guest(role).must(
                f"{SHELL} ! pidof usbiphp-{role} || soon 120 'test $(pidof usbiphp-{role} | wc -w) = 1'"
                # one that has just ended is about to be waited for
                " && soon 60 '! grep -hA2 \"^Name:.usbiphp\" /proc/[0-9]*/status 2>/dev/null | "
                "grep -q zombie'", 300)

    def down(self):
        """Both are stopped in an orderly manner; nothing may be left."""
        for role in ("client", "server"):
            status = self.term(role)
            check(status == 0, f"usbiphp-{role} ended with status {status}: "
                  f"{self.log(role).splitlines()[-1:]}")
        for role, what in (("server", LEFT_HOST), ("client", LEFT_CLIENT)):
            left = self.guest(role).must(f"{SHELL} left() {{ {what} }}; "
                                         "soon 10 'test -z \"$(left)\"' >/dev/null || left", 240)
            check(not left.strip(), f"left by the {role}: {left.split()}")

    def slots(self):
        """The bus ids usbip-host knows."""
        return set(self.host.sh(f"cat {STUB}/match_busid 2>/dev/null")[1].split())

    def log(self, role):
        return self.guest(role).sh(f"cat /tmp/{role}.log")[1]

    def guests(self):
        return dict.fromkeys((self.host, self.client))

    def complaints(self):
        return [line for guest in self.guests() for line in guest.kernel_complaints()]


class Box(Scene):
    """One machine with virtual time; a namespace for each side, and the machine routes."""

    enter = {"server": "nsenter -t $(cat /run/ns-host) -n ",
             "client": "nsenter -t $(cat /run/ns-client) -n "}
    @classmethod
    @contextlib.contextmanager
    def open(cls, kernel, workdir, engine="kernel"):
        with lab.Guest("box", kernel, workdir, files=files(), icount=True, append=WITHOUT[engine],
                       memory=768 if kernel == "kasan" else 256) as guest:
            guest.must("modprobe veth 2>/dev/null; ip link set lo up; "
                       "echo 1 >/proc/sys/net/ipv4/ip_forward; rm /etc/hosts")
            for side, address in ROUTED.items():
                connect(guest, side, address, address[:-1] + "254")
            guest.wait(f"{cls.enter['client']} ping -c 1 -w 2 {ROUTED['host']}", 60)
            yield cls(guest, guest, workdir)


def connect(guest, side, address, router):
    """A namespace with a cable to the router; while it is pulled, packets for it vanish."""
    guest.must(
        f"echo {address} {side} >>/etc/hosts\n"
        f"unshare -n sleep 1000000000 & pid=$!; echo $pid >/run/ns-{side}\n"
        "until test $(readlink /proc/$pid/ns/net) != $(readlink /proc/self/ns/net); do "
        "usleep 10000; done\n"
        f"ip.real route add blackhole {address[:-1]}0/24 metric 9 && "
        f"ip.real link add {side}0 type veth peer name {side}1 && ip link set {side}1 netns $pid && "
        f"ip addr add {router}/24 dev {side}0 && ip link set {side}0 up && "
        f"nsenter -t $pid -n sh -c 'ip link set lo up; ip link set {side}1 name eth0; "
        f"ip addr add {address}/24 dev eth0; ip link set eth0 up; ip route add default via {router}'")


class Pair(Scene):
    """Two machines on a cable, in real time."""

    @classmethod
    @contextlib.contextmanager
    def open(cls, kernel, workdir, engine="kernel"):
        with lab.pair(kernel, workdir, files=files(), append=WITHOUT[engine],
                      memory=768 if kernel == "kasan" else 256) as (host, client):
            yield cls(host, client, workdir)


PLACES = {"box": Box, "pair": Pair}


def files():
    """What the guests have besides: our binary, and the tools that busybox has too little of."""
    tools = {"/bin/tc.real": "/sbin/tc", "/bin/ip.real": "/sbin/ip", "/bin/strace": "/usr/bin/strace"}
    return FILES | tools | {x: x for x in image.libraries(*tools.values())}
