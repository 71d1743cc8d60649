#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Disks in use at the client lose nothing: t_inuse.py KERNEL [INIT] [PART]... [--fast].

A stick has a mounted file system with data that is only in the client's memory. The client is stopped,
restarted, told to let go, removed, and rebooted under INIT: systemd (if none is given), openrc or sysvinit.
The network ends at a shutdown when Debian's ifupdown ends it. Parts: the names in PARTS; without one, all that
INIT can. `--fast`: what `make test` runs.
"""

import contextlib
import pathlib
import re
import shutil
import sys
import tarfile
import tempfile
import time

import debian
import image
import lab
import oldinit
from lab import case, check
from t_main import BINARY

NOT_PRODUCT = shutil.ignore_patterns(".*", "build", "tests")
PATIENCE = 300  # seconds: some commands are many processes, slow under emulation
BUSYBOX = "/run/lab/bin/busybox"
LABELS = ("PLAIN", "NETDEV")  # of the sticks: mounted by hand, and by fstab

# For stacked(): a disk with LUKS, LVM and md in three partitions, and what opens them, also after a boot.
STACK_CREATE = """cryptsetup luksFormat -q --type luks2 --pbkdf pbkdf2 --pbkdf-force-iterations 1000 \
    --offset 8192 ${disk}1 /root/key
