#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Without usbip-host: the engine over usbfs; and both engines side by side."""

import json
import time

import image
import lab
from lab import case, check
from scene import WITHOUT
from t_main import FILES, HOLDER_STATES, RUN, STUB
from t_serve import SOON, Serving

OPTIONS = "-i 1"
# The directory of that process in /proc.
STARTER = "p=$(grep -lx usbiphp-starter /proc/[0-9]*/comm) && echo ${p%/comm}"
ROOT_PORTS, HUB_PORTS = range(4, 11), range(1, 9)  # of the host, for many devices


class Usbfs(Serving):
    """States of exported devices are those of the holders' pages."""

    def bound(self, number, timeout=30):
        self.host.wait(f"test $({HOLDER_STATES} | grep -c '[12]') = {number}", timeout)

    def free(self, number, timeout=30):
        self.host.wait(f"test $({HOLDER_STATES} | grep -c 1) = {number}", timeout)

    def holders(self):
        return self.host.must("grep -slx usbiphp-holder /proc/[0-9]*/comm | cut -d/ -f3").split()

    def by_module(self, number, timeout=30):
        """So many devices are bound to usbip-host."""
        self.host.wait(f"test $(cat {STUB}/*/usbip_status 2>/dev/null | wc -l) = {number}", timeout)

    def kill_server(self, options=OPTIONS):
        """Kills it, and starts the next one: the sessions stay, and no device is exported anew."""
        before = self.sessions()
        self.host.must(lab.kill("usbiphp-server", "KILL"))
        self.host.wait("! pidof usbiphp-server")
        self.start(options)
        self.host.wait("usbiphp list | grep -q 'in use by 10.0.0.2'")
        check(self.sessions() == before, f"the sessions have changed: {before}{self.sessions()}")
        check(": exported" not in self.log(self.host), self.log(self.host))

    def start_early(self, options="-f /tmp/rules", ports=2):
        """A server that claims so many ports; it has them."""
        self.host.must("kill $(pidof usbiphp-server) 2>/dev/null; true")
        self.host.wait("! pidof usbiphp-server")
        self.host.must("printf 'allow busid 2-3\\nallow busid 1-5\\ndeny\\n' >/tmp/rules")
        self.start(f"{options} {OPTIONS}")
        self.claimed(ports)

    def claimed(self, number):
        """So many ports are claimed in advance: the starter has the nodes of their hubs."""
        self.host.wait(f"test $(ls -l $({STARTER})/fd | grep -c /dev/bus/usb/) = {number}")

    def plug_early(self):
        """The stick to the port 2-3."""
        self.host.must("dmesg -c >/dev/null")
        self.since = time.monotonic()
        self.host.plug("stick", "usb-storage", image=self.stick, serial="STICK", port="3")

    def untouched(self):
        """No driver of the host has had the stick, nor was there a disk."""
        text = self.host.must("dmesg")
        check("2-3: New USB device" in text, text)
        check("usb-storage" not in text and "sd " not in text and "scsi" not in text, text)
        events = [x[1] for x in self.host.events if x[0] >= self.since]
        check(any("DEVNAME=bus/usb/002" in x for x in events), events)
        check(not [x for x in events if "SUBSYSTEM=block" in x or "SUBSYSTEM=scsi" in x or
                   ("DEVTYPE=usb_interface" in x and "DRIVER=" in x)], events)

    def own_drivers(self, timeout=30):
        """Stick and keyboard are with them."""
        self.host.wait("ls -d /sys/bus/usb/drivers/usb-storage/*:1.0 "
                       "/sys/bus/usb/drivers/usbhid/*:1.0", timeout)


