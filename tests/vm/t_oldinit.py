#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""install.sh under OpenRC or sysvinit, both roles in one guest: t_oldinit.py KERNEL INIT.

A stick of the guest is exported, and imported by the same guest over loopback.
"""

import contextlib
import hashlib
import os
import pathlib
import shutil
import sys
import tarfile
import tempfile

import image
import lab
import oldinit

NOT_PRODUCT = shutil.ignore_patterns(".*", "build", "tests")
PATIENCE = 300  # seconds: each command is many processes, slow under emulation
BUSYBOX = "/run/lab/bin/busybox"
# All that an installation may touch, less what the init systems and the lab keep there, and less
# what insserv remembers of the links that it has made.
LISTING = """
for dir in /etc /opt /run /usr/local /var/lib /var/spool /tmp; do
    find $dir -path /run/lab -prune -o -path /run/openrc -prune -o -name utmp -prune \
        -o -name '.depend.*' -o -type f \
        -exec cksum {} + -o -printf '%p %y %m %l\\n'
done | sort
find /run/openrc -name '*usbip*' 2>/dev/null
lsmod | cut -d ' ' -f 1 | sort
"""
ROLES = {"server": "usbip-bind", "client": "usbip-attach"}
# The directory of the attached stick's disk below /sys.
DISK = "ls -d /sys/devices/platform/vhci_hcd.*/usb*/*/*/host*/target*/*/block/sd*"
INSTALL, UNINSTALL = "cd /srv/usbiphp && ./install.sh", "/srv/usbiphp/uninstall.sh"


def lines(text):
    return text.rstrip("\n").split("\n")


class Machine:
    """The guest, with what there is to know about the services in it."""

    def __init__(self, guest, init, stick):
        self.guest, self.init, self.stick = guest, init, stick
        self.must, self.sh, self.wait = guest.must, guest.sh, guest.wait
        self.digest = hashlib.sha256(stick.read_bytes()).hexdigest()
        self.settings = "/etc/conf.d" if init == "openrc" else "/etc/default"
        self.supervisors = {"openrc": "/run/supervise-{}.pid",
                            "sysvinit": "/run/{}-supervisor.pid"}[init]

    def plug(self):
        self.guest.plug("stick", "usb-storage", image=self.stick, serial="OLDINIT1")

    def service(self, name, verb):
        """The status and the output of what a person would type."""
        command = {"openrc": f"rc-service {name} {verb}",
                   "sysvinit": f"/etc/init.d/{name} {verb}"}[self.init]
        return self.sh(command, PATIENCE)

    def must_service(self, name, verb):
        status, output = self.service(name, verb)
        lab.check(status == 0, f"{name} {verb}: {status}, {output}")

    def pid(self, name):
        """Wait for a daemon that is there: its pid, and that it is another than a supervisor's."""
        role = {service: role for role, service in ROLES.items()}[name]
        return int(self.wait(f"pid=$(cat /run/{name}.pid) && "
                             f"grep -q ^/opt/usbip/usbiphp-{role} /proc/$pid/cmdline && echo $pid",
                             PATIENCE))

    def supervisor(self, name):
        return int(self.wait(f"cat {self.supervisors.format(name)}", PATIENCE))

    def new_pid(self, name, old):
        self.wait(f"pid=$(cat /run/{name}.pid) && [ $pid != {old} ] && [ -e /proc/$pid ]", PATIENCE)
        return self.pid(name)

    def gone(self, pid):
        self.wait(f"! [ -e /proc/{pid} ]", PATIENCE)

    def check_words(self, name, *words):
        """Whether the daemon was started with these words, and the service says that it runs."""
        got = self.guest.get(f"/proc/{self.pid(name)}/cmdline").decode().split("\0")
        lab.check(tuple(got[1:-1]) == words, got)
        self.must_service(name, "status")

    def check_content(self):
        """Whether the stick is attached, and all of it can be read."""
        directory = self.wait(DISK, 120).strip()
        self.wait(f"[ -b /dev/{directory[-3:]} ]", PATIENCE)
        got = self.must(f"sha256sum /dev/{directory[-3:]}").split()[0]
        lab.check(got == self.digest, "another content")

    def seq(self):
        """What tells whether the attached disk has been away."""
        return self.must(f"cat $({DISK})/diskseq")

    def back(self):
        """Wait until the stick is with its own driver."""
        self.wait("ls -l /sys/bus/usb/drivers/usb-storage | grep -v vhci | grep -q :1.0", PATIENCE)

    def listing(self):
        return lines(self.must(LISTING, PATIENCE))


