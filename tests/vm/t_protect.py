#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The server leaves a device alone while its own machine needs it, and takes it afterwards.

In one machine with the tools that hold devices, and in one with virtual time, where waiting costs
nothing: there the server starts before the network and the people come. With --long also in one
where more is above disks and cards, such as a btrfs or a bond.

    t_protect.py [KERNEL] [--long] [MACHINE]...     only these of the machines early, real, above
"""

import contextlib
import os
import pathlib
import sys
import tempfile

import image
import lab
from lab import case, check
from scene import SHELL
from t_main import BINARY, STUB

TOOLS = ("/sbin/dmsetup", "/sbin/lvm", "/sbin/mdadm", "/sbin/cryptsetup", "/sbin/mkfs.vfat", "/sbin/sfdisk",
         "/sbin/ip", "/usr/sbin/pppd", "/usr/bin/setpriv", "/bin/udevadm", "/lib/udev/ata_id")
UDEV_RULES = ("50-udev-default", "60-block", "60-persistent-storage")
LVM_CONF = """activation { udev_sync = 0 udev_rules = 0 monitoring = 0 }
backup { backup = 0 archive = 0 }
"""
KEYBOARD = "1-15"
UNKNOWN = "this host may need it: "
NO_LINK = "this host has no other network card with a link"

# Where the name of what a device is stands, below the directory of all devices.
DISK, CARD, TTY = "{0}:1.0/host*/target*/*/block/*", "{0}:*/net/*", "{0}:1.0/ttyUSB*"
HIDRAW, SOUND, NODE = "{0}:1.0/*/hidraw/*", "{0}:1.0/sound/card*", "{0}/idVendor"


class Need:
    """Why a device is needed: shell commands that make it so, the reason, commands that end it.

    In all of them "$d" is the name of its disk, network interface, tty or such a thing; the commands
    have "$busid" as well. What is needed until it is unplugged is plugged in again by a function.
    """

    def __init__(self, name, port, where, begin, reason, end, again=None):
        self.name, self.where, self.begin, self.reason, self.end = name, where, begin, reason, end
        self.again = again
        self.busid, self.d = f"{2 if where == DISK else 1}-{port}", None

    def run(self, guest, commands):
        guest.must(f"set -e; busid={self.busid}; d={self.d}; {commands}", 120)

    def find(self, guest):
        """Its name may be another one when a server has given it back."""
        self.d = guest.wait(f"cd /sys/bus/usb/devices && set -- {self.where.format(self.busid)} && "
                            "test -e \"$1\" && echo \"${1##*/}\"").strip()
        return self.d

    def make(self, guest):
        self.find(guest)
        self.run(guest, self.begin)

    def told(self):
        return self.reason.replace("$d", self.d)


def program(command, ready):
    """The commands to start a program that goes on, and to wait until it has come so far."""
    return (f"{command} >/dev/null 2>&1 & pid=$!; echo $pid >/tmp/program.$busid; "
            f"until {ready}; do sleep 0.1; done")


END = "kill $(cat /tmp/program.$busid)"


def elsewhere(kind):
    """The commands to mount a disk in a namespace of its own."""
    return program(f"unshare -m sh -c 'mount -t {kind} '/dev/$d' /mnt && exec sleep 100000'",
                   "grep -q ' /mnt ' /proc/$pid/mounts")


def opened(file):
    """The commands to have a file opened by a program; before it is sleep, it is sh."""
    return program(f"sleep 100000 <>{file}",
                   f"test $(readlink /proc/$pid/fd/0) = {file} && grep -qx sleep /proc/$pid/comm")


class Server:
    """The server on a machine, and what it logs."""

    def __init__(self, guest, work):
        self.guest, self.work = guest, work

    def run(self, options="-i 1", command=None):
        self.guest.must(f": >/tmp/log; {command or f'usbiphp-server {options}'} >>/tmp/log 2>&1 &")
        self.guest.wait("test -f /var/run/usbiphp/server.lock")

    def stop(self):
        # its short-lived children have its name, and may be gone before they are killed
        self.guest.must(lab.kill("usbiphp-server"))
        self.guest.wait(f"! pidof usbiphp-server && ! ls -d {STUB}/[0-9]*")

    @contextlib.contextmanager
    def running(self, options="-i 1", command=None):
        self.run(options, command)
        try:
            yield
        finally:
            self.stop()

    def left(self, busid, reason):
        """It is left alone, which is logged and listed."""
        self.guest.wait(f"grep -q '{busid} .*: left alone: {reason}' /tmp/log && "
                        f"usbiphp list | grep -q '^{busid} .*left alone: {reason}'")

    def stay(self, *busids):
        """They are not taken in more passes, and nothing more is said about them."""
        self.guest.must("for i in 1 2 3 4 5 6; do kill -HUP $(pidof usbiphp-server); sleep 0.1; done")
        for busid in busids:
            self.guest.must(f"! ls -d {STUB}/{busid}")
            said = self.guest.must(f"grep '{busid} .*: left alone' /tmp/log; true").splitlines()
            check(len(said) == 1, f"{busid}: not said once: {said}")

    def taken(self, *busids):
        for busid in busids:
            self.guest.wait(f"ls -d {STUB}/{busid}")

    def plug(self, busid, driver, **props):
        self.guest.plug(f"usb{busid}", driver, port=busid[2:], **props)

    def plug_stick(self, busid):
        self.plug(busid, "usb-storage", image=self.work / f"stick{busid}.img", serial=f"STICK{busid}")

    def plug_card(self, busid):
        self.plug(busid, "usb-net", netdev=f"hub{busid}")

    def plug_serial(self, busid):
        self.plug(busid, "usb-serial", chardev=f"line{busid}", **{"always-plugged": True})

    def unplug(self, busid):
        self.guest.unplug(f"usb{busid}")

    def kept(self, group, needs, *others):
        """The server starts while they are needed; then they are not any more, one by one."""
        for need in needs:
            need.make(self.guest)
        with self.running():
            for need in needs:
                with case(f"{need.name}: left alone"):
                    self.left(need.busid, need.told())
            with case(f"{group}: others are taken meanwhile"):
                self.taken(*others)
            with case(f"{group}: what is left alone stays so, and that is said once"):
                self.stay(*(need.busid for need in needs))
            for need in needs:
                with case(f"{need.name}: taken when it is free"):
                    need.run(self.guest, need.end)
                    if need.again:
                        self.stay(need.busid)
                        self.unplug(need.busid)
                        need.again(self, need.busid)
                    self.taken(need.busid)


# Disks that are in use

PART_OF = "its disk $d is a part of "
DISKS = [
    Need("an open volume of LUKS", 1, DISK,
         "modprobe -a dm-crypt xts; echo secret >/tmp/key; "
         "cryptsetup luksFormat -q --type luks2 --pbkdf pbkdf2 --pbkdf-force-iterations 1000 --offset 8192 "
         "/dev/$d /tmp/key; cryptsetup open --key-file /tmp/key /dev/$d secret",
         PART_OF + "dm-[0-9]* (secret)", "cryptsetup close secret"),
    Need("an active volume of LVM", 2, DISK,
         "modprobe dm-mod; lvm pvcreate -q -ff -y /dev/$d; lvm vgcreate -q v /dev/$d; "
         "lvm lvcreate -q -y -W n -l 100%FREE -n l v",
         PART_OF + "dm-[0-9]* (v-l)", "lvm vgchange -q -an v"),
    Need("a running RAID of md", 3, DISK,
         "modprobe raid1; mdadm --create /dev/md0 --run --level=1 --raid-devices=2 --metadata=1.2 "
         "/dev/$d missing", PART_OF + "md0", "mdadm --stop /dev/md0"),
    Need("ext4 in another mount namespace", 4, DISK, "mke2fs /dev/$d; " + elsewhere("ext4"),
         "its disk $d holds a file system in use (ext4)", END),
    Need("vfat in another mount namespace", 5, DISK, "mkfs.vfat -n VFAT /dev/$d; " + elsewhere("vfat"),
         "its disk $d is in use", END),
    Need("a disk that a program has opened exclusively", 6, DISK,
         program("hold /dev/$d", "readlink /proc/$pid/fd/3"), "hold has /dev/$d open", END),
    Need("a disk that a program has opened exclusively by another node", 7, DISK,
         "mknod /tmp/node b $(tr : ' ' </sys/class/block/$d/dev); " +
         program("hold /tmp/node", "readlink /proc/$pid/fd/3"), "its disk $d is in use", END),
    Need("swap space", 8, DISK, "mkswap /dev/$d; swapon /dev/$d", "it holds swap space", "swapoff /dev/$d"),
    Need("the backing file of a loop device", 9, DISK, "modprobe loop; losetup /dev/loop0 /dev/$d",
         "its disk /dev/$d is a part of loop0", "losetup -d /dev/loop0"),
    Need("a mounted partition", 10, DISK,
         "echo , | sfdisk -q -X gpt /dev/$d; until test -b /dev/${d}1; do sleep 0.1; done; "
         "mke2fs /dev/${d}1; mkdir -p /part; mount -t ext4 /dev/${d}1 /part",
         "it holds the file system at /part", "umount /part"),
    Need("a mounted disk", 11, DISK, "mke2fs /dev/$d; mount -t ext4 /dev/$d /mnt",
         "it holds the file system at /mnt", "umount /mnt"),
]


def disks(s):
    for number in range(1, 12):
        path = s.work / f"stick2-{number}.img"
        path.touch()
        os.truncate(path, 16 << 20)
        s.plug_stick(f"2-{number}")
    s.guest.must("modprobe -a ext4 vfat nls_ascii nls_cp437 nls_iso8859_1; mkdir -p /mnt")
    s.kept("disks in use", DISKS, KEYBOARD)


# Disks that tables name, though they are not in use

def in_fstab(what, number, name):
    return Need(f"a disk that fstab names by {what}", number, DISK,
                f"echo \"$({name}) /srv/{number} ext4 noauto 0 0\" >>/etc/fstab",
                f"/etc/fstab names it: .*, for /srv/{number}$", f"sed -i '/srv.{number} /d' /etc/fstab")


def found(command):
    """What a command prints once it prints something, as udev has got so far."""
    return f"until {command} | grep .; do sleep 0.1; done"


def tag(name, known_as, disk="/dev/$d"):
    return f"echo {name}=$({found(f'udevadm info -q property --property={known_as} --value {disk}')})"


NAMED = [
    Need("a volume of LUKS that crypttab names", 1, DISK,
         f"echo \"secret $({tag('UUID', 'ID_FS_UUID')}) none luks\" >/etc/crypttab",
         "/etc/crypttab names it: .*, for secret$", "rm /etc/crypttab"),
    Need("a volume of LVM that fstab names", 2, DISK, "echo /dev/v/l /srv/2 ext4 >>/etc/fstab",
         "/etc/fstab names /dev/v/l, which its disk $d may hold$", "sed -i '/srv.2 /d' /etc/fstab"),
    Need("a RAID that mdadm.conf names", 3, DISK,
         "mkdir -p /etc/mdadm; mdadm --examine --scan /dev/$d >/etc/mdadm/mdadm.conf",
         "/etc/mdadm/mdadm.conf names the array of its disk $d$", "rm /etc/mdadm/mdadm.conf"),
    in_fstab("UUID", 4, tag("UUID", "ID_FS_UUID")),
    in_fstab("LABEL", 5, tag("LABEL", "ID_FS_LABEL")),
    in_fstab("its link in by-id", 6,
             found("udevadm info -q symlink -r /dev/$d | tr ' ' '\\n' | grep -m 1 by-id/usb")),
    in_fstab("its device", 9, "echo /dev/$d"),
    in_fstab("PARTUUID", 10, tag("PARTUUID", "ID_PART_ENTRY_UUID", "/dev/${d}1")),
]


def tables(s):
    guest, label, free = s.guest, "2-5", "2-11"
    guest.must("mkdir -p /run/udev; /lib/systemd/systemd-udevd --daemon --resolve-names=never && "
               "udevadm trigger --action=add --subsystem-match=block && udevadm settle")
    s.kept("disks that are named", NAMED, KEYBOARD, free)
    with case("a disk that fstab names comes while the server runs: it is never taken"):
        guest.must("echo LABEL=VFAT /srv/label vfat noauto >/etc/fstab")
        with s.running():
            for name in ("names it: LABEL=VFAT, for /srv/label$", "names it"):
                s.left(label, f"/etc/fstab {name}")
                s.unplug(label)
                guest.must(": >/tmp/log")
                s.plug_stick(label)
            s.left(label, "/etc/fstab names it")
            guest.must(f"! grep '{label} .*: exported' /tmp/log; rm /etc/fstab")
            s.taken(label)
    guest.must("kill $(pidof systemd-udevd); while pidof systemd-udevd; do sleep 0.1; done; "
               "rm -r /run/udev /dev/disk")
    with case("without udev nobody tells which disk fstab names"):
        guest.must("echo UUID=1-2-3 /srv/uuid ext4 noauto >/etc/fstab")
        with s.running():
            for busid in (label, free):
                s.left(busid, f"{UNKNOWN}/etc/fstab names UUID=1-2-3, and there is no udev to find it$")
            s.taken(KEYBOARD)
            guest.must("rm /etc/fstab")
            s.taken(label, free)


def root(s):
    """The server itself is on the stick, or in another view of the machine than its first process."""
    guest, stick, holds = s.guest, "2-11", "it holds the file system at "
    disk = DISKS[-1].find(guest)
    with case("a stick that only the first process has mounted"):
        guest.must(f"mount -t ext4 /dev/{disk} /mnt")
        with s.running(command="unshare -m sh -c 'umount /mnt && exec usbiphp-server -i 1'"):
            s.left(stick, holds + "/mnt")
            s.taken(KEYBOARD)
            guest.must("umount /mnt")
            s.taken(stick)
    disk = DISKS[-1].find(guest)
    with case("the stick with the root of the file system"):
        guest.must(f"set -e; mount -t ext4 /dev/{disk} /mnt; cd /mnt; "
                   "mkdir -p bin etc proc sys dev run var; cp -P /bin/usbiphp* bin; "
                   "ln -s /run var/run; cd /; umount /mnt")
        # As switch_root(8) does.
        with s.running(command=f"unshare -m sh -c 'set -e; mount -t ext4 /dev/{disk} /mnt; "
                       "for i in proc sys dev run; do mount -o move /$i /mnt/$i; done; cd /mnt; "
                       "mount -o move . /; exec chroot . /bin/usbiphp-server -i 1'"):
            guest.wait(f"grep ' / / .* /dev/{disk} ' /proc/$(pidof usbiphp-server)/mountinfo && "
                       f"! grep /dev/{disk} /proc/1/mountinfo")
            s.left(stick, holds + "/$")
            s.taken(KEYBOARD)
    with case("the same stick when that server has ended"):
        with s.running():
            s.taken(stick)


# Network cards, and what programs have open

IS_UP = "its network interface $d is up"
CARDS = [
    Need("a card in a bridge", 1, CARD,
         "ip.real link add br-lan type bridge; ip.real link set $d master br-lan",
         "its network interface $d is a part of br-lan", "ip.real link del br-lan", Server.plug_card),
    Need("a card under a VLAN", 2, CARD, "ip.real link add link $d name vlan7 type vlan id 7",
         "its network interface $d is a part of vlan7", "ip.real link del vlan7",
         Server.plug_card),
    Need("a card with an address, but no route", 3, CARD,
         "ip addr add 10.9.3.1/32 dev $d; ip link set $d up; test -z \"$(ip route | grep $d)\"",
         IS_UP, "ip addr flush dev $d; ip link set $d down", Server.plug_card),
    Need("a card that is up without an address, as one of hostapd", 4, CARD,
         "echo 1 >/proc/sys/net/ipv6/conf/$d/disable_ipv6; ip link set $d up; "
         "test -z \"$(ip addr show $d | grep inet)\"",
         IS_UP, "ip link set $d down", Server.plug_card),
    Need("a card in another network namespace", 5, CARD,
         program("unshare -n sleep 100000",
                 "test $(readlink /proc/$pid/ns/net) != $(readlink /proc/$$/ns/net)") +
         "; ip link set $d netns $pid", "its network interface is in another network namespace", END,
         Server.plug_card),
]
PPP = "pppd /dev/$d 115200 nodetach local noauth 10.8.0.{}:10.8.0.{}"
PROGRAMS = [
    Need("PPP over a serial adapter", 7, TTY,
         "modprobe ppp_async; " + program(PPP.format(7, 8), "ls -l /proc/$pid/fd | grep -q /dev/$d"),
         "pppd has /dev/$d open", END, Server.plug_serial),
    Need("PPP over a serial adapter that is connected", 8, TTY,
         program(PPP.format(8, 7), "ip addr | grep -q 10.8.0.8"), "pppd has /dev/$d open",
         END + " || true", Server.plug_serial),  # it ends with the other one
    Need("an open tty", 9, TTY, opened("/dev/$d"), "sleep has /dev/$d open", END),
    Need("an open hidraw", 10, HIDRAW, opened("/dev/$d"), "sleep has /dev/$d open", END),
    Need("audio that plays", 11, SOUND, opened("/dev/snd/pcmC${d#card}D0p"),
         "sound card [0-9]* plays or records", END),
    Need("an interface that a program has claimed", 12, NODE,
         program("hold /dev/$(sed -n s/DEVNAME=//p /sys/bus/usb/devices/$busid/uevent)",
                 "readlink /sys/bus/usb/devices/$busid:1.0/driver | grep -q usbfs"),
         "hold has claimed it", END),
    Need("a device that is not authorized", 13, NODE, "echo 0 >/sys/bus/usb/devices/$busid/authorized",
         "it is not authorized, by USBGuard for example", "echo 1 >/sys/bus/usb/devices/$busid/authorized"),
]


def plug_cards(s, *busids):
    s.guest.must("modprobe -a cdc_ether rndis_host")
    for number, busid in enumerate(busids):
        s.guest.qmp.command("netdev_add", type="hubport", id=f"hub{busid}", hubid=number)
        s.plug_card(busid)


def plug_line(s, busid, server):
    """A serial adapter at one end of a line, and another one at the other end, the server's first."""
    line = {"addr": {"type": "unix", "data": {"path": str(s.work / "line")}}, "server": server}
    s.guest.qmp.command("chardev-add", id=f"line{busid}", backend={
        "type": "socket", "data": line | ({"wait": False} if server else {})})
    s.plug_serial(busid)


