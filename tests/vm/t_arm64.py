#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The main task between an aarch64 and an x86_64 machine, in both directions."""

import hashlib
import re
import sys

import image
import lab
from lab import case, check
from t_main import BINARY, STUB, World
from t_secure import build_sandbox_test, confined

SLOW = 120  # seconds: two emulated machines on a busy one
OWN = "/sys/bus/usb/drivers/usb-storage/*:1.0 /sys/bus/usb/drivers/usbhid/*:1.0"
NOTES = "/var/run/usbiphp /var/run/vhci_hcd"


class Way(World):
    """One guest serves, the other imports. Addresses are literal, see image.cross()."""

    def __init__(self, host, client, workdir):
        super().__init__(host, client, workdir)
        self.name = f"{host.arch} to {client.arch}"
        self.address, self.peer = (re.search(r"lab\.addr=([0-9.]+)", guest.append)[1]
                                   for guest in (host, client))

    def case(self, what):
        return case(f"{self.name}: {what}")

    def plug_stick(self):
        self.host.plug("stick", "usb-storage", image=self.stick, serial="STICK")

    def own_stick(self):
        """The stick at the host itself, with its own driver, has the content it should have."""
        disk = self.host.wait("cd /sys/block && for i in sd*; do test $(cat $i/size) = 8192 && "
                              "echo /dev/$i && exit; done; false", SLOW).strip()
        digest = self.host.must(f"sha256sum {disk}", SLOW).split()[0]
        check(digest == self.digest, "the stick has another content at the host")


def come(w):
    with w.case("a stick and a keyboard are offered"):
        w.serve("")
        w.plug_stick()
        w.host.plug("keyboard", "usb-kbd")
        w.free(2, SLOW)
        text = w.client.must(f"usbiphp list {w.address}", SLOW)
        check("46f4:0001  5000" in text and "storage" in text and "hid" in text, text)

    with w.case("and come to the client"):
        w.attach(w.address, "")
        w.attached(2, SLOW)
        text = w.host.must("usbiphp status", SLOW)
        check(text.count(f"in use by {w.peer}") == 2, text)


def usable(w):
    with w.case("the stick is the same from both ends"):
        w.same_stick()

    with w.case("what is written at the client is on the stick"):
        w.client.must(f"dd if=/dev/urandom of=/tmp/data bs=64k count=8 2>/dev/null && "
                      f"dd if=/tmp/data of={w.disk()} bs=64k seek=3 conv=fsync 2>/dev/null", SLOW)
        data, old = w.client.get("/tmp/data"), w.digest
        w.digest = hashlib.sha256(w.stick.read_bytes()).hexdigest()
        check(w.digest != old and w.stick.read_bytes()[3 << 16:11 << 16] == data,
              "what the client wrote did not arrive")
        w.client.must("echo 3 >/proc/sys/vm/drop_caches")
        w.same_stick()

    with w.case("a key that is pressed at the host arrives at the client"):
        w.press_key(SLOW)



def hot_plug(w):
    with w.case("unplugged at the host is gone at the client"):
        w.host.unplug("stick")
        w.attached(1, SLOW)
        w.client.wait("! grep -q 8192 /sys/block/sd*/size", SLOW)

    with w.case("plugged in again is back by itself"):
        w.plug_stick()
        w.attached(2, SLOW)
        w.same_stick()


def stop(w):
    with w.case("a stopped client lets go of everything, a stopped server gives it back"):
        w.stop(w.client, "usbiphp-client")
        check(not w.sessions(), w.sessions())
        w.free(2, SLOW)
        w.stop(w.host, "usbiphp-server")
        w.host.wait(f"ls -d {OWN}", SLOW)
        w.host.must(f"! ls -d {STUB}/[0-9]*-*")
        for guest in (w.host, w.client):
            guest.must(f"! ls -d {NOTES}")

    with w.case("what the client wrote is on the stick at the host"):
        w.own_stick()
        w.host.unplug("stick")
        w.host.unplug("keyboard")
        w.host.wait(f"! ls -d {OWN}", SLOW)


def files(kernel, confine):
    """The product as that kernel's machines run it, and tests/t_sandbox for the foreign one."""
    binary = image.product(kernel) if image.foreign(kernel) else BINARY
    return {**{f"/bin/{name}": binary for name in ("usbiphp", "usbiphp-server", "usbiphp-client")},
            **({"/bin/t_sandbox": confine} if image.foreign(kernel) else {})}


def done(way):
    """Whether all went well; the first failure ends it, as each further case would wait in vain."""
    for part in (come, usable, hot_plug, stop):
        part(way)
        if lab.results["not ok"]:
            for guest in (way.host, way.client):
                print(way.log(guest), guest.sh("dmesg | tail -60")[1], file=sys.stderr)
            return False
    return True


def test(kernel, workdir):
    arm_kernel = f"{kernel}-arm64"
    confine = build_sandbox_test(workdir, [image.compiler(arm_kernel) + "gcc"])
    with lab.pair(arm_kernel, workdir, files=lambda which: files(which, confine),
                  client_kernel=kernel) as (arm, other):
        with case("the machines are of two architectures"):
            for guest in (arm, other):
                check(guest.must("uname -m").strip() == guest.arch, guest.must("uname -a"))
                guest.must("usbiphp --version")
        with case("aarch64: what a daemon's process can do before it gives up rights, and after"):
            confined(arm, SLOW)
        for host, client in ((arm, other), (other, arm)):
            place = workdir / host.arch
            place.mkdir()
            if not done(Way(host, client, place)):
                break
        with case("the kernels have nothing to complain about"):
            for guest in (arm, other):
                check(not guest.kernel_complaints(), f"{guest.arch}: {guest.kernel_complaints()}")


if __name__ == "__main__":
    lab.main(test)