pvcreate -q -ff -y ${disk}2 && vgcreate -q v ${disk}2 && lvcreate -q -y -W n -l 100%FREE -n l v
mdadm --create /dev/md0 --run --level=1 --raid-devices=2 --metadata=1.2 ${disk}3 missing
"""
STACK_OPEN = """modprobe loop
[ -e /dev/mapper/secret ] || cryptsetup open --key-file /root/key ${disk}1 secret
vgchange -q -ay v
[ -e /dev/md0p1 ] || {
    mdadm --stop --scan || :  # what udev has begun to assemble
    mdadm --assemble --run /dev/md0 ${disk}3
    addpart /dev/md0 1 2048 40000
}
"""
STACK = {"/srv/luks": "/dev/mapper/secret", "/srv/lvm": "/dev/v/l", "/srv/md": "/dev/md0p1"}
RULES = "/root/rules"
ASLEEP = "PM: suspend-to-idle"  # kernel/power/suspend.c, s2idle_loop()
AWAKE = "systemctl is-active usbip-attach && systemctl is-active suspend.target | grep inactive"

# As ifupdown's: before file systems are unmounted.
NETWORK_UNIT = f"""[Unit]
DefaultDependencies=no
After=local-fs.target
Before=network.target shutdown.target
Conflicts=shutdown.target
Wants=network.target
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/true
ExecStop={BUSYBOX} ip link set eth0 down
[Install]
WantedBy=multi-user.target
"""
NETWORK_SCRIPT = f"""#!/bin/sh
### BEGIN INIT INFO
# Provides:          networking
# Required-Start:    $local_fs
# Required-Stop:     $local_fs
# Default-Start:     S
# Default-Stop:      0 6
### END INIT INFO
[ "$1" != stop ] || {BUSYBOX} ip link set eth0 down
"""


class Stick:
    """A stick at the host, with an ext4 file system in a file."""

    def __init__(self, workdir, label):
        self.label, self.path = label, workdir / f"{label}.img"
        self.place = f"/srv/{label}"
        with open(self.path, "wb") as file:
            file.truncate(24 << 20)
        image.run("mke2fs", "-q", "-t", "ext4", "-L", label, str(self.path))

    def is_clean(self):
        """Whether its file system was unmounted while the disk was there."""
        about = image.run("dumpe2fs", "-h", str(self.path))
        return "needs_recovery" not in about and re.search(r"state: +clean$", about, re.M)

    def holds(self, name, digest):
        """Whether the server has all of a file, also if the file system is still mounted."""
        with tempfile.TemporaryDirectory(dir=self.path.parent) as directory:
            copy = pathlib.Path(directory) / "copy"
            shutil.copy(self.path, copy)
            script = (f"e2fsck -fy {copy} >/dev/null 2>&1; [ $? -le 1 ] && "
                      f"debugfs -R 'cat /{name}' {copy} 2>/dev/null | sha256sum")
            return image.run("sh", "-c", script).split()[0] == digest


class Client(debian.Debian):
    """A guest that has what stacked() needs."""

    def made_disk(self, kernel):
        return debian.disk(kernel, f"{debian.PACKAGES},cryptsetup,lvm2,mdadm")


class World:
    """The host, and the client with an init system."""

    def __init__(self, kernel, init, workdir, stack, machine=debian.Debian):
        self.init, self.workdir, self.files = init, workdir, 0
        cable = lab.Cable()
        stack.callback(cable.close)
        files = {f"/bin/{name}": BINARY for name in ("usbiphp", "usbiphp-server")}
        # When it has slept, its controller has lost its power: XHCI_RESET_ON_RESUME of xhci.h.
        self.host = lab.Guest("host", kernel, workdir, net=cable.ends[0], addr="10.0.0.1/24",
                              files=files, append="xhci_hcd.quirks=0x80")
        stack.callback(self.host.close)
        options = {"net": cable.ends[1], "addr": "10.0.0.2/24"}
        self.client = (machine("client", kernel, workdir, **options) if init == "systemd" else
                       oldinit.Guest(init, kernel, workdir, **options))
        stack.callback(self.client.close)
        self.must, self.wait, self.sh = self.client.must, self.client.wait, self.client.sh
        self.host.ready()
        self.client.ready()
        self.client.booted()
        self.sticks = [Stick(workdir, label) for label in LABELS]
        self.plain, self.netdev = self.sticks

    def install(self):
        product = self.workdir / "product"
        shutil.copytree(image.ROOT, product, ignore=NOT_PRODUCT)
        shutil.copy(BINARY, product / "usbiphp")
        (product / "Makefile").unlink()  # as in a release
        archive = self.workdir / "usbiphp.tar"
        with tarfile.open(archive, "w") as tar:
            tar.add(product, "usbiphp")
        self.client.put(archive, "/srv/usbiphp.tar")
        self.must(f"cd /srv && tar xf usbiphp.tar && mkdir -p /root && >{RULES}")
        self.network()
        self.must(f"cd /srv/usbiphp && ./install.sh client 10.0.0.1 -i 2 --rules {RULES}", PATIENCE)
        for stick in self.sticks:
            self.must(f"mkdir {stick.place}")
            self.host.plug(stick.label, "usb-storage", image=stick.path, serial=stick.label)
        self.host.must("usbiphp-server -i 2 >>/tmp/server.log 2>&1 &")

    def network(self):
        """Let the network end in its time."""
        text = self.workdir / "network"
        text.write_text(NETWORK_UNIT if self.init == "systemd" else NETWORK_SCRIPT)
        if self.init == "systemd":
            self.client.put(text, "/etc/systemd/system/networking.service")
            self.must("rm /etc/systemd/system-generators/systemd-fstab-generator && "
                      "systemctl daemon-reload && systemctl -q enable --now networking")
        else:
            text.chmod(0o755)
            self.client.put(text, "/etc/init.d/networking")
            self.must("update-rc.d networking defaults" if self.init == "sysvinit" else
                      "rc-update add networking boot && rc-service networking start", PATIENCE)

    def service(self, verb):
        self.must({"systemd": f"systemctl {verb} usbip-attach",
                   "openrc": f"rc-service usbip-attach {verb}",
                   "sysvinit": f"/etc/init.d/usbip-attach {verb}"}[self.init], PATIENCE)

    def log(self):
        return self.must("journalctl -o cat -u usbip-attach" if self.init == "systemd" else "dmesg")

    def disk(self, stick):
        """The name of its disk at the client, once it is there."""
        return self.wait(f"disk=$(/sbin/blkid -L {stick.label}) && echo ${{disk#/dev/}}", 120).strip()

    def identity(self, stick):
        """What tells whether its disk has been away."""
        return self.must(f"cat /sys/block/{self.disk(stick)}/diskseq")

    def port(self, stick):
        """Its port of vhci-hcd."""
        busid = self.must(f"readlink -f /sys/block/{self.disk(stick)} | sed 's|.*/usb[0-9]*/||; s|/.*||'")
        return int(self.must(f"awk '$7 == \"{busid.strip()}\" {{ print $2 }}' "
                             "/sys/devices/platform/vhci_hcd.0/status*"))

    def mount(self, stick):
        self.must(f"mountpoint -q {stick.place} || /bin/mount /dev/{self.disk(stick)} {stick.place}")

    def unmount(self, stick):
        self.must(f"! mountpoint -q {stick.place} || umount {stick.place}")

    def fstab(self, stick, options):
        """Have its file system mounted by /etc/fstab."""
        self.unmount(stick)
        self.must(f"sed -i /{stick.label}/d /etc/fstab; "
                  f"echo 'LABEL={stick.label} {stick.place} ext4 {options} 0 0' >>/etc/fstab; "
                  f"[ {self.init} != systemd ] || systemctl daemon-reload")

    def write(self, stick):
        """A file that is only in the client's memory: its name and digest."""
        self.files += 1
        name = f"file{self.files}"
        self.must("echo 0 >/proc/sys/vm/dirty_writeback_centisecs && "
                  f"dd if=/dev/urandom of={stick.place}/{name} bs=64k count=8")
        digest = self.must(f"sha256sum {stick.place}/{name}").split()[0]
        check(not stick.holds(name, digest), "it was written at once")
        return name, digest

    def check_file(self, stick, name, digest):
        got = self.must(f"sha256sum {stick.place}/{name}").split()[0]
        check(got == digest, f"{name} has another content")

    def reboot(self):
        """In order; the sticks stay plugged in at the host. Returns when the client has ended."""
        self.must({"systemd": "systemctl --no-block reboot"}.get(self.init, "telinit 6"))
        self.client.process.wait(180)

    def boot(self):
        self.client.start()
        self.client.booted()


