#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""doc/ansible, udev, systemd and labgrid word for word, with Debian's tools: a Debian client, and a serial adapter in the
socket that the pages name.
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
from t_install import check_service, main_pid
from t_main import BINARY, FILES

SERVER, BUSID = "pi.lan", "1-1.3"
RELEASE = "/home/me/usbiphp-1.0.0-{}.tar.gz"
# What labgrid needs has a user, which cannot be made everywhere by adduser.
OWFS = ("chroot \"$1\" sh -c 'echo Debian-ow:x:150: >>/etc/group && "
        "echo Debian-ow:x:150:150::/nonexistent:/usr/sbin/nologin >>/etc/passwd'")
PLAY = ("cd /srv && ansible-playbook -i hosts.ini -c local -e ansible_become=false "
        "install/ansible/usbiphp.yml --limit {} {} 2>&1")
# The serial adapter, or what the rule made of it, is the one that the kernel knows.
UPS = "test -c /dev/ups && test $(readlink -f /dev/ups) = $(ls /dev/ttyUSB*)"
AVAILABLE = """import sys, time
from labgrid import Environment
target = Environment(sys.argv[1]).get_target()
resource = target.get_resource("USBSerialPort", wait_avail=False)
before = None
while True:
    target.update_resources()
    if resource.avail != before:
        before = resource.avail
        print(resource.avail, resource.port, flush=True)
    time.sleep(0.1)
"""
WRITE = """import sys
from labgrid import Environment
target = Environment(sys.argv[1]).get_target()
driver = target.get_driver("SerialDriver")
driver.write(b"by labgrid")
"""


class Bench(debian.Debian):
    """The client."""

    def made_disk(self, kernel):
        return debian.disk(kernel, debian.PACKAGES + ",ansible-core,labgrid", OWFS)

    def write(self, path, text):
        """A file of the guest."""
        here = self.workdir / "written"
        here.write_text(text)
        self.must(f"mkdir -p {path.rpartition('/')[0]}")
        self.put(here, path)

    def play(self, limit, more=""):
        """Runs the playbook: what it says of the host, as a dictionary, and all that it says."""
        said = self.must(PLAY.format(limit, more), 600)
        recap = re.search(rf"(?m)^{limit} +: (.*)$", said)
        check(recap, said)
        return dict(word.split("=") for word in recap[1].split()), said


def blocks(page):
    """The indented blocks of a page, without their indent."""
    text = (image.ROOT / "doc" / f"{page}.md").read_text()
    found = re.findall(r"(?m)(?:^    .*\n(?:\n(?=    ))?)+", text)
    return [re.sub(r"(?m)^    ", "", block) for block in found]


def block(page, word):
    """The only one with that word."""
    found = [x for x in blocks(page) if word in x]
    check(len(found) == 1, f"{page}: {len(found)} blocks with {word}")
    return found[0]


def release(workdir):
    """A tarball as install/release makes them."""
    place = workdir / "release" / "usbiphp-1.0.0-x86_64"
    place.mkdir(parents=True)
    shutil.copy(BINARY, place / "usbiphp")
    for name in ("install.sh", "uninstall.sh"):
        shutil.copy(image.ROOT / name, place)
    for name in ("install", "man", "completion"):
        shutil.copytree(image.ROOT / name, place / name)
    path = workdir / "release.tar.gz"
    with tarfile.open(path, "w:gz") as tar:
        tar.add(place, place.name)
    return path


def plug(host):
    host.plug("serial", "usb-serial", port="1.3")


