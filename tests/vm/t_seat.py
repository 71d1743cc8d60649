#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""People at the server's own machine keep their keyboard, and its service sees all that needs a device.

A Debian guest with systemd-logind, where install.sh has made the server a service. Sessions are real ones of
PAM; somebody logs in with the very USB keyboard. `t_seat.py KERNEL [PART]...`
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
from lab import case, check
from t_main import BINARY, STUB

NOT_PRODUCT = shutil.ignore_patterns(".*", "build", "tests")
KEYBOARD, TABLET = "1-1", "1-2"
LOGGED_IN = "somebody is logged in at the console"
CAN_LOG_IN = "somebody can log in at the console"
RULES = "/etc/usbiphp/rules"
KEYS = {"\n": "ret", " ": "spc"}  # of QEMU
# As a sitting person's, and not: every class of systemd 252 to 260.
PEOPLE = "user user-early user-light user-early-light user-incomplete lock-screen".split()
NOBODY = "background background-light manager manager-early none".split()


class Seat(debian.Debian):
    """The machine that somebody sits at, with the server as its service."""

    packages = debian.PACKAGES + ",libpam-systemd,dbus,lvm2,cryptsetup-bin"

    def made_disk(self, kernel):
        return debian.disk(kernel, self.packages)

    def install(self):
        """From a tree without Makefile, as in a release."""
        product = self.workdir / "product"
        shutil.copytree(image.ROOT, product, ignore=NOT_PRODUCT)
        shutil.copy(BINARY, product / "usbiphp")
        (product / "Makefile").unlink()
        archive = self.workdir / "usbiphp.tar"
        with tarfile.open(archive, "w") as tar:
            tar.add(product, "usbiphp")
        self.put(archive, "/srv/usbiphp.tar")
        self.must("cd /srv && tar xf usbiphp.tar && mkdir -p /etc/usbiphp && "
                  f">{RULES} && cd usbiphp && ./install.sh server -i 1 --rules {RULES}", 300)

    def type(self, text):
        """At the keyboard of the machine."""
        for key in text:
            self.qmp.command("send-key", keys=[{"type": "qcode", "data": KEYS.get(key, key)}])

    def service(self, verb):
        """Afterwards systemd knows that the server has looked at every device."""
        self.must(f"systemctl {verb} usbip-bind", 120)

    def left(self, reason, *busids):
        for busid in busids:
            self.wait(f"/opt/usbip/usbiphp list | grep '^{busid} .*left alone: {reason}'")

    def taken(self, *busids):
        for busid in busids:
            self.wait(f"ls -d {STUB}/{busid}", 120)

    def free(self, *busids):
        for busid in busids:
            self.must(f"! ls -d {STUB}/{busid}")

    def session(self, unit, *settings, command="/bin/sleep 100000"):
        """Begin a session of PAM."""
        words = " ".join(f"-p '{setting}'" for setting in ("PAMName=login", "User=visitor", *settings))
        self.must(f"systemd-run -q --unit={unit} {words} {command}", 120)
        return self.wait(f"pid=$(systemctl show -p MainPID --value {unit}) && [ $pid != 0 ] && "
                         "grep -l ^LEADER=$pid$ /run/systemd/sessions/*[0-9]", 120).strip()

    @contextlib.contextmanager
    def program(self, file, command="/bin/sleep 100000"):
        """A program of another user that has a file open."""
        pid = self.must(f"/usr/bin/setpriv --reuid visitor --clear-groups {command} <>{file} >/dev/null 2>&1 & "
                        "pid=$!; until grep -qx sleep /proc/$pid/comm; do sleep 0.1; done; echo $pid").strip()
        try:
            yield
        finally:
            self.must(f"kill {pid}")


def log_in(s):
    """Without a display."""
    with case("a login prompt and a session as through ssh keep nothing"):
        s.must("systemctl start getty@tty1")
        s.wait("grep -q '(agetty) S .* 1025 ' /proc/[0-9]*/stat")
        s.session("remote", "Environment=XDG_SESSION_CLASS=user XDG_SESSION_TYPE=tty")
        s.must("loginctl list-sessions --no-legend | grep -q visitor && "
               "! grep -h ^SEAT=. /run/systemd/sessions/*[0-9]")
        s.service("restart")
        s.taken(KEYBOARD, TABLET)
    s.service("stop")
    with case("somebody types a name at the prompt, with the keyboard in question: it is left alone"):
        s.wait(f"ls -d /sys/bus/usb/drivers/usbhid/{KEYBOARD}:1.0")
        s.type("visitor\n")
        s.wait("grep -l ^SEAT=seat0 /run/systemd/sessions/*[0-9]", 120)
        s.service("start")
        s.left(LOGGED_IN, KEYBOARD, TABLET)
    with case("and still works; when somebody has typed exit, it is taken"):
        s.wait("grep -q '(sh) S .* 1025 ' /proc/[0-9]*/stat")
        s.free(KEYBOARD, TABLET)
        s.type("exit\n")
        s.taken(KEYBOARD, TABLET)
        s.wait("! grep -l ^SEAT=seat0 /run/systemd/sessions/*[0-9]", 120)
    s.must("systemctl stop remote getty@tty1")