def refused(w):
    with case("usbiphp detach of a mounted disk: refused, and by whom it is used"):
        w.mount(w.plain)
        seq = w.identity(w.plain)
        for name in (w.port(w.plain), w.must("cut -d ' ' -f 3 /run/usbiphp/port"
                                             f"{w.port(w.plain)}").strip()):
            status, said = w.sh(f"/opt/usbip/usbiphp detach {name}")
            check(status == 1 and f"it holds the file system at {w.plain.place}" in said and
                  "--force" in said, (status, said))
        w.must("[ ! -e /etc/usbiphp/held.client ]")
        check(w.identity(w.plain) == seq, "the disk was away")


def stopped(w):
    with case("stop: the mounted disk is synced and stays, the other goes"):
        w.mount(w.plain)
        seq, (name, digest) = w.identity(w.plain), w.write(w.plain)
        w.service("stop")
        w.must("! pidof usbiphp-client")
        w.wait("! /sbin/blkid -L NETDEV")
        check(w.identity(w.plain) == seq, "the disk was away")
        check(w.plain.holds(name, digest), "it was not synced")
        said = w.log()
        check(f"stays attached: it holds the file system at {w.plain.place}" in said, said)
        w.write(w.plain)

    with case("start: the disk is taken over, the other comes back"):
        w.service("start")
        w.disk(w.netdev)
        check(w.identity(w.plain) == seq, "the disk was away")
        w.check_file(w.plain, name, digest)
        w.must("[ $(/opt/usbip/usbiphp status | grep -c 46f4:0001) = 2 ]")


