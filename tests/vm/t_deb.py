#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The Debian package in two Debian guests with systemd: installed, used, upgraded in use, removed."""

import contextlib
import hashlib
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

import debian
import image
import lab
from t_install import check_service, main_pid, new_main, same_disk, wait_exported

NOT_PRODUCT = shutil.ignore_patterns(".*", "build")
# All that a package may touch, less what dpkg, systemd and the lab keep there.
LISTING = ("find /etc /opt /run /usr /lib/ /var/lib /tmp -path /run/systemd -prune -o "
           "-path /run/udev -prune -o -path /run/log -prune -o -path /run/lab -prune -o "
           "-path /var/lib/systemd/timers -prune -o -path /var/lib/dpkg -prune -o -path /run/utmp -prune "
           "-o -path /lib/modules -prune -o -type f -printf '%p %s %T@ %m\\n' -o "
           "-printf '%p %y %l\\n' | sort")
ROLES = {"host": ("usbip-bind", "usbiphp-server"), "client": ("usbip-attach", "usbiphp-client")}
# busybox has one, too.
DPKG = "/usr/bin/dpkg"
VERSIONS = ("1.0", "1.1")


def start_build(product, version):
    return subprocess.Popen(["setpriv", "--pdeathsig", "KILL", "make", "deb", f"VERSION={version}"],
                            cwd=product, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                            stderr=subprocess.STDOUT, text=True)


def built(process, product, version):
    """The package, when it is there."""
    output, _ = process.communicate(timeout=600)
    lab.check(process.returncode == 0, output)
    package, = (product / "build").glob(f"usbiphp_{version}_*.deb")
    return package


def test(kernel, workdir):
    product = workdir / "product"
    shutil.copytree(image.ROOT, product, ignore=NOT_PRODUCT)
    stick = workdir / "stick.img"
    stick.write_bytes(os.urandom(1 << 20))
    with contextlib.ExitStack() as stack:
        cable = lab.Cable()
        stack.callback(cable.close)
        building = start_build(product, VERSIONS[0])
        stack.callback(building.kill)
        guests = []
        for n, name in enumerate(ROLES):
            guests.append(debian.Debian(name, kernel, workdir, net=cable.ends[n],
                                        addr=f"10.0.0.{n + 1}/24"))
            stack.callback(guests[-1].close)
        for guest in guests:
            guest.ready()
            guest.booted()
        first = built(building, product, VERSIONS[0])
        building = start_build(product, VERSIONS[1])
        stack.callback(building.kill)
        before = {guest: guest.must(LISTING, 60) for guest in guests}
        for guest in guests:
            guest.put(first, "/run/lab/first.deb")
        test_use(*guests, stick)
        second = built(building, product, VERSIONS[1])
        for guest in guests:
            guest.put(second, "/run/lab/second.deb")
        test_upgrade(*guests, stick)
        test_removal(*guests, before)
        with lab.case("the kernels have nothing to complain about"):
            for guest in guests:
                lab.check(not guest.kernel_complaints(), f"{guest.name}: {guest.kernel_complaints()}")


def check_content(client, stick):
    client.wait("[ -b /dev/sda ]", 60)
    digest = hashlib.sha256(stick.read_bytes()).hexdigest()
    lab.check(client.must("sha256sum /dev/sda").split()[0] == digest, "another content")


def test_use(host, client, stick):
    with lab.case("installed: no service is enabled or runs, no module is loaded"):
        for guest in (host, client):
            guest.must(f"{DPKG} -i /run/lab/first.deb", 120)
            for service, _ in ROLES.values():
                guest.must(f"! systemctl is-enabled {service} && ! systemctl is-active {service}")
            guest.must("! grep -q -e usbip -e vhci /proc/modules")
    with lab.case("its autopkgtest"):
        host.put(image.ROOT / "install/debian/tests/loopback", "/run/lab/loopback")
        said = host.must("/run/lab/loopback", 60)
        lab.check('"devices"' in said, said)
        host.must("rm /run/lab/loopback")
    with lab.case("the client without a HOST says what to put where, in one line, and is not started again"):
        client.sh("systemctl start usbip-attach")
        client.wait("systemctl is-failed usbip-attach")
        said = client.must("journalctl -o cat -u usbip-attach | grep /etc/default/usbip-attach")
        lab.check(said.count("\n") == 1 and "OPTIONS=HOST" in said, said)
        client.must("[ $(systemctl show -p NRestarts --value usbip-attach) = 0 ]")
    with lab.case("enabled and started: a stick is attached"):
        host.must("systemctl -q enable --now usbip-bind", 60)
        host.plug("stick", "usb-storage", image=stick, serial="PACKAGE1")
        wait_exported(host)
        client.must("sed -i 's/^#OPTIONS=.*/OPTIONS=\"10.0.0.1 -i 2\"/' /etc/default/usbip-attach && "
                    "systemctl -q enable --now usbip-attach", 60)
        check_service(host, "usbip-bind", "/usr/bin/usbiphp-server")
        check_service(client, "usbip-attach", "/usr/bin/usbiphp-client 10.0.0.1 -i 2")
        check_content(client, stick)


def test_upgrade(host, client, stick):
    with lab.case("upgraded in use: new daemons, the disk was never away, options are kept"):
        disk = same_disk(client)
        for guest in (host, client):
            service, daemon = ROLES[guest.name]
            old = main_pid(guest, service)
            guest.must(f"{DPKG} -i /run/lab/second.deb", 120)
            pid = new_main(guest, service, old)
            guest.wait(f"[ $(readlink /proc/{pid}/exe) = /usr/bin/usbiphp ]")
            said = guest.must(f"/proc/{pid}/exe --version")
            lab.check(said == f"usbiphp {VERSIONS[1]}\n", said)
            other, = (x for x, _ in ROLES.values() if x != service)
            guest.must(f"systemctl is-enabled {service} && ! systemctl is-enabled {other} && "
                       f"! systemctl is-active {other}")
        check_service(client, "usbip-attach", "/usr/bin/usbiphp-client 10.0.0.1 -i 2")
        for guest in (host, client):
            guest.wait("usbiphp status | grep -q 46f4:0001")
        lab.check(same_disk(client) == disk, "the disk was away")
        check_content(client, stick)


def test_removal(host, client, before):
    with lab.case("removed: every device is back with its own driver, no module has it"):
        client.must(f"{DPKG} -r usbiphp", 120)
        client.must("[ ! -e /sys/block/sda ] && ! pidof usbiphp-client")
        host.must(f"{DPKG} -r usbiphp", 120)
        host.must("! ls /sys/bus/usb/drivers/usbip-host | grep -q ^[0-9] && ! pidof usbiphp-server")
        host.wait("[ -b /dev/sda ] && ls -l /sys/bus/usb/drivers/usb-storage | grep -q :1.0")
    with lab.case("purged: nothing is left"):
        for guest in (host, client):
            guest.must(f"{DPKG} -P usbiphp", 120)
            left = set(guest.must(LISTING, 60).splitlines()) ^ set(before[guest].splitlines())
            lab.check(not left, f"{guest.name}: {sorted(left)}")
            units = guest.must("systemctl list-units --all --plain --no-legend 'usbip*'")
            lab.check(not units, units)


if __name__ == "__main__":
    for version in sys.argv[1:] or ["6.1"]:
        with tempfile.TemporaryDirectory() as directory, \
                lab.case(f"{version}: the test ran to its end"):
            test(version, pathlib.Path(directory))
    lab.finish()