def others(s):
    guest, idle = s.guest, "1-6"
    for number in range(1, 12):
        s.unplug(f"2-{number}")
    # with the default route elsewhere no card is waited for
    guest.must("ip route add default via 10.0.0.2; modprobe -a bridge 8021q ftdi_sio snd_usb_audio", 240)
    plug_cards(s, *(need.busid for need in CARDS), idle)
    plug_line(s, "1-7", True)
    plug_line(s, "1-8", False)
    s.plug("1-9", "usb-serial")
    s.plug("1-10", "usb-tablet")
    s.plug("1-11", "usb-audio", audiodev="audio")
    s.plug("1-12", "usb-ccid")
    s.plug("1-13", "usb-mouse")
    s.kept("cards and programs", CARDS + PROGRAMS, KEYBOARD, idle)


def lifted(s):
    """Rules and options that lift a protection."""
    guest, (tty, audio, blocked) = s.guest, (PROGRAMS[i] for i in (2, 4, 6))
    for need in (tty, audio, blocked):
        need.make(guest)
    with case("a rule that names a device lifts its protection, and no other's"):
        with s.running(f"-i 1 --rule 'allow busid {tty.busid}' --rule 'allow busid {blocked.busid}'"):
            s.taken(tty.busid)
            for need in (audio, blocked):
                s.left(need.busid, need.told())
    tty.make(guest)  # the program was left with a tty that is gone
    with case("--take-all lifts all but that of a device that is not authorized"):
        with s.running("-i 1 --take-all"):
            s.taken(tty.busid, audio.busid, KEYBOARD)
            s.left(blocked.busid, blocked.told())
            s.stay(blocked.busid)
            blocked.run(guest, blocked.end)
            s.taken(blocked.busid)
    with case("a device that is not authorized any more is given back, whatever its protection"):
        with s.running("-i 1 --take-all"):
            s.taken(blocked.busid)
            blocked.run(guest, blocked.begin)
            guest.wait(f"! ls -d {STUB}/{blocked.busid} && grep '{blocked.busid} .*: to be given back: "
                       f"{blocked.reason}' /tmp/log")
            blocked.run(guest, blocked.end)
            s.taken(blocked.busid)
    guest.must("killall sleep")


