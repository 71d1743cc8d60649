# SPDX-License-Identifier: MIT
"""A crowd of hostile peers in a process of its own, and what it may not change in a daemon.

A body, `async def body(peer)`, is what one connection does. A crowd runs it on many connections at a
time, each again as soon as it has ended, until it is told to stop. What goes on is counted on a board
that both processes see, so that a test can say: this happened, then that, and the attack went on.
"""

import asyncio
import contextlib
import ctypes
import multiprocessing
import multiprocessing.sharedctypes
import os
import pathlib
import random
import re
import select
import socket
import struct
import time
import traceback

from lab import check
from t_network import DEADLINE, until

TICK = 0.05  # seconds between looks at a connection that does nothing


class Board(ctypes.Structure):
    """begun, ended: connections; ticks: a connection did nothing, and the other end lets it; the
    rest is counted by bodies."""
    _fields_ = [(name, ctypes.c_int64) for name in
                ("stop", "begun", "ended", "ticks", "role", "lists", "imports", "watches", "other",
                 "finished")]


class Peer:
    """One end of a connection: the hostile one. OSError is how it ends, and no failure."""

    def __init__(self, sock, board, some):
        self.sock, self.board, self.random = sock, board, some
        self.role = board.role

    async def send(self, data):
        await asyncio.get_running_loop().sock_sendall(self.sock, data)

    async def receive(self, size=65536):
        """b"" at the end."""
        return await asyncio.get_running_loop().sock_recv(self.sock, size)

    async def exactly(self, size):
        data = b""
        while len(data) < size:
            part = await self.receive(size - len(data))
            if not part:
                raise ConnectionResetError(f"closed after {len(data)} of {size} bytes")
            data += part
        return data

    async def rest(self):
        """What comes until the other end closes, whichever way it does."""
        data = b""
        with contextlib.suppress(ConnectionResetError, BrokenPipeError):
            while part := await self.receive():
                data += part
        return data

    async def pause(self, seconds=TICK):
        await asyncio.sleep(seconds)
        self.board.ticks += 1
        if self.board.role != self.role:
            raise ConnectionAbortedError("another role by now")

    def is_closed(self):
        """Whether the other end has closed; nothing is read."""
        poll = select.poll()
        poll.register(self.sock, select.POLLRDHUP)
        return bool(poll.poll(0))

    async def hold(self):
        """Nothing, until the other end closes."""
        while not self.is_closed():
            await self.pause()

    def half(self):
        self.sock.shutdown(socket.SHUT_WR)

    def reset(self):
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()


def family(address):
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def address_of(network, i):
    """The i-th of a network such as 10.9.0.0/16: 16 bits differ. Of fd00:9:9::/48 each is in a /64 of
    its own, of fd00:9:9:9::/64 all are in that one."""
    base, _, bits = network.partition("/")
    if ":" not in base:
        return socket.inet_ntoa(socket.inet_aton(base)[:2] + struct.pack(">H", i))
    raw, at = socket.inet_pton(socket.AF_INET6, base), 6 if bits == "48" else 12
    return socket.inet_ntop(socket.AF_INET6, raw[:at] + struct.pack(">H", i) + raw[at + 2:15] + b"\1")


class Crowd:
    """A process; it is there from the `with` on, and gone with all its connections after it."""

    def __init__(self, work, seed):
        self.board = multiprocessing.sharedctypes.RawValue(Board)
        self.faults, self.seed = work / "faults", seed
        self.process = None

    def __enter__(self):
        self.faults.unlink(missing_ok=True)
        self.process = multiprocessing.get_context("fork").Process(target=self.run, daemon=True)
        self.process.start()
        return self

    def __exit__(self, kind, error, trace):
        self.board.stop = 1
        self.process.join(DEADLINE)
        if self.process.is_alive():
            self.process.kill()
            self.process.join()
        if kind is None:
            self.no_fault()

    def no_fault(self):
        """A check of a body has not failed."""
        text = self.faults.read_text() if self.faults.exists() else ""
        check(not text, text)

    def run(self):
        try:
            asyncio.run(self.main())
        except BaseException as error:  # pylint: disable=broad-except
            self.report(error)
        os._exit(0)

    def report(self, error):
        with open(self.faults, "a", encoding="utf-8") as file:
            file.write(f"{error or type(error).__name__}\n")
        traceback.print_exception(error)

    async def main(self):
        tasks = [asyncio.create_task(self.guard(work)) for work in self.works()]
        while not self.board.stop:
            await asyncio.sleep(TICK)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def guard(self, work):
        try:
            await work
        except Exception as error:  # pylint: disable=broad-except
            self.report(error)

    def works(self):
        raise NotImplementedError

    async def one(self, sock, body, some):
        """One connection from its begin to its end."""
        peer = Peer(sock, self.board, some)
        try:
            self.board.begun += 1
            await body(peer)
        except OSError:
            pass
        finally:
            sock.close()
            self.board.ended += 1

    def progress(self):
        check(self.process.is_alive(), "the attack has ended")
        self.no_fault()
        return self.board.ended + self.board.ticks

    def goes_on(self):
        """Waits until more of it has happened."""
        now = self.progress()
        until(lambda: self.progress() > now, "the attack goes on")