def usable(w):
    with case("without usbip-host both devices are exported and attached"):
        w.host.must("! modprobe usbip-host 2>/dev/null")
        w.plug_both()
        w.start(OPTIONS)
        w.bound(2)
        w.begin()
        w.attached(2)

    with case("a stick is the same from both ends, and takes what is written"):
        w.read_anew()
        w.write()

    with case("requests of all sizes, with the same bytes"):
        for size in ("512", "4k", "64k", "1M"):
            w.client.must("echo 3 >/proc/sys/vm/drop_caches")
            text = w.client.must(f"dd if={w.disk()} bs={size} iflag=direct 2>/dev/null | sha256sum", 300)
            check(text.split()[0] == w.digest, f"{size}: other bytes")

    with case("a key that is pressed at the host arrives at the client"):
        w.press_key()

    memory = "/sys/module/usbcore/parameters/usbfs_memory_mb"
    granted = w.host.must(f"cat {memory}; echo 1 >{memory}").strip()
    with case("the same while the kernel grants usbfs less memory, and when a holder knows it"):
        for known in (False, True):
            w.client.must("echo 3 >/proc/sys/vm/drop_caches")
            text = w.client.must(f"dd if={w.disk()} bs=1M iflag=direct 2>/dev/null | sha256sum", 300)
            check(text.split()[0] == w.digest, "other bytes")
            check("no memory" not in w.log(w.host), w.log(w.host))
            if not known:
                w.stop(w.host, "usbiphp-server")
                w.start(OPTIONS)
                w.attached(2, SOON)
        check(w.host.must(f"cat {memory}").strip() == "1", "it was changed")
    w.host.must(f"echo {granted} >{memory}")

    with case("list, status and the names of its processes"):
        for command in ("status", "list"):
            text = w.host.must(f"usbiphp {command}")
            check(text.count("usbfs       in use by 10.0.0.2") == 2 or
                  text.count("usbfs   in use by 10.0.0.2") == 2, text)
            check("exported by usbfs: usbip-host is not loaded\n" in text, text)
        stick = next(x for x in json.loads(w.host.must("usbiphp status --json"))["exported"]
                     if x["id"].startswith("46f4"))
        check(stick["urbs"] > 10 and stick["urb_bytes_in"] > 2**20 and stick["urb_bytes_out"] > 31
              and stick["urb_errors"] < stick["urbs"] and stick["urbs_in_flight"] < 100, stick)
        text = w.host.must("usbiphp doctor; test $? = 0")
        check("exported by usbip-host: 0, by usbfs: 2\n" in text and "BAD" not in text, text)
        check(w.log(w.host).count("usbip-host is not loaded") == 1, w.log(w.host))
        check(len(w.holders()) == 2, w.holders())

    with case("a holder has no right but its device"):
        for pid in w.holders():
            status = w.host.must(f"cat /proc/{pid}/status")
            check("CapEff:\t0000000000000000" in status and "NoNewPrivs:\t1" in status
                  and "Seccomp:\t2" in status, status)
            files = w.host.must(f"ls -l /proc/{pid}/fd")
            check("/dev/bus/usb/" in files, files)


def hot_plug(w):
    with case("unplugged at the host is gone at the client, and comes back"):
        w.host.unplug("stick")
        w.attached(1, SOON)
        w.bound(1)
        w.plug_stick()
        w.attached(2, SOON)
        w.same_stick()

    with case("a device behind a hub"):
        w.host.plug("hub", "usb-hub", port="9")
        w.host.plug("mouse", "usb-mouse", port="9.1")
        w.attached(3, SOON)
        w.host.unplug("mouse")
        w.attached(2, SOON)
        w.host.unplug("hub")

    with case("pulled while it is read"):
        w.client.must("echo 3 >/proc/sys/vm/drop_caches")
        w.client.must(f"dd if={w.disk()} of=/dev/null bs=512 iflag=direct >/tmp/dd.log 2>&1 &")
        w.client.wait("pidof dd")
        w.host.unplug("stick")
        w.attached(1, SOON)
        w.client.wait("! pidof dd")
        w.plug_stick()
        w.attached(2, SOON)
        w.same_stick()


def clients(w):
    with case("a client that stops leaves the devices free, and comes again"):
        w.stop(w.client, "usbiphp-client")
        w.free(2)
        w.begin()
        w.attached(2, SOON)
        w.read_anew()

    with case("a client that is killed: its sessions stay"):
        w.client.must(lab.kill("usbiphp-client", "KILL"))
        w.client.wait("! pidof usbiphp-client")
        w.begin()
        w.attached(2, SOON)
        w.read_anew()

    with case("the stock client"):
        w.stop(w.client, "usbiphp-client")
        w.free(2)
        stick = w.busid("46f4")
        w.usbip(f"attach -r host -b {stick}")
        w.attached(1, SOON)
        w.read_anew()
        w.write()
        w.detach_all()
        w.free(2)
        w.begin()
        w.attached(2, SOON)


