#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""make demo: the main task, explained while it runs: what is plugged in, what appears, after how long."""

import hashlib
import pathlib
import sys
import tempfile
import time

import lab

ROOT = pathlib.Path(__file__).resolve().parents[2]
BINARY = ROOT / "build" / "usbiphp"
BEGAN = time.monotonic()
STICK = 8192  # sectors of the stick


def say(who, text):
    colour = {"you": "1", "host": "32", "client": "36"}.get(who, "0")
    start, end = (f"\033[{colour}m", "\033[0m") if sys.stdout.isatty() else ("", "")
    print(f"{time.monotonic() - BEGAN:6.1f} s  {start}{who:>6}{end}  {text}", flush=True)


class Follower:
    """Tells what a daemon has logged since it was last asked."""

    def __init__(self, guest, name):
        self.guest, self.name, self.told = guest, name, 0

    def tell(self):
        lines = self.guest.sh("cat /tmp/log")[1].splitlines()
        for line in lines[self.told:]:
            say(self.name, line)
        self.told = len(lines)


def until(guest, condition, followers, what):
    """Wait for a condition and tell what happens meanwhile: the seconds it took."""
    began = time.monotonic()
    while guest.sh(condition)[0] != 0:
        for follower in followers:
            follower.tell()
        if time.monotonic() - began > 60:
            sys.exit(f"{what}: not within a minute")
        time.sleep(0.05)
    for follower in followers:
        follower.tell()
    return time.monotonic() - began


def demo(kernel, directory):
    stick = pathlib.Path(directory) / "stick"
    stick.write_bytes(bytes(range(256)) * (STICK * 2))
    digest = hashlib.sha256(stick.read_bytes()).hexdigest()
    files = {f"/bin/usbiphp{role}": BINARY for role in ("", "-server", "-client")}
    say("you", f"boot two machines with Linux {kernel}, a cable between them")
    with lab.pair(kernel, directory, files=files) as (host, client):
        told = [Follower(host, "host"), Follower(client, "client")]
        say("host", "# usbiphp-server")
        host.must("usbiphp-server >/tmp/log 2>&1 &")
        say("client", "# usbiphp-client host")
        client.must("usbiphp-client host >/tmp/log 2>&1 &")

        say("you", "plug a stick and a keyboard into the host")
        host.plug("stick", "usb-storage", image=stick, serial="DEMO")
        host.plug("keyboard", "usb-kbd")
        took = until(client, f"cat /sys/block/sd*/size | grep -qx {STICK} && "
                     "ls /sys/bus/usb/drivers/usbhid/*:1.0", told, "plug")
        say("you", f"both are usable at the client {took:.1f} s after the plug:")
        for line in client.sh("usbip port 2>/dev/null | grep -A1 -e usbip: -e Port")[1].splitlines():
            if "usbip:" in line or "Port" in line:
                say("client", line.strip())
        seen = client.must("sha256sum /dev/sda").split()[0]
        say("client", f"sha256 of the stick {seen[:16]}..., "
            f"{'the same as at the host' if seen == digest else 'NOT THE SAME'}")

        say("you", "pull the stick out")
        host.unplug("stick")
        took = until(client, f"! cat /sys/block/sd*/size 2>/dev/null | grep -qx {STICK}", told, "pull")
        say("you", f"gone at the client after {took:.1f} s; plug it in again")
        host.plug("stick", "usb-storage", image=stick, serial="DEMO")
        took = until(client, f"cat /sys/block/sd*/size 2>/dev/null | grep -qx {STICK}", told, "replug")
        say("you", f"back after {took:.1f} s; now stop both daemons")
        client.must(lab.kill("usbiphp-client"))
        host.must(lab.kill("usbiphp-server"))
        until(client, "! pidof usbiphp-client", told, "stop")
        until(host, "! pidof usbiphp-server", told, "stop")
        drivers = host.must("ls -d /sys/bus/usb/drivers/usb-storage/*:1.0 "
                            "/sys/bus/usb/drivers/usbhid/*:1.0").split()
        for path in drivers:
            say("host", f"{path.split('/')[-1]} is with {path.split('/')[-2]} again")
        bad = host.kernel_complaints() + client.kernel_complaints()
        say("you", f"done; the kernels {'complain: ' + bad[0] if bad else 'have no complaint'}")
        return seen == digest and len(drivers) == 2 and not bad


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as work:
        sys.exit(0 if demo(sys.argv[1] if sys.argv[1:] else "6.1", work) else 1)
