#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The server serves the network itself: to the stock tools, to our client, and beside usbipd."""

import re

import lab
from lab import case, check
from t_main import FILES, VHCI, World

# The stock tool gives up when a device appears or vanishes while it reads the port table.
USBIP = """u() {
    for i in $(seq 100); do
        said=$(usbip "$@" 2>&1)
        status=$?
        case $said in *"open vhci_driver"*) usleep 20000 ;; *) break ;; esac
    done
    echo "$said"
    return $status
}
"""
SOON = 40  # seconds; both daemons look at the world every 60 s only where this has to be the push


class Serving(World):
    """Two guests, the stick at port 1 and the keyboard at port 2 of the host."""

    def plug_both(self):
        self.plug_stick()
        self.host.plug("keyboard", "usb-kbd", port="2")

    def plug_stick(self):
        self.host.plug("stick", "usb-storage", image=self.stick, serial="STICK", port="1")

    def listening(self, name="usbiphp-server"):
        """Waits until that daemon has the port, 0xca8, with IPv4 and IPv6."""
        self.host.wait("inodes=$(awk '$2 ~ /:0CA8$/ && $4 == \"0A\" { print $10 }' "
                       f"/proc/net/tcp /proc/net/tcp6); for pid in $(pidof {name}); do "
                       "ls -l /proc/$pid/fd; done >/tmp/fds; n=0; for i in $inodes; do "
                       "grep -q \"socket:.$i]\" /tmp/fds && n=$((n + 1)); done; test $n = 2")

    @staticmethod
    def new_log(guest, name):
        guest.must(f"cd /tmp; touch {name}.log; cat {name}.log >>{name}.old; rm {name}.log")

    def start(self, options="-i 1"):
        """The server, with a new log; returns when it serves."""
        self.new_log(self.host, "server")
        self.serve(options)
        self.listening()

    def begin(self, servers="host", options="-i 1"):
        """The client, with a new log."""
        self.new_log(self.client, "client")
        self.attach(servers, options)

    def busid(self, vendor, timeout=30):
        """The busid of the host's device of that vendor, once it is there."""
        path = self.host.wait(f"grep -l {vendor} /sys/bus/usb/devices/[0-9]*-[0-9]*/idVendor",
                              timeout).split()[0]
        return path.split("/")[-2]

    def ports(self):
        """The ports in use at the client, as numbers."""
        return [int(x) for x in self.client.must(f"awk '$3 == 6 {{print $2}}' {VHCI}").split()]

    def usbip(self, *commands):
        """The stock tool at the client: what it says, and that it succeeds."""
        return self.client.must(USBIP + " && ".join(f"u {x}" for x in commands))

    def detach_all(self):
        for port in self.ports():
            self.usbip(f"detach -p {port}")
        self.attached(0)

    def clean(self):
        """No daemon runs, after a case that failed."""
        for guest, name in ((self.client, "usbiphp-client"), (self.host, "usbiphp-server"),
                            (self.host, "usbipd")):
            guest.must(f"pid=$(pidof {name}) && kill -CONT $pid && kill $pid; true")
            guest.wait(f"! pidof {name}", 60)

    def said_once(self, words):
        """Some line of the server's log has the words, and no line is there twice."""
        lines = [x for x in self.log(self.host).splitlines() if words in x]
        check(lines and len(lines) == len(set(lines)), f"not said once: {self.log(self.host)}")

    def both_stop(self):
        self.stop(self.client, "usbiphp-client")
        self.stop(self.host, "usbiphp-server")
        self.bound(0)

    def has(self, vendor, timeout=SOON):
        """Waits until the client has a device of that vendor over USB/IP."""
        self.client.wait(f"grep -q {vendor} /sys/devices/platform/vhci_hcd.*/usb*/*-*/idVendor",
                         timeout)

    def has_not(self, vendor, timeout=SOON):
        self.client.wait(f"! grep -q {vendor} /sys/devices/platform/vhci_hcd.*/usb*/*-*/idVendor",
                         timeout)

    def watched(self):
        """Waits until the client's watch is there: a connection more than there are sessions, for
        longer than the 2 s that the client waits for its first list; it may try again after 60."""
        established = len(self.ports()) + 1
        self.client.wait("for i in $(seq 30); do usleep 100000; test $(netstat -tn | grep -c "
                         f"':3240 *ESTABLISHED') = {established} || exit 1; done", 150)