def unable(s):
    """What cannot be found out counts as needed."""
    guest, tablet = s.guest, "1-10"
    stick, said = "2-12", "left alone, unless a rule names it, is each device that a program may have open"
    path = s.work / f"stick{stick}.img"
    path.touch()
    os.truncate(path, 16 << 20)
    s.unplug("1-12")
    s.plug_stick(stick)
    for name, command, remedy in (
            ("without the capability to look at processes",
             "/usr/bin/setpriv --bounding-set=-sys_ptrace usbiphp-server -i 1", "only root with CAP_SYS_PTRACE can see that"),
            ("in a process namespace of its own",
             "unshare --pid --fork --mount-proc usbiphp-server -i 1", "a container can see that only with --pid=host -v /dev:/dev")):
        with case(f"{name}: what a program may use is left alone, a disk is taken"):
            with s.running(command=f"{command} --rule 'allow busid {tablet}'"):
                guest.wait(f"usbiphp list | grep '^{KEYBOARD} .*left alone: {UNKNOWN}somebody may .*; {remedy}$'")
                guest.wait(f"usbiphp list | grep '^1-9 .*left alone: {UNKNOWN}a program may have its ttyUSB[0-9] open; "
                           f"{remedy}$'")
                s.taken(stick, tablet)
                guest.must(f"! grep ': left alone: {UNKNOWN}' /tmp/log")
                count = guest.must(f"grep -c '{said}: {remedy}$' /tmp/log").strip()
                check(count == "1", f"said {count} times")
    with case("the inspector is killed: nothing more is taken, and that is said once"):
        with s.running():
            s.taken(KEYBOARD, tablet)
            # a survey of it may end meanwhile
            guest.must("kill -9 $(grep -lsx usbiphp-inspect /proc/[0-9]*/comm | cut -d / -f 3); true")
            s.plug("1-14", "usb-mouse")
            s.left("1-14", UNKNOWN + "usbiphp-inspect has ended$")
            s.stay("1-14")
            count = guest.must("grep -c 'cannot find out which devices' /tmp/log").strip()
            check(count == "1", f"said {count} times")
    with case("the next server takes it"):
        with s.running():
            s.taken("1-14")


