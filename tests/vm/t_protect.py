#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The server leaves a device alone while its own machine needs it, and takes it afterwards."""

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

    def run(self, options="-i 1", command=None):
        self.guest.must(f": >/tmp/log; {command or f'usbiphp-server {options}'} "
                        ">>/tmp/log 2>&1 &")
        self.guest.wait("test -f /var/run/usbiphp/server.lock")

    def stop(self):
        # its short-lived children have its name, and may be gone before they are killed
        self.guest.must("pidof usbiphp-server && { kill $(pidof usbiphp-server); true; }")
        self.guest.wait("! pidof usbiphp-server && test -b /dev/sda && "
                        "ls -d /sys/bus/usb/drivers/usbhid/*:1.0")

    def left(self, busid, reason):
        """It is left alone, with its driver, and that is said once, while the others are taken."""
        self.guest.wait(f"grep -q '{busid} .*: left alone.*: {reason}' /tmp/log")
        self.guest.must("for i in 1 2 3 4 5 6; do kill -HUP $(pidof usbiphp-server); usleep 100000; "
                        "done")
        self.guest.must(f"! ls -d {STUB}/{busid}")
        count = self.guest.must(f"grep -c '{busid} .*: left alone' /tmp/log; true").strip()
        check(count == "1", f"said {count} times")

    def taken(self, busid):
        self.guest.wait(f"ls -d {STUB}/{busid}")

    def kept_while(self, begin, busid, reason, end, other, options="-i 1"):
        """The server is started while it is needed; then it is not any more."""
        self.guest.must(begin)
        self.run(options)
        try:
            self.left(busid, reason)
            self.taken(other)
        except lab.LabError:
            self.guest.sh(f"{end}; dmsetup remove_all")  # LVM does not, where the stick is gone
            self.stop()
            raise
        # At once for the server, which may look between two commands.
        self.guest.must(f"kill -STOP $(pidof usbiphp-server); (set -e; {end}); ended=$?; "
                        "kill -CONT $(pidof usbiphp-server); exit $ended")
        self.taken(busid)
        self.stop()


LVM_CONF = """activation { udev_sync = 0 udev_rules = 0 monitoring = 0 }
backup { backup = 0 archive = 0 }
"""
WIPE = ("dd if=/dev/zero of=/dev/sda bs=64k count=16 2>/dev/null; sync; "
        "blockdev --rereadpt /dev/sda; ")


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


def stacks(s):
    """What stands on a stick in several layers."""
    stick, keyboard, holds = "2-1", "1-2", "it holds the file system at /mnt"
    mount = "mke2fs {0} >/dev/null; mount -t ext4 {0} /mnt"
    with case("a partition of a stick"):
        s.kept_while(WIPE + "printf 'n\\np\\n1\\n\\n\\nw\\n' | fdisk /dev/sda >/dev/null; "
                     "set -e; " + mount.format("/dev/sda1"), stick, holds, "umount /mnt", keyboard)
    volume = ("modprobe dm-mod; set -e; lvm pvcreate -q -ff -y /dev/sda; "
              "lvm vgcreate -q v /dev/sda; lvm lvcreate -q -y -W n -l 100%FREE -n l v; ")
    with case("a logical volume of LVM"):
        s.kept_while(WIPE + volume + mount.format("/dev/v/l"), stick, holds,
                     "umount /mnt; lvm vgchange -q -an v", keyboard)
    with case("swap space in a logical volume, by its name"):
        # Without udev it is a device of its own there, and /proc/swaps has it so.
        s.kept_while(WIPE + volume + "mkswap /dev/mapper/v-l; swapon /dev/mapper/v-l", stick,
                     "it holds swap space", "swapoff /dev/mapper/v-l; lvm vgchange -q -an v",
                     keyboard)
    with case("a RAID of md"):
        s.kept_while(WIPE + "modprobe raid1; set -e; mdadm --create /dev/md0 --run --level=1 "
                     "--raid-devices=2 --metadata=1.2 /dev/sda missing; " +
                     mount.format("/dev/md0"), stick, holds,
                     "umount /mnt; mdadm --stop /dev/md0", keyboard)


def root(s):
    guest, stick, keyboard = s.guest, "2-1", "1-2"
    with case("a stick that only init has mounted"):
        guest.must(WIPE + "set -e; mke2fs /dev/sda >/dev/null; mount -t ext4 /dev/sda /mnt")
        s.run(command="unshare -m sh -c 'umount /mnt && exec usbiphp-server -i 1'")
        s.left(stick, "it holds the file system at /mnt")
        s.taken(keyboard)
        guest.must("umount /mnt")
        s.taken(stick)
        s.stop()
    with case("the stick with the root of the file system"):
        guest.must("set -e; mount -t ext4 /dev/sda /mnt; cd /mnt; "
                   "mkdir -p bin proc sys dev run var; cp /bin/usbiphp-server bin; "
                   "ln -s /run var/run; cd /; umount /mnt")
        # As switch_root(8) does.
        s.run(command="unshare -m sh -c 'set -e; mount -t ext4 /dev/sda /mnt; "
              "for i in proc sys dev run; do mount -o move /$i /mnt/$i; done; cd /mnt; "
              "mount -o move . /; exec chroot . /bin/usbiphp-server -i 1'")
        guest.wait("grep ' / / .* /dev/sda ' /proc/$(pidof usbiphp-server)/mountinfo && "
                   "! grep /dev/sda /proc/1/mountinfo")
        s.left(stick, "it holds the file system at /$")
        s.taken(keyboard)
        s.stop()
        s.run()
        s.taken(stick)
        s.stop()