def test_ansible(host, client, tarball):
    with case("Ansible: the client is installed, and attaches"):
        client.must("mkdir -p /home/me /srv/install/ansible")
        for arch in ("x86_64", "aarch64"):
            client.put(tarball, RELEASE.format(arch))
        client.put(image.ROOT / "install/ansible/usbiphp.yml", "/srv/install/ansible/usbiphp.yml")
        client.write("/srv/hosts.ini", block("ansible", "# hosts.ini"))
        done, said = client.play("bench.lan")
        check(done["failed"] == "0" and done["changed"] != "0", said)
        check_service(client, "usbip-attach", f"/opt/usbip/usbiphp-client {SERVER}")
        client.must("test ! -e /opt/usbip/usbiphp-server")
        client.wait("ls /dev/ttyUSB*", 90)
    with case("Ansible: the server as well, on the same machine"):
        done, said = client.play("pi.lan")
        check(done["failed"] == "0", said)
        check_service(client, "usbip-bind", "/opt/usbip/usbiphp-server --rule deny class hid")
    with case("Ansible: a second run changes nothing"):
        pids = [main_pid(client, x) for x in ("usbip-attach", "usbip-bind")]
        for limit in ("bench.lan", "pi.lan"):
            done, said = client.play(limit)
            check(done["changed"] == "0" and done["failed"] == "0", said)
        check(pids == [main_pid(client, x) for x in ("usbip-attach", "usbip-bind")], "a daemon is another one")
    with case("Ansible: other options mean a new daemon, and the device is not away"):
        device = client.must("readlink /sys/class/tty/ttyUSB*; cat /sys/bus/usb/devices/*-*/devnum")
        client.write("/srv/more.json", '{"usbiphp_client_options": "pi.lan -i 2 --rules /etc/usbiphp/rules",'
                     ' "usbiphp_rules": "allow\\n", "usbiphp_keys": ""}')
        done, said = client.play("bench.lan", "-e @more.json")
        check(done["failed"] == "0", said)
        check_service(client, "usbip-attach",
                      f"/opt/usbip/usbiphp-client {SERVER} -i 2 --rules /etc/usbiphp/rules")
        check(client.must("stat -c %a /etc/usbiphp/keys") == "600\n", "others may read the keys")
        client.wait("test $(usbiphp status | grep -c pi.lan) -ge 1", 60)
        check(device == client.must("readlink /sys/class/tty/ttyUSB*; cat /sys/bus/usb/devices/*-*/devnum"),
              "it was away")
    with case("Ansible: other rules are read without a restart"):
        pid = main_pid(client, "usbip-attach")
        for rules, there in (("deny class vendor", "! ls /dev/ttyUSB*"), ("allow", "ls /dev/ttyUSB*")):
            client.must(f"sed -i 's/\"usbiphp_rules\": \"[^\"]*\"/\"usbiphp_rules\": \"{rules}\\\\n\"/' /srv/more.json")
            done, said = client.play("bench.lan", "-e @more.json")
            check(done["failed"] == "0", said)
            client.wait(there, 60)
        check(pid == main_pid(client, "usbip-attach"), "the daemon is another one")


def test_udev(client):
    with case("udev: the properties"):
        command, _, more = block("udev", "udevadm info").partition("\n")
        said = client.must(command)
        check(f"ID_USBIPHP_SERVER={SERVER}\n" in said and f"ID_USBIPHP_BUSID={BUSID}\n" in said, said)
        said = client.must(more)
        check(BUSID in said, said)
    with case("udev: a name for what is in a socket, and a group"):
        client.write("/etc/udev/rules.d/80-rack.rules", block("udev", "ups") + block("udev", "plugdev"))
        client.must(block("udev", "trigger").replace("sudo ", ""))
        client.wait(UPS, 60)
        client.wait(f"test $(stat -Lc %G:%a /dev/usbiphp/{SERVER}/{BUSID}) = plugdev:660", 60)