def classes(s):
    """Those that PAM of this systemd makes, and in a copy of its file those of newer ones."""
    s.service("stop")
    with case("a kiosk with a session, and a lock screen: left alone; taken when they end"):
        for name in ("user", "lock-screen"):
            path = s.session(f"seat-{name}", f"Environment=XDG_SESSION_CLASS={name} XDG_SEAT=seat0 XDG_VTNR=3")
            s.must(f"grep -x CLASS={name} {path} && grep -x SEAT=seat0 {path}")
            s.service("start")
            s.left(LOGGED_IN, KEYBOARD, TABLET)
            copy = s.must(f"cat {path}")
            s.must(f"systemctl stop seat-{name}")
            s.taken(KEYBOARD, TABLET)
            s.service("stop")
    with case("session classes of newer versions of systemd: people keep the keyboard, services do not"):
        for name in (*PEOPLE, *NOBODY):
            text = re.sub("CLASS=.*", f"CLASS={name}", copy).replace("\n", "\\n")
            s.must(f"printf '{text}' >/run/systemd/sessions/99")
            if name in PEOPLE:
                s.left(LOGGED_IN, KEYBOARD, TABLET)
            else:
                s.must(f"/opt/usbip/usbiphp list >/run/lab/list && "
                       f"grep '^{KEYBOARD} ' /run/lab/list && ! grep '^{KEYBOARD} .*left alone' /run/lab/list")
        s.must("rm /run/systemd/sessions/99")


def sandbox(s):
    """What the inspector has to see from the unit."""
    s.service("stop")
    sticks = {name: s.workdir / f"{name}.img" for name in ("part", "luks", "lvm")}
    for n, (name, path) in enumerate(sticks.items()):
        with open(path, "wb") as file:
            file.truncate(32 << 20)
        if name == "part":
            image.run("sh", "-c", f"echo , | sfdisk -q {path}")
        s.plug(name, "usb-storage", image=path, serial=name.upper(), port=str(n + 5))
    s.plug("serial", "usb-serial", port="3")
    s.plug("hidraw", "usb-tablet", port="4")

    def disk(busid):
        return s.wait(f"basename /sys/bus/usb/devices/{busid}:1.0/host*/target*/*/block/* | grep -v '*'").strip()

    part, luks, lvm = (disk(f"2-{n + 5}") for n in range(3))
    hidraw = s.wait("basename /sys/bus/usb/devices/1-4:1.0/*/hidraw/* | grep -v '*'").strip()
    s.wait(f"ls -d /dev/ttyUSB0 /dev/{hidraw} /dev/{part}1")
    s.must(f"modprobe -a ext4 dm-mod dm-crypt xts; /sbin/mke2fs -q /dev/{part}1 && "
           f"{{ unshare -m sh -c 'mount -t ext4 /dev/{part}1 /mnt && exec /bin/sleep 100000' & "
           "pid=$!; echo $pid >/run/lab/mounted; until grep -q ' /mnt ' /proc/$pid/mounts; do sleep 0.1; done; } && "
           "! grep ' /mnt ' /proc/mounts", 120)
    s.must(f"echo secret >/run/lab/key; cryptsetup luksFormat -q --type luks2 --pbkdf pbkdf2 "
           f"--pbkdf-force-iterations 1000 /dev/{luks} /run/lab/key && "
           f"cryptsetup open --key-file /run/lab/key /dev/{luks} secret", 240)
    s.must(f"/sbin/lvm pvcreate -q -ff -y /dev/{lvm} && /sbin/lvm vgcreate -q v /dev/{lvm} && "
           "/sbin/lvm lvcreate -q -y -W n -Z n -l 100%FREE -n l v", 240)
    with s.program("/dev/ttyUSB0"), s.program(f"/dev/{hidraw}"):
        s.service("start")
        for what, busid, reason in (
                ("another user's program has a tty open", "1-3", "sleep has /dev/ttyUSB0 open"),
                ("another user's program has a hidraw open", "1-4", f"sleep has /dev/{hidraw} open"),
                ("a partition is mounted in another namespace", "2-5",
                 f"its disk {part}1* holds a file system in use"),
                ("an open volume of LUKS", "2-6", f"its disk {luks} is a part of dm-[0-9]* (secret)"),
                ("an active volume of LVM", "2-7", f"its disk {lvm} is a part of dm-[0-9]* (v-l)")):
            with case(f"in the sandbox: {what}: left alone"):
                s.left(reason, busid)
                s.free(busid)
        with case("in the sandbox: nothing else is, and every file can be read"):
            s.taken(KEYBOARD, TABLET)
            s.must("! journalctl -u usbip-bind | grep 'cannot read'")
    with case("in the sandbox: all of them are taken when they are free"):
        s.must("kill $(cat /run/lab/mounted); cryptsetup close secret && /sbin/lvm vgchange -q -an v", 120)
        s.taken("1-3", "1-4", "2-5", "2-6", "2-7")
    for name in (*sticks, "serial", "hidraw"):
        s.unplug(name)