def hubs(s):
    guest = s.guest
    s.unplug("1-14")
    s.plug("1-14", "usb-hub")
    s.plug("1-14.1", "usb-kbd")
    guest.wait("ls -d /sys/bus/usb/drivers/usbhid/1-14.1:1.0")
    with case("a hub is left alone, what is behind it is taken"):
        listed = "usbiphp list | grep '^1-14 .*left alone: it is a hub$'"
        guest.must(listed)
        with s.running("-i 1 -v"):
            s.taken("1-14.1")
            s.left("1-14", "it is a hub")
            guest.must(f"{listed}; usbiphp list | grep '^1-14.1 .*exported$'")


# In virtual time, from the server's start: all of a case is one script, as time leaps between two

VIRTUAL = SHELL + r"""
left() { grep -q "$1 .*: left alone: $2" /tmp/log; }
taken() { for i; do ls -d STUB/$i || return 1; done; }
free() { ! ls -d STUB/[0-9]*; }
start() {
    : >/tmp/log
    usbiphp-server -i 1 >>/tmp/log 2>&1 &
    soon 20 test -f /var/run/usbiphp/server.lock || exit 1
}
must() { soon "$@" || { cat /tmp/log; exit 1; }; }
""".replace("STUB", STUB)


class Virtual(Server):
    """The server on a machine with virtual time."""

    def case(self, name, script):
        with case(name):
            try:
                self.guest.must(VIRTUAL + script, 240)
            finally:
                self.stop()