class Callers(Crowd):
    """Connections to a server, `number` at a time from `addresses` addresses. They go to each of
    `targets`, (ADDRESS, PORT, NETWORK of their own), in turn."""

    def __init__(self, work, seed, body, number, addresses, targets, receive=0):
        super().__init__(work, seed)
        self.body, self.number, self.addresses = body, number, addresses
        self.targets, self.receive_buffer = targets, receive

    def works(self):
        return (self.caller(i) for i in range(self.number))

    async def caller(self, i):
        to, port, network = self.targets[i % len(self.targets)]
        source = address_of(network, 2 + i // len(self.targets) % self.addresses)
        some = random.Random(f"{self.seed} {i}")
        while True:
            sock = socket.socket(family(to))
            sock.setblocking(False)
            try:
                if self.receive_buffer:
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self.receive_buffer)
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                sock.bind((source, 0))
                await asyncio.get_running_loop().sock_connect(sock, (to, port))
            except (ConnectionError, TimeoutError):
                sock.close()
                self.board.ended += 1
            else:
                await self.one(sock, self.body, some)
            await asyncio.sleep(0)

    def begun(self):
        """Waits until each has been there."""
        until(lambda: self.progress() >= 0 and self.board.begun >= self.number,
              f"{self.number} connections")


class Liars(Crowd):
    """A server that does to each connection what `bodies[board.role]` is at that time."""

    def __init__(self, work, seed, bodies, at="127.0.0.1", port=0):
        work.mkdir(exist_ok=True)
        super().__init__(work, seed)
        self.bodies = bodies
        self.listener = socket.create_server((at, port), family=family(at))
        self.listener.setblocking(False)
        self.port = self.listener.getsockname()[1]
        self.name = f"[{at}]:{self.port}" if ":" in at else f"{at}:{self.port}"

    def works(self):
        return [self.accept()]

    async def accept(self):
        tasks = set()
        while True:
            sock, _ = await asyncio.get_running_loop().sock_accept(self.listener)
            sock.setblocking(False)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            some = random.Random(f"{self.seed} {self.board.begun}")
            task = asyncio.create_task(self.guard(self.one(sock, self.body(sock), some)))
            tasks.add(task)
            task.add_done_callback(tasks.discard)

    def body(self, sock):
        return self.bodies[self.board.role]


class LiarsByAddress(Liars):
    """The same, with an address for each of them: 127.1.0.0 is the first one's."""

    def __init__(self, work, seed, bodies):
        super().__init__(work, seed, bodies, "0.0.0.0")

    def body(self, sock):
        return self.bodies[struct.unpack(">I", socket.inet_aton(sock.getsockname()[0]))[0] & 0xffff]

    def host(self, i):
        return f"{address_of('127.1.0.0/16', i)}:{self.port}"


# What is flat


def descendants(pid):
    """All processes below that one, zombies too."""
    parents = {}
    for path in pathlib.Path("/proc").iterdir():
        if path.name.isdigit():
            with contextlib.suppress(OSError):
                text = (path / "stat").read_text().rpartition(")")[2]
                parents[int(path.name)] = int(text.split()[1])
    found = {pid}
    while more := {p for p, parent in parents.items() if parent in found} - found:
        found |= more
    return found - {pid}


def memory(pid):
    """Resident memory, and what of it is no file's, in kB. Pss would change with other processes."""
    text = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text()
    return [int(re.search(rf"^{name}: +(\d+)", text, re.M)[1]) for name in ("Rss", "Anonymous")]


RSS_MORE, ANONYMOUS_MORE = 96, 16  # kB: pages of the program that were never used before
LINES_MORE, LINE_MAX = 12, 400
LOOKS = 15


def wait_a_little():
    time.sleep(0.01)


class Flat:
    """What a daemon has, before an attack: between one request and the next, if it makes any."""

    def __init__(self, daemon, measure=True):
        self.daemon, self.measure = daemon, measure
        self.fds = min(wait_a_little() or daemon.fds() for _ in range(LOOKS))
        self.children = len(descendants(daemon.pid))
        self.rss, self.anonymous = memory(daemon.pid)
        self.logged = daemon.log_file.stat().st_size

    def new_log(self):
        with open(self.daemon.log_file, "rb") as file:
            file.seek(self.logged)
            return file.read()

    def check(self, lines=LINES_MORE):
        """It has no more than before, and has logged little, with no byte that is not to be printed."""
        daemon = self.daemon
        until(lambda: daemon.fds() <= self.fds, f"{self.fds} descriptors as before")
        until(lambda: len(descendants(daemon.pid)) <= self.children,
              f"{self.children} processes as before")
        if self.measure:
            rss, anonymous = memory(daemon.pid)
            check(rss <= self.rss + RSS_MORE, f"{rss} kB, was {self.rss}")
            check(anonymous <= self.anonymous + ANONYMOUS_MORE,
                  f"{anonymous} kB of its own, was {self.anonymous}")
        text = self.new_log()
        check(text.count(b"\n") <= lines, f"{text.count(10)} lines are logged: {text[-300:]!r}")
        check(all(len(x) <= LINE_MAX for x in text.splitlines()), "a line is very long")
        check(all(c == 10 or 32 <= c < 127 for c in text),
              f"the log has a byte that is not printable: {text[-300:]!r}")
