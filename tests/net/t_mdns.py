#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Real responders of multicast DNS announce servers: Avahi and systemd-resolved, with the files that are installed,
and python3-zeroconf. They and the servers are in a network namespace, `usbiphp find`, `list` and the client in another
one, whose own Avahi has the port already. The packages: avahi-daemon, python3-zeroconf; systemd-resolved is unpacked
only, as it would become the resolver of this machine.
"""

import json
import pathlib
import socket
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests" / "net"), str(ROOT / "tests" / "vm"), str(ROOT / "tests")]

from t_reverse import Side  # noqa: E402: the one beside this file; t_network then puts tests/vm first

from fixture import unpack  # noqa: E402
from lab import case, check, finish  # noqa: E402
from t_names import enter_network  # noqa: E402
from t_network import Fake, run, until  # noqa: E402

BINARY = ROOT / "build" / "usbiphp"
DEADLINE = 60  # seconds
PORT, OTHER_PORT = 3240, 3241
OUR_END, OURS = "client0", "10.2.0.254"
AVAHI = """[server]
host-name={name}
enable-dbus=no
"""
# Avahi's directories are compiled in: it has a /run and an /etc/avahi of its own.
DOTTED = "Büro im 2. Stock"
AVAHI_START = """mount --make-rprivate / && mount -t tmpfs none /run && mount --bind {etc} /etc/avahi || exit
exec avahi-daemon -f {etc}/avahi-daemon.conf --no-drop-root --no-chroot --no-rlimits"""
RESOLVED_PACKAGES = ("systemd-resolved", "libsystemd-shared", "libsystemd0")
RESOLVED = """[Resolve]
MulticastDNS=yes
LLMNR=no
DNSStubListener=no
"""
# What networkd would say of the interface; the file of a user that the package would make.
RESOLVED_START = """mount --make-rprivate / && mount -t tmpfs none /run && mkdir -p /etc/systemd &&
mkdir -p /run/systemd/resolve /run/systemd/netif/links && chown 991:991 /run/systemd/resolve &&
printf 'ADMIN_STATE=configured\\nOPER_STATE=routable\\nMDNS=yes\\n' >/run/systemd/netif/links/{index} &&
mount --bind {etc} /etc/systemd && mount --bind {etc}/passwd /etc/passwd && mount --bind {etc}/group /etc/group &&
hostname shelf || exit
export LD_LIBRARY_PATH={root}/usr/lib/x86_64-linux-gnu/systemd:{root}/usr/lib/x86_64-linux-gnu
SYSTEMD_LOG_LEVEL=debug exec {root}/lib/systemd/systemd-resolved"""
ZEROCONF = f"""
import socket, sys, zeroconf
kind = "_usbip._tcp.local."
info = zeroconf.ServiceInfo(kind, "B\\u00fcro." + kind, addresses=[socket.inet_aton("{OURS}")],
                            port={OTHER_PORT}, server="desk.local.")
