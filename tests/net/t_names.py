#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Smoke test: the static binary finds servers by name and by address where there is no libc. It is
alone in a root directory, with /etc/hosts and /etc/resolv.conf, in a network namespace whose only
DNS server is here. The resolver itself is the libc's; names in .local are those of a responder of
multicast DNS in another namespace, at the other end of a cable.

USBIPHP is the binary, QEMU the emulator that runs it when it is another processor's.
"""

import ctypes
import json
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
A, AAAA, PTR, SRV = 1, 28, 12, 33
PORT, OTHER_PORT = 3240, 3241
LINK_LOCAL = f"[fe80::7%lo]:{OTHER_PORT}"

# Every server has one device, whose bus id tells it. There is none at 127.0.0.9. The last one
# listens on all addresses of another port, as Python cannot bind to an address of an interface.
SERVERS = {"127.0.0.2": "1-2", "127.0.0.3": "1-3", "fd00::3": "6-3", "10.77.0.1": "7-1", "::": "6-7"}
HOSTS = "127.0.0.1 localhost\n127.0.0.2\tfour.hosts four hosts.local # a comment\n"
RESOLV = "nameserver 127.0.0.1\nsearch lan.test\n"
ZONE = {("six.test", AAAA): "fd00::3", ("both.test", A): "127.0.0.9", ("both.test", AAAA): "fd00::3",
        ("pi.lan.test", A): "127.0.0.3", ("dns.local", A): "127.0.0.3"}

# What the responder has, by IPv4 and by IPv6: addresses of our end of the cable.
NEAR = {socket.AF_INET: {("pi.local", A): "10.77.0.1", ("hosts.local", A): "10.77.0.9"},
        socket.AF_INET6: {("six.local", AAAA): "fe80::1"}}
SERVICE, INSTANCE = "_usbip._tcp.local", "My Pi._usbip._tcp.local"


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


def name_bytes(name):
    return b"".join(bytes([len(x)]) + x.encode() for x in name.split(".")) + b"\0"


def respond(family, query):
    """A responder's answer to a query with several questions, or None (RFC 6762 6.7)."""
    at, records = 12, b""
    count = 0
    for _ in range(struct.unpack_from(">H", query, 4)[0]):
        labels = []
        while length := query[at]:
            labels.append(query[at + 1:at + 1 + length].decode())
            at += 1 + length
        kind, at = struct.unpack_from(">H", query, at + 1)[0], at + 5
        name = ".".join(labels)
        address = NEAR[family].get((name.lower(), kind))
        data = socket.inet_pton(family, address) if address else {
            (SERVICE, PTR): name_bytes(INSTANCE),
            (INSTANCE, SRV): bytes(4) + struct.pack(">H", PORT) + name_bytes("pi.local")}.get((name, kind))
        if data:
            records += name_bytes(name) + struct.pack(">HHIH", kind, 1, 10, len(data)) + data
            count += 1
    return query[:2] + struct.pack(">HHHHH", 0x8400, 0, count, 0, 0) + records if count else None


def be_responder():
    """In a process and a namespace of its own, which has eth1 now."""
    for words in (["link", "set", "eth1", "up"], ["address", "add", "10.77.0.2/24", "dev", "eth1"],
                  ["address", "add", "fe80::2/64", "dev", "eth1", "nodad"]):
        subprocess.run(["ip", *words], check=True)
    index = socket.if_nametoindex("eth1")
    for family, level, option, member in (
            (socket.AF_INET, socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP,
             socket.inet_aton("224.0.0.251") + socket.inet_aton("10.77.0.2")),
            (socket.AF_INET6, socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP,
             socket.inet_pton(socket.AF_INET6, "ff02::fb") + struct.pack("@I", index))):
        sock = socket.socket(family, socket.SOCK_DGRAM)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind(("", 5353))
        sock.setsockopt(level, option, member)
        threading.Thread(target=respond_for_ever, args=(family, sock), daemon=True).start()


def respond_for_ever(family, sock):
    while True:
        query, peer = sock.recvfrom(9000)
        reply = respond(family, query)
        if reply:
            sock.sendto(reply, peer)


def start_responder():
    """A socket to it: it ends when that is closed. Our end of the cable is eth0."""
    ours, theirs = socket.socketpair()
    pid = os.fork()
    if not pid:
        ours.close()
        new_network(0)
        theirs.send(b"n")
        theirs.recv(1)  # until eth1 is here
        be_responder()
        theirs.send(b"r")
        theirs.recv(1)  # until the test ends
        os._exit(0)
    theirs.close()
    ours.recv(1)
    for words in (["link", "add", "eth0", "type", "veth", "peer", "name", "eth1", "netns", str(pid)],
                  ["link", "set", "eth0", "up"], ["address", "add", "10.77.0.1/24", "dev", "eth0"],
                  ["address", "add", "fe80::1/64", "dev", "eth0", "nodad"]):
        subprocess.run(["ip", *words], check=True)
    ours.send(b"e")
    check(ours.recv(1) == b"r", "no responder")
    until(lambda: b"LOWER_UP" in subprocess.check_output(["ip", "link", "show", "eth0"]),
          "the cable has two ends", DEADLINE)
    return ours


def new_network(user):
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNET | (CLONE_NEWUSER if user else 0)):
        raise OSError(ctypes.get_errno(), "cannot make a network namespace")


def enter_network():
    """A network namespace for this process, whose loopback has two addresses more."""
    user = os.geteuid()
    new_network(user)
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
        (root / "proc" / "net").mkdir(parents=True)
        shutil.copy("/proc/net/dev", root / "proc" / "net" / "dev")
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


def finds(system):
    process = system.start("find", "--json")
    out, errors = process.communicate(timeout=DEADLINE)
    wanted = {"version": 1, "servers": [{"name": "My Pi", "host": "pi.local", "port": PORT, "devices": 1,
                                         "addresses": ["10.77.0.1"]}]}
    check(process.returncode == 0 and json.loads(out) == wanted, f"{process.returncode}: {out!r} {errors!r}")


def client_in_sandbox(system, server):
    """A daemon resolves after it has given up its rights."""
    process = system.start("client", "--run", "/run", "four", "pi", "six.test", "pi.local", "six.local:3241")
    try:
        until(lambda: all(x.watchers for x in server.values()), "it watches all servers", DEADLINE)
    finally:
        process.terminate()
        status = process.wait(DEADLINE)
    check(status == 0, f"exit status {status}: {process.stderr.read()!r}")


def test(root):
    responder = start_responder()
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
            ("a name in a domain to be searched", "pi", "127.0.0.3"),
            ("a name in .local by IPv4", "Pi.Local", "10.77.0.1"),
            ("a name in .local by IPv6, with an address of the link", "six.local.:3241", "::"),
            ("a name in .local of /etc/hosts", "hosts.local", "127.0.0.2"),
            ("a name in .local that only the DNS knows", "dns.local", "127.0.0.3")):
        with case(f"list: {what}"):
            reaches(system, name, address)
    for what, name in (("no such name", "none.test"), ("no such name in .local", "none.local"),
                       ("no such interface", "[fe80::7%none]")):
        with case(f"list: {what}"):
            unknown(system, name)
    with case("the client finds all of them inside its sandbox"):
        client_in_sandbox(system, server)
    with case("find: a server that is announced, which answers one question after the other"):
        finds(system)
    responder.close()


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
