#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Hostile clients against the server, and hostile servers against the client; no USB is involved.

t_hostile.py [--long] [--seed SEED] [WORD...]: only the cases whose name has one of the words. All of
it is in namespaces of its own: network, where thousands of addresses are this machine's, and processes.

While an attack lasts, an honest peer is served: its request is complete before the attack ends.
Afterwards the daemon has as many descriptors and processes, and as much memory, as before.
"""

import argparse
import concurrent.futures
import contextlib
import fcntl
import os
import pathlib
import resource
import signal
import socket
import subprocess
import sys
import traceback

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests" / x) for x in ("hostile", "net", "vm", ".")]

import client  # noqa: E402
import server  # noqa: E402
import tls13  # noqa: E402
from crowd import Callers, Flat, Liars, LiarsByAddress, address_of  # noqa: E402
from fixture import unpack  # noqa: E402
from lab import case, check  # noqa: E402
from t_network import (CLIENT, DEADLINE, SERVER, Daemon, Fake, Server, Tree, ask_list, close_all, dial,  # noqa: E402
                       enter_namespaces, free_port, is_release, read_all, read_exactly, reset, run, run_in_memory,
                       start_session, until, watch)

V4, V6 = "10.9.0.0/16", "fd00:9:9::/48"
ONE_V6 = "fd00:9:9:9::/64"
STRANGE_V4, STRANGE_V6 = "203.0.0.0/16", "2001:db8:9::/48"  # not allowed by default
HERE = {V4: "10.9.0.1", V6: "fd00:9:9::1", STRANGE_V4: "203.0.0.1", STRANGE_V6: "2001:db8:9::1"}
PLACES = 512  # of a server
ROUNDS = 3  # of an honest peer during an attack
PUSHES = 500  # lists on a watch
SHARE = 6  # of the lies, one after the other to one client; all clients run at a time
TCP_ULP = 31


def make_network():
    """Every address of these networks is this machine's."""
    pathlib.Path("/proc/sys/net/ipv6/ip_nonlocal_bind").write_text("1")
    for network, here in HERE.items():
        run("ip", "address", "add", f"{here}/{network.partition('/')[2]}", "dev", "lo")
        if ":" in network:
            run("ip", "-6", "route", "add", "local", network, "dev", "lo")


def has_tls():
    """Whether the kernel here has TLS, without which there is nothing behind a handshake."""
    with socket.create_server(("127.0.0.1", 0)) as listener, dial(listener.getsockname()[1]) as sock:
        try:
            sock.setsockopt(socket.IPPROTO_TCP, TCP_ULP, b"tls")
        except OSError:
            return False
    return True


# The server


class Target:
    """A server under attack, and how an honest peer asks it."""

    def __init__(self, work, options, keys):
        work.mkdir()
        self.work, self.options, self.keys = work, options, keys
        argv = ()
        if keys:
            (work / "keys").write_text(f"pi:{'0c' * 32}\n{client.NAME}:{client.KEY}\n")
            (work / "keys").chmod(0o600)
            argv = ("--psk", work / "keys", "--allow", "127.0.0.0/8", "--allow", V4, "--allow", V6)
        port = free_port()
        self.server = Server(work, Tree(work / "sys"), port=port, argv=argv,
                             listen=[f"0.0.0.0:{port}", f"[::]:{port}"])
        self.server.tree.status(client.IN_USE, 2)
        self.server.listed(self.server.tree.exported())
        self.targets = [(HERE[x], port, x) for x in (V4, V6)]
        self.warm_up()

    def warm_up(self):
        """Uses every place once, so that its memory is there."""
        self.honest()
        socks = [dial(self.server.port, f"127.0.0.{i % 4 + 2}") for i in range(PLACES)]
        until(lambda: self.server.connections() == PLACES, "all places are in use")
        for sock in socks if self.keys else ():
            sock.sendall(bytes([tls13.HANDSHAKE]))  # a handshake begins
        close_all(socks)
        self.server.idle_fds()

    def honest(self):
        """A good client is served, by IPv4 and IPv6, from addresses that no attack has."""
        want = self.server.tree.exported()
        check(self.server.list(source="127.0.0.9").keys() == want, "another list")
        if self.keys:
            self.handshake(want)
        else:
            check(ask_list(self.server.port, to="::1").keys() == want, "another list by IPv6")

    def handshake(self, want):
        """With a key; and the list."""
        end = tls13.Client(client.NAME, client.KEY)
        with dial(self.server.port, address_of(V4, 60000), HERE[V4]) as sock:
            def record():
                header = read_exactly(sock, 5)
                return header + read_exactly(sock, int.from_bytes(header[3:], "big"))

            sock.sendall(tls13.record(tls13.HANDSHAKE, end.hello()))
            end.take_hello(record()[5:])
            sock.sendall(end.take_flight(record()))
            if self.options.tls:
                sock.sendall(end.client.seal(tls13.DATA, client.DEVLIST))
                check(client.whole_list(end.server.open(record())[1]).keys() == want, "another list")

    @contextlib.contextmanager
    def flat(self, **limits):
        """After the block the server has what it had before it."""
        self.server.idle_fds()
        flat = Flat(self.server, is_release(SERVER))
        yield flat
        until(lambda: self.server.connections() == 0, "it holds no connection")
        flat.check(**limits)
        self.honest()

    def attack(self, name, attack):
        times = 10 if self.options.long else 1
        with self.options.case(f"server, {'keys' if self.keys else 'plain'}: {name}") as chosen:
            if not chosen:
                return
            with self.flat(), Callers(self.work, f"{self.options.seed} {name}", attack.body, attack.number,
                                      attack.addresses, self.targets, attack.receive) as crowd:
                crowd.begun()
                for _ in range(ROUNDS * times):
                    crowd.goes_on()
                    self.honest()
                    crowd.goes_on()


