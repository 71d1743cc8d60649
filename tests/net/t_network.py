#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The network side of both daemons, against good, bad and absent peers; no USB is involved.

The server runs on a captured sysfs tree whose devices are all bound to usbip-host. The client runs on
another tree, against servers that this test makes. The kernel sends no uevent when a captured tree changes,
so the tests send SIGHUP to start a pass.
"""

import collections
import concurrent.futures
import contextlib
import os
import pathlib
import random
import re
import resource
import select
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests" / "vm"), str(ROOT / "tests")]

from fixture import unpack  # noqa: E402
from lab import LabError, case, check, finish  # noqa: E402

SERVER = os.environ.get("USBIPHP_SERVER", ROOT / "build" / "usbiphp-server")
CLIENT = os.environ.get("USBIPHP_CLIENT", ROOT / "build" / "usbiphp-client")
FIXTURES = ROOT / "tests" / "fixtures"

DEADLINE = 30  # seconds for anything that has to happen
WATCHERS, CAP, PER_ADDRESS = 200, 512, 256
RSS_LIMIT = 512  # kB

OK, NA, BUSY, DEV_ERR, NODEV = range(5)
REQ_DEVLIST, REQ_IMPORT, REQ_WATCH = 0x8005, 0x8003, 0x8060
REP_DEVLIST, REP_IMPORT, REP_WATCH = 0x0005, 0x0003, 0x0060
RECORD = struct.Struct(">256s32sIIIHHHBBBBBB")
SPEEDS = {"1.5": 1, "12": 2, "480": 3, "5000": 5, "10000": 6, "20000": 6}

Device = collections.namedtuple("Device", "path busid busnum devnum speed vendor product bcd cls "
                                "subclass protocol configuration configurations interfaces")


# The wire


def head(code, status=0, version=0x0111):
    return struct.pack(">HHI", version, code, status)


INSIDE = "USBIPHP_TEST_INSIDE"
DEVLIST, WATCH = head(REQ_DEVLIST), head(REQ_WATCH)


def import_request(busid):
    return head(REQ_IMPORT) + busid.encode().ljust(32, b"\0")


def text_field(raw):
    """A string of a record: terminated, and nothing behind the terminator."""
    text, end, rest = raw.partition(b"\0")
    check(end and not rest.strip(b"\0"), f"a field is not terminated or not padded: {raw}")
    return text.decode()


def record(data):
    """A device record, with the number of its interfaces in place of them."""
    path, busid, *numbers = RECORD.unpack(data)
    return Device(text_field(path), text_field(busid), *numbers)


MARK = b"\0usbiphp"  # then 8 bytes, which tell a run of the server from others
MARK_SIZE = 16


def mark_place(data):
    """Where the mark of a list is: at the end of the first path, or behind an empty list."""
    return 12 if data[8:12] == bytes(4) else 12 + 256 - MARK_SIZE


def marked(data, identity=bytes(8)):
    """A list as our servers send it."""
    at = mark_place(data)
    return data[:at] + MARK + identity + data[at + MARK_SIZE:]


def unmarked(data):
    """What a stranger sees of a list of our server; None if that is not there yet."""
    at = mark_place(data)
    if len(data) < at + MARK_SIZE:
        return None
    check(data[at:].startswith(MARK), f"no mark: {data[at:at + MARK_SIZE]}")
    return data[:at] + bytes(MARK_SIZE if at > 12 else 0) + data[at + MARK_SIZE:]


def take_list(data, code=REP_DEVLIST):
    """The device list at the begin of `data`, by busid, and what is behind it; or None."""
    if len(data) < 12:
        return None
    check(data[:8] == head(code), f"not the head of a list: {data[:8].hex()}")
    if code == REP_DEVLIST:
        data = unmarked(data)
        if data is None:
            return None
    devices, at = {}, 12
    for _ in range(struct.unpack_from(">I", data, 8)[0]):
        if len(data) < at + RECORD.size:
            return None
        device = record(data[at:at + RECORD.size])
        at += RECORD.size
        raw = [data[i:i + 4] for i in range(at, at + 4 * device.interfaces, 4)]
        at += 4 * device.interfaces
        if len(data) < at:
            return None
        check(all(i[3] == 0 for i in raw), f"{device.busid}: padding is not zero")
        check(device.busid not in devices, f"{device.busid} is listed twice")
        devices[device.busid] = device._replace(interfaces=[tuple(i[:3]) for i in raw])
    return devices, data[at:]


def whole_list(data, code=REP_DEVLIST):
    """The list that `data` is, to the last byte."""
    taken = take_list(data, code)
    check(taken is not None, f"{len(data)} bytes are no whole list")
    check(not taken[1], f"{len(taken[1])} bytes behind the list")
    return taken[0]


def dial(port, source="127.0.0.1", to="127.0.0.1", receive=0):
    """A connection; `receive` is the size of its receive buffer."""
    sock = socket.socket(socket.AF_INET6 if ":" in to else socket.AF_INET)
    if receive:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive)
    sock.settimeout(DEADLINE)
    if ":" not in to:
        sock.bind((source, 0))
    sock.connect((to, port))
    return sock


def read_all(sock):
    """What comes until the other end closes, whichever way it does."""
    data = b""
    with contextlib.suppress(ConnectionResetError, BrokenPipeError):
        while part := sock.recv(65536):
            data += part
    return data


def read_exactly(sock, length):
    data = b""
    while len(data) < length:
        part = sock.recv(length - len(data))
        check(part, f"closed after {len(data)} of {length} bytes")
        data += part
    return data


def send(sock, data):
    """Sends to a peer that may have closed."""
    with contextlib.suppress(ConnectionResetError, BrokenPipeError):
        sock.sendall(data)


def ready(socks, event, seconds=0):
    """Those that are readable (select.POLLIN) or writable (POLLOUT)."""
    poll, by_number = select.poll(), {sock.fileno(): sock for sock in socks}
    for number in by_number:
        poll.register(number, event)
    return [by_number[number] for number, _ in poll.poll(seconds * 1000)]


def hung_up(sock):
    """Whether the other end has closed and all it sent was read; nothing is read here."""
    try:
        return bool(ready([sock], select.POLLIN)) and not sock.recv(1, socket.MSG_PEEK)
    except BlockingIOError:
        return False
    except OSError:
        return True


def is_closed(sock):
    """Whether the other end has closed; what it sent before is thrown away."""
    with contextlib.suppress(OSError):
        while ready([sock], select.POLLIN) and not hung_up(sock):
            sock.recv(65536)
    return hung_up(sock)


def reset(sock):
    """Closes with an RST."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


def ask(port, request=DEVLIST, **options):
    """All that the server says to one request until it closes."""
    with dial(port, **options) as sock:
        send(sock, request)
        return read_all(sock)


def ask_list(port, **options):
    return whole_list(ask(port, **options))


