#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The main task on real kernels: a device that is plugged in at the host is usable at the client, and stays so."""

import hashlib
import json
import os
import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(1, str(ROOT / "tests"))

import lab  # noqa: E402
from fixture import packet  # noqa: E402
from lab import case, check  # noqa: E402

BINARY = pathlib.Path(os.environ.get("USBIPHP", ROOT / "build" / "usbiphp"))
# Not while the module is being loaded: that crashes the kernel.
VHCI = ("$(grep -qx live /sys/module/vhci_hcd/initstate && "
        "ls /sys/devices/platform/vhci_hcd.0/status*) /dev/null")
STUB = "/sys/bus/usb/drivers/usbip-host"
FILES = {f"/bin/{name}": BINARY for name in ("usbiphp", "usbiphp-server", "usbiphp-client")}
RUN = "/var/run/usbiphp"
# Of each device that is exported over usbfs: 1 it is free, 2 in use (enum holder_state).
HOLDER_STATES = (f"for p in {RUN}/holder.*; do test -e $p && od -An -j4 -N4 -tu4 $p; done "
                 "2>/dev/null | tr -d ' '")
# The same of each exported device, whatever engine it has.
STATES = f"{{ cat {STUB}/*/usbip_status; {HOLDER_STATES}; }} 2>/dev/null"


class World:
    """Two guests and the daemons in them."""

    def __init__(self, host, client, workdir):
        self.host, self.client = host, client
        self.stick = pathlib.Path(workdir) / "stick.img"
        self.stick.write_bytes(os.urandom(4 << 20))
        self.digest = self.new_digest()

    def new_digest(self):
        """Of the stick as it is now."""
        return hashlib.sha256(self.stick.read_bytes()).hexdigest()

    def serve(self, options="-i 1"):
        self.host.must(f"usbiphp-server {options} >>/tmp/server.log 2>&1 &")

    def attach(self, servers="host", options="-i 1"):
        self.client.must(f"usbiphp-client {options} {servers} >>/tmp/client.log 2>&1 &")

    def stop(self, guest, name):
        """SIGTERM, and the exit status, by way of the shell that started it."""
        guest.must(lab.kill(name))
        guest.wait(f"! pidof {name}", 60)

    def bound(self, number, timeout=30):
        self.host.wait(f"test $({STATES} | wc -l) = {number}", timeout)

    def free(self, number, timeout=30):
        self.host.wait(f"test $({STATES} | grep -c 1) = {number}", timeout)

    def attached(self, number, timeout=60):
        self.client.wait(f"test \"$(awk '$3 == 6' {VHCI} | wc -l) "
                         f"$(awk '$3 == 5' {VHCI} | wc -l)\" = '{number} 0'", timeout)

    def sessions(self):
        """The rows of the port table that are in use."""
        return self.client.must(f"awk '$3 == 5 || $3 == 6' {VHCI}")

    def disk(self):
        """The client's name of the stick, once its size is known."""
        return self.client.wait("cd /sys/block && for i in sd*; do "
                                "test $(cat $i/size) = 8192 && echo /dev/$i && exit; done; false",
                                60).strip()

    def same_stick(self):
        digest = self.client.must(f"sha256sum {self.disk()}", 60).split()[0]
        check(digest == self.digest, "the stick has another content at the client")

    def read_anew(self):
        """The whole stick from the device, and not out of a cache."""
        self.client.must("echo 3 >/proc/sys/vm/drop_caches")
        self.same_stick()

    def write(self, seek=0):
        """At the client, from that block of 64 kB on: it is on the stick."""
        self.client.must(f"dd if=/dev/urandom of={self.disk()} bs=64k seek={seek} count=8 conv=fsync "
                         "2>/dev/null")
        written = self.client.must(f"sha256sum {self.disk()}").split()[0]
        self.digest = self.new_digest()
        check(written == self.digest, "what the client wrote did not arrive")

    def press_key(self, timeout=90):
        """On the host's keyboard: it arrives at the client."""
        device = self.client.wait("grep -l 0627 /sys/class/input/event*/device/id/vendor",
                                  timeout).split("/")[4]
        self.client.must(f"dd if=/dev/input/{device} of=/tmp/key bs=24 count=1 2>/dev/null &")
        for _ in range(100):
            self.host.qmp.command("send-key", keys=[{"type": "qcode", "data": "a"}])
            if self.client.sh("test -s /tmp/key")[0] == 0:
                break
        self.client.wait("test -s /tmp/key")

    def log(self, guest):
        name = "server" if guest is self.host else "client"
        return guest.sh(f"cat /tmp/{name}.log")[1]

    def close(self, more=""):
        """The last case; and what is said of those that failed, with the output of more."""
        guests = self.host, self.client
        with case("the kernels have nothing to complain about"):
            for guest in guests:
                complaints = guest.kernel_complaints()
                check(not complaints, f"{guest.name}: {complaints}")
        if lab.results["not ok"]:
            for guest in guests:
                print(self.log(guest), guest.sh(f"{more} dmesg | tail -60")[1], file=sys.stderr)


