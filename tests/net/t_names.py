#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Smoke test: the static binary finds servers by name and by address where there is no libc. It is
alone in a root directory, with /etc/hosts and /etc/resolv.conf, in a network namespace whose only
DNS server is here. The resolver itself is the libc's.

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
from t_network import Fake, until  # noqa: E402

BINARY = pathlib.Path(os.environ.get("USBIPHP", ROOT / "build" / "usbiphp"))
QEMU = os.environ.get("QEMU")

CLONE_NEWUSER, CLONE_NEWNET = 0x10000000, 0x40000000
DEADLINE = 60  # seconds for one run
A, AAAA = 1, 28
PORT, OTHER_PORT = 3240, 3241
LINK_LOCAL = f"[fe80::7%lo]:{OTHER_PORT}"

# Every server has one device, whose bus id tells it. There is none at 127.0.0.9. The last one
# listens on all addresses of another port, as Python cannot bind to an address of an interface.
SERVERS = {"127.0.0.2": "1-2", "127.0.0.3": "1-3", "fd00::3": "6-3", "::": "6-7"}
HOSTS = "127.0.0.1 localhost\n127.0.0.2\tfour.hosts four # a comment\n"
RESOLV = "nameserver 127.0.0.1\nsearch lan.test\n"
ZONE = {("six.test", AAAA): "fd00::3", ("both.test", A): "127.0.0.9", ("both.test", AAAA): "fd00::3",
        ("pi.lan.test", A): "127.0.0.3"}


def answer(query):
    """A DNS reply to one question; a name that is not in ZONE does not exist."""
    at, labels = 12, []
    while length := query[at]:
        labels.append(query[at + 1:at + 1 + length].decode())
        at += 1 + length
    name, kind = ".".join(labels).lower(), struct.unpack_from(">H", query, at + 1)[0]
    address = ZONE.get((name, kind))
    known = any(name == known for known, _ in ZONE)
    reply = query[:2] + struct.pack(">HHHHH", 0x8180 if known else 0x8183, 1, bool(address), 0, 0)
    reply += query[12:at + 5]
    if address:
        data = socket.inet_pton(socket.AF_INET if kind == A else socket.AF_INET6, address)
        reply += struct.pack(">HHHIH", 0xc00c, kind, 1, 60, len(data)) + data
    return reply


def serve_names(sock):
    while True:
        query, peer = sock.recvfrom(512)
        sock.sendto(answer(query), peer)


def enter_network():
    """A network namespace for this process, whose loopback has two addresses more."""
    libc, user = ctypes.CDLL(None, use_errno=True), os.geteuid()
    if libc.unshare(CLONE_NEWNET | (CLONE_NEWUSER if user else 0)):
        raise OSError(ctypes.get_errno(), "cannot make a network namespace")
    if user:
        pathlib.Path("/proc/self/uid_map").write_text(f"0 {user} 1")
    for words in (["link", "set", "lo", "up"], ["address", "add", "fd00::3/128", "dev", "lo"],
                  ["address", "add", "fe80::7/64", "dev", "lo"]):
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
        """Exit status, output and errors of "usbiphp list NAME"."""
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
    check(errors.count("\n") == 1 and f"cannot resolve {name.strip('[]')}: " in errors, f"{errors!r}")


def client_in_sandbox(system, server):
    """A daemon resolves after it has given up its rights."""
    process = system.start("client", "--run", "/run", "four", "pi", "six.test", LINK_LOCAL)
    try:
        until(lambda: all(x.watchers for x in server.values()), "it watches all servers", DEADLINE)
    finally:
        process.terminate()
        status = process.wait(DEADLINE)
    check(status == 0, f"exit status {status}: {process.stderr.read()!r}")


def test(root):
    system = System(root)
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind(("127.0.0.1", 53))
    threading.Thread(target=serve_names, args=(sock,), daemon=True).start()
    server = {}
    for address, busid in SERVERS.items():
        server[address] = Fake("serve", OTHER_PORT if address == "::" else PORT, address)
        server[address].devices.append(busid)
    for what, name, address in (
            ("an address", "127.0.0.3", "127.0.0.3"),
            ("an address with an interface", LINK_LOCAL, "::"),
            ("a name of /etc/hosts", "four.hosts", "127.0.0.2"),
            ("a name of the DNS with an IPv6 address", "six.test", "fd00::3"),
            ("a name with a second address", "both.test", "fd00::3"),
            ("a name in a domain to be searched", "pi", "127.0.0.3")):
        with case(f"list: {what}"):
            reaches(system, name, address)
    for what, name in (("no such name", "none.test"), ("no such interface", "[fe80::7%none]")):
        with case(f"list: {what}"):
            unknown(system, name)
    with case("the client finds all of them inside its sandbox"):
        client_in_sandbox(system, server)


def main():
    root = pathlib.Path(tempfile.mkdtemp())
    try:
        with case("ran to its end"):
            enter_network()
            test(root)
    finally:
        shutil.rmtree(root)
    finish()


if __name__ == "__main__":
    main()