class Watcher:
    """A connection that asked, or is to ask, for the list that never ends."""

    def __init__(self, sock):
        self.sock, self.data, self.last = sock, b"", None

    def next(self):
        """The next list; None when the server closed instead."""
        while not (taken := take_list(self.data, REP_WATCH)):
            try:
                part = self.sock.recv(65536)
            except ConnectionResetError:
                part = b""
            if not part:
                return None
            self.data += part
        self.last, self.data = taken
        return self.last

    def wait(self, good, why):
        """Reads on until the list is a good one."""
        deadline = time.monotonic() + DEADLINE
        while not good(self.last):
            check(time.monotonic() < deadline, f"not in time on a watch: {why}")
            check(self.next() is not None, "the server closed a watch")

    def close(self):
        self.sock.close()


def watch(port, **options):
    watcher = Watcher(dial(port, **options))
    send(watcher.sock, WATCH)
    return watcher


def until(condition, why, within=DEADLINE):
    """Waits until the condition holds, and returns what it is."""
    deadline = time.monotonic() + within
    while not (value := condition()):
        check(time.monotonic() < deadline, f"not in time: {why}")
        time.sleep(0.01)
    return value


def free_port():
    """One that no connection of a program beside this one takes meanwhile: they get those above."""
    while True:
        port = random.randrange(10000, 32768)
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port


# The server's sysfs


def descriptor(kind, *payload):
    return bytes([len(payload) + 2, kind, *payload])


def interface(number, alternate, *triple):
    return descriptor(4, number, alternate, 1, *triple, 0)


def configuration(value, interfaces, *parts):
    body = b"".join(parts)
    return struct.pack("<BBHBBBBB", 9, 2, 9 + len(body), interfaces, value, 0, 0x80, 50) + body


DEVICE = descriptor(1, 0, 2, 0xef, 2, 1, 64, 0x2b, 0x1a, 0x4d, 0x3c, 0x6f, 0x5e, 1, 2, 3, 1)
ENDPOINT = descriptor(5, 0x81, 3, 8, 0, 10)
COMPANION = descriptor(0x30, 0, 0, 8, 0)
# Inside, it looks like the descriptor of an interface.
CLASS_SPECIFIC = descriptor(0x24, 1, *interface(7, 0, 9, 9, 9), *interface(8, 0, 9, 9, 9))
COMPOSITE = DEVICE + configuration(
    1, 5, descriptor(0x0b, 0, 2, 0x0e, 3, 0, 0),
    interface(0, 0, 0x0e, 1, 0), CLASS_SPECIFIC, ENDPOINT, COMPANION, descriptor(0x25, 3, 8, 0),
    interface(1, 0, 0x0e, 2, 0), interface(1, 1, 0x0e, 2, 0), ENDPOINT,
    descriptor(0x0b, 2, 2, 1, 0, 0, 0), interface(2, 0, 1, 1, 0x20),
    interface(3, 0, 1, 2, 0x20), interface(3, 1, 1, 2, 0x21), ENDPOINT, descriptor(0x25, 1, 0),
    interface(3, 2, 1, 2, 0x22), ENDPOINT, descriptor(0xff, 1, 2, 3),
    interface(4, 0, 3, 0, 0), descriptor(0x21, 0x11, 1, 0, 1, 0x22, 0x34, 0), ENDPOINT)
COMPOSITE_INTERFACES = [(0x0e, 1, 0), (0x0e, 2, 0), (1, 1, 0x20), (1, 2, 0x20), (3, 0, 0)]
# More than a page, as cameras have it.
LONG = DEVICE + configuration(1, 2, interface(0, 0, 0x0e, 1, 0),
                              *[descriptor(0x24, *range(250))] * 24, interface(1, 0, 0x0e, 2, 0))
LONG_INTERFACES = [(0x0e, 1, 0), (0x0e, 2, 0)]
MANY_INTERFACES = [(3, i, 1) for i in range(32)]
MANY = DEVICE + configuration(1, 32, *(interface(i, 0, *x) + ENDPOINT
                                       for i, x in enumerate(MANY_INTERFACES)))
CUT = DEVICE + configuration(1, 4, interface(0, 0, 3, 1, 1), interface(1, 0, 3, 1, 2))
# Not to be listed, or with nothing but what other attributes tell: the kernel has no such device.
NO_DESCRIPTORS = {"1-20": b"", "1-21": DEVICE[:17], "1-28": None}
GARBAGE = {
    "1-22": DEVICE,
    "1-23": CUT[:-3],
    "1-24": CUT[:-9] + b"\0\4" + bytes(40),
    "1-25": CUT[:-9] + b"\1\4\1\4",
    "1-26": DEVICE + b"\xff" * 60,
    "1-27": CUT + b"\4\4\1\0",
}

# Of the devices in the fixture: what each of their configurations has.
KEYBOARD, MOUSE, STICK = {1: [(3, 1, 1)]}, {1: [(3, 1, 2)]}, {1: [(8, 6, 0x50)]}
NETWORK = {1: [(2, 6, 0), (0x0a, 0, 0)], 2: [(2, 2, 0xff), (0x0a, 0, 0)]}
FIXTURE = {"1-1.2": KEYBOARD, "1-2": NETWORK, "1-3": MOUSE, "2-4": STICK, "2-5": STICK}


ATTRIBUTES = {
    "idVendor": "1a2b", "idProduct": "3c4d", "bcdDevice": "5e6f", "bDeviceClass": "ef",
    "bDeviceSubClass": "02", "bDeviceProtocol": "01", "bConfigurationValue": "1",
    "bNumConfigurations": "1", "bNumInterfaces": " 1", "devnum": "77", "speed": "480"}