def start(stack, kernel, init, workdir):
    product = workdir / "product"
    shutil.copytree(image.ROOT, product, ignore=NOT_PRODUCT)
    image.run("make", cwd=image.ROOT)
    shutil.copy(image.ROOT / "build/usbiphp", product / "usbiphp")
    (product / "Makefile").unlink()  # as in a release
    archive = workdir / "usbiphp.tar"
    with tarfile.open(archive, "w") as tar:
        tar.add(product, "usbiphp")
    stick = workdir / "stick.img"
    stick.write_bytes(os.urandom(1 << 20))
    cable = lab.Cable()
    stack.callback(cable.close)
    guest = oldinit.Guest(init, kernel, workdir, net=cable.ends[0], addr="10.0.0.1/24")
    stack.callback(guest.close)
    guest.ready()
    guest.booted()
    guest.put(archive, "/srv/usbiphp.tar")
    guest.must("cd /srv && tar xf usbiphp.tar && rm usbiphp.tar && mkdir -p /root && >/root/rules")
    return Machine(guest, init, stick)


def installed(machine, before):
    with lab.case("--dry-run changes nothing"):
        for arguments in ("server", "client 127.0.0.1"):
            said = machine.must(f"{INSTALL} --dry-run {arguments}")
            lab.check("would " in said and "usbip-" in said, said)
        lab.check(machine.listing() == before, "something is there")

    with lab.case("install.sh server and client: the services run, a stick comes by itself"):
        said = machine.must(f"{INSTALL} server --rules /root/rules --interval 7", PATIENCE)
        lab.check(lines(said)[-1] == "usbip-bind runs, now and after every boot", said)
        machine.must(f"cd /srv/usbiphp && {BUSYBOX} sh ./install.sh client 127.0.0.1 -i 2",
                     PATIENCE)
        machine.check_words("usbip-bind", "--rules", "/root/rules", "--interval", "7")
        machine.check_words("usbip-attach", "127.0.0.1", "-i", "2")
        machine.plug()
        machine.check_content()

    with lab.case("without a syslog it logs to the kernel's"):
        machine.must("dmesg | grep -q 'usbiphp-server: '")
        said = machine.must(f"/opt/usbip/install/daemon.sh said usbip-attach {machine.settings}")
        lab.check(said.startswith("usbiphp-client: ") and len(lines(said)) == 1, said)


def crashed(machine):
    with lab.case("kill -9: the supervisor starts a new daemon, the disk was never away"):
        seq = machine.seq()
        for name in ROLES.values():
            old, supervisor = machine.pid(name), machine.supervisor(name)
            lab.check(old != supervisor, f"{name}: {old} is the supervisor")
            machine.must(f"kill -9 {old}")
            machine.new_pid(name, old)
            lab.check(machine.supervisor(name) == supervisor, f"{name}: a new supervisor")
            machine.must_service(name, "status")
        machine.check_content()
        lab.check(machine.seq() == seq, "the disk was away")


def commands(machine):
    with lab.case("stop gives the stick back; start exports it again, status knows"):
        machine.must_service("usbip-bind", "stop")
        machine.back()
        status, said = machine.service("usbip-bind", "status")
        lab.check(status == 3, f"{status}, {said}")
        machine.must("! [ -e /run/usbip-bind.pid ] && ! [ -s /run/usbiphp/bound ]")
        machine.must_service("usbip-bind", "start")
        machine.must_service("usbip-bind", "status")
        machine.check_content()

    with lab.case("start and stop twice are harmless"):
        old = machine.pid("usbip-bind")
        machine.must_service("usbip-bind", "start")
        lab.check(machine.pid("usbip-bind") == old, "another daemon")
        for _ in range(2):
            machine.must_service("usbip-attach", "stop")
        machine.wait(f"! {DISK}", PATIENCE)
        machine.must_service("usbip-attach", "start")

    with lab.case("restart: another supervisor, another daemon, the stick again"):
        for name in ROLES.values():
            old, supervisor = machine.pid(name), machine.supervisor(name)
            machine.must_service(name, "restart")
            lab.check(machine.pid(name) != old, f"{name}: the old daemon")
            lab.check(machine.supervisor(name) != supervisor, f"{name}: the old supervisor")
        machine.check_content()

    with lab.case("reload reads the rules, in the same daemon"):
        old = machine.pid("usbip-bind")
        machine.must("echo deny class storage >/root/rules")
        machine.must_service("usbip-bind", "reload")
        machine.back()
        machine.must(">/root/rules")
        machine.must_service("usbip-bind", "reload")
        machine.check_content()
        lab.check(machine.pid("usbip-bind") == old, "another daemon")


def unsupervised(machine):
    with lab.case("kill -9 of the supervisor: the daemon goes on, install.sh mends it"):
        seq = machine.seq()
        for role, name in ROLES.items():
            old, supervisor = machine.pid(name), machine.supervisor(name)
            machine.must(f"kill -9 {supervisor}")
            machine.gone(supervisor)
            status, said = machine.service(name, "status")
            lab.check(said.strip() and ((status != 0) == (machine.init == "openrc")),
                      f"{status}, {said}")
            lab.check(machine.pid(name) == old, "another daemon")
            machine.check_content()
            machine.must(f"{INSTALL} {role}", PATIENCE)
            machine.must_service(name, "status")
            new = machine.new_pid(name, old)
            machine.gone(old)
            machine.must(f"kill -9 {new}")
            machine.new_pid(name, new)
        machine.check_content()
        lab.check(machine.seq() == seq, "the disk was away")

    with lab.case("stop also ends a daemon without supervisor"):
        old, supervisor = machine.pid("usbip-bind"), machine.supervisor("usbip-bind")
        machine.must(f"kill -9 {supervisor}")
        machine.gone(supervisor)
        machine.must_service("usbip-bind", "stop")
        machine.gone(old)
        machine.back()
        machine.must_service("usbip-bind", "start")
        machine.check_content()


