#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Names on a system that has no libc: the static binary alone in a root directory, with /etc/hosts
and /etc/resolv.conf, in a network namespace where a small DNS server is all there is.

USBIPHP is the binary, QEMU the emulator that runs it when it is another processor's.
"""

import ctypes
import os
import pathlib
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import threading

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests" / "net"), str(ROOT / "tests" / "vm"), str(ROOT / "tests")]

from fixture import unpack  # noqa: E402
from lab import case, check, finish  # noqa: E402
from t_cidr import Fake, until  # noqa: E402

BINARY = pathlib.Path(os.environ.get("USBIPHP", ROOT / "build" / "usbiphp"))
QEMU = os.environ.get("QEMU")

CLONE_NEWUSER, CLONE_NEWNET = 0x10000000, 0x40000000
DEADLINE = 60  # seconds for one look
A, CNAME, AAAA = 1, 5, 28
PORT = 3240

# Nobody is at 127.0.0.9 and at fd00::9. Every server has one device, whose bus id tells it.
SERVERS = {"127.0.0.2": "1-2", "127.0.0.3": "1-3", "fd00::2": "6-2", "fd00::3": "6-3"}
HOSTS = """\
127.0.0.1 localhost
127.0.0.2\tfour.hosts four # the first
fd00::2 six.hosts
"""
RESOLV = """\
# the second is never there
nameserver 127.0.0.1
nameserver 127.0.0.8
search nowhere.test lan.test
options timeout:5 attempts:2
"""
ZONE = {
    "four.test": {A: ["127.0.0.3"]},
    "six.test": {AAAA: ["fd00::3"]},
    "both.test": {A: ["127.0.0.3"], AAAA: ["fd00::9"]},
    "other.test": {A: ["127.0.0.9"], AAAA: ["fd00::3"]},
    "pi.lan.test": {A: ["127.0.0.3"]},
    "alias.test": {CNAME: ["four.test"]},
    "many.test": {A: [f"127.0.1.{i}" for i in range(1, 8)] + ["127.0.0.3"]},
    "empty.test": {},
}


# The DNS server


def name_bytes(name):
    return b"".join(bytes([len(x)]) + x.encode() for x in name.split(".")) + b"\0"


def record(name, kind, value):
    if kind == CNAME:
        data = name_bytes(value)
    else:
        data = socket.inet_pton(socket.AF_INET if kind == A else socket.AF_INET6, value)
    return name_bytes(name) + struct.pack(">HHIH", kind, 1, 60, len(data)) + data


def answer(query):
    """To one question; a name that is not in ZONE does not exist."""
    at, labels = 12, []
    while length := query[at]:
        labels.append(query[at + 1:at + 1 + length].decode())
        at += 1 + length
    kind = struct.unpack_from(">H", query, at + 1)[0]
    name, records = ".".join(labels).lower(), []
    known = name in ZONE
    for target in ZONE.get(name, {}).get(CNAME, []):
        records.append(record(name, CNAME, target))
        name = target
    records += [record(name, kind, value) for value in ZONE.get(name, {}).get(kind, [])]
    flags = 0x8180 if known else 0x8183
    return (query[:2] + struct.pack(">HHHHH", flags, 1, len(records), 0, 0) + query[12:at + 5] +
            b"".join(records))


def serve_names(sock, asked):
    while True:
        query, peer = sock.recvfrom(512)
        asked.append(query)
        sock.sendto(answer(query), peer)


# The system without a libc


def network():
    """A network namespace for this process, with the loopback and two addresses more."""
    libc, user = ctypes.CDLL(None, use_errno=True), os.geteuid()
    if libc.unshare(CLONE_NEWNET | (CLONE_NEWUSER if user else 0)):
        raise OSError(ctypes.get_errno(), "cannot make a network namespace")
    if user:
        pathlib.Path("/proc/self/uid_map").write_text(f"0 {user} 1")
    for words in (["link", "set", "lo", "up"], ["address", "add", "fd00::2/128", "dev", "lo"],
                  ["address", "add", "fd00::3/128", "dev", "lo"]):
        subprocess.run(["ip", *words], check=True)


class System:
    """A root directory with the binary, its configuration and a sysfs, and nothing else."""

    def __init__(self, root):
        self.root, self.words = root, ["/usbiphp"]
        shutil.copy(BINARY, root / "usbiphp")
        if QEMU:
            shutil.copy(shutil.which(QEMU), root / "qemu")
            self.words = ["/qemu", "/usbiphp"]
        (root / "etc").mkdir()
        (root / "etc" / "hosts").write_text(HOSTS)
        (root / "etc" / "resolv.conf").write_text(RESOLV)
        unpack("client-6.1.tree", root / "sys")

    def start(self, *words):
        return subprocess.Popen(
            [*self.words, *words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True, cwd="/", env={}, preexec_fn=self.enter)

    def enter(self):
        os.chroot(self.root)
        os.chdir("/")

    def list(self, name):
        """What "usbiphp list NAME" ends with, says, and complains."""
        process = self.start("list", name)
        try:
            out, errors = process.communicate(timeout=DEADLINE)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
        return process.returncode, out, errors


def reaches(system, name, address):
    status, out, errors = system.list(name)
    check(status == 0, f"exit status {status}: {errors!r}")
    check([x.split()[0] for x in out.splitlines()[1:]] == [SERVERS[address]],
          f"not the list of {address}: {out!r}")


def unknown(system, name):
    status, out, errors = system.list(name)
    check(status == 1 and not out, f"exit status {status}: {out!r}")
    check(errors.count("\n") == 1 and f"cannot resolve {name}: " in errors, f"{errors!r}")


def client(system, server):
    process = system.start("client", "--run", "/run", "pi", "six.test")
    try:
        until(lambda: server["127.0.0.3"].watchers and server["fd00::3"].watchers,
              "it watches both servers", DEADLINE)
        server["127.0.0.3"].devices.append("1-9")
        server["127.0.0.3"].push()
        until(lambda: "1-9" in server["127.0.0.3"].imports, "it asks for a new device", DEADLINE)
    finally:
        process.terminate()
        status = process.wait(DEADLINE)
    check(status == 0, f"exit status {status}: {process.stderr.read()!r}")


def test(root):
    system, asked = System(root), []
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind(("127.0.0.1", 53))
    threading.Thread(target=serve_names, args=(sock, asked), daemon=True).start()
    server = {}
    for address, busid in SERVERS.items():
        server[address] = Fake("serve", PORT, address)
        server[address].devices.append(busid)
    for what, name, address in (
            ("a name of /etc/hosts", "four.hosts", "127.0.0.2"),
            ("its other name", "four", "127.0.0.2"),
            ("one with an IPv6 address", "six.hosts", "fd00::2")):
        with case(what):
            reaches(system, name, address)
            check(not asked, "it asked the DNS")
    for what, name, address in (
            ("a name of the DNS", "four.test", "127.0.0.3"),
            ("one with an IPv6 address", "six.test", "fd00::3"),
            ("one of both, whose IPv6 address nobody is at", "both.test", "127.0.0.3"),
            ("one of both, whose IPv4 address nobody is at", "other.test", "fd00::3"),
            ("an alias", "alias.test", "127.0.0.3"),
            ("a name in a domain to be searched", "pi", "127.0.0.3"),
            ("the last of 8 addresses", "many.test", "127.0.0.3")):
        with case(f"DNS: {what}"):
            reaches(system, name, address)
    for what, name in (("no such name", "none.test"), ("a name without an address", "empty.test")):
        with case(f"DNS: {what}"):
            unknown(system, name)
    with case("the client watches servers by name"):
        client(system, server)


def main():
    root = pathlib.Path(tempfile.mkdtemp())
    try:
        with case("ran to its end"):
            network()
            test(root)
    finally:
        shutil.rmtree(root)
    finish()


if __name__ == "__main__":
    main()