class Tree:
    """A sysfs where every device is with usbip-host."""

    def __init__(self, where):
        self.root = where
        unpack("host-6.1.tree", where)
        for busid in self.devices():
            if self.get(busid, "bDeviceClass") != "09":
                self.export(busid)

    def devices(self):
        return [i for i in os.listdir(self.root / "bus/usb/devices")
                if re.fullmatch(r"\d+-[\d.]+", i)]

    def file(self, busid, name):
        return self.root / "bus/usb/devices" / busid / name

    def get(self, busid, name):
        path = self.file(busid, name)
        return path.read_text().strip() if path.exists() else ""

    def put(self, busid, name, text):
        self.file(busid, name).write_bytes(text if isinstance(text, bytes) else text.encode())

    def export(self, busid):
        link = self.file(busid, "driver")
        link.unlink(missing_ok=True)
        os.symlink("../../../../../bus/usb/drivers/usbip-host", link)
        self.put(busid, "usbip_sockfd", "")
        self.put(busid, "usbip_status", "1\n")

    def status(self, busid, number):
        self.put(busid, "usbip_status", f"{number}\n")

    def add(self, busid, descriptors, **attributes):
        """Makes a device; all of it is there before its link, as with the kernel's."""
        target = f"devices/pci0000:00/0000:00:02.0/usb{busid[0]}/{busid}"
        staged = self.root / target
        staged.mkdir()
        for name, text in {**ATTRIBUTES, "busnum": busid[0], **attributes}.items():
            (staged / name).write_text(text + "\n" if text else "")
        if descriptors is not None:
            (staged / "descriptors").write_bytes(descriptors)
        os.symlink("../../../../../bus/usb/drivers/usbip-host", staged / "driver")
        (staged / "usbip_sockfd").write_text("")
        (staged / "usbip_status").write_text("1\n")
        os.symlink(f"../../../{target}", self.root / "bus/usb/devices" / busid)

    def remove(self, busid):
        link = self.root / "bus/usb/devices" / busid
        target = link.resolve()
        link.unlink()
        shutil.rmtree(target)

    def exported(self):
        return {i for i in self.devices() if self.get(i, "usbip_status") == "1"}

    def check_device(self, device, configurations):
        """Every field of a record but its interfaces, and those if they are known."""
        busid = device.busid

        def same(what, got, wanted):
            check(got == wanted, f"{busid}: {what} is {got}, not {wanted}")

        path = os.path.relpath(self.file(busid, "").resolve(), self.root.resolve())
        check(device.path.endswith(f"/{path}"), f"{busid}: path is {device.path}")
        same("busnum", device.busnum, int(busid.partition("-")[0]))
        same("devnum", device.devnum, int(self.get(busid, "devnum")))
        same("speed", device.speed, SPEEDS[self.get(busid, "speed")])
        for field, name in (("vendor", "idVendor"), ("product", "idProduct"),
                            ("bcd", "bcdDevice"), ("cls", "bDeviceClass"),
                            ("subclass", "bDeviceSubClass"), ("protocol", "bDeviceProtocol")):
            same(name, getattr(device, field), int(self.get(busid, name), 16))
        same("bNumConfigurations", device.configurations,
             int(self.get(busid, "bNumConfigurations")))
        if configurations:
            self.check_configuration(device, configurations)

    def check_configuration(self, device, configurations):
        """The interfaces are those of one configuration, whose number stands in the record."""
        values = [v for v, x in configurations.items() if x == device.interfaces]
        check(values, f"{device.busid}: interfaces {device.interfaces} are of none")
        if not self.get(device.busid, "bConfigurationValue"):
            values.append(0)
        check(device.configuration in values,
              f"{device.busid}: bConfigurationValue is {device.configuration}, not of {values}")


# The daemons