def stock_client(w):
    """No usbipd anywhere, and none of our clients."""
    w.plug_both()
    w.start()
    w.bound(2)
    w.client.must("modprobe vhci-hcd")
    stick, keyboard = w.busid("46f4"), w.busid("0627")

    with case("`usbip list -r` shows what we export, with the interfaces of what is unconfigured"):
        text = w.usbip("list -r host")
        for word in (f"{stick}: ", f"{keyboard}: ", "46f4:0001", "0627:0001", "(08/06/50)",
                     "(03/01/01)", "/sys/devices/"):
            check(word in text, f"no '{word}' in it: {text}")

    with case("`usbip attach` gets a stick that is the same from both ends"):
        w.usbip(f"attach -r host -b {stick}")
        w.attached(1)
        w.same_stick()

    with case("`usbip attach` gets a keyboard whose keys arrive"):
        w.usbip(f"attach -r host -b {keyboard}")
        w.attached(2)
        press(w)

    with case("what is in use is not listed, and refused to others in the stock tool's words"):
        text = w.usbip("list -r host")
        check(f"{stick}:" not in text and f"{keyboard}:" not in text, f"it is listed: {text}")
        for busid, words in ((stick, "Device busy (exported)"), ("9-9", "Device not found")):
            status, text = w.client.sh(USBIP + f"u attach -r host -b {busid}")
            check(status and words in text, f"{busid}: status {status}: {text}")
        w.attached(2)
        w.same_stick()

    stock_detach(w, stick, keyboard)


def stock_detach(w, stick, keyboard):
    with case("`usbip detach`, and an attach right behind it, while the device is being reset"):
        for _ in range(5):
            for port in w.ports():
                # port by busid: high speed is in the first half
                busid = keyboard if port < 15 else stick
                w.usbip(f"detach -p {port}")
                # a port is free before the kernel's hub has noticed, which could miss what comes
                w.client.wait("test $(ls -d /sys/devices/platform/vhci_hcd.*/usb*/*-*/idVendor "
                              "2>/dev/null | wc -l) = 1")
                w.usbip(f"attach -r host -b {busid}")
            w.attached(2)
        w.same_stick()

    with case("`usbip detach` gives them back to the list"):
        w.detach_all()
        w.free(2)
        w.client.wait("test $(usbip list -r host 2>&1 | grep -cE '46f4:0001|0627:0001') = 2")

    with case("the server's log tells each thing once"):
        log = w.log(w.host)
        for busid in (stick, keyboard):
            check(len(re.findall(f"{busid} \\S+: exported", log)) == 1, log)
        check("cannot" not in log, log)
        w.stop(w.host, "usbiphp-server")
        w.bound(0)


def press(w):
    """A key that is pressed at the host arrives at the client."""
    device = w.client.wait("grep -l 0627 /sys/class/input/event*/device/id/vendor").split("/")[4]
    w.client.must(f"rm -f /tmp/key; dd if=/dev/input/{device} of=/tmp/key bs=24 count=1 2>&1 &")

    def pressed():
        w.host.qmp.command("send-key", keys=[{"type": "qcode", "data": "a"}])
        return w.client.sh("test -s /tmp/key")[0] == 0

    check(any(pressed() for _ in range(100)), "no key arrived")