def late_server(w):
    with case("a client whose server is not there yet waits for it"):
        w.attach("host", "")
        w.client.wait("grep -q 'cannot reach host:3240: Connection refused' /tmp/client.log")
        w.host.plug("stick", "usb-storage", image=w.stick, serial="STICK")
        w.host.plug("keyboard", "usb-kbd")
        if not lab.USBFS:
            w.host.must("usbipd -D")
        w.serve("")
        w.bound(2)
        w.attached(2)

    with case("servers that cannot be reached or resolved delay no other"):
        w.stop(w.client, "usbiphp-client")
        w.free(2)
        w.client.must("rm /tmp/client.log")
        w.attach("10.0.0.99 nosuchhost.invalid host", "")
        w.attached(2)
        w.client.wait("grep -q 'cannot reach 10.0.0.99' /tmp/client.log")
        w.client.wait("grep -q 'cannot resolve nosuchhost.invalid' /tmp/client.log", 60)
        log = w.log(w.client)
        check("attached" in log.partition("cannot reach 10.0.0.99")[0],
              f"it waited for the one that is not there:\n{log}")
        check(log.count("cannot resolve nosuchhost.invalid") == 1, f"not said once:\n{log}")

    with case("the module was loaded when it was missing"):
        w.host.must(f"{'! ' * lab.USBFS}grep -q ^usbip_host /proc/modules")
        w.client.must("grep -q ^vhci_hcd /proc/modules")


def usable(w):
    with case("a stick is the same from both ends"):
        w.same_stick()

    with case("what is written at the client is on the stick"):
        w.write()

    with case("a key that is pressed at the host arrives at the client"):
        w.press_key()

    with case("`usbip port` shows both"):
        ports = w.client.must("usbip port 2>/dev/null")
        check(ports.count("usbip://host:3240/") == 2, ports)

    with case("the socket options are set before the hand-over"):
        timers = w.client.must("grep -c ' 02:0000' /proc/net/tcp; true")
        check(int(timers) >= 2, f"no keepalive timer on the sessions: {timers}")


def hot_plug(w):
    with case("unplugged at the host is gone at the client"):
        w.host.unplug("stick")
        w.attached(1)
        w.client.wait("! grep -q 8192 /sys/block/sd*/size")

    with case("plugged in again is back"):
        w.host.plug("stick", "usb-storage", image=w.stick, serial="STICK")
        w.attached(2)
        w.same_stick()

    with case("a device behind a hub comes, the hub itself stays"):
        w.host.plug("hub", "usb-hub", port="9")
        w.host.plug("mouse", "usb-mouse", port="9.1")
        w.attached(3)
        w.host.must("test $(cat /sys/bus/usb/devices/*/bDeviceClass | grep -c 09) = 3")
        w.host.must(f"! ls {STUB} {RUN} 2>/dev/null | grep -q '^\\(holder\\.\\)*[0-9]-9$'")

    with case("a hub that is pulled takes what is behind it along"):
        w.host.unplug("mouse")
        w.host.unplug("hub")
        w.attached(2)

    with case("what came in over USB/IP is not exported again"):
        w.client.must("usbiphp-server --once -v --run /var/run/other >/tmp/other.log 2>&1")
        w.client.must(f"! ls -d {STUB}/*-* /var/run/other/holder.* 2>/dev/null")
        w.client.must("test $(grep -c 'left alone: it came over USB/IP' /tmp/other.log) = 2")