class Daemon:
    """A daemon of this test; it ends with the thread that started it at the latest."""

    all = []

    def __init__(self, work, binary, *argv, files=1024):
        work.mkdir(exist_ok=True)
        self.log_file = work / "log"
        command = ["setpriv", "--pdeathsig", "KILL", "prlimit", f"--nofile={files}", binary,
                   "--run", work / "run", *argv]
        with open(self.log_file, "wb") as log:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log,
                                            stderr=log)
        self.pid = self.process.pid
        Daemon.all.append(self)

    def log(self):
        return self.log_file.read_text(errors="replace")

    def alive(self):
        check(self.process.poll() is None, f"it ended: {self.log()[-300:]!r}")

    def fds(self):
        self.alive()
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    def cpu(self):
        """Seconds of processor time."""
        stat = pathlib.Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(stat[11]) + int(stat[12])) / os.sysconf("SC_CLK_TCK")

    def rss(self):
        """Resident memory in kB."""
        text = pathlib.Path(f"/proc/{self.pid}/smaps_rollup").read_text()
        return int(re.search(r"^Rss: +(\d+)", text, re.M)[1])

    def hup(self):
        self.process.send_signal(signal.SIGHUP)

    def stop(self):
        """SIGTERM and the exit status."""
        if self.process.poll() is None:
            self.process.terminate()
        try:
            return self.process.wait(DEADLINE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise LabError(f"it does not stop: {self.log()[-300:]!r}") from None


class Server(Daemon):
    """A server on a tree of its own, or on that of another; it listens at 127.0.0.1:port."""

    def __init__(self, work, tree=None, interval=60, port=None, listen=(), wait=True, argv=(), **options):
        self.tree = tree or Tree(work / "sys")
        self.port = port or free_port()
        self.addresses = listen or [f"127.0.0.1:{self.port}"]
        super().__init__(work, SERVER, "--sysfs", self.tree.root, "-i", str(interval),
                         *(x for a in self.addresses for x in ("--listen", a)), *argv, **options)
        if wait:
            until(self.listening, f"the server listens: {self.log()!r}")

    def listening(self):
        """At each of its addresses: one comes after the other."""
        self.alive()
        for address in self.addresses:
            host, port = address.rsplit(":", 1)
            try:
                with dial(int(port), to=host.strip("[]")) as sock:
                    # Where nobody listens, a socket that got this very port connects to itself.
                    if sock.getsockname() == sock.getpeername():
                        return False
            except ConnectionRefusedError:
                return False
        return True

    def list(self, **options):
        self.alive()
        return ask_list(self.port, **options)

    def listed(self, busids):
        """Waits until those are listed, and no others."""
        self.hup()
        until(lambda: self.list().keys() == set(busids), f"{sorted(busids)} are listed")

    def answers(self):
        """A good client is served."""
        check(self.list().keys() == self.tree.exported(), "a good client gets another list")

    def connections(self):
        """How many it holds: those which nobody holds (any more) have no inode."""
        rows = [x.split() for x in pathlib.Path("/proc/net/tcp").read_text().splitlines()[1:]]
        return sum(row[1].endswith(f":{self.port:04X}") and row[3] != "0A" and row[9] != "0"
                   for row in rows)

    def idle_fds(self, connections=0):
        """How many descriptors it has, with so many connections."""
        seen = []

        def steady():
            """A child that is at work has one for a moment."""
            seen.append(self.fds())
            return len(seen) >= 10 and len(set(seen[-10:])) == 1

        until(lambda: self.connections() == connections, f"it holds {connections} connections")
        until(steady, "always as many descriptors")
        return seen[-1]

    def settled(self, fds):
        until(lambda: self.fds() == fds, f"{fds} descriptors as before")


# Cases of the server: requests


def garbage(server):
    """Devices whose descriptors end too soon or make no sense, among good ones."""
    tree = server.tree
    for busid, blob in (GARBAGE | NO_DESCRIPTORS).items():
        tree.add(busid, blob)
    server.hup()
    until(lambda: GARBAGE.keys() <= server.list().keys(), f"{sorted(GARBAGE)} are listed")
    devices = server.list()
    missing = tree.exported() - devices.keys() - NO_DESCRIPTORS.keys()
    check(not missing, f"not listed are {sorted(missing)}")
    for busid in devices.keys() & (GARBAGE.keys() | NO_DESCRIPTORS.keys()):
        tree.check_device(devices[busid], None)
        got = devices[busid].interfaces
        check(got == [(3, 1, 1), (3, 1, 2)][:len(got)], f"{busid}: interfaces {got}")


def lists(server):
    tree = server.tree
    with case("the list says what sysfs says"):
        devices = server.list()
        check(devices.keys() == FIXTURE.keys(), f"listed are {sorted(devices)}")
        for busid, configurations in FIXTURE.items():
            tree.check_device(devices[busid], configurations)

    with case("the interfaces are those in the descriptors, configured or not"):
        tree.add("1-10", COMPOSITE, speed="5000")
        tree.add("1-11", COMPOSITE, bConfigurationValue="", bNumInterfaces="", speed="1.5")
        tree.add("1-12", MANY, speed="10000")
        tree.add("1-13.4.2", MANY, speed="20000", devnum="127")
        server.listed(tree.exported())
        devices = server.list()
        for busid, interfaces in (("1-10", COMPOSITE_INTERFACES), ("1-11", COMPOSITE_INTERFACES),
                                  ("1-12", MANY_INTERFACES), ("1-13.4.2", MANY_INTERFACES)):
            tree.check_device(devices[busid], {1: interfaces})

    with case("descriptors of more than a page"):
        tree.add("1-14", LONG)
        server.listed(tree.exported())
        tree.check_device(server.list()["1-14"], {1: LONG_INTERFACES})

    with case("descriptors that are none"):
        try:
            garbage(server)
        finally:
            for busid in GARBAGE | NO_DESCRIPTORS:
                tree.remove(busid)
        server.listed(tree.exported())

    with case("a device in use or in its error state is not listed"):
        tree.status("1-10", 2)
        tree.status("1-11", 3)
        server.listed(tree.exported())
        tree.status("1-10", 1)
        tree.status("1-11", 1)
        server.listed(tree.exported())

    with case("a request whose sender closes its half at once is answered"):
        with dial(server.port) as sock:
            sock.sendall(DEVLIST)
            sock.shutdown(socket.SHUT_WR)
            whole_list(read_all(sock))


def refuse(server, busid, status):
    got = ask(server.port, import_request(busid))
    check(got == head(REP_IMPORT, status), f"{busid}: the answer is {got[:8].hex()}, not {status}")


def start_session(server, busid, **options):
    """Imports a device as a good client does: the connection, and the record."""
    server.tree.put(busid, "usbip_sockfd", "")
    sock = dial(server.port, **options)
    sock.sendall(import_request(busid))
    check(read_exactly(sock, 8) == head(REP_IMPORT), f"the import of {busid} is refused")
    return sock, record(read_exactly(sock, RECORD.size))


def imports(server):
    """Returns the connection of a session."""
    tree, session = server.tree, None
    with case("an import hands the connection over and answers with the record"):
        session, device = start_session(server, "2-4", source="127.0.0.9")
        number = tree.get("2-4", "usbip_sockfd")
        check(number.isdigit(), f"usbip_sockfd got {number!r}")
        link = os.readlink(f"/proc/{server.pid}/fd/{number}")
        check(link.startswith("socket:"), f"descriptor {number} is {link}")
        tree.check_device(device._replace(interfaces=[]), None)
        listed = server.list().get("2-4", device)
        check(device[:11] == listed[:11], "the record is another than in the list")
        tree.status("2-4", 2)
        check(not is_closed(session), "the connection was closed")

    with case("imports that are refused, and why"):
        tree.status("1-3", 3)
        refuse(server, "2-4", BUSY)
        refuse(server, "1-3", DEV_ERR)
        refuse(server, "9-9", NODEV)
        refuse(server, "1-1", NODEV)
        tree.status("1-3", 4)
        refuse(server, "1-3", NA)
        tree.status("1-3", 1)
        tree.file("1-3", "usbip_sockfd").unlink()
        os.symlink("/dev/full", tree.file("1-3", "usbip_sockfd"))
        refuse(server, "1-3", NA)
        tree.file("1-3", "usbip_sockfd").unlink()
        tree.put("1-3", "usbip_sockfd", "")
        check(not is_closed(session), "a refusal closed another's session")
        server.listed(tree.exported())

    with case("busids that are none are refused as unknown"):
        for name in (b"", b"../../..", b"1-3/", b"1-3\n", b"-1", b"1", b"1-", b"\xff" * 31,
                     b"1-3" + b"x" * 29, b"1-3" * 11, b"usb1", b"1-0:1.0", b"."):
            got = ask(server.port, head(REQ_IMPORT) + name[:32].ljust(32, b"\0"))
            check(got == head(REP_IMPORT, NODEV), f"{name} is answered with {got[:12].hex()}")
        server.answers()
    return session


def packet(path):
    text = path.read_text()
    return bytes.fromhex("".join(x.partition("#")[0] for x in text.splitlines()))


def expected(server, data):
    """What a request is answered with: the code, and the status."""
    code = struct.unpack_from(">H", data, 2)[0] if data[:2] == b"\x01\x11" else None
    if code == REQ_DEVLIST:
        return REP_DEVLIST, OK
    busid, end, _ = data[8:40].partition(b"\0")
    if code != REQ_IMPORT or len(data) < 40:
        return None
    if not end or not re.fullmatch(rb"[-A-Za-z0-9._:]+", busid):
        return REP_IMPORT, NODEV
    check(busid.decode() not in server.tree.exported(), "a fixture would import a device")
    return REP_IMPORT, BUSY if server.tree.get(busid.decode(), "usbip_status") else NODEV


def is_answered(got, wanted):
    if wanted is None:
        return got == b""
    if wanted[0] == REP_IMPORT:
        return got == head(*wanted)
    return bool(whole_list(got))


def byte_by_byte(port, data):
    with dial(port) as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for at in range(min(len(data), 64)):
            send(sock, data[at:at + 1])
            time.sleep(0.001)
        send(sock, data[64:])
        return read_all(sock)


def packets(server):
    paths = sorted([*(FIXTURES / "packets").glob("*.hex"),
                    *(FIXTURES / "hostile").glob("req_*.hex")])
    for how in (ask, byte_by_byte):
        with case(f"every packet, {'whole' if how is ask else 'byte by byte'}"):
            check(len(paths) > 30, "the fixtures are not there")
            for path in paths:
                data = packet(path)
                got = how(server.port, data)
                check(is_answered(got, expected(server, data)),
                      f"{path.name}: {len(got)} bytes, {got[:12].hex()}")
                server.answers()

    with case("requests that are cut off get no answer"):
        for request in (import_request("1-3"), WATCH):
            for length in range(len(request)):
                with dial(server.port) as sock:
                    sock.sendall(request[:length])
                    sock.shutdown(socket.SHUT_WR)
                    check(read_all(sock) == b"", f"{length} bytes are answered")
        server.answers()

    with case("a code we do not know, and other versions, get no answer"):
        for code in (0, 0x8000, 0x8002, 0x8004, 0x8006, 0x8007, 0x8061, 0xffff, REP_WATCH):
            check(ask(server.port, head(code) + bytes(400)) == b"", f"{code:#x} is answered")
        for version in (0, 0x0110, 0x0112, 0x1101, 0xffff):
            for code in (REQ_DEVLIST, REQ_IMPORT, REQ_WATCH):
                got = ask(server.port, head(code, version=version) + bytes(32))
                check(got == b"", f"version {version:#x} is answered")
        server.answers()


def resets(server):
    """With one session."""
    with case("connections reset in mid-request and in mid-answer leave nothing behind"):
        server.answers()
        before = server.idle_fds(1)
        for i in range(300):
            sock = dial(server.port)
            sock.sendall((import_request("1-3")[:i % 39], DEVLIST, WATCH)[i % 3])
            reset(sock)
        until(lambda: take_list(ask(server.port)), "a good client is served afterwards")
        server.settled(before)


# Cases of the server: crowds


def flood(port, number, source):
    """So many connections begun at once, whether the server takes them or not."""
    socks = []
    for _ in range(number):
        sock = socket.socket()
        sock.setblocking(False)
        sock.bind((source, 0))
        sock.connect_ex(("127.0.0.1", port))
        socks.append(sock)
    return socks


def close_all(socks):
    for sock in socks:
        sock.close()


def flooded(server):
    """With one session."""
    with case("a thousand connections of one address do not keep out another"):
        before, most = server.idle_fds(1), 0
        crowd = flood(server.port, 1000, "127.0.0.1")
        for _ in range(20):
            check(server.list(source="127.0.0.2").keys() == server.tree.exported(), "another list")
            most = max(most, server.fds())
        check(most <= before + PER_ADDRESS + 2, f"{most - before} descriptors for one address")
        until(lambda: all(map(is_closed, crowd)), "those that ask nothing are closed", 4 * DEADLINE)
        close_all(crowd)
        server.settled(before)


def is_release(binary):
    """Whether it is static: neither for a debugger's nor a sanitizer's use."""
    with open(binary, "rb") as file:
        elf = file.read()
    if elf[:4] != b"\x7fELF":
        return False
    offset, = struct.unpack_from("<Q" if elf[4] == 2 else "<I", elf, 32 if elf[4] == 2 else 28)
    size, number = struct.unpack_from("<HH", elf, 54 if elf[4] == 2 else 42)
    kinds = [struct.unpack_from("<I", elf, offset + i * size)[0] for i in range(number)]
    return 3 not in kinds and b".symtab" not in elf  # PT_INTERP


def change(server, busid="1-2"):
    """A device gets into use, or out of it: the whole list as it has to be then."""
    server.tree.status(busid, 3 - int(server.tree.get(busid, "usbip_status")))
    server.hup()

    def changed():
        # there may be no room for another connection at once
        taken = take_list(ask(server.port, source="127.0.0.4"))
        return taken and taken[0].keys() == server.tree.exported() and taken[0]

    return until(changed, "the change is in the list")


def watched(server):
    """Returns the watchers."""
    watchers = []
    with case(f"{WATCHERS} watchers get the list, and all get each change"):
        now = server.list()
        watchers += [watch(server.port) for _ in range(WATCHERS)]
        for watcher in watchers:
            check(watcher.next() == now, "the first list is another")
        for step in range(3):
            if step == 1:
                server.tree.add("1-10", COMPOSITE)
            if step == 2:
                server.tree.remove("1-10")
            now = change(server)
            for watcher in watchers:
                watcher.wait(lambda x: x == now, "the change")

    if is_release(SERVER):
        with case(f"it needs less than {RSS_LIMIT} kB for them"):
            check(server.rss() < RSS_LIMIT, f"{server.rss()} kB")
    return watchers


def take(port, number, source, watchers):
    """How many of so many newcomers may watch; they join the watchers."""
    taken = 0
    for _ in range(number):
        watcher = watch(port, source=source)
        if watcher.next() is None:
            watcher.close()
        else:
            watchers.append(watcher)
            taken += 1
    return taken


def full(server, watchers, fds):
    server.settled(fds + len(watchers))
    with case("the 257th of an address is refused, the others stay"):
        taken = len(watchers) + take(server.port, 100, "127.0.0.1", watchers)
        check(taken == PER_ADDRESS, f"{taken} of one address may watch")

    with case("the 513th of all is served, and one of an address with 256 leaves for it"):
        taken = len(watchers) + take(server.port, 300, "127.0.0.2", watchers)
        check(taken == CAP, f"{taken} may watch")
        check(take_list(ask(server.port, source="127.0.0.3")), "the 513th is not served")
        gone = [x for x in watchers if ready([x.sock], select.POLLIN) and x.next() is None]
        check(len(gone) == 1, f"{len(gone)} were closed")
        gone[0].close()
        watchers.remove(gone[0])

    with case("who leaves makes room"):
        watchers.pop().close()
        devices = until(lambda: take_list(ask(server.port, source="127.0.0.3")), "there is room")[0]
        watchers.pop().close()
        until(lambda: take_list(ask(server.port, source="127.0.0.4")), "there is room")
        check(devices.keys() == server.tree.exported(), "another list")
        now = change(server)
        for watcher in watchers:
            watcher.wait(lambda x: x == now, "the change")


def left(server, watchers, fds):
    with case("watchers that leave leave nothing behind"):
        for i, watcher in enumerate(watchers):
            if i % 2:
                reset(watcher.sock)
            else:
                watcher.close()
        server.settled(fds)
        server.answers()


def crowds(server):
    fds = server.idle_fds()
    watchers = watched(server)
    full(server, watchers, fds)
    left(server, watchers, fds)


def slow_readers(server):
    """On a long list: 60 devices more, of 32 interfaces each."""
    for i in range(60):
        server.tree.add(f"1-{i + 30}", MANY)
    server.listed(server.tree.exported())

    with case("a list for one who reads slowly is whole, with junk behind the request"):
        for junk in (0, 4, 40, 4000):
            with dial(server.port, receive=1) as sock:
                send(sock, DEVLIST + bytes(junk))
                check(whole_list(read_all(sock)).keys() == server.tree.exported(), "another list")

    with case("a watcher that never reads keeps nothing from the others"):
        stuck = watch(server.port, receive=1)
        good = [watch(server.port) for _ in range(3)]
        for i in range(40):
            now = change(server, f"1-{i + 30}")
            for watcher in good:
                watcher.wait(lambda x: x == now, "the change")

    with case("and when it reads, what it gets is whole lists, up to the newest"):
        # or it is closed, in the middle of one
        while (got := stuck.next()) is not None and got != now:
            pass
        for watcher in [stuck, *good]:
            watcher.close()
        server.answers()


# Cases of the server that take their time: each in a thread, and on a server of its own


def sign_of_life(server):
    watcher = watch(server.port)
    first = watcher.next()
    check(first is not None and first.keys() == server.tree.exported(), "another first list")
    for _ in range(2):
        check(watcher.next() == first, "the list again, though nothing changed")
    watcher.close()


def trickle(server):
    """A request of 40 bytes, two of them a second: the server has enough of it before its end."""
    with dial(server.port) as sock:
        for byte in import_request("1-3"):
            send(sock, bytes([byte]))
            if ready([sock], select.POLLIN, 0.5):
                check(read_all(sock) == b"", "half a request was answered")
                return
    raise LabError("it was never closed")


def half_requests(server):
    """They are closed, while others that came after them are served, and watch on."""
    watcher = watch(server.port)
    check(watcher.next() is not None, "a watch was refused")
    socks = [dial(server.port) for _ in range(5)]
    for sock, begin in zip(socks, (b"", b"\1", DEVLIST[:7], import_request("1-3")[:8],
                                   import_request("1-3")[:39])):
        sock.sendall(begin)
    server.answers()
    for sock in socks:
        check(read_all(sock) == b"", "half a request was answered")
    check(not is_closed(watcher.sock), "the watch was closed with them")
    close_all([*socks, watcher.sock])


def saturated(server, asking):
    """Whether it takes no more, or says so; those whose connection is there ask for a watch."""
    for sock in ready(asking, select.POLLOUT):
        send(sock, WATCH)
        asking.remove(sock)
    return server.fds() >= 60


def first_list(crowd):
    """The first of the crowd that has got a list."""
    for sock in ready(crowd, select.POLLIN):
        if not hung_up(sock):
            sock.settimeout(DEADLINE)
            watcher = Watcher(sock)
            check(watcher.next() is not None, "it closed in mid-list")
            return watcher
    return None


def starved(server):
    """200 connections to a server with 64 descriptors."""
    wanted = server.list()
    crowd = flood(server.port, 200, "127.0.0.1")
    asking = list(crowd)
    until(lambda: saturated(server, asking) or any(map(hung_up, crowd)), "it is saturated")
    server.hup()
    cpu, since = server.cpu(), time.monotonic()
    watcher = until(lambda: saturated(server, asking) and False or first_list(crowd), "a list")
    check(watcher.last == wanted, "another list, or none, when it has no descriptors")
    check(watcher.next() == wanted, "another list, or none, when it has no descriptors")
    until(lambda: time.monotonic() - since > 2, "there is something to measure")
    share = (server.cpu() - cpu) / (time.monotonic() - since)
    check(share < 0.2, f"it used {share:.0%} of a processor while it could take nobody")
    close_all(crowd)
    until(lambda: take_list(ask(server.port)), "a good client is served afterwards")
    check(server.list() == wanted, "another list than before")


# Cases of the server: sessions, addresses


def take_it(server, watcher):
    """A session with 2-4, which the watcher sees leave the list."""
    sock, _ = start_session(server, "2-4")
    server.tree.status("2-4", 2)
    server.hup()
    watcher.wait(lambda x: "2-4" not in x, "it is not listed")
    return sock


def sessions(server):
    """Nothing but the end of a connection can tell: a pass comes every minute only."""
    tree = server.tree
    watcher = watch(server.port)
    watcher.next()

    with case("what is imported leaves the list, and is back when its session has ended"):
        # So often that signs of life, which bring the newest list as well, would come too late.
        deadline = time.monotonic() + DEADLINE
        for _ in range(20):
            take_it(server, watcher).close()
            tree.status("2-4", 1)
            watcher.wait(lambda x: "2-4" in x, "it is listed")
            check(time.monotonic() < deadline, "it is not the end of the session that tells")

    with case("also when the kernel needs time to reset it"):
        sock = take_it(server, watcher)
        sock.close()
        for _ in range(10):
            server.list()
        check("2-4" not in server.list(), "it is listed while it is being reset")
        tree.status("2-4", 1)
        watcher.wait(lambda x: "2-4" in x, "it is listed")

    imports_in_reset(server, watcher)
    watcher.close()


def imports_in_reset(server, watcher):
    tree = server.tree
    with case("an import of a device that is being reset waits for it"):
        take_it(server, watcher).close()
        tree.put("2-4", "usbip_sockfd", "")
        with dial(server.port) as sock:
            sock.sendall(import_request("2-4"))
            server.list()
            server.list()
            tree.status("2-4", 1)
            check(read_exactly(sock, 8) == head(REP_IMPORT), "it was refused")
            check(record(read_exactly(sock, RECORD.size)).busid == "2-4", "another device")
            tree.status("2-4", 2)
            server.hup()

    with case("and is refused when that takes too long"):
        refuse(server, "2-4", BUSY)
        server.answers()


def run(*argv, **options):
    """The output of a program that has to succeed."""
    return subprocess.run([str(x) for x in argv], check=True, capture_output=True, text=True, **options).stdout


def run_server(tree, work, *argv):
    """A server that should not stay."""
    return subprocess.run([SERVER, "--sysfs", tree.root, "--run", work / "none", *argv],
                          stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          timeout=DEADLINE)


def strangers(work, tree):
    """In a network of their own, where public addresses are this machine's."""
    script = ("ip link set lo up && ip addr add 203.0.113.1 dev lo && "
              "ip -6 addr add 2001:db8::1 dev lo nodad && exec sleep 1000")
    net = subprocess.Popen(["setpriv", "--pdeathsig", "KILL", "unshare", "--net", "sh", "-c",
                            script])
    enter = ["nsenter", f"--net=/proc/{net.pid}/ns/net"]

    def ask(port, address):
        """What `list` says, from that address to itself."""
        done = subprocess.run([*enter, ROOT / "build" / "usbiphp", "list", "-p", str(port), address],
                              capture_output=True, text=True, timeout=DEADLINE)
        return done.stdout if done.returncode == 0 else None

    try:
        until(lambda: subprocess.run([*enter, "ip", "addr", "show", "dev", "lo"], text=True,
                                     capture_output=True).stdout.count("2001:db8::1"), "a network")
        for allow, good in (((), {"127.0.0.1", "[::1]"}),
                            (("203.0.113.0/24",), {"203.0.113.1"}),
                            (("2001:db8::/32", "127.0.0.1"), {"[2001:db8::1]", "127.0.0.1"}),
                            (("0.0.0.0/0", "::/0"),
                             {"127.0.0.1", "[::1]", "203.0.113.1", "[2001:db8::1]"})):
            log = work / f"strangers-{len(good)}{len(allow)}"
            with open(log, "wb") as file:
                process = subprocess.Popen(
                    ["setpriv", "--pdeathsig", "KILL", *enter, SERVER, "--sysfs", tree.root,
                     "--run", work / "strangers", *(x for a in allow for x in ("--allow", a))],
                    stdin=subprocess.DEVNULL, stdout=file, stderr=file)
            try:
                until(lambda log=log: log.read_text().count("listening on") == 2, "it listens")
                for address in ("127.0.0.1", "[::1]", "203.0.113.1", "[2001:db8::1]"):
                    for _ in range(2):
                        got = ask(3240, address)
                        check((got is not None) == (address in good),
                              f"--allow {allow}: {address} got {got}")
                said = log.read_text().count("--allow does not include this address")
                check(said == 4 - len(good), f"--allow {allow}: {said} are said")
            finally:
                process.terminate()
                process.wait(DEADLINE)
    finally:
        net.kill()
        net.wait()


def addresses(work):
    tree = Tree(work / "listen-sys")
    with case("it listens at every --listen, IPv6 too"):
        ports = [free_port(), free_port()]
        server = Server(work / "listen", tree, port=ports[0],
                        listen=[f"127.0.0.1:{ports[0]}", f"[::1]:{ports[1]}"])
        check(ask_list(ports[1], to="::1") == server.list(), "another list over IPv6")
        watcher = watch(ports[1], to="::1")
        check(watcher.next() == server.list(), "another list over IPv6")
        with contextlib.suppress(ConnectionRefusedError):
            dial(ports[1])
            raise LabError("it listens where it was not told to")
        check(server.stop() == 0, "its exit status")

    with case("who has a public address is refused, and served with --allow"):
        strangers(work, tree)

    with case("an address that is none is wrong usage"):
        for word in ("nonsense", "300.1.1.1", "127.0.0.1:65536", "127.0.0.1:http", "127.0.0.1:0",
                     "[::1", "[::1]x", "[1::2::3]:3240", ":3240", ""):
            done = run_server(tree, work, "-l", word)
            check(done.returncode == 2, f"'{word}': exit status {done.returncode}")
            check(done.stderr.count("\n") == 1 and not done.stdout, f"'{word}': {done.stderr!r}")

    with case("with --once it does not listen"):
        with socket.create_server(("127.0.0.1", 0)) as taken:
            name = "127.0.0.1:%d" % taken.getsockname()[1]
            done = run_server(tree, work, "--once", "--listen", name)
            check(done.returncode == 0, f"exit status {done.returncode}: {done.stderr}")
            check("in use" not in done.stderr, f"it tried to: {done.stderr}")


def passes(server, busid):
    """Two passes at least of a server that serves nobody: in its log a device goes that it saw."""
    def seen():
        server.tree.add(busid, MANY)
        server.hup()
        time.sleep(0.02)
        server.tree.remove(busid)
        server.hup()
        time.sleep(0.02)
        return f"{busid} (1a2b:3c4d): unplugged" in server.log()

    until(seen, f"it looks at the world: {server.log()}")


def port_in_use(work):
    with case("of two servers on a port the second says so once, and takes over"):
        first = Server(work / "first", interval=60)
        second = Server(work / "second", port=first.port, interval=1, wait=False)
        until(lambda: "in use" in second.log(), "it says that the port is in use")
        for i in range(5):
            passes(second, f"1-{i + 90}")
        check(second.log().count("in use") == 1, f"not said once: {second.log()}")
        first.answers()
        watcher = watch(first.port)
        check(watcher.next() is not None, "the first does not serve")
        check(first.stop() == 0, "exit status of the first")
        check(watcher.next() is None, "a watch of the first goes on")
        until(second.listening, "the second serves")
        second.answers()
        check(second.log().count("in use") == 1, f"not said once: {second.log()}")
        check(second.stop() == 0, "exit status of the second")

    with case("also with something else on that port"):
        taken = socket.create_server(("127.0.0.1", free_port()))
        server = Server(work / "other", port=taken.getsockname()[1], interval=1, wait=False)
        until(lambda: "in use" in server.log(), "it says that the port is in use")
        taken.close()
        until(server.listening, "it serves")
        server.answers()
        check(server.stop() == 0, "its exit status")


# The client, against servers of all kinds


class Fake:
    """A server whose list is `devices`. What it does with a watch is `watch`: "serve" it with a
    sign of life every 8 s, "once" with nothing after the first list, "close", or stay "silent".
    Its lists have the mark of our servers, unless it is "foreign". Imports are refused.
    """

    def __init__(self, watch, port=0, at="127.0.0.1"):
        self.watch, self.devices = watch, []
        self.lists = self.watches = self.signs = self.closed = self.most = 0
        self.imports, self.open, self.watchers = [], set(), set()
        self.lock, self.stopped = threading.RLock(), False
        family = socket.AF_INET6 if ":" in at else socket.AF_INET
        self.sock = socket.create_server((at, port), family=family)
        self.port = self.sock.getsockname()[1]
        threading.Thread(target=self.accept, args=(self.sock,), daemon=True).start()

    def accept(self, listener):
        with contextlib.suppress(OSError):
            while True:
                peer, _ = listener.accept()
                others = len(self.still_open())
                with self.lock:
                    self.open.add(peer)
                    self.most = max(self.most, others + 1)
                threading.Thread(target=self.serve, args=(peer,), daemon=True).start()

    def still_open(self):
        """Connections which the client has not closed; a closing that is on its way may arrive."""
        for _ in range(20):
            with self.lock:
                left = [s for s in self.open if not hung_up(s)]
            if not left:
                break
            time.sleep(0.01)
        return left

    def serve(self, peer):
        with contextlib.suppress(OSError, LabError):
            code = struct.unpack(">HHI", read_exactly(peer, 8))[1]
            if code == REQ_DEVLIST:
                self.lists += 1
                data = self.reply(REP_DEVLIST)
                peer.sendall(data if self.watch == "foreign" else marked(data))
                peer.shutdown(socket.SHUT_WR)
                read_all(peer)
            elif code == REQ_IMPORT:
                busid = read_exactly(peer, 32).rstrip(b"\0").decode()
                peer.sendall(head(REP_IMPORT, NA))
                self.imports.append(busid)
            elif code == REQ_WATCH:
                self.watches += 1
                self.serve_watch(peer)
        with self.lock:
            self.open.discard(peer)
            self.watchers.discard(peer)
        peer.close()

    def serve_watch(self, peer):
        if self.watch in ("close", "foreign"):
            return
        if self.watch != "silent":
            with self.lock:
                peer.sendall(self.reply(REP_WATCH))
                self.watchers.add(peer)
        peer.settimeout(8)
        with contextlib.suppress(OSError):
            while True:
                try:
                    if not peer.recv(1):
                        break
                except TimeoutError:
                    if self.watch == "serve":
                        self.push()
                        self.signs += 1
        self.closed += 1

    def reply(self, code):
        """The list; every device has one interface."""
        data = head(code) + struct.pack(">I", len(self.devices))
        for busid in self.devices:
            data += RECORD.pack(f"/sys/devices/{busid}".encode(), busid.encode(), 1, 5, 3, 0x1a2b,
                                0x3c4d, 0x100, 0, 0, 0, 1, 1, 1) + bytes([3, 1, 1, 0])
        return data

    def push(self, data=None):
        with self.lock:
            for peer in self.watchers:
                send(peer, data or self.reply(REP_WATCH))

    def hang_up(self):
        """Closes all watches."""
        with self.lock:
            for peer in self.watchers:
                peer.shutdown(socket.SHUT_RDWR)

    def close(self):
        """Nobody is here any more."""
        self.sock.shutdown(socket.SHUT_RDWR)
        self.sock.close()
        self.hang_up()


def client(work, name, interval, *fakes, argv=()):
    return Daemon(work / name, CLIENT, "--sysfs", work / "client-sys", "-i", str(interval), *argv,
                  *(f"127.0.0.1:{fake.port}" for fake in fakes))


def watch_serves(work):
    """The other server, which is polled every second, is the clock."""
    good, other, foreign = Fake("serve"), Fake("close"), Fake("foreign")
    daemon = client(work, "serves", 1, good, other, foreign)
    until(lambda: good.signs >= 2 and other.lists >= 12 and foreign.lists >= 12, "two signs of life")
    check((good.lists, good.watches) == (1, 1) and not good.closed,
          f"{good.lists} lists and {good.watches} watches of a server that can be watched")
    check(other.watches == 1, f"{other.watches} watches of one that cannot")
    check(other.most == 1, f"{other.most} connections at a time to one that cannot")
    check(not foreign.watches, f"{foreign.watches} watches of a stranger")
    check(daemon.stop() == 0, "its exit status")
    check("cannot" not in daemon.log(), f"it complains: {daemon.log()}")


def watch_pushes(work):
    """It looks at the world every minute only; what happens sooner is the watch's doing."""
    fake = Fake("serve")
    daemon = client(work, "pushes", 60, fake)
    until(lambda: fake.watchers, "a watch")
    for busid in ("1-1", "1-2"):
        fake.devices.append(busid)
        fake.push()
        until(lambda: busid in fake.imports, f"{busid} is imported")
    check(fake.lists == 1, f"{fake.lists} lists")
    check(len(fake.watchers) == 1 and fake.watches == 1, "the watch did not go on")
    fake.devices.remove("1-1")
    fake.push()
    fake.devices.append("1-3")
    fake.push()
    until(lambda: "1-3" in fake.imports, "1-3 is imported")
    check(daemon.stop() == 0, "its exit status")


def watch_closes(work):
    fake = Fake("serve")
    daemon = client(work, "closes", 60, fake)
    until(lambda: fake.watchers, "a watch")
    before = fake.lists
    fake.devices.append("1-1")
    fake.hang_up()
    until(lambda: fake.lists > before, "it asks for the list at once")
    until(lambda: fake.imports, "and imports what is new in it")
    check(daemon.stop() == 0, "its exit status")


def watch_returns(work):
    fake = Fake("serve")
    daemon = client(work, "returns", 2, fake)
    until(lambda: fake.watchers, "a watch")
    fake.close()
    until(lambda: "cannot reach" in daemon.log(), "it notices")
    again = Fake("serve", fake.port)
    until(lambda: again.watchers, "it watches again at once")
    check(daemon.stop() == 0, "its exit status")


def watch_silent(work):
    fake = Fake("silent")
    daemon = client(work, "silent", 1, fake)
    until(lambda: fake.closed, "it closes a watch that is not answered")
    until(lambda: fake.lists >= 5, "it polls on")
    check(fake.watches == 1, f"{fake.watches} watches")
    check(fake.most == 1, f"{fake.most} connections at a time")
    fake.devices.append("1-1")
    until(lambda: fake.imports, "it imports what the list shows")
    check(fake.most == 1, f"{fake.most} connections at a time")
    check(daemon.stop() == 0, "its exit status")
    check("cannot list" not in daemon.log(), f"it complains: {daemon.log()}")


def watch_dies(work):
    fake = Fake("once")
    daemon = client(work, "dies", 60, fake)
    until(lambda: fake.watchers, "a watch")
    before = fake.lists + fake.watches
    until(lambda: fake.closed, "it closes a watch that is silent for long", 60)
    until(lambda: fake.lists + fake.watches > before, "it connects again")
    check(daemon.stop() == 0, "its exit status")


def watch_garbles(work):
    """Nonsense in a watch costs the watch, not the server's devices."""
    for nonsense in (head(REP_DEVLIST) + bytes(4), head(REP_WATCH) + b"\xff" * 4, b"x" * 400,
                     head(REP_WATCH, version=0x0112) + bytes(4),
                     head(REP_WATCH) + b"\0\0\0\1" + b"x" * 800):
        fake = Fake("serve")
        daemon = client(work, f"garbled-{fake.port}", 1, fake)
        until(lambda: fake.watchers, "a watch")
        before = fake.lists
        fake.push(nonsense)
        until(lambda: fake.closed and fake.lists > before, "it closes the watch, and polls")
        daemon.alive()
        check(daemon.stop() == 0, "its exit status")
        fake.close()


def watch_once(work):
    fakes = [Fake("serve"), Fake("silent"), Fake("close")]
    daemon = client(work, "once", 60, *fakes, argv=["--once"])
    check(daemon.process.wait(DEADLINE) == 0, f"its exit status: {daemon.log()}")


CLIENT_CASES = {
    "a server that can be watched is asked for its list once": watch_serves,
    "what a server pushes is imported at once": watch_pushes,
    "a watch that ends: the client asks for the list at once": watch_closes,
    "a server that comes back is watched again at once": watch_returns,
    "a server that never answers a watch is polled, with one connection at a time": watch_silent,
    "a watch that is silent for long is dead": watch_dies,
    "nonsense in a watch ends it": watch_garbles,
    "--once is done with or without watch": watch_once,
}
SLOW_SERVER_CASES = {
    "nothing changes, and each watcher gets a sign of life": sign_of_life,
    "a request that trickles is cut off": trickle,
    "half requests are closed after a while": half_requests,
}


def test(work, pool):
    slow = {}
    quiet = Server(work / "quiet")
    few = Server(work / "few", files=64)
    slow["without free descriptors it neither spins nor ends, and goes on afterwards"] = \
        pool.submit(starved, few)
    for name, body in SLOW_SERVER_CASES.items():
        slow[name] = pool.submit(body, quiet)
    unpack("client-6.1.tree", work / "client-sys")
    for name, body in CLIENT_CASES.items():
        slow[name] = pool.submit(body, work)

    main = Server(work / "main")
    lists(main)
    session = imports(main)
    packets(main)
    resets(main)
    flooded(main)
    with case("a session outlives the time that a request may take"):
        check(session and not is_closed(session), "it was closed")
    crowds(Server(work / "crowd"))
    slow_readers(Server(work / "slow"))
    sessions(Server(work / "sessions"))
    addresses(work)
    port_in_use(work)
    for name, future in slow.items():
        with case(name):
            future.result(100)
    with case("all servers end as they should"):
        for daemon in Daemon.all:
            check(daemon.stop() == 0, f"an exit status: {daemon.log()[-300:]}")


def enter_namespaces():
    """Starts this test again, in namespaces of its own: network, mounts, processes."""
    if INSIDE not in os.environ:
        os.execvpe("unshare", ["unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc",
                               sys.executable, *sys.argv], {**os.environ, INSIDE: "1"})
    run("ip", "link", "set", "lo", "up")


def run_in_memory(body):
    """All of a test, in a directory of its own; then shows the logs."""
    work = pathlib.Path(tempfile.mkdtemp(dir="/dev/shm" if os.path.isdir("/dev/shm") else None))
    try:
        with case("ran to its end"):
            body(work)
        for daemon in Daemon.all:
            print(f"--- {daemon.log_file}\n{daemon.log()}", file=sys.stderr)
    finally:
        shutil.rmtree(work)
    finish()


def main():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 8192)), hard))
    pool = concurrent.futures.ThreadPoolExecutor(max_workers=16)
    run_in_memory(lambda work: test(work, pool))


if __name__ == "__main__":
    main()