def servers(w):
    with case("a server that is killed: the sessions stay, and the next one has them"):
        before = w.sessions()
        w.host.must(lab.kill("usbiphp-server", "KILL"))
        w.host.wait("! pidof usbiphp-server")
        w.read_anew()
        w.start(OPTIONS)
        w.bound(2)
        w.read_anew()
        check(w.sessions() == before, "the sessions have changed")
        check(": exported" not in w.log(w.host), w.log(w.host))

    with case("and its stop gives all back"):
        w.stop(w.host, "usbiphp-server")
        w.own_drivers()
        w.attached(0)
        check(not w.host.sh("grep -lx usbiphp-holder /proc/[0-9]*/comm")[1], "a holder is left")
        w.host.must(f"! test -e {RUN}")

    with case("and the client has all again when the server is back"):
        w.start(OPTIONS)
        w.attached(2, SOON)
        w.same_stick()

    with case("a holder that is killed: the device is exported anew"):
        for pid in w.holders():
            w.host.must(f"kill -9 {pid}")
        w.host.wait("test $(grep -c 'session with 10.0.0.2 ended' /tmp/server.log) = 2", SOON)
        w.host.wait("test $(grep -c ': exported' /tmp/server.log) = 4", 90)
        w.attached(2, 90)
        w.same_stick()

    with case("without a server a holder gives its device back"):
        w.stop(w.client, "usbiphp-client")
        w.free(2)
        w.host.must(lab.kill("usbiphp-server", "KILL"))
        w.own_drivers(90)
        w.start(OPTIONS)
        w.bound(2)
        w.stop(w.host, "usbiphp-server")
        w.own_drivers()


def early(w):
    """Ports that are claimed before anything is plugged in: 2-3 for SuperSpeed, and 1-5."""
    for ident in ("stick", "keyboard"):
        w.host.unplug(ident)
    w.begin()
    with case("what comes to a port that a rule names is exported, and no driver of the host has it"):
        w.start_early()
        w.host.wait("grep -qx suspended /sys/bus/usb/devices/usb2/power/runtime_status")
        for _ in range(2):
            w.plug_early()
            w.attached(1, SOON)
            w.same_stick()
            w.untouched()
            w.host.unplug("stick")
            w.attached(0, SOON)
            w.claimed(2)
        check(w.log(w.host).count("2-3: its port is claimed") == 1, w.log(w.host))

    with case("also what has USB 2"):
        w.host.plug("keyboard", "usb-kbd", port="5")
        w.attached(1, SOON)
        w.press_key()
        check(not w.host.sh("ls -d /sys/bus/usb/drivers/usbhid/*:1.0")[1].startswith("/"), "the host has it")

    with case("a stop gives it to the drivers of the host, as they never had it"):
        w.plug_early()
        w.attached(2, SOON)
        w.stop(w.host, "usbiphp-server")
        w.own_drivers()
        w.attached(0)
        w.host.unplug("stick")
        w.host.unplug("keyboard")

    with case("a hub at such a port has its driver, and what is behind it"):
        w.start_early()
        w.host.plug("hub", "usb-hub", port="5")
        w.host.wait("test -e /sys/bus/usb/drivers/hub/1-5:1.0")
        w.host.plug("mouse", "usb-mouse", port="5.1")
        w.host.wait("test -e /sys/bus/usb/drivers/usbhid/1-5.1:1.0")
        w.host.unplug("mouse")
        w.host.unplug("hub")
        w.claimed(2)

    for what, end in (("is denied", "echo deny >/tmp/rules; kill -HUP $pid; kill -CONT $pid"),
                      ("is not exported any more", "kill $pid; kill -CONT $pid"),
                      ("has lost its server", "kill -9 $pid")):
        with case(f"a device at such a port that {what} gets its driver"):
            w.start_early()
            w.host.must(lab.kill("usbiphp-server", "STOP"))
            w.plug_early()
            w.host.wait("test -e /sys/bus/usb/devices/2-3/driver && "
                        "test -z \"$(cat /sys/bus/usb/devices/2-3/bConfigurationValue)\"")
            w.untouched()
            w.host.must(f"pid=$(pidof usbiphp-server); {end}")
            w.host.wait("test -e /sys/bus/usb/drivers/usb-storage/2-3:1.0")
            w.host.unplug("stick")

    with case("--take-all claims every port, and keeps that of the other bus while one is used"):
        w.start_early("--take-all", 30)
        w.plug_early()
        w.attached(1, SOON)
        w.untouched()
        w.claimed(29)
        w.host.unplug("stick")
        w.claimed(30)

    with case("the next server claims again, and one that is killed leaves no claim"):
        w.start_early()
        w.host.must(lab.kill("usbiphp-server", "KILL"))
        w.host.wait(f"! {STARTER}")
        w.plug_early()
        w.host.wait("test -e /sys/bus/usb/drivers/usb-storage/2-3:1.0")
        w.host.unplug("stick")
        w.plug_both()
        w.stop(w.client, "usbiphp-client")