def restarted(w):
    with case("restart: the mounted disk was never away"):
        w.mount(w.plain)
        seq, (name, digest) = w.identity(w.plain), w.write(w.plain)
        w.service("restart")
        check(w.identity(w.plain) == seq, "the disk was away")
        check(w.plain.holds(name, digest), "it was not synced")

    with case("a rule denies it: it stays until it is unmounted, and is back without the rule"):
        name, digest = w.write(w.plain)
        w.must(f"echo deny class storage >{RULES}")
        w.service("reload")
        w.wait("! /sbin/blkid -L NETDEV", 60)
        w.check_file(w.plain, name, digest)
        check(w.identity(w.plain) == seq, "the disk was away")
        w.must(f"umount {w.plain.place}")
        w.wait("! /sbin/blkid -L PLAIN", 60)
        w.must(f">{RULES}")
        w.service("reload")
        w.disk(w.plain)

    with case("usbiphp detach --force: all that was written before is at the server"):
        w.mount(w.plain)
        name, digest = w.write(w.plain)
        w.must(f"/opt/usbip/usbiphp detach --force {w.port(w.plain)}")
        w.wait("! /sbin/blkid -L PLAIN", 60)
        check(w.plain.holds(name, digest), "it was not synced")
        w.must(f"umount {w.plain.place}")
        w.must("/opt/usbip/usbiphp attach $(cat /etc/usbiphp/held.client)")
        w.disk(w.plain)


def elsewhere(w, stick):
    """Mount its file system in a namespace of its own alone."""
    w.mount(stick)
    w.must("/usr/bin/unshare -m /bin/sleep 10000 & echo $! >/run/lab/sleeper; "
           "until grep -qx sleep /proc/$!/comm; do usleep 10000; done; "
           f"grep -q {stick.place} /proc/$!/mounts && umount {stick.place} && "
           f"! grep {stick.place} /proc/mounts")


def held(w):
    def restart(*disks):
        """These were never away."""
        seqs = [w.must(f"cat /sys/block/{disk}/diskseq") for disk in disks]
        w.service("restart")
        check(seqs == [w.must(f"cat /sys/block/{disk}/diskseq") for disk in disks], "a disk was away")
        return w.log()

    w.unmount(w.plain)
    with case("restart: a disk that a program has open stays, and the program is named"):
        disk = w.disk(w.plain)
        w.must(f"/bin/sleep 10000 </dev/{disk} & echo $! >/run/lab/sleeper; "
               "until grep -qx sleep /proc/$!/comm; do usleep 10000; done")
        said = restart(disk)
        check(f"stays attached: sleep has /dev/{disk} open" in said, said)
        status, said = w.sh(f"/opt/usbip/usbiphp detach {w.port(w.plain)}")
        check(status == 1 and f"sleep has /dev/{disk} open" in said, (status, said))

    with case("a rule denies it: it goes when the program has ended"):
        w.must(f"echo deny class storage >{RULES}")
        w.service("reload")
        w.wait("! /sbin/blkid -L NETDEV", 60)
        w.must("/sbin/blkid -L PLAIN && kill $(cat /run/lab/sleeper)")
        w.wait("! /sbin/blkid -L PLAIN", 60)
        w.must(f">{RULES}")
        w.service("reload")

    disks = [w.disk(stick) for stick in w.sticks]
    w.must(f"dd if=/dev/{disks[1]} of=/run/netdev bs=1M")
    with case("restart: swap space, and what is mounted only in another namespace, stay"):
        elsewhere(w, w.plain)
        w.must(f"mkswap /dev/{disks[1]} && swapon /dev/{disks[1]}")
        said = restart(*disks)
        check("stays attached: it holds swap space" in said, said)
        check("holds a file system in use (ext4)" in said, said)
        w.must(f"swapoff /dev/{disks[1]} && kill $(cat /run/lab/sleeper)")
    w.wait(f"/sbin/mke2fs -q -n /dev/{disks[1]}")  # refuses while somebody holds it
    w.must(f"dd if=/run/netdev of=/dev/{disks[1]} bs=1M && rm /run/netdev")