def stock_server(w):
    stick, keyboard = w.busid("46f4"), w.busid("0627")
    with case("our client with the stock usbipd alone"):
        w.host.must("modprobe usbip-host; usbipd -D")
        w.listening("usbipd")
        for busid in (stick, keyboard):
            w.host.must(f"usbip bind -b {busid}")
        w.begin()
        w.attached(2)
        w.same_stick()
        w.host.unplug("stick")
        w.attached(1)
        w.plug_stick()
        w.host.wait(f"ls -d /sys/bus/usb/drivers/usb-storage/{stick}:1.0")
        w.host.must(f"usbip bind -b {stick}")
        w.attached(2)
        w.same_stick()

    with case("and it complains of nothing"):
        # On a slow machine usbipd may answer late: it waits for a device that is being reset.
        complaints = [x for x in w.log(w.client).splitlines()
                      if "cannot" in x and not x.endswith("no whole answer in time")]
        check(not complaints, w.log(w.client))
        w.stop(w.client, "usbiphp-client")
        w.free(2)
        for busid in (stick, keyboard):
            w.host.must(f"usbip unbind -b {busid}")
        w.host.must("kill $(pidof usbipd)")
        w.host.wait("! pidof usbipd")


def push(w):
    """Ours with ours: only events and the watch can be faster than once a minute."""
    w.host.unplug("keyboard")
    w.host.unplug("stick")
    w.start("-i 60")
    w.begin(options="-i 60")
    w.watched()

    with case("plugged is attached, without a poll"):
        w.plug_both()
        w.attached(2, SOON)
        w.same_stick()

    with case("unplugged is gone"):
        w.host.unplug("stick")
        w.attached(1, SOON)

    with case("plugged in again is back"):
        w.plug_stick()
        w.attached(2, SOON)
        w.same_stick()

    with case("another device in the same socket, at once, is attached in its place"):
        for _ in range(2):
            w.host.unplug("keyboard")
            w.host.plug("serial", "usb-serial", port="2")
            w.has("0403")
            w.has_not("0627")
            w.host.unplug("serial")
            w.host.plug("keyboard", "usb-kbd", port="2")
            w.has("0627")
            w.has_not("0403")
        w.attached(2, SOON)

    with case("what the client gives back is offered again, and attached again when it returns"):
        w.stop(w.client, "usbiphp-client")
        w.free(2, SOON)
        w.begin(options="-i 60")
        w.attached(2, SOON)
        w.same_stick()

    with case("a server that is stopped and started: all comes back"):
        w.stop(w.host, "usbiphp-server")
        w.attached(0, SOON)
        w.start("-i 60")
        w.attached(2, 100)  # it may be asked once a minute only


def many(w):
    devices = [("usb-kbd", "usb-mouse", "usb-tablet", "usb-serial")[i % 4] for i in range(8)]
    with case("eight devices at once"):
        w.start("-i 60")
        w.begin(options="-i 60")
        w.attached(2)
        w.watched()
        for i, driver in enumerate(devices):
            w.host.plug(f"many{i}", driver, port=str(i + 5))
        w.bound(10)
        w.attached(10, SOON)

    with case("and gone at once"):
        for i in range(8):
            w.host.unplug(f"many{i}")
        w.attached(2, SOON)
        w.same_stick()
        w.both_stop()


def beside_usbipd(w):
    with case("with usbipd on the port the server says so once, and binds only"):
        w.host.must("usbipd -D")
        w.listening("usbipd")
        w.new_log(w.host, "server")
        w.serve("-i 1")
        w.bound(2)
        w.begin()
        w.attached(2)
        for _ in range(3):  # each makes it look at the world, and at the port
            w.host.plug("mouse", "usb-mouse", port="5")
            w.bound(3)
            w.attached(3)
            w.host.unplug("mouse")
            w.attached(2)
        w.listening("usbipd")
        w.said_once("in use")
        w.same_stick()

    with case("usbipd is killed: the server serves, and the client keeps what it has"):
        before = w.sessions()
        # So that the client finds nobody there for a while, as when it takes longer.
        w.host.must(f"{lab.kill('usbiphp-server', 'STOP')}; kill $(pidof usbipd)")
        w.client.wait("grep -q 'cannot reach host' /tmp/client.log")
        w.host.must(lab.kill("usbiphp-server", "CONT"))
        w.listening()
        check(w.sessions() == before, "the sessions are others")

    with case("and is pushed to from then on"):
        w.watched()
        w.host.plug("mouse", "usb-mouse", port="5")
        w.attached(3, SOON)
        w.host.unplug("mouse")
        w.attached(2, SOON)
        w.same_stick()
        w.said_once("in use")
        w.both_stop()