def reload(s):
    with case("systemctl reload usbip-bind: new rules; a mistake leaves the old ones in force"):
        s.service("restart")
        s.taken(KEYBOARD, TABLET)
        pid = s.must("systemctl show -p MainPID --value usbip-bind")
        s.must(f"echo deny busid {KEYBOARD} >{RULES}")
        s.service("reload")
        s.wait(f"ls -d /sys/bus/usb/drivers/usbhid/{KEYBOARD}:1.0")
        s.must(f"echo dny >{RULES}")
        s.service("reload")
        s.wait("journalctl -u usbip-bind -o cat | grep 'neither allow nor deny'")
        s.free(KEYBOARD)
        s.taken(TABLET)
        s.must(f"echo deny busid {TABLET} >{RULES}")
        s.service("reload")
        s.taken(KEYBOARD)
        s.wait(f"ls -d /sys/bus/usb/drivers/usbhid/{TABLET}:1.0")
        s.must(f">{RULES}")
        s.service("reload")
        s.taken(KEYBOARD, TABLET)
        check(s.must("systemctl show -p MainPID --value usbip-bind") == pid, "it is another daemon")


def display(s):
    """Where a display is, a login screen or kiosk keeps the keyboard."""
    s.service("stop")
    s.must("modprobe bochs")
    s.wait("grep -x connected /sys/class/drm/*/status")
    with case("a login screen at a display: left alone"):
        path = s.session("greeter", "Environment=XDG_SESSION_CLASS=greeter XDG_SEAT=seat0 XDG_VTNR=7")
        s.must(f"grep -x CLASS=greeter {path} && grep -x SEAT=seat0 {path}")
        s.service("start")
        s.left(CAN_LOG_IN, KEYBOARD, TABLET)
    with case("and still left alone when the display is switched off"):
        s.must("cd /sys/class/drm/card0-*-1 && echo off >status && grep -x disconnected status")
        s.left(CAN_LOG_IN, KEYBOARD, TABLET)
        s.free(KEYBOARD, TABLET)
        s.must("cd /sys/class/drm/card0-*-1 && echo detect >status && grep -x connected status")
    with case("a kiosk without logind that reads the keyboard: left alone"):
        event = s.must(f"basename /sys/bus/usb/devices/{KEYBOARD}:1.0/*/input/input*/event*").strip()
        with s.program(f"/dev/input/{event}"):
            s.must("systemctl stop greeter")
            s.left(f"sleep has /dev/input/{event} open", KEYBOARD)
            s.taken(TABLET)
    with case("taken when it has ended"):
        s.taken(KEYBOARD, TABLET)
    with case("a kiosk without logind that draws: a keyboard that is plugged in is left alone"):
        with s.program("/dev/dri/card0"):
            s.unplug("keyboard")
            s.plug("keyboard", "usb-kbd", port=KEYBOARD[2:])
            s.left("sleep has /dev/dri/card0 open", KEYBOARD)
            s.free(KEYBOARD)
        s.taken(KEYBOARD)


PARTS = {part.__name__: part for part in (log_in, classes, sandbox, reload, display)}


def test(kernel, workdir, parts):
    with contextlib.closing(lab.Cable()) as cable, \
            Seat("seat", kernel, workdir, net=cable.ends[0], memory=512, more=("-device", "bochs-display")) as s:
        s.booted()
        s.must("/usr/sbin/useradd -m -s /bin/sh visitor && passwd -qd visitor && modprobe usbserial; "
               "ip route add default via 10.0.0.2; systemctl start systemd-logind", 120)
        for busid, name, driver in ((KEYBOARD, "keyboard", "usb-kbd"), (TABLET, "tablet", "usb-tablet")):
            s.plug(name, driver, port=busid[2:])
            s.wait(f"ls -d /sys/bus/usb/drivers/usbhid/{busid}:1.0")
        s.install()
        for name in parts:
            with case(f"{name} ran to its end"):
                PARTS[name](s)
        with case("the kernel has nothing to complain about"):
            check(not s.kernel_complaints(), s.kernel_complaints())
        if lab.results["not ok"]:
            print(s.sh("journalctl -u usbip-bind -o cat; /opt/usbip/usbiphp list; loginctl; "
                       "grep . /run/systemd/sessions/*[0-9]; journalctl | tail -80")[1], file=sys.stderr)


if __name__ == "__main__":
    version, *chosen = sys.argv[1:] or ["6.1"]
    with tempfile.TemporaryDirectory() as directory, case("the test ran to its end"):
        test(version, pathlib.Path(directory), chosen or PARTS)
    lab.finish()
