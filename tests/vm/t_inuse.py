#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Disks in use at the client lose nothing: t_inuse.py KERNEL [INIT] [--fast].

A stick has a mounted file system with data that is only in the client's memory. The client is stopped,
restarted, told to let go, removed, and rebooted under INIT: systemd (if none is given), openrc or sysvinit.
The network ends at a shutdown when Debian's ifupdown ends it. `--fast`: what `make test` runs.
"""

import contextlib
import pathlib
import re
import shutil
import sys
import tarfile
import tempfile

import debian
import image
import lab
import oldinit
from lab import case, check
from t_main import BINARY, STUB

NOT_PRODUCT = shutil.ignore_patterns(".*", "build", "tests")
PATIENCE = 300  # seconds: some commands are many processes, slow under emulation
BUSYBOX = "/run/lab/bin/busybox"
LABELS = ("PLAIN", "NETDEV")  # of the sticks: mounted by hand, and by fstab
RULES = "/root/rules"
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


class World:
    """The host, and the client with an init system."""

    def __init__(self, kernel, init, workdir, stack):
        self.init, self.workdir, self.files = init, workdir, 0
        cable = lab.Cable()
        stack.callback(cable.close)
        files = {f"/bin/{name}": BINARY for name in ("usbiphp", "usbiphp-server")}
        self.host = lab.Guest("host", kernel, workdir, net=cable.ends[0], addr="10.0.0.1/24",
                              files=files)
        stack.callback(self.host.close)
        options = {"net": cable.ends[1], "addr": "10.0.0.2/24"}
        self.client = (debian.Debian("client", kernel, workdir, **options) if init == "systemd" else
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
        self.must(f"/bin/mount /dev/{self.disk(stick)} {stick.place}")

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
    disks = [w.disk(stick) for stick in w.sticks]

    def restart():
        seqs = [w.must(f"cat /sys/block/{disk}/diskseq") for disk in disks]
        w.service("restart")
        check(seqs == [w.must(f"cat /sys/block/{disk}/diskseq") for disk in disks], "a disk was away")
        return w.log()

    w.must(f"umount {w.plain.place}; dd if=/dev/{disks[1]} of=/run/netdev bs=1M")
    with case("restart: swap space, and what is mounted only in another namespace, stay"):
        elsewhere(w, w.plain)
        w.must(f"mkswap /dev/{disks[1]} && swapon /dev/{disks[1]}")
        said = restart()
        check("stays attached: it holds swap space" in said, said)
        check("holds a file system in use (ext4)" in said, said)
        w.must(f"swapoff /dev/{disks[1]} && kill $(cat /run/lab/sleeper)")
    w.wait(f"/sbin/mke2fs -q -n /dev/{disks[1]}")  # refuses while somebody holds it
    w.must(f"dd if=/run/netdev of=/dev/{disks[1]} bs=1M && rm /run/netdev")


def rebooted(w, busy):
    options = "_netdev,nofail" if w.init == "systemd" else "_netdev"
    with case("reboot: both file systems are unmounted before the network ends"):
        w.must(f"mountpoint -q {w.plain.place} || /bin/mount /dev/{w.disk(w.plain)} {w.plain.place}; "
               f"echo 'LABEL=NETDEV {w.netdev.place} ext4 {options} 0 0' >>/etc/fstab; "
               f"[ {w.init} != systemd ] || systemctl daemon-reload; /bin/mount {w.netdev.place}")
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

    if not busy:
        return
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
        w.must(f"umount {w.netdev.place}; sed -i 's/_netdev,nofail/&,x-systemd.automount/' /etc/fstab && "
               "systemctl daemon-reload && systemctl start srv-NETDEV.automount")
        for _ in range(2):
            w.disk(w.netdev)
            w.wait(f"ls {w.netdev.place}/lost+found && "
                   f"grep -q ' {w.netdev.place} ext4 ' /proc/mounts", 120)
            status, said = w.sh(f"/opt/usbip/usbiphp detach {w.port(w.netdev)}")
            check(status == 1 and w.netdev.place in said, (status, said))
            w.host.unplug(w.netdev.label)
            w.wait(f"! grep -q ' {w.netdev.place} ext4 ' /proc/mounts", 120)
            w.host.plug(w.netdev.label, "usb-storage", image=w.netdev.path, serial=w.netdev.label)


def slept(w):
    with case("suspend: the client is stopped before and started after, and the disks are back"):
        w.must(f"! mountpoint -q {w.plain.place} || umount {w.plain.place}")
        w.must(f"systemctl stop srv-NETDEV.automount; "
               f"! mountpoint -q {w.netdev.place} || umount {w.netdev.place}")
        since = w.must("date +%s").strip()
        sleep(w.client, "systemctl --no-block start suspend.target")
        w.wait(AWAKE, 120)
        said = w.must(f"journalctl --since @{since} | grep -e detached -e 'PM: suspend entry'")
        check(said.split("PM: suspend entry")[0].count("detached from port") == 2, said)
        for stick in w.sticks:
            w.disk(stick)

    with case("suspend with a mounted disk: nothing is lost"):
        w.mount(w.plain)
        name, digest = w.write(w.plain)
        sleep(w.client, "systemctl --no-block start suspend.target")
        check(w.plain.holds(name, digest), "it was not synced before")
        w.wait(AWAKE, 120)
        w.disk(w.plain)
        w.must(f"umount {w.plain.place}")
        w.mount(w.plain)
        w.check_file(w.plain, name, digest)
        w.must(f"umount {w.plain.place}")

    with case("a server that slept serves again"):
        sleep(w.host, "(echo mem >/sys/power/state) &")
        w.host.wait(f"[ $(cat {STUB}/*/usbip_status | wc -l) = 2 ]", 120)
        for stick in w.sticks:
            w.wait(f"dd if=/dev/{w.disk(stick)} of=/dev/null bs=1M iflag=direct", 120)


def sleep(guest, command):
    """Sleep with the memory alone on, and wake up again."""
    since = len(guest.qmp.events)
    guest.must(command)
    guest.qmp.wait_event("SUSPEND", since, 120)
    guest.qmp.command("system_wakeup")
    guest.qmp.wait_event("WAKEUP", since, 60)
    guest.wait("true", 120)


def removed(w):
    with case("uninstall.sh: the mounted disk stays, and how to detach it is told"):
        w.must(f"mountpoint -q {w.plain.place} || /bin/mount /dev/{w.disk(w.plain)} {w.plain.place}")
        seq, port, (name, digest) = w.identity(w.plain), w.port(w.plain), w.write(w.plain)
        w.must(f"! mountpoint -q {w.netdev.place} || umount {w.netdev.place}")
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


def test(kernel, init, workdir, fast):
    with contextlib.ExitStack() as stack:
        w = World(kernel, init, workdir, stack)
        w.install()
        for stick in w.sticks:
            w.disk(stick)
        refused(w)
        stopped(w)
        if not fast:
            restarted(w)
            held(w)
        rebooted(w, not fast)
        if not fast and init == "systemd":
            automounted(w)
            slept(w)
        removed(w)
        with case("the kernels have nothing to complain about"):
            for guest in (w.host, w.client):
                check(not guest.kernel_complaints(), f"{guest.name}: {guest.kernel_complaints()}")
        if lab.results["not ok"]:
            print(w.host.sh("cat /tmp/server.log; dmesg | tail -40")[1], w.log(), file=sys.stderr)


if __name__ == "__main__":
    words = [word for word in sys.argv[1:] if word != "--fast"]
    version, which = (words + ["6.1", "systemd"][len(words):])[:2]
    with tempfile.TemporaryDirectory() as directory, case(f"{which}: the test ran to its end"):
        test(version, which, pathlib.Path(directory), "--fast" in sys.argv)
    lab.finish()
