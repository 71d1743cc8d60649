#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What the server's own machine needs is not taken from it, and is once it is not needed any more."""

import contextlib
import pathlib
import subprocess
import sys
import tempfile

import image
import lab
from lab import case, check
from t_main import BINARY, STUB


class Server:
    """A machine with a stick and a keyboard, on which the server runs."""

    def __init__(self, guest, stick):
        self.guest, self.stick = guest, stick
        guest.plug("stick", "usb-storage", image=stick, serial="STICK", port="1")
        guest.plug("keyboard", "usb-kbd", port="2")
        guest.wait("test -b /dev/sda && ls -d /sys/bus/usb/drivers/usbhid/*:1.0")

    def run(self, options="-i 1"):
        self.guest.must(f": >/tmp/log; usbiphp-server {options} >>/tmp/log 2>&1 &")
        self.guest.wait("test -f /var/run/usbiphp/server.lock")

    def stop(self):
        self.guest.must("kill $(pidof usbiphp-server)")
        self.guest.wait("! pidof usbiphp-server && test -b /dev/sda && "
                        "ls -d /sys/bus/usb/drivers/usbhid/*:1.0")

    def left(self, busid, reason):
        """It is left alone, with its driver, and that is said once, while the others are taken."""
        self.guest.wait(f"grep -q 'leaving alone {busid} .*: {reason}' /tmp/log")
        self.guest.must("for i in 1 2 3 4 5 6; do kill -HUP $(pidof usbiphp-server); usleep 100000; "
                        "done")
        check(f"/{busid}" not in self.guest.must(f"ls -d {STUB}/*-* 2>/dev/null; true"),
              "it was taken")
        count = self.guest.must("grep -c 'leaving alone' /tmp/log; true").strip()
        check(count == "1", f"said {count} times")

    def taken(self, busid):
        self.guest.wait(f"ls -d {STUB}/{busid}")

    def kept_while(self, begin, busid, reason, end, other):
        """The server is started while it is needed; then it is not any more."""
        self.guest.must(begin)
        self.run()
        self.left(busid, reason)
        self.taken(other)
        self.guest.must(end)
        self.taken(busid)
        self.stop()


def disks(s):
    stick, keyboard = "2-1", "1-2"
    mount = "mkdir -p /mnt; modprobe ext4; mount -t ext4 {} /mnt"
    with case("a mounted stick"):
        s.kept_while(mount.format("/dev/sda"), stick, "it holds the file system at /mnt",
                     "umount /mnt", keyboard)
    with case("a stick that is mounted after it came back"):
        s.run()
        s.taken(stick)
        s.stop()
        s.kept_while(mount.format("/dev/sda"), stick, "it holds the file system at /mnt",
                     "umount /mnt", keyboard)
    with case("a loop device on a stick"):
        s.kept_while("modprobe loop; losetup /dev/loop0 /dev/sda; " + mount.format("/dev/loop0"), stick,
                     "it holds the file system at /mnt", "umount /mnt; losetup -d /dev/loop0", keyboard)
    with case("a mapped stick"):
        s.kept_while("modprobe dm-mod; dmsetup create m --table "
                     "\"0 $(cat /sys/block/sda/size) linear /dev/sda 0\"; dmsetup mknodes; " +
                     mount.format("/dev/mapper/m"), stick, "it holds the file system at /mnt",
                     "umount /mnt; dmsetup remove m", keyboard)
    with case("a stick with swap space"):
        s.kept_while("mkswap /dev/sda && swapon /dev/sda", stick, "it holds swap space",
                     "swapoff /dev/sda", keyboard)
    with case("--take-all takes also what is needed"):
        s.guest.must("mkswap /dev/sda && swapon /dev/sda; swapoff /dev/sda; echo x >/tmp/x")
        s.guest.must("setsid sh -c 'exec sleep 1000 </dev/tty1' >/dev/null 2>&1 &")
        s.run("-i 1 --take-all")
        s.taken(stick)
        s.taken(keyboard)
        s.guest.must("kill $(pidof sleep)")
        s.stop()


def console(s):
    with case("a keyboard while somebody is logged in at the console"):
        s.kept_while("setsid sh -c 'exec sleep 1000 </dev/tty1' >/dev/null 2>&1 & "
                     "until grep -q ' 1025 ' /proc/[0-9]*/stat; do usleep 10000; done", "1-2",
                     "somebody is logged in at the console", "kill $(pidof sleep)", "2-1")


def network(s):
    guest = s.guest
    guest.must("modprobe -a cdc_ether rndis_host")
    guest.qmp.command("netdev_add", type="hubport", id="hub0", hubid=0)
    guest.plug("nic", "usb-net", port="3", netdev="hub0")
    name = guest.wait("basename $(ls -d /sys/bus/usb/devices/1-3*/net/*)").strip()
    guest.must(f"ip addr add 10.9.0.1/24 dev {name}; ip link set {name} up")
    with case("a network card with the default route"):
        s.kept_while(f"ip route add default via 10.9.0.2 dev {name}", "1-3",
                     f"its {name} has the default route",
                     "ip route del default", "2-1")
    with case("a network card that is the only link"):
        name = guest.wait("basename $(ls -d /sys/bus/usb/devices/1-3*/net/*)").strip()
        guest.must(f"ip link set {name} up; ip link set eth0 down")
        s.kept_while("true", "1-3", f"its {name} is the only link that is up",
                     "ip link set eth0 up", "2-1")


def test(kernel, work):
    stick = work / "stick.img"
    stick.write_bytes(bytes(16 << 20))
    subprocess.run(["/sbin/mke2fs", "-q", "-t", "ext4", "-F", str(stick)], check=True)
    files = {f"/bin/{name}": BINARY for name in ("usbiphp", "usbiphp-server")}
    files |= {x: x for x in ("/sbin/dmsetup", *image.libraries("/sbin/dmsetup"))}
    with contextlib.closing(lab.Cable()) as cable, \
            lab.Guest("host", kernel, work, net=cable.ends[0], files=files) as guest:
        guest.must("modprobe usbip-host")
        server = Server(guest, stick)
        for part in (disks, console, network):
            part(server)
        with case("the kernel has nothing to complain about"):
            check(not guest.kernel_complaints(), f"{guest.kernel_complaints()}")


if __name__ == "__main__":
    version = sys.argv[1] if sys.argv[1:] else "6.1"
    with tempfile.TemporaryDirectory() as directory, case("ran to its end"):
        test(version, pathlib.Path(directory))
    lab.finish()