def killed(w):
    stick, keyboard = w.busid("46f4"), w.busid("0627")
    with case("kill -9 of the server: the session goes on"):
        w.start()
        w.bound(2)
        w.usbip(f"attach -r host -b {stick}")
        w.attached(1)
        before = w.sessions()
        w.host.must(lab.kill("usbiphp-server", "KILL"))
        w.host.wait("! pidof usbiphp-server")
        w.same_stick()
        check(w.sessions() == before, "the session is another")

    with case("its successor lists what is free, and not what is in use"):
        w.start()
        text = w.client.wait(f"usbip list -r host 2>&1 | grep '{keyboard}: '")
        text = w.usbip("list -r host")
        check(f"{stick}: " not in text, f"it is listed: {text}")
        status, text = w.client.sh(USBIP + f"u attach -r host -b {stick}")
        check(status and "Device busy (exported)" in text, text)
        check(w.sessions() == before, "the session is another")
        w.same_stick()

    with case("and lists it again when its session has ended"):
        w.detach_all()
        w.client.wait(f"usbip list -r host 2>&1 | grep '{stick}: '")
        w.begin()
        w.attached(2)
        w.same_stick()
        w.both_stop()


def ipv6(w):
    with case("over IPv6, to ours and to the stock tools"):
        for guest, number in ((w.host, 1), (w.client, 2)):
            # busybox's ip knows no "nodad"
            guest.must("echo 0 >/proc/sys/net/ipv6/conf/eth0/accept_dad && "
                       f"ip -6 addr add fd00::{number}/64 dev eth0")
        w.client.wait("ping -6 -c 1 -w 2 fd00::1")
        w.start()
        w.bound(2)
        text = w.usbip("list -r fd00::1")
        check("46f4:0001" in text and "0627:0001" in text, text)
        w.usbip(f"attach -r fd00::1 -b {w.busid('46f4')}")
        w.attached(1)
        w.same_stick()
        w.detach_all()
        w.begin("[fd00::1]", "-i 60")
        w.attached(2)
        w.same_stick()
        w.client.must("! netstat -tn | grep '10.0.0.1:3240 *ESTABLISHED'")
        w.host.unplug("stick")
        w.attached(1, SOON)
        w.plug_stick()
        w.attached(2, SOON)
        w.both_stop()

    with case("--listen: one address only"):
        w.start("-i 1 --listen [fd00::1]:3240 --listen 127.0.0.1")
        w.bound(2)
        status, text = w.client.sh("usbip list -r 10.0.0.1 2>&1")
        check(status, f"it listens where it was not told to: {text}")
        check("46f4:0001" in w.usbip("list -r fd00::1"), "nothing over IPv6")
        w.host.must("usbip list -r 127.0.0.1 2>&1 | grep 46f4:0001")
        w.stop(w.host, "usbiphp-server")
        w.bound(0)


PARTS = (stock_client, stock_server, push, many, beside_usbipd, killed, ipv6)
USBIPD = (stock_server, beside_usbipd)  # which serves what usbip-host has


def test(kernel, workdir, parts=PARTS):
    with lab.pair(kernel, workdir, files=FILES) as (host, client):
        w = Serving(host, client, workdir)
        for part in parts:
            if lab.USBFS and part in USBIPD:
                continue
            w.clean()
            part(w)
        w.close("cat /tmp/*.old;")


if __name__ == "__main__":
    lab.main(test)