def restarts(w):
    with case("a killed client's successor keeps what is attached"):
        before = w.sessions()
        w.client.must(lab.kill("usbiphp-client", "KILL"))
        w.client.wait("! pidof usbiphp-client")
        check(w.sessions() == before, "a kill changed the sessions")
        w.client.must("rm /tmp/client.log")
        w.attach()
        w.host.plug("mouse", "usb-mouse", port="9")
        w.attached(3)
        w.host.unplug("mouse")
        w.attached(2)
        check(w.sessions() == before, "the successor changed them")
        check(w.log(w.client).count(": attached to port ") == 1, w.log(w.client))

    with case("a second client with the same notes is refused with --once"):
        status, text = w.client.sh("usbiphp-client --once host")
        check(status == 1 and "another one runs" in text, text)

    with case("a killed server's successor keeps what is bound"):
        w.host.must(lab.kill("usbiphp-server", "KILL"))
        w.host.wait("! pidof usbiphp-server")
        w.host.must("rm /tmp/server.log")
        w.serve()
        w.host.wait("test -f /var/run/usbiphp/server.lock")
        w.attached(2)
        check(": exported" not in w.log(w.host), w.log(w.host))

    with case("stopping the client detaches everything and leaves no record"):
        w.stop(w.client, "usbiphp-client")
        check(not w.sessions(), w.sessions())
        w.client.must("! test -e /var/run/vhci_hcd && ! test -e /var/run/usbiphp")
        w.free(2)

    with case("stopping the server gives everything back to its own driver"):
        w.stop(w.host, "usbiphp-server")
        w.bound(0)
        w.host.must("ls -d /sys/bus/usb/drivers/usb-storage/*:1.0 /sys/bus/usb/drivers/usbhid/*:1.0")
        w.host.must(f"! test -e {RUN}; test -z \"$(cat {STUB}/match_busid 2>/dev/null"
                    " | tr -d ' \\n' | sed 's/1-9.1\\|1-9\\|2-1//g')\"")

    with case("stopping the server with sessions running ends them first"):
        w.serve()
        w.attach()
        w.attached(2)
        w.stop(w.host, "usbiphp-server")
        w.bound(0)
        w.host.must("ls -d /sys/bus/usb/drivers/usb-storage/*:1.0 /sys/bus/usb/drivers/usbhid/*:1.0")
        w.attached(0)

    with case("and the client has all again when the server is back"):
        w.serve()
        w.attached(2)
        w.same_stick()


def stock_tools(w):
    """Beside the daemons, which the stock usbipd serves."""
    with case("what somebody bound or attached by hand is left alone"):
        w.stop(w.client, "usbiphp-client")
        w.stop(w.host, "usbiphp-server")
        busid = w.host.must("basename /sys/bus/usb/drivers/usb-storage/*:1.0").split(":")[0]
        w.host.must(f"usbip bind -b {busid}")
        w.client.must(f"usbip attach -r host -b {busid}")
        w.serve()
        w.attach()
        w.attached(2)
        w.stop(w.client, "usbiphp-client")
        w.attached(1)
        w.stop(w.host, "usbiphp-server")
        w.bound(1)
        w.client.must("usbip detach -p 15; test -d /var/run; ! test -e /var/run/usbiphp")
        # a port is free before the kernel's hub has noticed: the next attach to it could be missed
        w.client.wait("! ls -d /sys/devices/platform/vhci_hcd.*/usb*/*-*/idVendor")
        w.free(1)
        w.host.must(f"usbip unbind -b {busid}")

    with case("one pass with --once attaches all and leaves it so"):
        w.host.must("usbiphp-server --once")
        w.bound(2)
        w.client.must("usbiphp-client --once host")
        w.attached(2)
        w.attach()
        w.client.wait("test -f /var/run/usbiphp/client.lock")

    with case("with --once --wait all can be used when it ends"):
        w.stop(w.client, "usbiphp-client")
        w.free(2)
        status, text = w.client.sh("usbiphp-client --once --wait 1 --rule deny host")
        check(status == 1 and "no server has a device that is allowed" in text, f"{status}: {text}")
        w.free(2)
        devices = json.loads(w.client.must("usbiphp-client --once --wait 60 host 2>/dev/null", 90))
        stick = [x["nodes"] for x in devices if x["id"] == "46f4:0001"]
        check(len(devices) == 2 and len(stick) == 1, devices)
        disk = [x for x in stick[0] if x.startswith("/dev/sd")]
        digest = w.client.must(f"sha256sum {' '.join(disk)}", 60).split()[0]
        check(digest == w.digest, "the stick has another content at the client")
        w.attach()
        w.client.wait("test -f /var/run/usbiphp/client.lock")


def others(w):
    if not lab.USBFS:
        stock_tools(w)

    with case("a list for people"):
        w.stop(w.client, "usbiphp-client")
        w.free(2)
        text = w.client.must("usbiphp list host")
        check("46f4:0001  5000" in text and "storage" in text and "hid" in text, text)