def mixed(w):
    with case("a module that comes later gets new devices, the others stay where they are"):
        w.start(OPTIONS)
        w.begin()
        w.attached(2, SOON)
        before = w.sessions()
        w.host.put(image.fetch(w.host.kernel) / "modules/usbip_host.ko", "/tmp/usbip_host.ko")
        w.host.must("modprobe usbip-core && insmod /tmp/usbip_host.ko")
        w.host.plug("mouse", "usb-mouse", port="9")
        w.attached(3, SOON)
        w.by_module(1)
        w.bound(2)
        check(w.sessions().startswith(before.splitlines()[0]), "the sessions have changed")
        text = w.host.must("usbiphp status")
        check(text.count("usbfs       in use") == 2 and text.count("usbip-host  in use") == 1 and
              "further devices are exported by usbip-host\n" in text, text)
        text = w.host.must("usbiphp doctor; true")
        check("exported by usbip-host: 1, by usbfs: 2\n" in text, text)

    with case("a server that is killed: the next one has both kinds"):
        w.kill_server()
        w.read_anew()

    with case("also one that is to use one engine only"):
        for engine in ("kernel", "usbfs"):
            w.kill_server(f"--engine {engine} -i 1")
            w.bound(2)
            w.by_module(1)
        w.read_anew()

    with case("and its stop gives both kinds back"):
        w.stop(w.host, "usbiphp-server")
        w.attached(0)
        w.own_drivers()
        w.by_module(0)
        w.host.must(f"test $(ls -d /sys/bus/usb/drivers/usbhid/*:1.0 | wc -l) = 2 && ! test -e {RUN}")


def many(w):
    with case("usbip-host takes 16 devices, the seventeenth is exported nevertheless"):
        w.host.plug("hub", "usb-hub", port="3")
        for port in [*ROOT_PORTS, *(f"3.{x}" for x in HUB_PORTS)]:
            if port != 9:
                w.host.plug(f"mouse{port}", "usb-mouse", port=str(port))
        w.host.wait("test $(ls -d /sys/bus/usb/drivers/usbhid/*:1.0 | wc -l) = 16", 60)
        w.start(OPTIONS)
        w.by_module(16, 120)
        w.bound(1)
        w.attached(17, 180)
        text = w.host.must("usbiphp status")
        check("exported by usbfs: usbip-host knows at most 16 bus ids, none of a bus newer than the server\n" in text, text)
        check(text.count("usbip-host  in use") == 16 and text.count("usbfs       in use") == 1, text)
        check("has no room" not in w.log(w.host), w.log(w.host))

    with case("a server that is killed: the next one has all of them"):
        w.kill_server()
        w.by_module(16)
        w.bound(1)

    with case("all are given back"):
        w.stop(w.host, "usbiphp-server")
        w.host.must(f"test $(ls -d /sys/bus/usb/drivers/usbhid/*:1.0 | wc -l) = 16 && ! test -e {RUN}")
        w.attached(0)


def test(kernel, workdir):
    with lab.pair(kernel, workdir, files=FILES, append=WITHOUT["usbfs"]) as (host, client):
        w = Usbfs(host, client, workdir)
        for part in (usable, hot_plug, clients, servers, early, mixed, many):
            part(w)
        w.close()


if __name__ == "__main__":
    lab.main(test)