class Stack:
    """A stick with file systems on LUKS, LVM and md, one in a file on the first, and swap space on the second."""

    def __init__(self, w):
        self.w, path = w, w.workdir / "STACK.img"
        with open(path, "wb") as file:
            file.truncate(96 << 20)
        image.run("sh", "-c", f"printf ',28M\\n,28M\\n,28M\\n' | sfdisk -q {path}")
        w.host.plug("STACK", "usb-storage", image=path, serial="STACK")
        format_all = "".join(f"/sbin/mke2fs -q -t ext4 {device}\n" for device in STACK.values())
        w.must(f"set -e\necho secret >/root/key; disk={self.disk()}\n{STACK_CREATE}{STACK_OPEN}{format_all}", PATIENCE)
        self.mount()
        w.must("set -e; cd /srv; dd if=/dev/zero of='luks/a b' bs=1M count=6; /sbin/mke2fs -q -t ext4 'luks/a b'; "
               "dd if=/dev/zero of='lvm/a b' bs=1M count=1; chmod 600 'lvm/a b'; /sbin/mkswap 'lvm/a b'")
        self.mount_upper()

    def disk(self):
        return self.w.wait("ls /dev/disk/by-id/usb-*STACK-0:0-part3 >/dev/null && "
                           "readlink -f /dev/disk/by-id/usb-*STACK-0:0", 120).strip()

    def identity(self):
        return self.w.must(f"cat /sys/block/{self.disk().removeprefix('/dev/')}/diskseq")

    def open(self):
        self.w.must(f"set -e\ndisk={self.disk()}\n{STACK_OPEN}", PATIENCE)

    def mount(self):
        self.w.must("".join(f"mkdir -p {place} && /bin/mount {device} {place} &&\n"
                            for place, device in STACK.items()) + "true")

    def mount_upper(self):
        self.w.must("mkdir -p /srv/loop && /bin/mount -o loop '/srv/luks/a b' /srv/loop && "
                    "/sbin/swapon '/srv/lvm/a b'")

    def write(self):
        """A file on each file system, only in memory, and their digests."""
        self.w.must("echo 0 >/proc/sys/vm/dirty_writeback_centisecs; for place in luks lvm md loop; do "
                    "dd if=/dev/urandom of=/srv/$place/file bs=64k count=4; done")
        return self.digests()

    def digests(self):
        return self.w.must("sha256sum /srv/luks/file /srv/lvm/file /srv/md/file /srv/loop/file")


def stacked(w):
    stick = Stack(w)
    with case("LUKS, LVM, md: a stop keeps what is on them"):
        seq, digests = stick.identity(), stick.write()
        w.service("stop")
        check(stick.identity() == seq, "the disk was away")
        said = w.log()
        check(re.search("stays attached: its disk sd.[123] is a part of (dm-|md)", said), said)
        check(stick.digests() == digests, "a file is lost")

    with case("reboot: all is unmounted and closed before the network ends"):
        digests = stick.write()
        w.reboot()
        w.boot()
        stick.open()
        for device in STACK.values():
            w.must(f"! /sbin/dumpe2fs -h {device} | grep needs_recovery")
        stick.mount()
        w.must("! /sbin/dumpe2fs -h '/srv/luks/a b' | grep needs_recovery")
        stick.mount_upper()
        check(stick.digests() == digests, "a file is lost")

    with case("unmount.sh: nothing holds the disk any more"):
        w.must("/opt/usbip/install/unmount.sh 5; ! grep -e /srv/l -e /srv/md /proc/mounts /proc/swaps", PATIENCE)
        w.wait("! ls -d /sys/block/dm-* /sys/block/md* 2>/dev/null")
        disk = stick.disk()
        w.service("stop")
        w.must(f"[ ! -e {disk} ]")
        w.service("start")
    w.host.unplug("STACK")


def rebooted(w, fast=False):
    with case("reboot: both file systems are unmounted before the network ends"):
        w.mount(w.plain)
        w.fstab(w.netdev, "_netdev,nofail" if w.init == "systemd" else "_netdev")
        w.must(f"/bin/mount {w.netdev.place}")
        written = [(stick, *w.write(stick)) for stick in w.sticks]
        w.reboot()
        for stick, name, digest in written:
            check(stick.is_clean(), f"{stick.label} was not unmounted")
            check(stick.holds(name, digest), f"{stick.label} has lost a file")

    with case("after the boot all is there again" +
              (", that of fstab is mounted" if w.init == "systemd" else "")):
        w.boot()
        w.disk(w.plain)
        if w.init == "systemd":
            w.wait(f"mountpoint -q {w.netdev.place}", 120)
        else:
            w.mount(w.netdev)
        w.mount(w.plain)
        for file in written:
            w.check_file(*file)

    if fast:
        return
    with case("reboot after a stop, which has left the disk attached: it is unmounted in time"):
        name, digest = w.write(w.plain)
        w.service("stop")
        later = w.write(w.plain)
        w.reboot()
        check(w.plain.is_clean(), "it was not unmounted")
        check(w.plain.holds(name, digest) and w.plain.holds(*later), "a file is lost")
        w.boot()
        w.mount(w.plain)

    with case("reboot while a program uses the file system: nothing is lost"):
        # a child of the lab's agent, which stays to the end
        w.must(f"cd {w.plain.place} && {{ sleep 10000 & }}")
        name, digest = w.write(w.plain)
        w.reboot()
        check(w.plain.holds(name, digest), "a file is lost")
        w.boot()
        w.mount(w.plain)
        w.check_file(w.plain, name, digest)