def starts(s):
    guest, name = s.guest, {}
    plug_cards(s, "1-1", "1-2")
    for busid in ("1-1", "1-2"):
        name[busid] = guest.wait(f"basename $(ls -d /sys/bus/usb/devices/{busid}:*/net/*)").strip()
        guest.must(f"ip link set {name[busid]} down")
    card = name["1-1"]
    guest.must("ip link set eth0 down")
    s.case("a card without a link at the start, which comes after 20 seconds", f"""
        start; sleep 20; free || fail 'one was taken'
        ip link set {card} up
        must 5 left 1-1 "'its network interface {card} is up'"
        free || fail 'the other one was taken'
        ip addr add 10.9.1.1/24 dev {card}; ip route add default via 10.9.1.2
        must 5 taken 1-2
        ! taken 1-1 || fail 'it was taken'""")
    guest.must(f"ip addr flush dev {card}; ip link set {card} down")
    s.unplug("1-2")
    s.case("the only card never gets a link: it stays", f"""
        start; sleep 55; free || fail 'it was taken'
        must 10 left 1-1 "'{NO_LINK}'"
        sleep 60; free || fail 'it was taken'""")
    guest.must("ip link set eth0 up; ip route add default via 10.0.0.2")
    s.case("a card comes back when all others have lost their links", f"""
        start; must 5 taken 1-1
        sleep 60; ip link set eth0 down
        sleep 30; taken 1-1 || fail 'it came back too soon'
        must 60 grep -q "'1-1 .*: to be given back: {NO_LINK}'" /tmp/log
        must 10 "free && test -e /sys/class/net/{card}"
        ip link set eth0 up; sleep 10; free || fail 'it was taken again'""")
    s.unplug("1-1")