def half_ask(port, data, source, to):
    """All that comes, when nothing more is said."""
    with dial(port, source, to) as sock:
        sock.sendall(data)
        sock.shutdown(socket.SHUT_WR)
        return read_all(sock)


def repeated_hello(target):
    """A hello is answered once, and whoever has recorded it gets nothing."""
    hello = tls13.record(tls13.HANDSHAKE, tls13.Client(client.NAME, client.KEY).hello())
    for i in range(5):
        got = half_ask(target.server.port, hello, address_of(V4, 9), HERE[V4])
        check(client.is_refusal(got) == (i > 0), f"the {i}-th time it gets {got[:16].hex()}")


def watches_of_one_network(target):
    """One /64 has as many places as one address."""
    server, before = target.server, target.server.idle_fds()
    with target.flat(), Callers(target.work, target.options.seed, client.watch, PLACES + 100, 200,
                                [(HERE[V6], server.port, ONE_V6)]) as crowd:
        crowd.begun()
        until(lambda: server.fds() >= before + PLACES // 2, "it has half of the places")
        for _ in range(ROUNDS):
            crowd.goes_on()
            target.honest()
            crowd.goes_on()
            check(server.fds() <= before + PLACES // 2 + 2, "it has more than half of the places")


def strangers(target):
    """Addresses that are not allowed: thousands of them fill neither places nor the log."""
    targets = [(HERE[x], target.server.port, x) for x in (STRANGE_V4, STRANGE_V6)]
    with target.flat(lines=40), Callers(target.work, target.options.seed, client.clear_text, 1000, 500,
                                        targets) as crowd:
        crowd.begun()
        for _ in range(ROUNDS):
            crowd.goes_on()
            target.honest()
            crowd.goes_on()


def sessions_dropped(target):
    """A device is imported again and again, by clients that leave at once: others still see the list."""
    want = target.server.tree.exported() - {client.FREE}
    with target.flat(lines=10 ** 9), Callers(target.work, target.options.seed, client.drop_session, 20, 4,
                                             target.targets) as crowd:
        crowd.begun()
        for _ in range(ROUNDS):
            crowd.goes_on()
            check(want <= target.server.list(source="127.0.0.9").keys(), "another list")
            crowd.goes_on()


def reload_and_stop(work, options):
    """Under attack by watches, requests and connections that say nothing."""
    target = Target(work / "stop", options, False)
    with Callers(target.work, options.seed, client.watch, 300, 4, target.targets) as watches, \
            Callers(work, options.seed, client.random_requests, 50, 4, target.targets) as requests:
        watches.begun()
        requests.begun()
        for i in range(2, 5):
            target.server.hup()
            until(lambda i=i: target.server.log().count("reloaded") == i, "it reloads")
            requests.goes_on()
        target.honest()
        requests.goes_on()
        check(target.server.stop() == 0, f"its exit status: {target.server.log()[-300:]}")


def log_unread(work, options):
    """A log that nobody reads, as that of a syslogd that hangs, stops nothing; nor the stop."""
    work = work / "unread"
    work.mkdir()
    reading, writing = os.pipe()
    fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, 4096)
    with open(writing, "wb", buffering=0) as pipe:
        os.set_blocking(writing, False)
        with contextlib.suppress(BlockingIOError):
            while pipe.write(bytes(4096)):
                pass
        os.set_blocking(writing, True)
        port, tree = free_port(), Tree(work / "sys")
        process = subprocess.Popen(["setpriv", "--pdeathsig", "KILL", SERVER, "--run", work / "run", "--sysfs",
                                    tree.root, "-v", "--listen", f"127.0.0.1:{port}"],
                                   stdin=subprocess.DEVNULL, stdout=pipe, stderr=pipe)
        try:
            with Callers(work, options.seed, client.random_requests, 20, 4,
                         [("127.0.0.1", port, "127.0.0.0/16")]) as crowd:
                crowd.begun()
                check(ask_list(port).keys() == tree.exported(), "another list")
                crowd.goes_on()
            process.terminate()
            check(process.wait(DEADLINE) == 0, "its exit status")
        finally:
            process.kill()
            process.wait()
    os.close(reading)


def port_taken(work, options):
    """With keys, another program at its port means that nothing is exported."""
    work = work / "taken"
    work.mkdir()
    unpack("host-6.1.tree", work / "sys")
    (work / "keys").write_text(f"{client.NAME}:{client.KEY}\n")
    (work / "keys").chmod(0o600)
    with socket.create_server(("0.0.0.0", free_port())) as taken:
        daemon = Daemon(work, SERVER, "--sysfs", work / "sys", "--psk", work / "keys", "--take-all", "-i", "1",
                        "--engine", "kernel", "--listen", "0.0.0.0:%d" % taken.getsockname()[1])
        until(lambda: "no device is exported" in daemon.log(), f"it says so: {daemon.log()}")
        bind = work / "sys/bus/usb/drivers/usbip-host/bind"
        check(bind.read_bytes() == b"", f"it takes {bind.read_bytes()}")
        check(daemon.stop() == 0, "its exit status")


OF_TARGET = {"watches of one /64": watches_of_one_network, "addresses that are not allowed": strangers,
             "sessions that end at once": sessions_dropped}
ALONE = {"server: reloads and stops under attack": reload_and_stop,
         "server: a log that nobody reads": log_unread,
         "server: with keys, and its port taken": port_taken}


def server_attacks(work, options):
    for keys, attacks in ((False, client.PLAIN), (True, client.KEYED)):
        kind = "keys" if keys else "plain"
        more = {"a hello is answered once": repeated_hello} if keys else OF_TARGET
        if not any(options.wants(f"server, {kind}: {x}") for x in [*more, *(x.name for x in attacks)]):
            continue
        with case(f"server, {kind}: serves and stops"):
            target = Target(work / kind, options, keys)
            for attack in attacks:
                target.attack(attack.name, attack)
            for name, body in more.items():
                with options.case(f"server, {kind}: {name}") as chosen:
                    if chosen:
                        body(target)
            check(target.server.stop() == 0, f"its exit status: {target.server.log()[-300:]}")
    for name, body in ALONE.items():
        with options.case(name) as chosen:
            if chosen:
                body(work, options)


# The client


class Victim:
    """A client of two servers: one that lies, and one that does not. It is told all names that it will
    hear at first, so that there is memory for them."""

    def __init__(self, work, options, group, lies, keys=False, argv=()):
        work.mkdir(exist_ok=True)
        self.work, self.options, self.group, self.lies, self.keys = work, options, group, lies, keys
        first = server.tls_honest if keys else server.honest
        self.liars = Liars(work, options.seed, [first, server.warm, *(x.body for x in lies)],
                           at="::1" if group == "lists" else "127.0.0.1")
        self.beside = Liars(work / "beside", options.seed, [server.tls_honest]) if keys else None
        self.argv = argv
        self.daemon = self.good = None

    def start(self):
        """In the thread that works with it, after all crowds have been forked."""
        argv = self.argv
        if self.keys:
            (self.work / "keys").write_text(f"{client.NAME}:{client.KEY}\n")
            (self.work / "keys").chmod(0o600)
            argv = (*argv, "--psk", self.work / "keys")
        else:
            self.good = Fake("serve")
        sysfs = self.work / "sys"
        unpack("client-6.1.tree", sysfs)
        names = (self.liars.name, self.beside.name if self.keys else f"127.0.0.1:{self.good.port}")
        self.daemon = Daemon(self.work / "daemon", CLIENT, "--sysfs", sysfs, "-i", "1", *argv, *names)

    def warm_up(self):
        if self.keys:
            until(lambda: self.liars.board.finished and self.beside.board.finished, "two handshakes")
            return
        self.liars.board.role = 1
        self.good.devices = [f"2-{i}" for i in range(len(self.lies))]
        until(lambda: self.good.watchers, "a watch")
        until(lambda: len(set(self.good.imports)) == len(self.lies), "it imports all")
        until(lambda: self.liars.board.imports >= 128, "it imports all", 2 * DEADLINE)
        self.good.devices = []
        self.good.push()
        self.rest()

    def rest(self):
        """The liar is honest again."""
        board = self.liars.board
        board.role = 0
        which = "finished" if self.keys else "lists"
        now = getattr(board, which)
        until(lambda: getattr(board, which) > now, "it asks on")

    def honest(self, i):
        """The good server's new device is imported; one that comes often would have to wait."""
        if self.keys:
            now = self.beside.board.finished
            until(lambda: self.beside.board.finished > now, "a handshake with the good server")
            return
        self.good.imports.clear()
        self.good.devices = [f"2-{i}"]
        self.good.push()
        until(lambda: self.good.imports, f"2-{i} is imported: {self.daemon.log()[-300:]}")
        self.good.devices = []
        self.good.push()

    def lie(self, i, lie):
        times = 10 if self.options.long else 1
        flat = Flat(self.daemon, is_release(CLIENT))
        self.liars.board.role = 2 + i
        asked = self.liars.board.begun
        until(lambda: self.liars.board.begun > asked, "it asks the liar")
        for _ in range(times):
            self.liars.goes_on()
        self.honest(i)
        self.liars.goes_on()
        self.rest()
        flat.check(lie.lines)
        self.liars.no_fault()

    def name(self, lie):
        return f"client, {self.group}: {lie.name}"

    def run(self):
        """Why each of its cases has failed: None or an exception, by name; it goes on after one."""
        results = {}
        self.start()
        self.warm_up()
        for i, lie in enumerate(self.lies):
            if not self.options.wants(self.name(lie)):
                continue
            try:
                self.lie(i, lie)
                results[self.name(lie)] = None
            except Exception as error:  # pylint: disable=broad-except
                results[self.name(lie)] = error
                self.liars.faults.unlink(missing_ok=True)
        check(self.daemon.stop() == 0, f"its exit status: {self.daemon.log()[-300:]}")
        return results


class Watching(Victim):
    """A client with a watch of a server, which then lies in it. It is a client for one lie only, as
    such a server is asked for a watch again after a minute."""

    def __init__(self, work, options, lie):
        super().__init__(work, options, "watch", [])
        self.lies = [lie]
        self.liars.bodies = [lie.body, server.honest]

    def warm_up(self):
        until(lambda: self.good.watchers, "a watch")
        self.honest(0)
        board = self.liars.board
        until(lambda: board.imports >= 128 and board.watches, "it imports all, and watches")

    def lie(self, i, lie):
        flat, board = Flat(self.daemon, is_release(CLIENT)), self.liars.board
        imports, board.finished = board.imports, 1
        self.liars.goes_on()
        self.honest(1)
        until(lambda: self.liars.progress() and (board.other >= PUSHES or not board.other),
              f"{PUSHES} lists")
        self.honest(2)
        self.liars.goes_on()
        more = board.imports - imports
        check(more <= lie.imports, f"{more} imports")
        board.role = 1
        now = board.lists
        until(lambda: board.lists > now, "it asks on")
        flat.check(lie.lines)


def run_list(*words):
    return subprocess.run([ROOT / "build" / "usbiphp", "list", *words], stdin=subprocess.DEVNULL,
                          capture_output=True, timeout=4 * DEADLINE, check=False)


def check_list(done, name):
    """It ends with one line, or more if it got a list, and says nothing that is not printable."""
    check(done.returncode in (0, 1), f"{name}: exit status {done.returncode}: {done.stderr[-200:]!r}")
    lines = done.stderr.count(b"\n")
    check(lines <= 2 and (lines or not done.returncode), f"{name}: {done.stderr[-300:]!r}")
    text = done.stdout + done.stderr
    check(all(c == 10 or 32 <= c < 127 for c in text), f"{name}: not printable: {text[-300:]!r}")


def list_command(work, options, pool):
    """`usbiphp list` gets every lie, and every list that is cut off."""
    keys = work / "list-keys"
    keys.write_text(f"{client.NAME}:{client.KEY}\n")
    keys.chmod(0o600)
    whole = server.devices_of(server.device(b"1-1"), server.device(b"1-2"))
    rows = (("ends, whatever it is told", [x.body for x in server.LISTS], ()),
            ("ends, whatever it is told in TLS", [x.body for x in server.TLS], ("--psk", keys)),
            ("fails, wherever a list is cut off",
             [server.lists(lambda some, i=i: whole[:i]) for i in range(len(whole) + 1)], ()))
    for name, bodies, words in rows:
        with options.case(f"client, list: {name}") as chosen:
            if not chosen:
                continue
            with LiarsByAddress(work, options.seed, bodies) as liars:
                hosts = [liars.host(i) for i in range(len(bodies))]
                for i, done in enumerate(pool.map(lambda x: run_list(*words, x), hosts)):
                    check_list(done, f"lie {i}")
                    if "cut off" in name:
                        check(done.returncode == (i < len(whole)), f"{i} bytes: {done.returncode}")


NAMED, LIAR, HONEST = "pi.test", "127.0.0.21", "127.0.0.22"


def two_addresses(work, options):
    """Of a name with two addresses the one that lies first does not keep the client from the other."""
    work = work / "named"
    work.mkdir()
    unpack("client-6.1.tree", work / "sys")
    (work / "hosts").write_text(f"{LIAR} {NAMED}\n{HONEST} {NAMED}\n")
    run("mount", "--bind", str(work / "hosts"), "/etc/hosts")
    try:
        for i, lie in enumerate((server.hang_up, server.reset, server.hang, server.lists(server.wrong_words))):
            with Liars(work / "liar", options.seed, [lie], LIAR) as liar, \
                    Liars(work / "honest", options.seed, [server.honest], HONEST, liar.port) as honest:
                daemon = Daemon(work / f"client-{i}", CLIENT, "--sysfs", work / "sys", "-i", "1",
                                f"{NAMED}:{liar.port}")
                until(lambda: liar.board.begun, "the first address is tried")
                until(lambda: honest.board.lists > 1, f"lie {i}: the other address is asked, and again")
                check(daemon.stop() == 0, "its exit status")
    finally:
        run("umount", "/etc/hosts")


def client_lies(work, options):
    victims = [Victim(work / f"{group}-{i}", options, group, lies[i:i + SHARE], group == "keys",
                      ("--rule", "deny serial none") if group == "queries" else ())
               for group, lies in (("lists", server.LISTS), ("imports", server.IMPORTS),
                                   ("queries", server.QUERIES), ("keys", server.TLS))
               for i in range(0, len(lies), SHARE)]
    victims += [Watching(work / f"watch-{i}", options, lie) for i, lie in enumerate(server.WATCHES)]
    victims = [x for x in victims if any(options.wants(x.name(lie)) for lie in x.lies)]
    with contextlib.ExitStack() as stack:
        for victim in victims:
            for crowd in (victim.liars, victim.beside):
                if crowd:
                    stack.enter_context(crowd)
        pool = concurrent.futures.ThreadPoolExecutor(max_workers=len(victims) or 1)
        for victim, future in [(x, pool.submit(x.run)) for x in victims]:
            with case(f"client, {victim.group}: serves and stops"):
                for name, error in future.result().items():
                    with case(name):
                        if error:
                            raise error


class Options:
    def __init__(self):
        parser = argparse.ArgumentParser()
        parser.add_argument("--long", action="store_true")
        parser.add_argument("--seed", default="1")
        parser.add_argument("words", nargs="*")
        parser.parse_args(namespace=self)

    def wants(self, name):
        return not self.words or any(word in name for word in self.words)

    @contextlib.contextmanager
    def case(self, name):
        """A case, if it is wanted; yields whether it is."""
        if not self.wants(name):
            yield False
        else:
            with case(name):
                yield True


def test(work, options):
    server_attacks(work, options)
    list_command(work, options, concurrent.futures.ThreadPoolExecutor(max_workers=40))
    with options.case("client: a name with two addresses") as chosen:
        if chosen:
            two_addresses(work, options)
    client_lies(work, options)


def main():
    options = Options()
    enter_namespaces()
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(16384, resource.getrlimit(resource.RLIMIT_NOFILE)[1]),) * 2)
    make_network()
    options.tls = has_tls()
    print(f"seed {options.seed}", file=sys.stderr)
    run_in_memory(lambda work: test(work, options))


if __name__ == "__main__":
    main()