def automounted(w):
    with case("x-systemd.automount: mounted when it is used, and again after a replug"):
        w.fstab(w.netdev, "_netdev,nofail,x-systemd.automount")
        w.must("systemctl start srv-NETDEV.automount")
        for _ in range(2):
            w.disk(w.netdev)
            w.wait(f"ls {w.netdev.place}/lost+found && "
                   f"grep -q ' {w.netdev.place} ext4 ' /proc/mounts", 120)
            status, said = w.sh(f"/opt/usbip/usbiphp detach {w.port(w.netdev)}")
            check(status == 1 and w.netdev.place in said, (status, said))
            w.host.unplug(w.netdev.label)
            w.wait(f"! grep -q ' {w.netdev.place} ext4 ' /proc/mounts", 120)
            w.host.plug(w.netdev.label, "usb-storage", image=w.netdev.path, serial=w.netdev.label)

    used = f"ls {w.netdev.place}/lost+found && grep -q ' {w.netdev.place} ext4 ' /proc/mounts"
    with case("stop: a disk that was mounted so stays"):
        w.disk(w.netdev)
        w.wait(used, 120)
        seq, (name, digest) = w.identity(w.netdev), w.write(w.netdev)
        w.service("stop")
        check(w.identity(w.netdev) == seq, "the disk was away")
        check(w.netdev.holds(name, digest), "it was not synced")
        w.service("start")

    with case("reboot: it is unmounted before the network ends, and mounted again when it is used"):
        later = w.write(w.netdev)
        w.reboot()
        check(w.netdev.is_clean(), "it was not unmounted")
        check(w.netdev.holds(*later), "a file is lost")
        w.boot()
        w.must(f"! grep -q ' {w.netdev.place} ext4 ' /proc/mounts")
        w.disk(w.netdev)
        w.wait(used, 120)
        w.check_file(w.netdev, name, digest)


def slept(w):
    with case("suspend: the client is stopped before and started after, and the disks are back"):
        w.unmount(w.plain)
        w.must(f"systemctl stop srv-NETDEV.automount; "
               f"! mountpoint -q {w.netdev.place} || umount {w.netdev.place}")
        since = w.must("date +%s").strip()
        sleep(w.client, "systemctl --no-block start suspend.target")
        w.wait(AWAKE, 120)
        said = w.must(f"journalctl --since @{since} | grep -e detached -e 'PM: suspend entry'")
        check(said.split("PM: suspend entry")[0].count("detached from port") == 2, said)
        for stick in w.sticks:
            w.disk(stick)

    # vhci_hcd_suspend() refuses while a device is attached
    with case("suspend with a mounted disk: it is synced and stays, so the machine stays awake"):
        w.mount(w.plain)
        seq, (name, digest) = w.identity(w.plain), w.write(w.plain)
        w.must("dmesg -c >/dev/null; systemctl --no-block start suspend.target")
        w.wait("dmesg | grep 'We have 1 active connection. Do not suspend'", 120)
        check(w.plain.holds(name, digest), "it was not synced before")
        w.wait(AWAKE, 120)
        w.disk(w.netdev)
        check(w.identity(w.plain) == seq, "the disk was away")
        w.check_file(w.plain, name, digest)
        w.unmount(w.plain)

    with case("a server that slept, and whose devices have lost their power meanwhile, serves again"):
        seqs = [w.identity(stick) for stick in w.sticks]
        sleep(w.host, "(sleep 1; echo mem >/sys/power/state) &")
        for stick, seq in zip(w.sticks, seqs):
            w.wait(f"disk=$(/sbin/blkid -L {stick.label}) && "
                   f"[ $(cat /sys/block/${{disk#/dev/}}/diskseq) != {seq.strip()} ] && "
                   "dd if=$disk of=/dev/null bs=1M iflag=direct", 120)