def hostile(w):
    """Bad servers beside the good one."""
    answers = {
        4001: b"SSH-2.0-OpenSSH_9.2\r\n",
        4002: packet("rep_devlist_empty")[:8] + b"\xff\xff\xff\xff",
        4003: packet("rep_devlist_several")[:200],
        4004: b"",
        4005: packet("rep_devlist_several").replace(b"\0", b"x", 600),
    }
    with case("bad servers get a line each and delay nobody"):
        for port, answer in answers.items():
            path = pathlib.Path(w.stick.parent) / "answer"
            path.write_bytes(answer)
            w.host.put(path, f"/tmp/answer.{port}")
            # the request is read, so that the end is no reset, which may overtake the answer
            w.host.must(f"nc -ll -p {port} -e sh -c 'dd bs=8 count=1 >/dev/null 2>&1; "
                        f"cat /tmp/answer.{port}' >/dev/null 2>&1 &")
        w.host.must("nc -ll -p 4006 -e sleep 1000 >/dev/null 2>&1 &")
        for port in [*answers, 4006]:
            w.host.wait(f"netstat -ltn | grep -q :{port}")
        w.client.must("rm -f /tmp/client.log")
        w.attach(" ".join(f"host:{port}" for port in [*answers, 4006]) + " host")
        w.attached(2)
        for port in [*answers, 4006]:
            w.client.wait(f"grep -q 'cannot list devices of host:{port}: ' /tmp/client.log")
        w.client.wait("grep -q 'host:4006: no whole answer in time' /tmp/client.log")
        log = w.log(w.client)
        for port in [*answers, 4006]:
            check(log.count(f"host:{port}") == 1, f"not said once:\n{log}")
        w.attached(2)
        w.stop(w.client, "usbiphp-client")

    with case("a server that accepts an import and never answers is let go"):
        path = pathlib.Path(w.stick.parent) / "import"
        path.write_bytes(packet("rep_devlist_several"))
        w.host.put(path, "/tmp/list")
        path.write_bytes(packet("rep_import_ok"))
        w.host.put(path, "/tmp/import")
        # the request's second 16-bit word tells which answer is asked for
        w.host.must("printf '#!/bin/sh\\nc=$(dd bs=8 count=1 2>/dev/null | od -An -tx1)\\n"
                    "case $c in *80?05*) cat /tmp/list;; *) dd bs=32 count=1 >/dev/null 2>&1;"
                    " cat /tmp/import; sleep 1000;; esac\\n' >/tmp/silent; chmod +x /tmp/silent")
        w.host.must("nc -ll -p 4007 -e /tmp/silent >/dev/null 2>&1 &")
        w.host.wait("netstat -ltn | grep -q :4007")
        w.client.must("rm -f /tmp/client.log")
        w.attach("host:4007 host")
        w.client.wait("grep -q 'its server took it but never answered' /tmp/client.log", 90)
        w.attached(2, 90)
        w.stop(w.client, "usbiphp-client")


def missing(w):
    with case("without the module, with --once: one line and exit 1"):
        w.client.must("rmmod vhci_hcd; mv /lib/modules /lib/modules.away")
        status, text = w.client.sh("usbiphp-client --once host")
        check(status == 1 and text.count("\n") == 1 and "vhci-hcd" in text, text)
        w.client.must("mv /lib/modules.away /lib/modules")

    with case("without permission, with --once: one line and exit 1"):
        w.client.must("modprobe vhci_hcd; echo 'u:x:1000:1000::/:/bin/sh' >>/etc/passwd")
        status, text = w.client.sh("su u -c 'usbiphp-client --once host'")
        check(status == 1 and text.count("\n") == 1 and "run as root" in text, text)
        w.host.must("echo 'u:x:1000:1000::/:/bin/sh' >>/etc/passwd")
        for engine in ("auto", "kernel", "usbfs"):
            status, text = w.host.sh(f"su u -c 'usbiphp-server --once --run /run/u --engine {engine}'")
            check(status == 1 and text.count("\n") == 1 and
                  ("run as root" if engine != "usbfs" else "/dev/bus/usb: Permission denied") in text, text)


def test(kernel, workdir):
    with lab.pair(kernel, workdir, files=FILES) as (host, client):
        w = World(host, client, workdir)
        for part in (late_server, usable, hot_plug, restarts, others, hostile, missing):
            part(w)
        w.close()


if __name__ == "__main__":
    lab.main(test)