responder = zeroconf.Zeroconf(interfaces=["{OURS}"])
responder.register_service(info)
print("announced", flush=True)
sys.stdin.read()
responder.unregister_service(info)
responder.close()
"""


class Responder:
    """A program in a mount namespace of its own, which has started when its log says so; until it is stopped."""

    def __init__(self, log, command, says, prefix=()):
        with open(log, "w", encoding="utf-8") as out:
            self.process = subprocess.Popen([*prefix, "unshare", "-mu", "sh", "-c", command],
                                            stdin=subprocess.DEVNULL, stdout=out, stderr=out)
        until(lambda: says in log.read_text(), f"{log}: {says}", DEADLINE)

    def stop(self):
        self.process.terminate()
        self.process.wait(DEADLINE)


def announce(name, directory):
    """The file that is installed: its text."""
    text = (ROOT / "install" / "announce" / name).read_text()
    directory.mkdir(parents=True)
    (directory / name).write_text(text)
    return text


def start_avahi(etc, name):
    etc.mkdir()
    (etc / "avahi-daemon.conf").write_text(AVAHI.format(name=name))
    return AVAHI_START.format(etc=etc)


def avahi_server(etc):
    command = start_avahi(etc, "pi")
    text = announce("usbiphp.service", etc / "services")
    (etc / "services" / "dotted.service").write_text(
        text.replace("%h", DOTTED).replace(str(PORT), str(OTHER_PORT)))
    return Responder(etc / "log", command, f'"{DOTTED}" (/etc/avahi/services/dotted.service) successfully established')


def resolved_server(work):
    etc = work / "etc"
    announce("usbiphp.dnssd", etc / "dnssd")
    (etc / "resolved.conf").write_text(RESOLVED)
    (etc / "passwd").write_text("root:x:0:0::/:/bin/sh\nsystemd-resolve:x:991:991::/:/bin/false\n")
    (etc / "group").write_text("root:x:0:\nsystemd-resolve:x:991:\n")
    command = RESOLVED_START.format(index=socket.if_nametoindex(OUR_END), etc=etc, root=work / "root")
    return Responder(work / "log", command, "protocol mdns, family AF_INET6")


def unpack_resolved(root):
    """While there is a network."""
    root.mkdir(parents=True)
    subprocess.run(["apt-get", "-qq", "-o", "APT::Sandbox::User=root", "download", *RESOLVED_PACKAGES],
                   cwd=root.parent, check=True)
    for package in root.parent.glob("*.deb"):
        subprocess.run(["dpkg-deb", "-x", package, root], check=True)


class Room(Side):
    """The namespace at the other end of the cable."""

    def __init__(self, work):
        super().__init__(work, "client", BINARY)
        for prefix, end in (([], OUR_END), (self.inside, "eth0")):
            until(lambda prefix=prefix, end=end: not any(
                x in run(*prefix, "ip", "address", "show", end) for x in ("NO-CARRIER", "tentative")),
                f"{end} has its addresses", DEADLINE)

    def run(self, *words, status=0):
        done = subprocess.run([self.program, *words], stdin=subprocess.DEVNULL, capture_output=True,
                              text=True, timeout=DEADLINE, check=False)
        check(status is None or done.returncode == status, f"{words}: exit status {done.returncode}: {done.stderr!r}")
        return done

    def found(self):
        """{name: (host, port, devices, addresses)}"""
        servers = json.loads(self.run("find", "--json").stdout)["servers"]
        return {x["name"]: (x["host"], x["port"], x["devices"], x["addresses"]) for x in servers}

    def lists(self, name, busid):
        out = self.run("list", name).stdout
        check([x.split()[0] for x in out.splitlines()[1:]] == [busid], f"{name}: {out!r}")


def check_pi(found):
    check("pi" in found, f"not found: {found}")
    host, port, devices, addresses = found["pi"]
    check((host, port, devices) == ("pi.local", PORT, 1), f"{found}")
    check(OURS in addresses and any(x.startswith("fe80:") for x in addresses), f"{found}")


def client_attaches_to(room, work, server, name):
    """The daemon resolves inside its sandbox."""
    unpack("client-6.1.tree", work / "sys")
    process = subprocess.Popen(
        [room.program, "client", "--sysfs", work / "sys", "--run", work / "run", name],
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    try:
        until(lambda: server.watchers, f"the client watches {name}", DEADLINE)
    finally:
        process.terminate()
        errors = process.communicate(timeout=DEADLINE)[1]
    check(process.returncode == 0, f"exit status {process.returncode}: {errors!r}")


def test(work):
    room = Room(work)
    avahi = avahi_server(work / "server")
    server, other = Fake("serve", PORT, "0.0.0.0"), Fake("serve", OTHER_PORT, "0.0.0.0")
    server.devices.append("1-2")
    other.devices.append("1-3")
    try:
        with case("Avahi: found by the announcement that is installed"):
            check_pi(room.found())
        with case("Avahi: found by a name of several words and a dot"):
            found = room.found().get(DOTTED)
            check(found and found[:3] == ("pi.local", OTHER_PORT, 1), f"{found}")
        with case("Avahi: list NAME.local"):
            room.lists("pi.local", "1-2")
        with case("Avahi: the client finds NAME.local inside its sandbox"):
            client_attaches_to(room, work, server, "pi.local")
        etc = work / "client"
        its = Responder(etc / "log", start_avahi(etc, "desktop"), "Server startup complete", room.inside)
        try:
            with case("beside an Avahi of one's own"):
                check_pi(room.found())
                room.lists("pi.local", "1-2")
        finally:
            its.stop()
        zeroconf = subprocess.Popen(["/usr/bin/python3", "-c", ZEROCONF], stdin=subprocess.PIPE,
                                    stdout=subprocess.PIPE, text=True)
        try:
            with case("python3-zeroconf beside Avahi: both are found"):
                check(zeroconf.stdout.readline() == "announced\n", "zeroconf has announced nothing")
                found = room.found()
                check_pi(found)
                check(found.get("B\u00fcro") == ("desk.local", OTHER_PORT, 1, [OURS]), f"{found}")
                room.lists(f"desk.local:{OTHER_PORT}", "1-3")
        finally:
            zeroconf.communicate(timeout=DEADLINE)
        with case("what has said goodbye is not found"):
            check(set(room.found()) == {"pi", DOTTED}, f"{room.found()}")
        avahi.stop()
        resolved = resolved_server(work / "resolved")
        try:
            with case("systemd-resolved: found by the announcement that is installed"):
                # it asks first whether the name is free
                until(lambda: "shelf" in room.run("find", "--json", status=None).stdout, "it is announced", DEADLINE)
                host, port, devices, addresses = room.found()["shelf"]
                check((host, port, devices) == ("shelf.local", PORT, 1) and OURS in addresses, f"{room.found()}")
            with case("systemd-resolved: list NAME.local"):
                room.lists("shelf.local", "1-2")
        finally:
            resolved.stop()
        with case("nobody is there"):
            check("found no server" in room.run("find", status=1).stderr, "no such message")
    finally:
        avahi.stop()
        room.holder.kill()
        room.holder.wait()


def main():
    with tempfile.TemporaryDirectory() as work, case("ran to its end"):
        unpack_resolved(pathlib.Path(work) / "resolved" / "root")
        enter_network()
        test(pathlib.Path(work))
    finish()


if __name__ == "__main__":
    main()