def sleep(guest, command):
    """Sleep, and wake up by a key of a keyboard that is no USB device.

    Not with the memory alone on: these kernels do not come back from that under emulation.
    """
    guest.must("echo s2idle >/sys/power/mem_sleep && echo enabled >/sys/bus/serio/devices/serio0/power/wakeup && "
               "echo 1 >/sys/power/pm_debug_messages && "
               "echo N >/sys/module/printk/parameters/console_suspend && dmesg -n 8")
    times = guest.serial.read_text(errors="replace").count(ASLEEP)
    guest.must(command)
    deadline = time.monotonic() + 120
    while guest.serial.read_text(errors="replace").count(ASLEEP) == times:
        if time.monotonic() > deadline:
            guest.fail("it does not sleep")
        time.sleep(0.02)
    guest.qmp.command("send-key", keys=[{"type": "qcode", "data": "a"}])
    guest.wait("true", 120)
    guest.must("dmesg -n 5")


def removed(w):
    with case("uninstall.sh: the mounted disk stays, and how to detach it is told"):
        w.mount(w.plain)
        seq, port, (name, digest) = w.identity(w.plain), w.port(w.plain), w.write(w.plain)
        w.unmount(w.netdev)
        said = w.must("/opt/usbip/uninstall.sh", PATIENCE)
        check("stays attached" in said and f"echo {port} >/sys/devices/" in said and
              "vhci_hcd stays loaded" in said, said)
        w.must("! [ -e /opt/usbip ] && ! pidof usbiphp-client")
        w.wait("! /sbin/blkid -L NETDEV")
        check(w.identity(w.plain) == seq, "the disk was away")
        check(w.plain.holds(name, digest), "it was not synced")
        w.check_file(w.plain, name, digest)
        w.must(f"umount {w.plain.place} && echo {port} >/sys/devices/platform/vhci_hcd.0/detach")
        w.wait("! /sbin/blkid -L PLAIN", 60)
        check(w.plain.is_clean(), "it was not unmounted")


PARTS = {part.__name__: part for part in (refused, stopped, restarted, held, stacked, rebooted, automounted,
                                          slept, removed)}
FAST = {"refused", "stopped", "rebooted", "removed"}
ONLY_SYSTEMD = {"stacked", "automounted", "slept"}


def test(kernel, init, workdir, parts, fast):
    with contextlib.ExitStack() as stack:
        w = World(kernel, init, workdir, stack, Client if "stacked" in parts else debian.Debian)
        w.install()
        for stick in w.sticks:
            w.disk(stick)
        for name in parts:
            PARTS[name](w, **{"fast": True} if fast and name == "rebooted" else {})
        with case("the kernels have nothing to complain about"):
            for guest in (w.host, w.client):
                check(not guest.kernel_complaints(), f"{guest.name}: {guest.kernel_complaints()}")
        if lab.results["not ok"]:
            print(w.host.sh("cat /tmp/server.log; dmesg | tail -40")[1], w.log(), file=sys.stderr)


def main():
    words = [word for word in sys.argv[1:] if word != "--fast"]
    fast, chosen = "--fast" in sys.argv, [word for word in words if word in PARTS]
    others = [word for word in words if word not in PARTS]
    kernel, init = (others + ["6.1", "systemd"][len(others):])[:2]
    parts = chosen or [part for part in PARTS if (part in FAST or not fast) and
                       (part not in ONLY_SYSTEMD or init == "systemd")]
    with tempfile.TemporaryDirectory() as directory, case(f"{init}: the test ran to its end"):
        test(kernel, init, pathlib.Path(directory), parts, fast)
    lab.finish()


if __name__ == "__main__":
    main()