def console(s):
    with case("a keyboard while somebody is logged in at the console"):
        s.kept_while("setsid sh -c 'exec sleep 1000 </dev/tty1' >/dev/null 2>&1 & "
                     "until grep -q ' 1025 ' /proc/[0-9]*/stat; do usleep 10000; done", "1-2",
                     "somebody is logged in at the console", "kill $(pidof sleep)", "2-1")


def plug_nic(guest, number):
    """A card on a network that all of them share: the name of its interface."""
    guest.qmp.command("netdev_add", type="hubport", id=f"hub{number}", hubid=0)
    guest.plug(f"nic{number}", "usb-net", port=f"{number}", netdev=f"hub{number}")
    return interface(guest, number)


def interface(guest, number):
    return guest.wait(f"basename $(ls -d /sys/bus/usb/devices/1-{number}*/net/*)").strip()


def network(s):
    guest = s.guest
    guest.must("modprobe -a cdc_ether rndis_host")
    name = plug_nic(guest, 3)
    guest.must(f"ip addr add 10.9.0.1/24 dev {name}; ip link set {name} up")
    with case("a network card with the default route"):
        s.kept_while(f"ip route add default via 10.9.0.2 dev {name}", "1-3",
                     f"its network interface {name} has the default route",
                     "ip route del default", "2-1")
    with case("a network card that is the only link"):
        name = interface(guest, 3)
        guest.must(f"ip link set {name} up; ip link set eth0 down")
        s.kept_while("true", "1-3", f"its network interface {name} is the only link that is up",
                     "ip link set eth0 up", "2-1")
    connections(s)


# Somebody else's machine is a network namespace with a card of its own.
THERE = "nsenter -t $(cat /tmp/there) -n "
CONNECT = f"""
(tail -f /dev/null | nc -l -p 5000 >/dev/null) &
until netstat -tln | grep -q :5000; do usleep 10000; done
(tail -f /dev/null | {THERE} nc "$to" 5000 >/dev/null) &
until netstat -tn | grep -q ":5000 .*ESTABLISHED"; do usleep 10000; done
"""


def connections(s):
    """Through a card that is neither the default route nor the only link."""
    guest, other = s.guest, plug_nic(s.guest, 4)
    guest.must("unshare -n sleep 10000 & until test $(readlink /proc/$!/ns/net) != "
               "$(readlink /proc/$$/ns/net); do usleep 10000; done; echo $! >/tmp/there; "
               f"ip link set {other} netns $!; {THERE} ip addr add 10.9.0.2/24 dev {other}; "
               f"{THERE} ip link set {other} up")
    on_link = "$(ip -6 addr show dev $here | sed -n 's,.* \\(fe80.*\\)/.*,\\1,p')"
    for what, to in (("a connection", "10.9.0.1"),
                     ("a connection between link-local addresses", f"{on_link}%{other}")):
        with case(f"a network card with {what}"):
            name = interface(guest, 3)
            guest.must(f"ip addr add 10.9.0.1/24 dev {name}; ip link set {name} up")
            for at, ours in (("", name), (THERE, other)):
                guest.wait(f"{at} ip -6 addr show dev {ours} | grep fe80 | grep -v tentative")
            s.kept_while(f"here={name}; to={to}; {CONNECT}", "1-3",
                         f"its network interface {name} has a connection",
                         "killall nc tail || true", "2-1", "-i 1 --rule 'deny busid 1-4'")


def hubs(s):
    guest = s.guest
    guest.plug("hub", "usb-hub", port="5")
    guest.plug("keyboard2", "usb-kbd", port="5.1")
    guest.wait("ls -d /sys/bus/usb/drivers/usbhid/1-5.1:1.0")
    with case("a hub is left alone, what is behind it is taken"):
        listed = "usbiphp list | grep '^1-5 .*left alone: it is a hub$'"
        guest.must(listed)
        s.run("-i 1 -v")
        s.taken("1-5.1")
        s.left("1-5", "it is a hub")
        guest.must(f"{listed}; usbiphp list | grep '^1-5.1 .*exported$'")
        s.stop()


def test(kernel, work):
    stick = work / "stick.img"
    stick.write_bytes(bytes(16 << 20))
    subprocess.run(["/sbin/mke2fs", "-q", "-t", "ext4", "-F", str(stick)], check=True)
    files = {f"/bin/{name}": BINARY for name in ("usbiphp", "usbiphp-server")}
    (work / "lvm.conf").write_text(LVM_CONF)
    files["/etc/lvm/lvm.conf"] = work / "lvm.conf"
    tools = ("/sbin/dmsetup", "/sbin/lvm", "/sbin/mdadm")
    files |= {x: x for x in (*tools, *image.libraries(*tools))}
    with contextlib.closing(lab.Cable()) as cable, \
            lab.Guest("host", kernel, work, net=cable.ends[0], files=files) as guest:
        guest.must("modprobe usbip-host")
        server = Server(guest, stick)
        for part in (disks, stacks, root, console, network, hubs):
            part(server)
        with case("the kernel has nothing to complain about"):
            check(not guest.kernel_complaints(), f"{guest.kernel_complaints()}")


if __name__ == "__main__":
    version = sys.argv[1] if sys.argv[1:] else "6.1"
    with tempfile.TemporaryDirectory() as directory, case("ran to its end"):
        test(version, pathlib.Path(directory))
    lab.finish()
