#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""install.sh and uninstall.sh: in two Debian guests with systemd, and where nothing is built yet.

`--fast` leaves out what takes long: a Debian without compiler, failures, the predecessor.
"""

import contextlib
import hashlib
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile

import debian
import image
import lab

NOT_PRODUCT = shutil.ignore_patterns(".*", "build", "tests")
BUSYBOX = "/run/lab/bin/busybox sh"
# All that an installation may touch, less what systemd and the lab keep there.
MODULES = "ls -d /sys/module/usbip_core /sys/module/usbip_host /sys/module/vhci_hcd /sys/module/tls 2>/dev/null; true"
EXPOSURE = 2.7  # no more than this, by systemd-analyze
LISTING = ("find /etc /opt /run /usr/local /var/lib /var/spool /tmp -path /run/systemd -prune -o "
           "-path /run/udev -prune -o -path /run/log -prune -o -path /run/lab -prune -o "
           "-path /var/lib/systemd -prune -o -path /run/utmp -prune -o -path /run/mount -prune -o "
           "-type f -printf '%p %s %T@ %m\\n' -o "
           "-printf '%p %y %l\\n' | sort")

# Services like those of "USBip Hot Plug", both on one machine.
PREDECESSOR = {
    "/etc/systemd/system/usbip-bind.service": """[Service]
Type=forking
ExecStartPre=/sbin/modprobe usbip-host
ExecStart=/usr/sbin/usbipd -D
ExecStartPost=/bin/sh -c '/opt/usbip/usbip-bind >/dev/null 2>&1 &'
ExecStop=/bin/rm -f /var/spool/usbip/bind
KillMode=process
[Install]
WantedBy=multi-user.target
""",
    "/opt/usbip/usbip-bind": """#!/bin/bash
mkdir -p /var/spool/usbip
touch /var/spool/usbip/bind
while [ -e /var/spool/usbip/bind ]; do
	for id in $(usbip list -p -l | grep -o 'busid=[0-9.-]*' | cut -d= -f2); do
		usbip bind --busid=$id
	done
	sleep 10
done
""",
    "/etc/systemd/system/usbip-attach.service": """[Service]
ExecStartPre=/sbin/modprobe vhci-hcd
ExecStart=/opt/usbip/usbip-attach
[Install]
WantedBy=default.target
""",
    "/opt/usbip/usbip-attach": """#!/bin/bash
while true; do
	for id in $(usbip list -r 127.0.0.1 | grep -o '^ *[0-9][0-9.-]*:' | tr -d ' :'); do
		usbip attach --remote=127.0.0.1 --busid=$id
	done
	sleep 10
