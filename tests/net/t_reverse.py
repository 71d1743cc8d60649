#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A server behind NAT that connects to its client; no USB is involved.

Three namespaces: the server's, the client's, and this one, a router between them that translates
addresses and lets nobody in.
"""

import contextlib
import os
import pathlib
import struct
import subprocess
import sys

sys.path[:0] = [str(pathlib.Path(__file__).resolve().parent)]

from t_network import (CLIENT, SERVER, Daemon, Tree, case, check, dial, enter_namespaces,  # noqa: E402
                       read_all, run, run_in_memory, unpack, until)

PORT = 3241
KEY = "lab@attic:" + "0123456789abcdef" * 4
NAT = f"""
table ip nat {{
    chain out {{ type nat hook postrouting priority 100; oifname client0 masquerade; }}
    chain in {{ type filter hook forward priority 0; iifname client0 ct state new drop; }}
}}
"""
ADDRESS = {"server": "10.1.0.1", "client": "10.2.0.1"}
STRANGERS = 1000


class Side:
    """A namespace, and programs that run in it."""

    def __init__(self, work, name, binary):
        self.holder = subprocess.Popen(["unshare", "--net", "sleep", "infinity"])
        here = os.readlink("/proc/self/ns/net")
        until(lambda: os.readlink(f"/proc/{self.holder.pid}/ns/net") != here, f"the {name} is elsewhere")
        self.inside = ["nsenter", f"--net=/proc/{self.holder.pid}/ns/net"]
        address, router = ADDRESS[name], ADDRESS[name][:-1] + "254"
        run("ip", "link", "add", f"{name}0", "type", "veth", "peer", "name", "eth0", "netns", self.holder.pid)
        run("ip", "addr", "add", f"{router}/24", "dev", f"{name}0")
        run("ip", "link", "set", f"{name}0", "up")
        run(*self.inside, "ip", "addr", "add", f"{address}/24", "dev", "eth0")
        run(*self.inside, "ip", "link", "set", "lo", "up")
        run(*self.inside, "ip", "link", "set", "eth0", "up")
        self.program = work / f"usbiphp-{name}"
        self.program.write_text(f"#!/bin/sh\nexec {' '.join(self.inside)} {binary} \"$@\"\n")
        self.program.chmod(0o755)

    def connections(self):
        return run(*self.inside, "ss", "-Htn", "state", "established", f"( sport = {PORT} or dport = {PORT} )").count("\n")


class World:
    def __init__(self, work):
        self.work, self.number = work, 0
        self.server, self.client = (Side(work, "server", SERVER), Side(work, "client", CLIENT))
        run(*self.server.inside, "ip", "route", "add", "default", "via", "10.1.0.254")
        pathlib.Path("/proc/sys/net/ipv4/ip_forward").write_text("1")
        self.nat = not subprocess.run(["nft", "-f", "-"], input=NAT, text=True, check=False).returncode
        if not self.nat:
            print("# this kernel has no NAT: the client knows the way to the server", flush=True)
            run(*self.client.inside, "ip", "route", "add", "default", "via", "10.2.0.254")
        self.keys = work / "keys"
        self.keys.write_text(KEY + "\n")
        self.keys.chmod(0o600)
        self.tree = Tree(work / "sys")
        unpack("client-6.1.tree", work / "client-sys")

    def start(self, side, *argv):
        self.number += 1
        return Daemon(self.work / f"{self.number}", side.program, "-v", "--psk", self.keys, "--dead-after", "10",
                      *argv)

    def serve(self):
        self.serving = self.start(self.server, "--sysfs", self.tree.root, "-i", "60", "--listen", "127.0.0.1",
                                  "--to", f"{ADDRESS['client']}:{PORT}")

    def accept(self):
        self.accepting = self.start(self.client, "--sysfs", self.work / "client-sys", "-i", "1",
                                    "--rule", "deny", "--accept", str(PORT))

    def watched(self):
        """The server pushes its list, and one more connection is ready at both ends."""
        until(lambda: f"attic:{PORT}: pushes its list" in self.accepting.log(),
              f"a watch: {self.accepting.log()[-800:]}\n{self.serving.log()[-800:]}")
        until(lambda: self.client.connections() == self.server.connections() == 2, "a watch, and a spare one")

    def served(self, before=0):
        """More lists than before have come; a watch that ended early is not asked for again at once."""
        until(lambda: self.lists() > before, f"{self.accepting.log()[-800:]}\n{self.serving.log()[-800:]}")

    def lists(self):
        return self.serving.log().count("reading -> closing")


def through(w):
    with case("nobody reaches the server"):
        w.serve()
        done = subprocess.run([*w.client.inside, "ip", "route", "get", ADDRESS["server"]],
                              capture_output=True, text=True, check=False)
        check(not w.nat or "unreachable" in done.stderr, f"the client can: {done}")

    with case("the server reaches its client, when that comes, and pushes its list"):
        until(lambda: "cannot reach 10.2.0.1:3241: Connection refused" in w.serving.log(), "it tries")
        w.accept()
        w.watched()

    with case("what is plugged in is known at once"):
        w.tree.export("1-1.2")
        w.serving.hup()
        until(lambda: "1-1.2 (0627:0001) at attic:3241: left alone: denied by --rule 1" in w.accepting.log(),
              f"it is denied: {w.accepting.log()[-500:]}")


def cut(w):
    with case("the router is silent for a while: both ends notice, and the server connects again"):
        run("ip", "link", "set", "client0", "down")
        until(lambda: not w.server.connections() and not w.client.connections(), "both have noticed", 120)
        before = w.lists()
        run("ip", "link", "set", "client0", "up")
        w.served(before)

    with case("a client that is killed, and a new one"):
        w.accepting.process.kill()
        w.accepting.process.wait()
        w.accept()
        w.watched()

    with case("a server that is killed, and a new one"):
        w.serving.process.kill()
        w.serving.process.wait()
        w.serve()
        w.served()


def call(identity):
    return struct.pack(">HHI", 0x0111, 0x8061, 0) + identity.ljust(72, b"\0")


def strangers(w):
    """All of them from the address that the server has, too."""
    with case("a thousand strangers cost nothing, and the server is served"):
        fds, log = w.accepting.fds(), w.accepting.log().count("\n")
        held = []
        for i in range(STRANGERS):
            sock = dial_client()
            with contextlib.suppress(OSError):
                sock.sendall((b"", call(b"lab@attic"), call(b"nobody"), os.urandom(80))[i % 4])
            held.append(sock)
        w.serving.process.kill()
        w.serving.process.wait()
        w.serve()
        w.served()
        for sock in held:
            sock.close()
        until(lambda: w.accepting.fds() == fds, f"{fds} descriptors as before, not {w.accepting.fds()}")
        said = [x for x in w.accepting.log().split("\n")[log:] if "refused" in x]
        check(len(said) <= 9, f"{len(said)} lines: {said[:12]}")

    with case("one who knows the name of a key gets a hello, and nothing more"):
        with dial_client() as sock:
            sock.sendall(call(b"lab@attic"))
            data = read_all(sock)
        check(data[:1] == b"\x16" and len(data) < 600, f"{len(data)} bytes")


def dial_client():
    return dial(PORT, source="0.0.0.0", to=ADDRESS["client"])


def test(work):
    w = World(work)
    for part in (through, cut, strangers):
        part(w)
    with case("all ends as it should"):
        for daemon in (w.serving, w.accepting):
            check(daemon.stop() == 0, f"an exit status: {daemon.log()[-300:]}")


def main():
    enter_namespaces()
    run_in_memory(test)


if __name__ == "__main__":
    main()