def test_systemd(host, client):
    active = "systemctl is-active ups-reader"
    with case("systemd: a service starts with the device"):
        client.write("/usr/local/bin/ups-reader", "#!/bin/sh\ntest -c $1 && exec sleep 1000000\n")
        client.must("chmod 755 /usr/local/bin/ups-reader")
        client.write("/etc/udev/rules.d/80-rack.rules", block("systemd", "SYMLINK"))
        client.write("/etc/systemd/system/ups-reader.service", block("systemd", "BindsTo"))
        client.must("systemctl daemon-reload && udevadm control --reload")
        client.must("usbiphp detach $(ls /run/usbiphp/port* | sed 's/.*port//')", 60)
        client.wait("! ls /dev/ttyUSB*", 60)
        client.must(f"! {active}")
        client.must("usbiphp attach $(cat /etc/usbiphp/held.client)", 60)
        client.wait(active, 90)
    with case("systemd: it ends with the device, and starts again"):
        host.unplug("serial")
        client.wait(f"! {active}", 90)
        plug(host)
        client.wait(f"{active} && {UPS}", 90)
    with case("systemd: the name of a unit"):
        name, = re.findall(r"`(systemd-escape [^`]*)`", (image.ROOT / "doc/systemd.md").read_text())
        check(client.must(name) == "dev-usbiphp-pi.lan-1\\x2d1.3.device\n", client.must(name))


def test_labgrid(host, client):
    client.write("/srv/env.yaml", block("labgrid", "targets:"))
    client.write("/srv/available.py", AVAILABLE)
    client.write("/srv/write.py", WRITE)
    with case("labgrid: its driver writes to the adapter"):
        client.must("systemctl stop ups-reader; /usr/bin/python3 /srv/write.py /srv/env.yaml 2>&1", 120)
        got = host.qmp.command("ringbuf-read", device="serial-backend", size=64)
        check("by labgrid" in got, got)
    with case("labgrid: it suggests the port, which is kept"):
        client.must("PYTHONUNBUFFERED=1 labgrid-suggest >/srv/suggested 2>&1 & echo $! >/srv/pid")
        client.wait("grep -q 'ID_PATH.*platform-vhci_hcd' /srv/suggested", 120)
        client.must("kill $(cat /srv/pid)")
    with case("labgrid: the resource goes and comes with the device"):
        client.must("/usr/bin/python3 /srv/available.py /srv/env.yaml >/srv/available 2>&1 & echo $! >/srv/pid")
        client.wait("test \"$(tail -n 1 /srv/available | cut -c1-18)\" = 'True /dev/ttyUSB'\"$(ls /dev/ttyUSB* | "
                    "sed 's/.*USB//')\"", 120)
        host.unplug("serial")
        client.wait("tail -n 1 /srv/available | grep -q ^False", 90)
        plug(host)
        client.wait("tail -n 1 /srv/available | grep -q '^True /dev/ttyUSB'", 90)
        client.must("kill $(cat /srv/pid)")
    with case("labgrid: an exporter's configuration has the same match"):
        match = [re.search(r"match:\n +(\S+: \S+)\n +(\S+: \S+)\n", x).groups() for x in blocks("labgrid")]
        check(len(match) == 2 and match[0] == match[1], match)


def test(kernel, workdir):
    tarball = release(workdir)
    with contextlib.ExitStack() as stack:
        cable = lab.Cable()
        stack.callback(cable.close)
        host = lab.Guest("host", kernel, workdir, net=cable.ends[0], addr="10.0.0.1/24", files=FILES)
        stack.callback(host.close)
        client = Bench("client", kernel, workdir, net=cable.ends[1], addr="10.0.0.2/24", memory=512)
        stack.callback(client.close)
        host.ready()
        host.plug("hub", "usb-hub", port="1")
        plug(host)
        host.must("usbiphp-server -i 2 >>/tmp/server.log 2>&1 &")
        client.ready()
        client.booted()
        client.must(f"echo 10.0.0.1 {SERVER} >>/etc/hosts")
        test_ansible(host, client, tarball)
        test_udev(client)
        test_systemd(host, client)
        test_labgrid(host, client)
        with case("the kernels have nothing to complain about"):
            for guest in (host, client):
                check(not guest.kernel_complaints(), f"{guest.name}: {guest.kernel_complaints()}")


if __name__ == "__main__":
    for version in sys.argv[1:] or ["6.1"]:
        with tempfile.TemporaryDirectory() as directory, case(f"{version}: ran to its end"):
            test(version, pathlib.Path(directory))
    lab.finish()