PEOPLE = "1-3 1-4 1-5"  # a keyboard, a mouse, a tablet
GREETER = "UID=107\\nUSER=gdm\\nACTIVE=1\\nSTATE=active\\nTYPE=x11\\nCLASS=greeter\\nSEAT=seat0\\nVTNR=1\\n"


def people(s):
    guest = s.guest
    for busid, driver in (("1-3", "usb-kbd"), ("1-4", "usb-mouse"), ("1-5", "usb-tablet")):
        s.plug(busid, driver)
        guest.wait(f"ls -d /sys/bus/usb/drivers/usbhid/{busid}:1.0")
    all_left = f"for i in {PEOPLE}; do must 20 left $i \"'{{}}'\"; done"
    s.case("somebody is logged in at the console", f"""
        setsid getty -n -l /bin/sh 0 tty1 &
        must 20 grep -q "'(sh) S .* 1025 '" "/proc/[0-9]*/stat"
        start; {all_left.format('somebody is logged in at the console')}
        sleep 10; free || fail 'one was taken'
        kill -9 $(sed -n "s/ (sh) . .* 1025 .*//p" /proc/[0-9]*/stat)
        must 20 taken {PEOPLE}""")
    guest.must("modprobe bochs && mkdir -p /run/systemd/sessions")
    guest.wait("grep -x connected /sys/class/drm/*/status")
    s.case("a login screen waits at a display", f"""
        printf '{GREETER}' >/run/systemd/sessions/c1
        start; {all_left.format('somebody can log in at the console')}
        sleep 100; free || fail 'one was taken'
        rm /run/systemd/sessions/c1
        must 20 taken {PEOPLE}""")
    s.case("a login screen comes after the server", f"""
        start; sleep 30; free || fail 'one was taken'
        printf '{GREETER}' >/run/systemd/sessions/c1
        {all_left.format('somebody can log in at the console')}
        echo $(basename /sys/bus/pci/drivers/bochs-drm/0*) >/sys/bus/pci/drivers/bochs-drm/unbind
        must 20 taken {PEOPLE}""")