def wrong_usage(machine):
    settings = f"{machine.settings}/usbip-attach"
    with lab.case("wrong options: neither started nor tried for ever, and mended by a start"):
        seq, supervisor = machine.seq(), machine.supervisor("usbip-attach")
        machine.must(f"cp {settings} /root/settings && echo 'OPTIONS=\"--no-such\"' >{settings}")
        machine.must(f"kill -9 {machine.pid('usbip-attach')}")
        machine.gone(supervisor)
        status, said = machine.service("usbip-attach", "status")
        lab.check(status == 3, f"{status}, {said}")
        status, said = machine.service("usbip-attach", "start")
        lab.check(status != 0 and "--no-such" in said, f"{status}, {said}")
        machine.must(f"mv /root/settings {settings}")
        machine.must_service("usbip-attach", "start")
        machine.pid("usbip-attach")
        lab.check(machine.seq() == seq, "the disk was away")


def upgraded(machine):
    with lab.case("install.sh again: a new daemon, the old options, the disk was never away"):
        seq = machine.seq()
        for role, name in ROLES.items():
            old, supervisor = machine.pid(name), machine.supervisor(name)
            words = machine.must(f"cat {machine.settings}/{name}")
            machine.must(f"{INSTALL} {role}", PATIENCE)
            lab.check(machine.pid(name) != old, f"{name}: the old daemon")
            lab.check(machine.supervisor(name) == supervisor, f"{name}: another supervisor")
            lab.check(machine.must(f"cat {machine.settings}/{name}") == words, "other options")
        machine.check_words("usbip-attach", "127.0.0.1", "-i", "2")
        machine.check_content()
        lab.check(machine.seq() == seq, "the disk was away")

    with lab.case("other options replace the old, blanks and all; logged to syslog"):
        machine.must(f"{BUSYBOX} syslogd -O /var/log/messages")
        machine.wait("[ -S /dev/log ]", PATIENCE)
        machine.must(f"{INSTALL} client 127.0.0.1 10.0.0.99 --rule 'deny id 1:1' -v", PATIENCE)
        machine.check_words("usbip-attach", "127.0.0.1", "10.0.0.99", "--rule", "deny id 1:1", "-v")
        machine.wait("grep -q 'usbip-attach: usbiphp-client: ' /var/log/messages", PATIENCE)
        said = machine.must(f"/opt/usbip/install/daemon.sh said usbip-attach {machine.settings}")
        lab.check(said.startswith("usbiphp-client: "), said)
        lab.check(machine.seq() == seq, "the disk was away")


def rebooted(machine):
    with lab.case("a reboot, with one server away: it boots, and the stick comes by itself"):
        machine.guest.reboot()
        machine.plug()
        machine.check_content()
        for name in ROLES.values():
            machine.must_service(name, "status")


def removed(machine, before):
    with lab.case("uninstall.sh --dry-run changes nothing"):
        seq, now = machine.seq(), machine.listing()
        lab.check("would " in machine.must(f"{UNINSTALL} --dry-run"), "it says nothing")
        lab.check(machine.listing() == now and machine.seq() == seq, "something has changed")

    with lab.case("uninstall.sh: the stick is back, nothing is left, twice is harmless"):
        machine.must(f"{BUSYBOX} sh {UNINSTALL} client", PATIENCE)
        machine.wait(f"! {DISK}", PATIENCE)
        machine.pid("usbip-bind")
        machine.must(UNINSTALL, PATIENCE)
        machine.back()
        for _ in range(2):
            left = set(machine.listing()) ^ set(before)
            lab.check(not left, sorted(left))
            machine.must(UNINSTALL, PATIENCE)
        # not what looks for it
        running = machine.sh("grep -ls '/opt/usbi[p]' /proc/[0-9]*/cmdline")[1]
        lab.check(not running.strip(), running)


def test(kernel, init, workdir):
    with contextlib.ExitStack() as stack:
        machine = start(stack, kernel, init, workdir)
        before = machine.listing()
        installed(machine, before)
        crashed(machine)
        commands(machine)
        unsupervised(machine)
        wrong_usage(machine)
        upgraded(machine)
        rebooted(machine)
        removed(machine, before)
        with lab.case("the kernel has nothing to complain about"):
            lab.check(not machine.guest.kernel_complaints(), machine.guest.kernel_complaints())


if __name__ == "__main__":
    version, which = sys.argv[1:3]
    with tempfile.TemporaryDirectory() as directory, lab.case(f"{which}: the test ran to its end"):
        test(version, which, pathlib.Path(directory))
    lab.finish()