done
""",
}

# In a mount and process namespace of its own, with the kernel's files and what the archive needs. It has no
# USB devices.
CHROOT = """
mount -t proc proc "$1/proc" && mount --rbind /dev "$1/dev" && mkdir -p "$1/dev/bus" &&
mount -t tmpfs none "$1/dev/bus" &&
exec chroot "$1" sh -c 'cd /root/usbiphp && ./install.sh server --interval 5'
"""


def lines(text):
    return text.rstrip("\n").split("\n")


def one_line(answer, status, *words):
    """Whether a command failed like that, and said why in one line with those words."""
    lab.check(answer[0] == status and len(lines(answer[1])) == 1 and
              all(word in answer[1] for word in words), f"{answer}, not {status} and {words}")


class Bare:
    """A root directory without compiler, in which install.sh runs from a clean tree."""

    def __init__(self, workdir, product):
        self.root = workdir / "bare"
        self.log = workdir / "bare.log"
        image.run("cp", "-a", str(debian.tree()), str(self.root))
        shutil.copytree(product, self.root / "root/usbiphp", ignore=NOT_PRODUCT)
        shutil.copy("/etc/resolv.conf", self.root / "etc/resolv.conf")
        (self.root / "lib/modules" / os.uname().release).mkdir(parents=True)
        (self.root / "etc/apt/apt.conf.d/99lab").write_text(
            image.run("apt-config", "dump", "Acquire"))

    def start(self):
        with open(self.log, "w") as log:
            return subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", "unshare", "--mount", "--pid", "--fork",
                 "--kill-child", "sh", "-c", CHROOT, "sh", str(self.root)],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def run(self):
        with self.start() as process:
            return self.ended(process, 60)

    def ended(self, process, timeout):
        try:
            process.wait(timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            raise lab.LabError(f"install.sh does not end: {self.log.read_text()}") from None
        return process.returncode, self.log.read_text()

    def have_module(self):
        """What a kernel with usbip-host shows."""
        (self.root / "sys/bus/usb/drivers/usbip-host").mkdir(parents=True)


def main_pid(guest, service):
    return int(guest.must(f"systemctl show -p MainPID --value {service}"))


def check_service(guest, service, arguments):
    guest.must(f"systemctl is-enabled {service} && systemctl is-active {service}")
    cmdline = guest.must(f"tr '\\0' ' ' </proc/{main_pid(guest, service)}/cmdline")
    lab.check(cmdline == arguments + " ", cmdline)


def new_main(guest, service, old):
    """Wait for a main process that is another one: its pid."""
    guest.wait(f"pid=$(systemctl show -p MainPID --value {service}) && "
               f"[ $pid != 0 ] && [ $pid != {old} ]")
    return main_pid(guest, service)


def holders(guest):
    return guest.must("grep -slx usbiphp-holder /proc/[0-9]*/comm | cut -d/ -f3").split()


def wait_exported(host):
    host.wait("ls /sys/bus/usb/drivers/usbip-host | grep -q ^[0-9]", 60)


def same_disk(client):
    """What tells whether the attached disk has been away."""
    return client.must("cat /sys/block/sda/diskseq")


def test(kernel, workdir, fast):
    product = workdir / "product"
    shutil.copytree(image.ROOT, product, ignore=NOT_PRODUCT)
    if fast:
        image.run("make", cwd=product)
        with contextlib.ExitStack() as stack:
            test_guests(kernel, workdir, product, stack, fast)
        return
    bare = Bare(workdir, product)
    with lab.case("with neither the kernel module nor /dev/bus/usb nothing is installed"):
        one_line(bare.run(), 1, "usbip-host", "linux-image-")
        lab.check(not (bare.root / "opt/usbip").exists(), "/opt/usbip is there")
        lab.check(shutil.which("make", path=bare.root / "usr/bin") is None, "make is there")
    bare.have_module()
    with contextlib.ExitStack() as stack:
        building = stack.enter_context(bare.start())
        stack.callback(building.kill)
        image.run("make", cwd=product)
        test_guests(kernel, workdir, product, stack, fast)
        test_bare(bare, building)


def test_bare(bare, building):
    with lab.case("a clean tree on a Debian without compiler and systemd is built and installed"):
        status, output = bare.ended(building, 300)
        lab.check(status == 0, output)
        lab.check("/opt/usbip/usbiphp-server --interval 5" in lines(output)[-1], output)
        chroot = ["chroot", str(bare.root)]
        image.run(*chroot, "/opt/usbip/usbiphp-server", "--version")
        lab.check((bare.root / "etc/default/usbip-bind").is_file(), "no options are kept")
    with lab.case("uninstall.sh without systemd"):
        image.run(*chroot, "sh", "/root/usbiphp/uninstall.sh")
        for name in ("opt/usbip", "etc/default/usbip-bind", "etc/systemd/system/usbip-bind.service"):
            lab.check(not os.path.lexists(bare.root / name), f"{name} is left")


def test_guests(kernel, workdir, product, stack, fast):
    archive = workdir / "usbiphp.tar"
    with tarfile.open(archive, "w") as tar:
        tar.add(product, "usbiphp",
                filter=lambda entry: None if "/build/obj" in entry.name else entry)
    stick = workdir / "stick.img"
    content = os.urandom(1 << 20)
    stick.write_bytes(content)
    digest = hashlib.sha256(content).hexdigest()
    cable = lab.Cable()
    stack.callback(cable.close)
    guests = []
    for n, name in enumerate(("host", "client")):
        guests.append(debian.Debian(name, kernel, workdir, net=cable.ends[n],
                                    addr=f"10.0.0.{n + 1}/24"))
        stack.callback(guests[-1].close)
    before, modules = {}, {}
    for guest in guests:
        guest.ready()
        guest.booted()
        guest.put(archive, "/srv/usbiphp.tar")
        guest.must("cd /srv && tar xf usbiphp.tar && chmod -R a+rX .")
        before[guest] = guest.must(LISTING)
        modules[guest] = guest.must(MODULES)
    host, client = guests

    def check_content():
        client.wait("[ -b /dev/sda ]", 60)
        lab.check(client.must("sha256sum /dev/sda").split()[0] == digest, "another content")

    def check_nothing_left(guest):
        after = guest.must(LISTING)
        left = set(lines(after)) ^ set(lines(before[guest]))
        lab.check(not left, f"{guest.name}: {sorted(left)}")
        loaded = guest.must(MODULES)
        lab.check(loaded == modules[guest], f"{guest.name}: {loaded}")
        units = guest.must("systemctl list-units --all --plain --no-legend 'usbip*'")
        lab.check(not units, units)

    install, uninstall = "cd /srv/usbiphp && ./install.sh", "/srv/usbiphp/uninstall.sh"

    with lab.case("wrong usage: one line and 2, and nothing happens"):
        for arguments in ("", "both", "client", "server extra", "server --no-such",
                          "client 'a b'", "client host --interval no", "server --once '$x'"):
            one_line(client.sh(f"{install} {arguments}", 120), 2)
        one_line(client.sh(f"{uninstall} both", 120), 2)
        check_nothing_left(client)

    with lab.case("not root: one line and 1, and nothing happens"):
        one_line(client.sh(f"{install.replace('./', 'setpriv --reuid 65534 ./')} server", 120), 1, "root")
        one_line(client.sh(f"setpriv --reuid 65534 {uninstall}", 120), 1, "root")
        check_nothing_left(client)

    with lab.case("a client's kernel without the module: one line and 1, and nothing happens"):
        client.must("! [ -d /sys/module/vhci_hcd ] || rmmod vhci_hcd")
        client.must("mv /lib/modules/*/vhci_hcd.ko /")
        one_line(client.sh(f"{install} client h", 120), 1, "vhci-hcd", "apt-get install linux-image-")
        client.must("mv /vhci_hcd.ko /lib/modules/*/")
        check_nothing_left(client)

    with lab.case("a server without the module: one line says so, and a stick is exported nevertheless"):
        client.must("! [ -d /sys/module/usbip_host ] || rmmod usbip_host; mv /lib/modules/*/usbip_host.ko /")
        said = client.must(f"{install} server", 300)
        lab.check("usbip-host cannot be loaded: devices are exported through /dev/bus/usb" in lines(said)[0] and
                  len(lines(said)) == 2, said)
        check_service(client, "usbip-bind", "/opt/usbip/usbiphp-server")
        client.plug("own", "usb-storage", image=stick, read_only=True, serial="OWN1")
        client.wait("/opt/usbip/usbiphp list | grep 'usbfs *exported'", 100)
        said = client.must("journalctl -u usbip-bind | grep -c 'usbip-host is not loaded'")
        lab.check(said.strip() == "1", said)

    with lab.case("its holder outlives kill -9 and an upgrade of the daemon, with its session"):
        client.must("modprobe vhci-hcd && /opt/usbip/usbiphp client --once --run /run/lab/run 127.0.0.1", 60)
        check_content()
        disk, holder = same_disk(client), holders(client)
        old = main_pid(client, "usbip-bind")
        client.must(f"kill -9 {old}")
        new_main(client, "usbip-bind", old)
        client.must(f"{install} server", 300)
        lab.check(holders(client) == holder and len(holder) == 1, f"{holder}, {holders(client)}")
        client.must("echo 3 >/proc/sys/vm/drop_caches")
        check_content()
        lab.check(same_disk(client) == disk, "the disk was away")

    with lab.case("uninstall.sh gives it back, and nothing is left"):
        client.must(uninstall, 300)
        client.wait("[ -b /dev/sda ] && ! readlink -f /sys/block/sda | grep vhci", 60)
        client.wait("! grep -slx usbiphp-holder /proc/[0-9]*/comm", 60)
        client.unplug("own")
        client.must("mv /usbip_host.ko /lib/modules/*/; rm -rf /run/lab/run; for i in vhci_hcd usbip_core; do "
                    "! [ -d /sys/module/$i ] || rmmod $i; done")
        check_nothing_left(client)

    with lab.case("install.sh server: the service runs with its options, and exports a stick"):
        # as on a machine with other disks than of SCSI: their driver comes after the server
        host.must("modprobe -r uas usb_storage sd_mod && ! grep -w sd /proc/devices")
        host.must(f"{install} server --interval 7", 300)
        check_service(host, "usbip-bind", "/opt/usbip/usbiphp-server --interval 7")
        host.must("usbiphp status | grep '^server: running'")
        host.plug("stick", "usb-storage", image=stick, serial="INSTALL1")
        wait_exported(host)

    with lab.case("install.sh client HOST: installed with the cable out, attached with it in"):
        client.link(False)
        client.must(f"cd /srv/usbiphp && {BUSYBOX} ./install.sh client 10.0.0.1 -i 2", 300)
        check_service(client, "usbip-attach", "/opt/usbip/usbiphp-client 10.0.0.1 -i 2")
        client.link(True)
        check_content()

    with lab.case("udev: the device and its disk say where they come from; its port is remembered"):
        busid = client.must("cut -d' ' -f3 /run/usbiphp/port*").strip()
        client.wait(f"test -c /dev/usbiphp/10.0.0.1/{busid}", 60)
        for node in (f"/dev/usbiphp/10.0.0.1/{busid}", "/dev/sda"):
            client.wait(f"udevadm info -q property -n {node} | grep -x ID_USBIPHP_BUSID={busid}", 60)
        lab.check(client.must("stat -c %U:%a /var/lib/usbiphp /var/lib/usbiphp/places") == "root:700\nroot:600\n")

    with lab.case("the services may do little"):
        said = host.must("systemd-analyze security --no-pager usbip-bind") + client.must(
            "systemd-analyze security --no-pager usbip-attach")
        found = re.findall(r"exposure level for \S+: ([0-9.]+)", said)
        lab.check(len(found) == 2 and max(map(float, found)) <= EXPOSURE, found)

    with lab.case("in the sandbox: a hook runs, and restarts a service"):
        client.must("printf '[Service]\\nType=oneshot\\nExecStart=/bin/true\\n' "
                    ">/run/systemd/system/lab-hook.service && systemctl daemon-reload && "
                    "printf '#!/bin/sh\\n"
                    "systemctl restart lab-hook && echo $USBIPHP_EVENT >>/run/usbiphp/hooked\\n' "
                    ">/etc/usbiphp/hooks.d/h && chmod 755 /etc/usbiphp/hooks.d/h")
        client.must("/opt/usbip/usbiphp detach $(ls /run/vhci_hcd | sed -n s/port//p)")
        client.wait("grep -q detached /run/usbiphp/hooked", 60)
        client.must("/opt/usbip/usbiphp attach $(cat /etc/usbiphp/held.client)")
        client.wait("grep -q attached /run/usbiphp/hooked", 60)
        client.must("rm -r /etc/usbiphp/hooks.d/h /run/usbiphp/hooked /run/systemd/system/lab-hook.service && "
                    "systemctl daemon-reload")
        check_content()

    if not fast:
        with lab.case("in the sandbox: a hook of the product, a disk takes larger commands"):
            client.must("cp /srv/usbiphp/install/hooks/large-commands /etc/usbiphp/hooks.d/ && "
                        "chmod 755 /etc/usbiphp/hooks.d/large-commands")
            client.must("/opt/usbip/usbiphp detach $(ls /run/vhci_hcd | sed -n s/port//p)")
            client.wait("! ls /sys/block/sda", 60)
            client.must("/opt/usbip/usbiphp attach $(cat /etc/usbiphp/held.client)")
            client.wait("cd /sys/block/sda && test \"$(cat device/max_sectors queue/max_sectors_kb "
                        "queue/read_ahead_kb | xargs)\" = '2048 1024 4096'", 120)
            client.must("rm /etc/usbiphp/hooks.d/large-commands")
            check_content()

    with lab.case("in the sandbox: what is mounted while the server runs is left alone"):
        client.must("systemctl stop usbip-attach", 60)
        host.must("/opt/usbip/usbiphp release $(ls /sys/bus/usb/drivers/usbip-host | grep ^[0-9])")
        host.wait("[ -b /dev/sda ]", 60)
        host.must("mount -t tmpfs none /mnt && mkdir /mnt/x && mke2fs -q /dev/sda && "
                  "mount /dev/sda /mnt/x && cd / && /opt/usbip/usbiphp bind $(cat /etc/usbiphp/held.server)")
        host.wait("journalctl -u usbip-bind | grep -q 'holds the file system'", 60)
        host.must("[ -b /dev/sda ] && umount /mnt/x && umount /mnt")
        stick.write_bytes(content)
        wait_exported(host)
        client.must("systemctl start usbip-attach", 60)
        check_content()

    with lab.case("install.sh again: a new daemon, the old options, the disk was never away"):
        disk = same_disk(client)
        for guest, role, service, arguments in (
                (host, "server", "usbip-bind", "server --interval 7"),
                (client, "client", "usbip-attach", "client 10.0.0.1 -i 2")):
            old = main_pid(guest, service)
            guest.must(f"{install} {role}", 300)
            check_service(guest, service, f"/opt/usbip/usbiphp-{arguments}")
            lab.check(main_pid(guest, service) != old, f"{service}: the old daemon")
        lab.check(same_disk(client) == disk, "the disk was away")
        check_content()

    with lab.case("kill -9: systemd starts a new daemon, the disk was never away"):
        for guest, service in ((host, "usbip-bind"), (client, "usbip-attach")):
            old = main_pid(guest, service)
            guest.must(f"kill -9 {old}")
            new_main(guest, service, old)
        lab.check(same_disk(client) == disk, "the disk was away")
        check_content()

    with lab.case("other options replace the old"):
        client.must(f"{install} client 10.0.0.1 -v", 300)
        check_service(client, "usbip-attach", "/opt/usbip/usbiphp-client 10.0.0.1 -v")
        lab.check(same_disk(client) == disk, "the disk was away")

    with lab.case("keys, though the services may not load the module for them"):
        host.must("umask 077; /opt/usbip/usbiphp psk laptop >/etc/usbiphp/keys; "
                  "[ ! -d /sys/module/tls ]")
        client.must(f"umask 077; echo '{host.must('cat /etc/usbiphp/keys').strip()}' >/etc/usbiphp/key; "
                    "[ ! -d /sys/module/tls ]")
        host.must(f"{install} server --interval 7 --psk /etc/usbiphp/keys", 300)
        client.must(f"{install} client 10.0.0.1 -v --psk /etc/usbiphp/key", 300)
        host.wait("journalctl -u usbip-bind | grep -q 'imported by laptop (10.0.0.2)'", 100)
        check_content()
        host.must(f"{install} server --interval 7", 300)
        client.must(f"{install} client 10.0.0.1 -v", 300)
        for guest in guests:
            guest.must("[ -d /sys/module/tls ] && rm /etc/usbiphp/key*")
        check_content()

    with lab.case("systemctl stop gives the stick back, start exports it again"):
        host.must("systemctl stop usbip-bind", 60)
        host.wait("[ -b /dev/sda ]")
        host.must("[ -z \"$(ls -A /run/usbiphp)\" ]")
        client.wait("[ ! -e /sys/block/sda ]")
        host.must("systemctl start usbip-bind")
        wait_exported(host)
        check_content()

    with lab.case("both roles on one machine; an option with a blank stays one word"):
        host.must(f"{install} client 10.0.0.99 --rule 'deny busid 9-9'", 300)
        words = host.get(f"/proc/{main_pid(host, 'usbip-attach')}/cmdline").split(b"\0")
        lab.check(words[1:-1] == [b"10.0.0.99", b"--rule", b"deny busid 9-9"], words)
        host.must(f"{uninstall} client", 300)
        check_service(host, "usbip-bind", "/opt/usbip/usbiphp-server --interval 7")
        host.must("[ -x /opt/usbip/usbiphp ] && [ ! -e /etc/default/usbip-attach ]")

    with lab.case("a reboot of the server: all comes back by itself"):
        host.reboot()
        host.plug("stick", "usb-storage", image=stick, serial="INSTALL1")
        wait_exported(host)
        check_content()

    with lab.case("uninstall.sh: every device is back, nothing is left, twice is harmless"):
        client.must(f"{BUSYBOX} {uninstall} client", 120)
        client.wait("[ ! -e /sys/block/sda ]")
        host.must(uninstall, 120)
        host.wait("[ -b /dev/sda ]")
        host.must("ls -l /sys/bus/usb/drivers/usb-storage | grep -q :1.0")
        for guest in guests:
            check_nothing_left(guest)
            guest.must(uninstall, 120)
            check_nothing_left(guest)

    if not fast:
        test_failures(client, install, check_nothing_left)
        test_predecessor(host, workdir, stick, install, uninstall, check_nothing_left)
        test_unplugged(client, stick, install, uninstall)

    with lab.case("the kernels have nothing to complain about"):
        for guest in guests:
            lab.check(not guest.kernel_complaints(), f"{guest.name}: {guest.kernel_complaints()}")


def test_failures(guest, install, check_nothing_left):
    """Whatever stops a first installation, it is taken back."""
    for what, begin, words in (
            ("a place that is read-only", "mount -t tmpfs -o ro none /opt", ("Read-only",)),
            ("a disk that is full", "mount -t tmpfs -o size=64k none /opt", ("No space",)),
            ("programs that must not run there", "mount -t tmpfs -o noexec none /opt", ("noexec",))):
        with lab.case(f"{what}: one line, and nothing is left"):
            guest.must(begin)
            try:
                one_line(guest.sh(f"{install} server", 300), 1, *words)
                left = guest.must("ls -A /opt")
                lab.check(not left, left)
            finally:
                guest.must("umount /opt")
            check_nothing_left(guest)
    with lab.case("a program that does not come up: one line, and nothing is left"):
        guest.must("cp -a /srv/usbiphp /srv/bad && rm /srv/bad/Makefile && printf '%s\\n' '#!/bin/sh' "
                   "'[ \"$1\" = --version ] && exit' 'exit 1' >/srv/bad/usbiphp && "
                   "chmod 755 /srv/bad/usbiphp")
        one_line(guest.sh("/srv/bad/install.sh server", 300), 1, "usbip-bind does not start")
        check_nothing_left(guest)
    with lab.case("a signal: one line, and nothing is left"):
        guest.must(f"{install} server >/run/lab/said 2>&1 & "
                   "until [ -e /opt/usbip/usbiphp ]; do usleep 10000; done; kill $!; wait $!; "
                   "[ $? = 1 ]", 300)
        said = guest.must("cat /run/lab/said")
        lab.check(len(lines(said)) == 1 and "signal" in said, said)
        check_nothing_left(guest)


def test_predecessor(guest, workdir, stick, install, uninstall, check_nothing_left):
    """Its services become ours, and what they share goes on in use."""
    tools = ["/usr/sbin/usbip", "/usr/sbin/usbipd"]
    brought = [f for f in tools + image.libraries(*tools) if guest.sh(f"[ -e {f} ]")[0]]
    for name in brought:
        guest.put(name, name)
    with lab.case("USBip Hot Plug: its client's server is found, the disk was never away"):
        guest.must("mkdir -p /opt/usbip")
        for name, text in PREDECESSOR.items():
            (workdir / "text").write_text(text)
            (workdir / "text").chmod(0o755)
            guest.put(workdir / "text", name)
        guest.must("systemctl -q enable usbip-bind usbip-attach; systemctl start usbip-bind usbip-attach", 120)
        guest.wait("readlink -f /sys/block/sda | grep vhci", 120)
        disk = same_disk(guest)
        said = guest.must(f"{install} client", 300) + guest.must(f"{install} server", 300)
        lab.check(said.count("USBip Hot Plug") == 2, said)
        check_service(guest, "usbip-attach", "/opt/usbip/usbiphp-client 127.0.0.1")
        check_service(guest, "usbip-bind", "/opt/usbip/usbiphp-server")
        lab.check(same_disk(guest) == disk, "the disk was away")
        guest.must("! pidof usbipd && ! [ -e /opt/usbip/usbip-bind ] && ! [ -e /var/spool/usbip ]")
    with lab.case("uninstall.sh leaves no trace of either"):
        guest.must(uninstall, 300)
        guest.wait("[ -b /dev/sda ] && ! readlink -f /sys/block/sda | grep vhci", 60)
        guest.must(f"rm -f {' '.join(brought)}")
        # that one had loaded them: what was there before install.sh stays
        guest.must("for i in usbip_host vhci_hcd usbip_core; do ! [ -d /sys/module/$i ] || rmmod $i; done")
        check_nothing_left(guest)


def test_unplugged(guest, stick, install, uninstall):
    """Comes last, as the module stays loaded."""
    with lab.case("a stick that was unplugged while it was exported: the module stays, and that is said"):
        guest.must(f"{install} server", 300)
        shutil.copy(stick, f"{stick}.gone")
        guest.plug("gone", "usb-storage", image=f"{stick}.gone", serial="GONE1")
        wait_exported(guest)
        guest.unplug("gone")
        guest.wait("! ls -d /sys/bus/usb/drivers/usbip-host/[0-9]*", 60)
        said = guest.must(uninstall, 300)
        lab.check("until the next boot" in said, said)
        guest.must("[ -d /sys/module/usbip_host ] && ! [ -e /opt/usbip ]")


if __name__ == "__main__":
    fast_only = "--fast" in sys.argv
    for version in [w for w in sys.argv[1:] if w != "--fast"] or ["6.1"]:
        with tempfile.TemporaryDirectory() as directory, \
                lab.case(f"{version}: the test ran to its end"):
            test(version, pathlib.Path(directory), fast_only)
    lab.finish()
