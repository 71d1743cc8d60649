#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The client, doctor and list against servers as others have written them; no USB is involved.

Each server is a few lines that do what was seen of a real one: canokey-usbip, USBIP-Virtual-USB-Device, usbipd-win,
pyusbip, the Rust crate usbip, usbipd of Linux 4.9, and odd ones. The client attaches to a vhci-hcd that is played in
a captured tree. No server may hear a code that the stock client never sends, or find anything else to complain of.
t_peers.py WORD...: only the cases whose name has one of the words.
"""

import concurrent.futures
import contextlib
import os
import pathlib
import re
import socket
import struct
import subprocess
import sys
import threading

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests" / x) for x in ("hostile", "net", "vm", ".")]

from fixture import unpack  # noqa: E402
from lab import LabError, case, check  # noqa: E402
from server import device, devices_of, granted  # noqa: E402
from t_network import (CLIENT, DEADLINE, NA, REP_IMPORT, REQ_DEVLIST, REQ_IMPORT, Daemon, Server, head,  # noqa: E402
                       read_exactly, run_in_memory, until)

PROGRAM = os.environ.get("USBIPHP", ROOT / "build" / "usbiphp")
PORTS = 30  # half of them for super speed
VHCI = "devices/platform/vhci_hcd.0"
LISTS = 5  # what does not happen until so many lists were sent does not happen
URB = struct.Struct(">IIIII")  # command, seqnum, devid, direction, endpoint


class Kernel:
    """vhci-hcd with one controller, in a tree. Its files are pipes: a read of the port table is answered after what
    was written before it is done, as with the real one."""

    def __init__(self, root, answers=True):
        self.root, self.answers, self.ports, self.attached = root, answers, {}, []
        self.lock = threading.Lock()
        unpack("client-6.1.tree", root)
        self.pipes = [(os.open(self.make_pipe(name), os.O_RDWR | os.O_NONBLOCK), act)
                      for name, act in (("attach", self.attach), ("detach", self.detach))]
        for path in (root / VHCI).glob("status.*"):
            path.unlink()
        self.make_pipe("status")
        threading.Thread(target=self.tell, daemon=True).start()

    def make_pipe(self, name):
        """In the place of what is there."""
        path = self.root / VHCI / name
        new = path.with_name("new")
        os.mkfifo(new)
        new.rename(path)
        return path

    def tell(self):
        while True:
            with open(self.root / VHCI / "status", "w", encoding="ascii") as reader:
                self.make_pipe("status")  # the next reader is not this one
                with self.lock:
                    self.obey()
                    reader.write(self.table())

    def obey(self):
        for pipe, act in self.pipes:
            with contextlib.suppress(BlockingIOError):
                act(os.read(pipe, 4096).decode())

    def table(self):
        rows = ["hub port sta spd dev      sockfd local_busid"]
        for port in range(PORTS):
            hub = "hs" if port < PORTS // 2 else "ss"
            speed, devid, state, busid = 0, 0, 4, "0-0"
            if port in self.ports and self.answers:
                speed, devid, state, busid = *self.ports[port], 6, f"9-{port + 1}"
            elif port in self.ports:
                state = 5  # no device has answered
            rows.append(f"{hub}  {port:04} {state:03} {speed:03} {devid:08x} {3 * (state == 6):06} {busid}")
        return "\n".join(rows) + "\n"

    def attach(self, text):
        for port, devid, speed in re.findall(r"(\d+) \d+ (\d+) (\d)", text):
            link = self.root / f"bus/usb/devices/9-{int(port) + 1}"
            link.unlink(missing_ok=True)
            link.symlink_to("3-1")
            self.attached.append((int(port), int(devid), int(speed)))
            self.ports[int(port)] = int(speed), int(devid)

    def detach(self, text):
        self.ports.pop(int(text), None)

    def session_ended(self, devid):
        """The connection of that device was closed."""
        with self.lock:
            self.obey()
            for port in [p for p, (_, d) in self.ports.items() if d == devid]:
                del self.ports[port]


def descriptors(vendor, product):
    """A storage device without strings."""
    return {1: struct.pack("<BBHBBBBHHHBBBB", 18, 1, 0x200, 0, 0, 0, 64, vendor, product, 0x100, 0, 0, 0, 1),
            2: bytes([9, 2, 18, 0, 1, 1, 0, 0x80, 50, 9, 4, 0, 0, 0, 8, 6, 80, 0])}


class Peer:
    """A server. records are its list, and its reply to an import is grant(busid), or what it has listed.

    dies: it ends when it hears another code, and when two connections are open if it is `single`: that one serves
    the next connection only after the one before, its session, too. keeps: it does not close behind its list.
    """

    def __init__(self, *records, grant=None, dies=False, single=False, keeps=False, ids=(0x1a2b, 0x3c4d)):
        self.records, self.grant = records, grant or self.repeat
        self.dies, self.single, self.keeps, self.ids = dies, single, keeps, ids
        self.kernel, self.log, self.codes, self.imports = None, [], [], []
        self.lists = self.asked = self.waited = 0
        self.sessions, self.queue = set(), threading.Lock()
        self.sock = socket.create_server(("127.0.0.1", 0))
        self.name = f"127.0.0.1:{self.sock.getsockname()[1]}"
        threading.Thread(target=self.accept, daemon=True).start()

    def repeat(self, busid):
        """The first record of that device."""
        return head(REP_IMPORT) + next(x for x in self.records if x[256:288].rstrip(b"\0") == busid)[:312]

    def accept(self):
        with contextlib.suppress(OSError):
            while True:
                sock, _ = self.sock.accept()
                threading.Thread(target=self.take, args=(sock,), daemon=True).start()

    def take(self, sock):
        with self.queue if self.single else contextlib.nullcontext(), sock:
            try:
                self.serve(sock)
            except (OSError, LabError) as error:
                self.log.append(f"a request ended: {error}")

    def serve(self, sock):
        sock.settimeout(DEADLINE)
        _, code, status = struct.unpack(">HHI", read_exactly(sock, 8))
        self.codes.append(code)
        if status:
            self.log.append(f"status {status} in a request")
        if code == REQ_DEVLIST:
            # counted before it can be read: whoever waits for the next list has heard all of this one
            self.lists += 1
            self.send_list(sock)
        elif code == REQ_IMPORT:
            busid = read_exactly(sock, 32).rstrip(b"\0")
            self.imports.append(busid.decode())
            reply = self.grant(busid)
            self.sessions.add(sock)  # before the client can know of it
            sock.sendall(reply)
            if len(reply) > 8:
                self.session(sock, reply)
            self.sessions.discard(sock)
        else:
            self.log.append(f"unknown code {code:#x}")
            if self.dies:
                self.sock.close()

    def send_list(self, sock):
        try:
            sock.sendall(devices_of(*self.records))
            if self.keeps:
                sock.recv(1)
        except ConnectionError:
            if not self.single:
                raise
            self.waited += 1  # in the queue, until the client had given it up

    def session(self, sock, reply):
        busnum, devnum = struct.unpack_from(">II", reply, 8 + 288)
        sock.settimeout(None)
        with contextlib.suppress(OSError):  # it was cut
            while request := sock.recv(48, socket.MSG_WAITALL):
                self.answer(sock, request, busnum << 16 | devnum)
        self.kernel.session_ended(busnum << 16 | devnum)

    def answer(self, sock, request, devid):
        """The device tells what it is, as does usbip-host: to its own devid, with no packets."""
        command, seqnum, asked, direction, endpoint = URB.unpack_from(request)
        if (command, asked, direction, endpoint) != (1, devid, 1, 0) or request[32:36] != bytes(4):
            self.log.append(f"an odd request: {request.hex()}")
        self.asked += 1
        data = descriptors(*self.ids).get(request[43], b"")[:request[46] | request[47] << 8]
        sock.sendall(URB.pack(3, seqnum, 0, 0, 0) + struct.pack(">iIIIIQ", 0, len(data), 0, 0, 0, 0) + data)

    def cut(self):
        """The server ends its sessions."""
        for sock in list(self.sessions):
            sock.shutdown(socket.SHUT_RDWR)

    def check(self):
        check(not self.log, f"its server logs: {self.log}")
        check(set(self.codes) <= {REQ_DEVLIST, REQ_IMPORT}, f"it hears {sorted(map(hex, set(self.codes)))}")


@contextlib.contextmanager
def client(work, peer, *argv):
    """A client of that server; in the end neither has anything to complain of."""
    work.mkdir(exist_ok=True)
    peer.kernel = kernel = Kernel(work / "sys")
    daemon = Daemon(work / "client", CLIENT, "--sysfs", kernel.root, "-i", "1", *argv, peer.name)
    daemon.kernel = kernel
    yield daemon
    check(daemon.stop() == 0, f"its exit status: {daemon.log()[-300:]}")
    peer.check()


def has(daemon, count):
    try:
        until(lambda: len(daemon.kernel.ports) == count, f"{count} attached")
    except LabError as error:
        raise LabError(f"{error}, but {daemon.kernel.attached}: {daemon.log()[-300:]!r}") from None


def some_lists(peer):
    now = peer.lists
    until(lambda: peer.lists >= now + LISTS, f"{LISTS} more lists")


def says_nothing(daemon):
    check("cannot" not in daemon.log(), f"it complains: {daemon.log()[-300:]}")


def comes_back(daemon, peer):
    before = len(daemon.kernel.attached)
    peer.cut()
    until(lambda: len(daemon.kernel.attached) > before, f"it comes back: {daemon.log()[-300:]}")


def run_program(*argv):
    done = subprocess.run([PROGRAM, *argv], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          timeout=DEADLINE, check=False)
    return done.stdout


def doctor(work, name):
    (work / "doctor").mkdir(parents=True, exist_ok=True)
    return run_program("doctor", "--sysfs", work / "doctor", name)


# The servers


def canokey(work):
    """It ends when it hears what it does not know, and it serves one connection after the other."""
    peer = Peer(device(b"1-1"), dies=True, single=True)
    said = doctor(work, peer.name)
    check(f"{peer.name}: exports 1 device, has to be polled" in said, said)
    check("1-1" in run_program("list", peer.name), "list")
    with client(work, peer) as daemon:
        has(daemon, 1)
        comes_back(daemon, peer)
        says_nothing(daemon)
    with client(work / "denied", peer, "--rule", "deny busid 1-1") as daemon:
        some_lists(peer)
        check(not daemon.kernel.attached, "it attaches what is denied")
        says_nothing(daemon)


def one_connection(work):
    """While a device is in use, the server is asked once; that is given up, and not said."""
    peer = Peer(device(b"1-1"), single=True)
    with client(work, peer, "-v") as daemon:
        has(daemon, 1)
        until(lambda: daemon.log().count("requesting the device list") == 2, "it asks beside the session")
        until(lambda: daemon.log().count("request: reading -> idle") >= 3, "it gives that up")
        daemon.hup()
        until(lambda: "reloaded" in daemon.log(), "a pass")
        comes_back(daemon, peer)
        check(peer.waited <= 1, f"{peer.waited} connections were in its queue")
        says_nothing(daemon)


def virtual_device(**fields):
    """USBIP-Virtual-USB-Device and others: its reply to an import is another than its list."""
    def test(work):
        peer = Peer(device(b"1-1"), single=True, grant=lambda busid: granted(busid, **fields))
        with client(work, peer) as daemon:
            has(daemon, 1)
            comes_back(daemon, peer)
            check(not peer.asked, "the device is asked without a rule")
            says_nothing(daemon)
        with client(work / "rules", peer, "--rule", "deny id 0951:1666") as daemon:
            has(daemon, 1)
            check(peer.asked, "the device is not asked")
            says_nothing(daemon)
        peer = Peer(device(b"1-1"), ids=(0x951, 0x1666), grant=lambda busid: granted(busid, **fields))
        with client(work / "swapped", peer, "--rule", "deny id 0951:1666") as daemon:
            until(lambda: "1-1 (0951:1666)" in daemon.log() and "left alone: denied by" in daemon.log(), "denied")
            some_lists(peer)
            check(not daemon.kernel.attached, "it attaches what it has denied")
            check(len(peer.imports) == 1, f"it asks again: {len(peer.imports)} times")
    return test


def new_devnum(work):
    """Each import gives the device another number."""
    peer = Peer(device(b"1-1"))
    peer.grant = lambda busid: granted(busid, devnum=5 + len(peer.imports))
    with client(work, peer) as daemon:
        has(daemon, 1)
        comes_back(daemon, peer)
        check([x[1] & 0xffff for x in daemon.kernel.attached[:2]] == [6, 7], f"{daemon.kernel.attached}")
        says_nothing(daemon)


def libusb(work):
    """It lists its own hubs."""
    peer = Peer(device(b"1-1", cls=9), device(b"2-1", busnum=2, devnum=1, cls=9), device(b"1-7", devnum=7))
    with client(work, peer) as daemon:
        has(daemon, 1)
        some_lists(peer)
        check(peer.imports == ["1-7"], f"it imports {peer.imports}")
        check(daemon.log().count("left alone: it is a hub") == 2, daemon.log())


def usbipd_win(work):
    """Its log has a line for each code that it does not know."""
    peer = Peer(device(b"1-1", path=b"\\\\?\\USB#VID_1A2B&PID_3C4D#5&2B"), device(b"2-1", busnum=2))
    check("1-1" in run_program("list", peer.name), "list")
    check("has to be polled" in doctor(work, peer.name), "doctor")
    with client(work, peer) as daemon:
        has(daemon, 2)
        some_lists(peer)
        check(len(peer.imports) == 2, f"it imports {peer.imports}")
        says_nothing(daemon)


def stock_4_9(work):
    """It lists devices that are in use, and its refusals have the status 1."""
    peer = Peer(device(b"1-1"), device(b"1-2", devnum=6))
    peer.grant = lambda busid: head(REP_IMPORT, NA) if busid == b"1-2" else peer.repeat(busid)
    with client(work, peer) as daemon:
        has(daemon, 1)
        some_lists(peer)
        check(peer.imports.count("1-1") == 1, f"it imports {peer.imports}")
        check(len(daemon.kernel.attached) == 1, f"{daemon.kernel.attached}")
        check(daemon.log().count("cannot attach 1-2 ") == 1, f"not said once: {daemon.log()}")


def keeps_connection(work):
    """It keeps the connection behind its list, which has no device at first."""
    peer = Peer(keeps=True)
    said = doctor(work, peer.name)
    check(f"{peer.name}: exports 0 devices, has to be polled" in said, said)
    with client(work, peer) as daemon:
        until(lambda: peer.lists >= 3, "it asks again")
        peer.records = (device(b"1-1"),)
        has(daemon, 1)
        says_nothing(daemon)


def keeps_and_serves_one(work):
    """And serves no other connection meanwhile."""
    peer = Peer(device(b"1-1"), keeps=True, single=True)
    with client(work, peer) as daemon:
        has(daemon, 1)
        says_nothing(daemon)


def speeds(listed, told, port):
    def test(work):
        peer = Peer(device(b"1-1", speed=listed), grant=lambda busid: granted(busid, speed=told))
        with client(work, peer) as daemon:
            has(daemon, 1)
            check(daemon.kernel.attached[0][::2] == (port, told or 5), f"{daemon.kernel.attached}")
            says_nothing(daemon)
    return test


def one_bus_id(work):
    """The Rust crate gives each simulated device the same bus id: the first one counts."""
    peer = Peer(device(b"0-0-0", busnum=0, devnum=0), device(b"0-0-0", busnum=0, devnum=0, vendor=0x1209))
    with client(work, peer) as daemon:
        has(daemon, 1)
        some_lists(peer)
        check(len(peer.imports) == 1, f"it imports {peer.imports}")
        says_nothing(daemon)


def odd_records(work):
    """A bus id with a blank, a path without an end, and good devices between them."""
    peer = Peer(device(b"no name"), device(b"1-1", path=b"/" * 256), device(b"", devnum=6),
                device(b"1-3", devnum=7, interfaces=0))
    with client(work, peer) as daemon:
        has(daemon, 2)
        some_lists(peer)
        check(sorted(peer.imports) == ["1-1", "1-3"], f"it imports {peer.imports}")
        check(daemon.log().count("an invalid bus id") == 1, f"not said once: {daemon.log()}")
        says_nothing(daemon)


def hangs_up(work):
    """It grants each import and closes: with --once, that is a failure."""
    work.mkdir()
    peer = Peer(device(b"1-1"))
    peer.kernel = Kernel(work / "sys", answers=False)
    peer.session = lambda sock, reply: None
    daemon = Daemon(work / "client", CLIENT, "--sysfs", peer.kernel.root, "-i", "1", "--once", peer.name)
    check(daemon.process.wait(DEADLINE) == 1, f"its exit status: {daemon.log()[-300:]}")
    peer.check()


def ours(work):
    """The real server: by its list it is known, also without a device."""
    server = Server(work)
    for exported in (True, False):
        if not exported:
            for busid in server.tree.exported():
                server.tree.remove(busid)
            server.hup()
            until(lambda: not server.list(), "an empty list")
        said = doctor(work, f"127.0.0.1:{server.port}")
        check(", reports changes" in said, said)
    check(server.stop() == 0, "its exit status")


CASES = {
    "a server that ends when it hears another code": canokey,
    "one connection at a time": one_connection,
    "an import with the ids in another byte order": virtual_device(vendor=0x2b1a, product=0x4d3c),
    "an import without ids": virtual_device(vendor=0, product=0),
    "an import with another number of the device": virtual_device(devnum=6),
    "an import with another number each time": new_devnum,
    "a server that lists hubs": libusb,
    "a server that logs what it does not know": usbipd_win,
    "a server that lists devices in use": stock_4_9,
    "a server that keeps its connections": keeps_connection,
    "a server that keeps its connections, and has only one": keeps_and_serves_one,
    "a speed that only the import tells": speeds(0, 3, 0),
    "a speed of the future in the list": speeds(7, 2, 0),
    "a speed that is not known": speeds(0, 0, PORTS // 2),
    "two devices with one bus id": one_bus_id,
    "odd records": odd_records,
    "a server that hangs up behind each import": hangs_up,
    "a usbiphp server": ours,
}


def test(work):
    chosen = {n: c for n, c in CASES.items() if not sys.argv[1:] or any(w in n for w in sys.argv[1:])}
    with concurrent.futures.ThreadPoolExecutor(max_workers=len(CASES)) as pool:
        futures = {n: pool.submit(c, work / str(i)) for i, (n, c) in enumerate(chosen.items())}
        for name, future in futures.items():
            with case(name):
                future.result()


if __name__ == "__main__":
    run_in_memory(test)
