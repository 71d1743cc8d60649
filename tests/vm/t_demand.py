#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""--on-demand, with either engine: a device is its host's own until a client takes it, and again after."""

import lab
from lab import case, check
from t_main import FILES, RUN, STUB
from t_serve import SOON, USBIP, Serving

HOST_DISK = "/dev/$(cd /sys/block && grep -lx 8192 sd*/size | cut -d/ -f1)"


class Demand(Serving):
    engine = "kernel"

    def begin_serving(self):
        self.start(f"--engine {self.engine} --on-demand -i 1")
        self.offered(2)

    def offered(self, number):
        self.host.wait(f"test $(usbiphp status | grep -c ' on demand (usb') = {number}", SOON)

    def own_drivers(self):
        """The stick and the keyboard are with them, and no engine has any device."""
        self.host.wait("ls -d /sys/bus/usb/drivers/usb-storage/*:1.0 "
                       "/sys/bus/usb/drivers/usbhid/*:1.0", SOON)
        self.host.wait(f"test -z \"$(ls {STUB}/*/usbip_status {RUN}/holder.* 2>/dev/null)\"", SOON)

    def refused(self, busid, words):
        status, text = self.client.sh(USBIP + f"u attach -r host -b {busid}")
        check(status and words in text, text)


def listed(w):
    with case(f"{w.engine}: devices are offered, and stay with their own drivers"):
        w.plug_both()
        w.begin_serving()
        w.own_drivers()
        text = w.usbip("list -r host")
        check("46f4:0001" in text and "0627:0001" in text, text)
        text = w.host.must("usbiphp list")
        check(text.count("  on demand (usb)\n") == 2, text)
        check(w.log(w.host).count(": offered to clients") == 2, w.log(w.host))


def taken(w):
    stick = w.busid("46f4")
    with case(f"{w.engine}: the stock client takes one, the other stays"):
        w.usbip(f"attach -r host -b {stick}")
        w.attached(1)
        w.read_anew()
        w.write()
        w.offered(1)
        w.host.must("ls -d /sys/bus/usb/drivers/usbhid/*:1.0")
        check("46f4:0001" not in w.usbip("list -r host"), "it is still listed")
        w.refused(stick, "busy")

    with case(f"{w.engine}: after the session its host has it again"):
        w.detach_all()
        w.own_drivers()
        w.offered(2)
        digest = w.host.wait(f"sha256sum {HOST_DISK}", SOON).split()[0]
        check(digest == w.digest, "other bytes")

    with case(f"{w.engine}: taken and left, five times at once"):
        for _ in range(5):
            w.usbip(f"attach -r host -b {stick}")
            w.attached(1)
            w.detach_all()
        w.own_drivers()


def needed(w):
    stick = w.busid("46f4")
    with case(f"{w.engine}: what its host needs at that moment is refused"):
        w.offered(2)
        w.host.wait(f"test -b {HOST_DISK}", SOON)
        w.host.must(f"hold {HOST_DISK} >/dev/null 2>&1 & i=0; until readlink /proc/$!/fd/3 2>/dev/null "
                    "| grep -q /dev/sd; do usleep 20000; i=$((i + 1)); test $i -lt 500; done")
        w.refused(stick, "busy")
        w.host.must("ls -d /sys/bus/usb/drivers/usb-storage/*:1.0")
        w.offered(1)
        text = w.host.must("usbiphp list")
        check("left alone: hold has /dev/sd" in text or "is in use" in text, text)

    with case(f"{w.engine}: and is offered when it is free again"):
        w.host.must("kill $(pidof hold)")
        w.offered(2)
        w.usbip(f"attach -r host -b {stick}")
        w.attached(1)
        w.read_anew()


def killed(w):
    with case(f"{w.engine}: a server that is killed: the session goes on, and ends as before"):
        w.host.must(lab.kill("usbiphp-server", "KILL"))
        w.host.wait("! pidof usbiphp-server")
        w.start(f"--engine {w.engine} --on-demand -i 1")
        w.host.wait("usbiphp status | grep -q ' in use by 10.0.0.2'", SOON)
        w.read_anew()
        w.detach_all()
        w.own_drivers()
        w.offered(2)


def our_client(w):
    with case(f"{w.engine}: our client takes what is offered, also what is plugged in later"):
        w.begin()
        w.attached(2, SOON)
        w.read_anew()
        w.host.unplug("stick")
        w.attached(1, SOON)
        w.plug_stick()
        w.attached(2, SOON)
        w.same_stick()
        w.stop(w.client, "usbiphp-client")
        w.own_drivers()
        w.offered(2)

    with case(f"{w.engine}: a stop ends the sessions, and gives all back"):
        w.begin()
        w.attached(2, SOON)
        w.stop(w.host, "usbiphp-server")
        w.attached(0)
        w.own_drivers()
        w.host.must(f"! test -e {RUN}")
        w.stop(w.client, "usbiphp-client")
        w.host.unplug("stick")
        w.host.unplug("keyboard")
        w.host.wait("! ls /sys/bus/usb/devices | grep -q :1.0$ | grep -v ^[0-9]-0:", SOON)


PARTS = (listed, taken, needed, killed, our_client)


def test(kernel, workdir):
    with lab.pair(kernel, workdir, files=FILES) as (host, client):
        w = Demand(host, client, workdir)
        client.must("modprobe vhci-hcd")
        for w.engine in ("kernel", "usbfs"):
            for part in PARTS:
                part(w)
        w.close()


if __name__ == "__main__":
    lab.main(test)