def machine(name, kernel, work, net, **options):
    (work / "lvm.conf").write_text(LVM_CONF)
    files = {f"/bin/{name}": BINARY for name in ("usbiphp", "usbiphp-server")}
    files |= {x: x for x in (*TOOLS, *image.libraries(*TOOLS))}
    files |= {x: x for x in (f"/lib/udev/rules.d/{rules}.rules" for rules in UDEV_RULES)}
    # that of busybox stays as well
    files["/bin/ip.real"] = files.pop("/sbin/ip")
    files |= {"/lib/systemd/systemd-udevd": "/bin/udevadm", "/etc/lvm/lvm.conf": work / "lvm.conf"}
    return lab.Guest(name, kernel, work, net=net, files=files, **options)


def run_parts(server, *parts):
    guest = server.guest
    guest.must("modprobe usbip-host")
    for part in parts:
        part(server)
    with case(f"{guest.name}: the kernel has nothing to complain about"):
        check(not guest.kernel_complaints(), f"{guest.kernel_complaints()}")


def early(kernel, work, net):
    with machine("early", kernel, work, net, icount=True, more=("-device", "bochs-display")) as guest:
        run_parts(Virtual(guest, work), starts, people)


def real(kernel, work, net):
    with machine("real", kernel, work, net, memory=384, more=("-audiodev", "none,id=audio")) as guest:
        server = Server(guest, work)
        server.plug(KEYBOARD, "usb-kbd")
        run_parts(server, disks, tables, root, others, lifted, unable, hubs)


# More of what may be above a disk or a card, and a braille display

def part_of(kind, name, number, options="", commands=""):
    """A card that is a port of a network interface, or below it."""
    return Need(f"a card {kind}", number, CARD, f"{options}; {commands}",
                f"its network interface $d is a part of {name}", f"ip.real link del {name}",
                Server.plug_card)


def port_of(kind, name, number, options=""):
    return part_of(f"in a {kind}", name, number, f"ip.real link add {name} type {kind} {options}",
                   f"ip.real link set $d master {name}")


PARTITION = "echo , | sfdisk -q -X gpt /dev/$d; until test -b /dev/${d}1; do sleep 0.1; done; "
LAZY = ("mkdir -p /lazy$d; mount -t {0} /dev/$d /lazy$d; dd if=/dev/zero of=/lazy$d/file bs=64k count=4; "
        "losetup {1} /lazy$d/file; umount -l /lazy$d; ! grep /lazy$d /proc/mounts")
ABOVE_DISKS = [
    Need("a disk of a btrfs, whose other one is not of USB", 1, DISK,
         "mkdir -p /btrfs; mount -t btrfs -o device=/dev/$d,device=/dev/vda /dev/vda /btrfs; "
         "! grep $d /proc/self/mountinfo", "it holds a part of the btrfs [0-9a-f-]*$", "umount /btrfs"),
    Need("swap space on a partition", 2, DISK, PARTITION + "mkswap /dev/${d}1; swapon /dev/${d}1",
         "it holds swap space", "swapoff /dev/${d}1"),
    Need("a loop device on a partition", 3, DISK, PARTITION + "losetup /dev/loop3 /dev/${d}1",
         "its disk /dev/$d" + "1 is a part of loop3", "losetup -d /dev/loop3"),
    Need("a device mapper on a partition", 4, DISK,
         PARTITION + "dmsetup create linear --noudevsync --table \"0 64 linear /dev/${d}1 0\"",
         "its disk $d" + "1 is a part of dm-[0-9]* (linear)", "dmsetup remove --noudevsync linear"),
    Need("ext4 with the file of a loop device, lazily unmounted", 5, DISK,
         "mke2fs /dev/$d; " + LAZY.format("ext4", "/dev/loop5"),
         "its disk $d holds a file system in use (ext4)", "losetup -d /dev/loop5"),
    Need("vfat with the file of a loop device, lazily unmounted", 6, DISK,
         "mkfs.vfat /dev/$d; " + LAZY.format("vfat", "/dev/loop6"),
         "its disk $d is in use", "losetup -d /dev/loop6"),
    Need("a disk that a program has opened, as a server of NBD does", 7, DISK, opened("/dev/$d"),
         "sleep has /dev/$d open", END),
]
ABOVE_CARDS = [
    part_of("under a macvlan", "macvlan7", 1, "ip.real link add link $d name macvlan7 type macvlan"),
    port_of("bond", "bond7", 2),
    port_of("team", "team7", 3),
    port_of("vrf", "vrf7", 4, "table 7"),
    part_of("under a VXLAN", "vxlan7", 5, "ip.real link add vxlan7 type vxlan id 7 dstport 4789 dev $d "
            "remote 10.9.5.2"),
    Need("a card with a tunnel that is bound to it", 6, CARD,
         "ip addr add 10.9.6.1/24 dev $d; ip link set $d up; "
         "ip.real link add tunnel7 type ipip local 10.9.6.1 remote 10.9.6.2 dev $d; ip link set tunnel7 up",
         IS_UP, "ip.real link del tunnel7; ip addr flush dev $d; ip link set $d down", Server.plug_card),
]
BRAILLE = Need("a braille display that brltty has claimed", 7, NODE, "cp /bin/hold /tmp/brltty; " + program(
    "/tmp/brltty /dev/$(sed -n s/DEVNAME=//p /sys/bus/usb/devices/$busid/uevent)",
    "readlink /sys/bus/usb/devices/$busid:1.0/driver | grep -q usbfs"), "brltty has claimed it", END)


def above_disks(s):
    for need in ABOVE_DISKS[1:]:
        path = s.work / f"stick{need.busid}.img"
        path.touch()
        os.truncate(path, 16 << 20)
    for need in ABOVE_DISKS:
        s.plug_stick(need.busid)
    s.guest.must("modprobe -a btrfs ext4 vfat nls_ascii nls_cp437 nls_iso8859_1 virtio_blk loop dm-mod", 240)
    s.guest.wait("test -b /dev/vda")
    s.kept("above disks", ABOVE_DISKS, KEYBOARD)


def above_cards(s):
    guest, idle = s.guest, "1-8"
    for need in ABOVE_DISKS:
        s.unplug(need.busid)
    guest.must("ip route add default via 10.0.0.2; modprobe -a macvlan bonding team vrf vxlan ipip", 240)
    plug_cards(s, *(need.busid for need in ABOVE_CARDS), idle)
    guest.qmp.command("chardev-add", id="braille", backend={"type": "ringbuf", "data": {}})
    s.plug(BRAILLE.busid, "usb-braille", chardev="braille")
    s.kept("above cards", [*ABOVE_CARDS, BRAILLE], KEYBOARD, idle)


def above(kernel, work, net):
    images = [work / name for name in ("other.img", "stick2-1.img")]
    for path in images:
        path.touch()
        os.truncate(path, 128 << 20)
    image.run("mkfs.btrfs", "-q", "-d", "single", "-m", "raid1", *map(str, images))
    with machine("above", kernel, work, net, memory=384, more=(
            "-drive", f"if=none,id=other,format=raw,file={images[0]}",
            "-device", "virtio-blk-pci,drive=other")) as guest:
        server = Server(guest, work)
        server.plug(KEYBOARD, "usb-kbd")
        run_parts(server, above_disks, above_cards)


MACHINES = {"early": early, "real": real, "above": above}


def test(kernel, *machines):
    for run in machines:
        with case(f"{run.__name__} ran to its end"), tempfile.TemporaryDirectory() as work, \
                contextlib.closing(lab.Cable()) as cable:
            run(kernel, pathlib.Path(work), cable.ends[0])


if __name__ == "__main__":
    words = [x for x in sys.argv[1:] if x != "--long"]
    some = words[1:] or [x for x in MACHINES if x != "above" or "--long" in sys.argv]
    test(words[0] if words else "6.1", *(MACHINES[x] for x in some))
    lab.finish()
